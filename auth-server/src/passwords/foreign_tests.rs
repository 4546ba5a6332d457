//! One hash of each kind, made by passlib 1.7.4, Django 5.2.19, argon2-cffi and Python's hashlib (Keycloak) at low costs.

use rstest::rstest;

use super::*;
use crate::passwords::Plain;
use crate::passwords::hash::{Check, Hasher};
use crate::passwords::memory::Memory;

const PASSWORD: &str = "zwölf grüne Äpfel fallen";

fn reader() -> Reader {
    Reader::new(&Settings::default()).unwrap()
}

fn check(stored: &Hashed, password: &str) -> Check {
    let plain = Plain::new(password.to_owned()).unwrap();
    Hasher::new(&Settings::default()).unwrap().check(stored.as_str(), &plain, &mut Memory::new()).unwrap()
}

#[rstest]
#[case::passlib_sha1("$pbkdf2$1000$iPF.j1EqpdRai3GuNcZ4zw$sUfR.IZpqhrdMx0mCy9ZUmBsYnc", "$pbkdf2-sha1$i=1000,l=20$")]
#[case::passlib_sha256(
    "$pbkdf2-sha256$1000$xPifE6J0bq1Vai3l/L.XUg$YMJGR1.FEmjYvvtfvDV.NiOAK/D9PKEEfTc6lrRzOjo",
    "$pbkdf2-sha256$i=1000,l=32$"
)]
#[case::passlib_sha512(
    "$pbkdf2-sha512$1000$z3mv9R6jNCakFEKolVJKqQ$VkiOSbsOr4x2L.GtHlwd6xsPLZFKngal0JTLAtULecbH4IH55GU5FZSx29vwPIUYWhSSFqhCqr8muwKPA6tEmQ",
    "$pbkdf2-sha512$i=1000,l=64$"
)]
#[case::passlib_scrypt(
    "$scrypt$ln=8,r=8,p=1$H+N8b6313nvvHWPMec+59w$dSV6zcXAgSUJBzgE+9ugnk3dpqiUyEOMNXIx5N2MTnc",
    "$scrypt$ln=8,r=8,p=1$"
)]
#[case::passlib_bcrypt("$2b$04$RwYVKKlH3PoffRb0VAQl9OAaXuDVYEiVUK3T65OeKSpgj0sPYuEUa", "$2b$04$")]
#[case::passlib_bcrypt_sha256(
    "$bcrypt-sha256$v=2,t=2b,r=4$.1kITll/I6R1lemaT7akN.$inWjDoq9BGHsFvoVe3GHU1B1ehEfoBG",
    "$bcrypt-sha256$v=2,"
)]
#[case::passlib_bcrypt_sha256_of_old(
    "$bcrypt-sha256$2b,4$uu/Xo2KnNJYWu/RYiUtpde$GLEVsHuzzybcrEJwLlb9ifQZt1J4JoO",
    "$bcrypt-sha256$2b,4$"
)]
#[case::passlib_argon2(
    "$argon2id$v=19$m=8192,t=1,p=1$ttY655xTqrWWcg6h9H6PUQ$Mz+ypZDCy4tIxc5ca4iUczq21s846AFWSOwZaLwk1MU",
    "$argon2id$v=19$m=8192,"
)]
#[case::django_sha256(
    "pbkdf2_sha256$1000$de2hjP2htMMTQdH9pm0GhU$kJw8CJUI/IaFwSE+qneaymuM1dD3E3k+HuLdOP2xykM=",
    "$pbkdf2-sha256$i=1000,l=32$"
)]
#[case::django_sha1(
    "pbkdf2_sha1$1000$HsxCrd6NgMA8KDimrLVpbs$JZeIoY55HJwUdIx7XtVBtQaL1j8=",
    "$pbkdf2-sha1$i=1000,l=20$"
)]
#[case::django_bcrypt("bcrypt$$2b$04$Y6Ls5v3vkDUlax7.Ad3FHev6py50DDEWN5ri2L5V3Z2.ogzt0sxd.", "$2b$04$")]
#[case::django_bcrypt_sha256(
    "bcrypt_sha256$$2b$04$KiXX9yCN5UeuqM/n1COzm.QjJDVIQaggPrMMWI0Pr.o2RRV1ZsB3i",
    "bcrypt_sha256$$2b$04$"
)]
#[case::django_scrypt(
    "scrypt$256$VgSfpVEKXLZ4IcNOfxZ3uP$8$5$cVAvqv9OJ+/d8iReZwX8IPSuukXRXzkWtwOyZhkVVr1h1MqJQg/q2P8PNvpfJ0OqqeeLKBg5IX3i2PCme/+hAA==",
    "$scrypt$ln=8,r=8,p=5$"
)]
#[case::django_argon2(
    "argon2$argon2id$v=19$m=8192,t=1,p=1$WjVQM2R5Rk9KOGVTcHRUT3hnWkFIQw$99TcoHxeEadNpRpIaRhVeOIQ/f5XExR0JBQAJ2pL4qw",
    "$argon2id$v=19$m=8192,"
)]
fn p12_hashes_of_passlib_and_django_are_read_checked_and_replaced(#[case] theirs: &str, #[case] ours: &str) {
    let stored = reader().read(theirs).unwrap();
    assert!(stored.as_str().starts_with(ours), "{}", stored.as_str());
    assert_eq!(reader().read(stored.as_str()).unwrap(), stored, "what is stored can be imported again");
    let Check::Matches(Some(new)) = check(&stored, PASSWORD) else { unreachable!("the password is right") };
    assert!(new.as_str().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    for wrong in ["zwölf grüne Äpfel falle", "Zwölf grüne Äpfel fallen", "zwo\u{308}lf gru\u{308}ne Äpfel fallen!", ""]
    {
        assert!(matches!(check(&stored, wrong), Check::Differs), "{wrong}");
    }
}

#[rstest]
#[case::sha256(
    r#"{"value":"bDnkzTXaDDSsbQhm9yDefIp8tMbVSrPC9BJ0aHbYtBs2EfaN/co46oFT7ZRV6sKJAaKQmQukaIABu9CrneabeA==","salt":"o4C3j8yYO1xtOJpBHgqvwg==","additionalParameters":{}}"#,
    r#"{"hashIterations":1000,"algorithm":"pbkdf2-sha256","additionalParameters":{}}"#
)]
#[case::sha512(
    r#"{"value":"slNfk5NMExcRjxQTocGAlR8oP22u0zJDMd/79S4m6BGhB0oeRbHF26Ggg6dkhdQxzI9pSUhsePGmB/ucIaKcXg==","salt":"so3wbZJ+WjHmKF0q8M5Ixw==","additionalParameters":{}}"#,
    r#"{"hashIterations":1000,"algorithm":"pbkdf2-sha512","additionalParameters":{}}"#
)]
#[case::sha1(
    r#"{"value":"1tAxRkuvothOFhVAIQnFzCHf29N419f6uA6Dr4Lm4NmvgDhM5r078L3G2CHNGQSiSqw+mO7qowTqxMkcyqFvxg==","salt":"t9kF9MViWa7ZAQuYHZnhhQ=="}"#,
    r#"{"hashIterations":1000,"algorithm":"pbkdf2"}"#
)]
#[case::argon2(
    r#"{"value":"XCs7LHQf8NzWecUbznmmOjxTZ8Cxkk8asKX5rFR61NA=","salt":"w8Jw8fl+FFxLrYsUBzRrUw==","additionalParameters":{}}"#,
    r#"{"hashIterations":5,"algorithm":"argon2","additionalParameters":{"hashLength":["32"],"memory":["7168"],"type":["id"],"version":["1.3"],"parallelism":["1"]}}"#
)]
fn p12_credentials_of_keycloak_are_read_checked_and_replaced(#[case] secret: &str, #[case] costs: &str) {
    let credential = KeycloakPassword { secret_data: secret.to_owned(), credential_data: costs.to_owned() };
    let stored = reader().read_keycloak(&credential).unwrap();
    assert!(matches!(check(&stored, PASSWORD), Check::Matches(Some(_))));
    assert!(matches!(check(&stored, "another password"), Check::Differs));
}

#[rstest]
#[case::empty("", ForeignError::NoPassword)]
#[case::django_has_none("!On5JfQa9yoXPygXgENWZkuBCeQSB1f6xSWyCdwP8", ForeignError::NoPassword)]
#[case::clear_text("correct horse battery", ForeignError::Unknown)]
#[case::md5("5f4dcc3b5aa765d61d8327deb882cf99", ForeignError::Unknown)]
#[case::sha512_crypt("$6$rounds=5000$saltsalt$hashhash", ForeignError::Unknown)]
#[case::no_algorithm("$", ForeignError::Unknown)]
#[case::argon2_cut("$argon2id$v=19$m=8192,t=1,p=1$ttY655xTqrWWcg6h9H6PUQ", ForeignError::Malformed("argon2"))]
#[case::argon2_gigabytes(
    "argon2$argon2id$v=19$m=4194304,t=1,p=1$WjVQM2R5Rk9KOGVTcHRUT3hnWkFIQw$99TcoHxeEadNpRpIaRhVeOIQ/f5XExR0JBQAJ2pL4qw",
    ForeignError::TooDear
)]
#[case::bcrypt_cut("$2b$12$L6Bc", ForeignError::Malformed("bcrypt"))]
#[case::bcrypt_flawed(
    "$2x$12$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u",
    ForeignError::Malformed("bcrypt")
)]
#[case::bcrypt_hours("bcrypt$$2b$31$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u", ForeignError::TooDear)]
#[case::pbkdf2_for_ever("pbkdf2_sha256$4294967295$de2hjP2htMMT$kJw8CJUIIaFwSE", ForeignError::TooDear)]
#[case::pbkdf2_longer("pbkdf2_sha256$99999999999$de2hjP2htMMT$kJw8CJUIIaFwSE", ForeignError::TooDear)]
#[case::pbkdf2_no_base64("$pbkdf2-sha256$1000$xPifE6J0bq1V$????", ForeignError::Malformed("PBKDF2"))]
#[case::pbkdf2_short_salt(
    "pbkdf2_sha256$1000$salt$kJw8CJUI/IaFwSE+qneaymuM1dD3E3k+HuLdOP2xykM=",
    ForeignError::Malformed("PBKDF2")
)]
#[case::pbkdf2_other("$pbkdf2-sha3$1000$aaaa$bbbb", ForeignError::Malformed("PBKDF2"))]
#[case::scrypt_gigabytes("scrypt$1073741824$VgSfpVEKXLZ4IcNOfxZ3uP$8$5$cVAvqv9OJ+/d8iRe", ForeignError::TooDear)]
#[case::scrypt_log_n("$scrypt$ln=40,r=8,p=1$H+N8b6313nvvHWPMec+59w$dSV6zcXAgSUJBzgE", ForeignError::TooDear)]
#[case::scrypt_odd("scrypt$1000$VgSfpVEKXLZ4IcNOfxZ3uP$8$5$cVAvqv9OJ+/d8iRe", ForeignError::Malformed("scrypt"))]
fn p14_what_no_login_could_check_is_not_imported(#[case] text: &str, #[case] refused: ForeignError) {
    assert_eq!(reader().read(text).unwrap_err(), refused);
}

#[test]
fn p14_a_credential_that_is_none_is_refused() {
    let read = |secret: &str, costs: &str| {
        let credential = KeycloakPassword { secret_data: secret.to_owned(), credential_data: costs.to_owned() };
        reader().read_keycloak(&credential).unwrap_err()
    };
    let secret = r#"{"value":"1tAxRkuvothOFhVAIQnFzCHf29N4","salt":"t9kF9MViWa7ZAQuYHZnhhQ=="}"#;
    let argon2 = |memory: &str| {
        format!(
            r#"{{"hashIterations":5,"algorithm":"argon2","additionalParameters":{{"memory":["{memory}"],"type":["id"],"version":["1.3"],"parallelism":["1"]}}}}"#
        )
    };
    assert_eq!(read("", ""), ForeignError::Malformed("Keycloak"));
    assert_eq!(read(secret, r#"{"hashIterations":5,"algorithm":"argon2"}"#), ForeignError::Malformed("Keycloak"));
    assert_eq!(read(secret, &argon2("4194304")), ForeignError::TooDear);
    assert_eq!(read(secret, &argon2("7168$x")), ForeignError::Malformed("argon2"));
    assert_eq!(read(secret, r#"{"hashIterations":4000000000,"algorithm":"pbkdf2"}"#), ForeignError::TooDear);
    assert_eq!(read(secret, r#"{"hashIterations":1000,"algorithm":"md5"}"#), ForeignError::Unknown);
}
