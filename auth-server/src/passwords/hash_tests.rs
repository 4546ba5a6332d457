//! P04, P05, P12, P13 and P14 on hashes alone; `tests/api/users.rs` has them through the service.

use std::collections::HashSet;

use rstest::rstest;

use super::super::stored::work_kib;
use super::*;

fn hasher() -> Hasher {
    Hasher::new(&Settings::default()).unwrap()
}

fn plain(text: &str) -> Plain {
    Plain::new(text.to_owned()).unwrap()
}

fn matches(stored: &str, text: &str) -> bool {
    matches!(hasher().check(stored, &plain(text), &mut Memory::new()).unwrap(), Check::Matches(_))
}

fn bcrypt_of(text: &str) -> String {
    bcrypt::hash(text, 4).unwrap()
}

#[test]
fn p13_a_hash_is_argon2id_with_the_default_costs_and_a_salt_of_its_own() {
    let mut memory = Memory::new();
    let made: HashSet<String> =
        (0..3).map(|_| hasher().hash(&plain("correct horse battery"), &mut memory).unwrap().0).collect();
    assert_eq!(made.len(), 3);
    for text in made {
        assert!(text.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{text}");
        let phc = PasswordHash::new(&text).unwrap();
        assert_eq!((phc.salt.unwrap().len(), phc.hash.unwrap().len()), (16, 32));
        assert!(matches(&text, "correct horse battery"));
    }
}

#[rstest]
#[case::leading_space(" correct horse battery")]
#[case::trailing_space("correct horse battery ")]
#[case::upper_case("Correct horse battery")]
#[case::shorter("correct horse batter")]
#[case::longer("correct horse batteryy")]
#[case::full_width("ｃorrect horse battery")]
#[case::other_space("correct\u{a0}horse battery")]
fn p04_only_the_exact_password_matches(#[case] other: &str) {
    let argon2 = hasher().hash(&plain("correct horse battery"), &mut Memory::new()).unwrap();
    assert!(!matches(argon2.as_str(), other));
    assert!(!matches(&bcrypt_of("correct horse battery"), other));
}

#[test]
fn p04_bcrypt_never_accepts_by_the_first_72_bytes() {
    let seventy_two = "x".repeat(72);
    let stored = bcrypt_of(&seventy_two);
    assert!(matches(&stored, &seventy_two));
    assert!(!matches(&stored, &format!("{seventy_two}a")));
    let longer = format!("{seventy_two}b");
    assert!(!matches(&bcrypt_of(&longer), &longer), "cut off when it was hashed: only a new password helps");
    let argon2 = hasher().hash(&plain(&longer), &mut Memory::new()).unwrap();
    assert!(matches(argon2.as_str(), &longer));
    assert!(!matches(argon2.as_str(), &format!("{seventy_two}c")));
}

#[test]
fn p05_composed_and_decomposed_are_the_same_for_argon2_and_two_for_bcrypt() {
    let (nfc, nfd) = ("caf\u{e9} on the corner", "cafe\u{301} on the corner");
    let argon2 = hasher().hash(&plain(nfd), &mut Memory::new()).unwrap();
    assert!(matches(argon2.as_str(), nfc) && matches(argon2.as_str(), nfd));
    let bcrypt = bcrypt_of(nfd);
    assert!(!matches(&bcrypt, nfc) && matches(&bcrypt, nfd));
}

#[rstest]
#[case::two_a("$2a$")]
#[case::two_b("$2b$")]
#[case::two_y("$2y$")]
fn p12_a_bcrypt_hash_of_the_old_application_is_replaced(#[case] prefix: &str) {
    let stored = bcrypt_of("qwerty123").replacen("$2b$", prefix, 1);
    let Check::Matches(Some(new)) = hasher().check(&stored, &plain("qwerty123"), &mut Memory::new()).unwrap() else {
        unreachable!("right password, old hash")
    };
    assert!(matches(new.as_str(), "qwerty123"));
    let keeping = Hasher::new(&Settings { keep_bcrypt: true, ..Settings::default() }).unwrap();
    let kept = keeping.check(&stored, &plain("qwerty123"), &mut Memory::new()).unwrap();
    assert!(matches!(kept, Check::Matches(None)));
}

#[test]
fn p12_only_a_hash_that_is_behind_is_replaced() {
    let at = |memory_kib, iterations| {
        let settings = Settings { memory_kib, iterations, ..Settings::default() };
        Hasher::new(&settings).unwrap().hash(&plain("correct horse battery"), &mut Memory::new()).unwrap()
    };
    let is_replaced = |stored: &Hashed| {
        let check = hasher().check(stored.as_str(), &plain("correct horse battery"), &mut Memory::new()).unwrap();
        matches!(check, Check::Matches(Some(_)))
    };
    assert!(is_replaced(&at(12_288, 3)), "less memory");
    assert!(!is_replaced(&at(19_456, 2)), "the same");
    assert!(!is_replaced(&at(32_768, 3)), "more");
}

#[rstest]
#[case::gigabytes("$argon2id$v=19$m=4194304,t=2,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2g")]
#[case::garbage("not a hash")]
#[case::bcrypt_that_is_no_base64("$2b$12$????????????????????????????????????????????????????!")]
fn p14_a_hostile_hash_is_refused_without_its_memory(#[case] stored: &str) {
    let mut memory = Memory::new();
    assert!(matches!(hasher().check(stored, &plain("x"), &mut memory).unwrap(), Check::Unusable(_)));
    assert!(memory.capacity() <= 19_456);
}

// P03: before its kind is weighed, what a cheaper hash leaves over is spent on top by its amount of work.
#[rstest]
#[case::least(8, 1)]
#[case::half(9_728, 2)]
#[case::keycloak(7_168, 5)]
#[case::almost(19_455, 2)]
#[case::same(19_456, 2)]
#[case::dearer(65_536, 3)]
fn p03_a_check_takes_the_work_of_a_burn(#[case] memory_kib: u32, #[case] iterations: u32) {
    let (spent, current) = (Params::new(memory_kib, iterations, 1, None).unwrap(), Params::DEFAULT);
    let weight = Weight::estimate(&spent, &current);
    let all = work_kib(&spent) + u64::from(weight.top_up_kib) * u64::from(current.t_cost());
    let least = work_kib(&current) - 2 * u64::from(Params::MIN_M_COST);
    assert!(all >= least && (all <= work_kib(&current) || weight.top_up_kib == 0), "{all}");
}

#[rstest]
#[case::cheap("$argon2id$v=19$m=8192,t=1,p=1", true)]
#[case::first_version("$argon2d$m=4096,t=3,p=4", true)]
#[case::quick_though_more_work("$argon2i$v=19$m=8192,t=5,p=1", true)]
#[case::current("$argon2id$v=19$m=19456,t=2,p=1", false)]
#[case::dear("$argon2id$v=19$m=65536,t=3,p=1", false)]
fn p03_a_hash_of_other_costs_is_weighed(#[case] head: &str, #[case] is_weighed: bool) {
    let (hasher, mut memory) = (hasher(), Memory::new());
    let stored = format!("{head}$c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g");
    hasher.weigh(&stored, &mut memory);
    let Ok(Stored::Argon2(hash)) = Stored::parse(&stored, &hasher.params) else { unreachable!("a hash of Argon2") };
    assert_eq!(hasher.weights.find(Kind::of(&hash)).is_some(), is_weighed);
    assert!(matches!(hasher.check(&stored, &plain("x"), &mut memory).unwrap(), Check::Differs));
}
