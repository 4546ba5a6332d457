//! A verified token is remembered, but never beyond what proved it.

use std::sync::Arc;

use chrono::TimeDelta;
use shared::testing::TestIssuer;
use shared::token::keys::KeySet;
use shared::token::source::Keys;
use shared::token::verifier::Refusal;

use crate::support::{now, verifier};

#[test]
fn a_hit_gives_the_same_claims_and_still_asks_the_clock() {
    let issuer = TestIssuer::es256();
    let verifier = verifier(&issuer, &Keys::fixed(issuer.key_set()));
    let token = issuer.token(now()).mint();
    let first = verifier.verify(&token, now()).unwrap();
    let again = verifier.verify(&token, now()).unwrap();
    assert!(Arc::ptr_eq(&first, &again), "the second comes from the cache");
    let at = |seconds| now() + TimeDelta::seconds(seconds);
    assert!(verifier.verify(&token, at(604)).is_ok());
    assert_eq!(verifier.verify(&token, at(605)), Err(Refusal::Expired { seconds: 5 }));
    assert_eq!(verifier.verify(&token, at(-6)), Err(Refusal::IssuedInFuture { seconds: 6 }), "a clock that went back");
}

#[test]
fn a_hit_dies_with_its_key() {
    let issuer = TestIssuer::es256().with_kid("the-key");
    let keys = Keys::fixed(issuer.key_set());
    let verifier = verifier(&issuer, &keys);
    let token = issuer.token(now()).mint();
    let first = verifier.verify(&token, now()).unwrap();

    keys.set().store(Arc::new(issuer.key_set()));
    let again = verifier.verify(&token, now()).unwrap();
    assert!(Arc::ptr_eq(&first, &again), "the same key, read again, proves what it proved");

    keys.set().store(Arc::new(TestIssuer::es256().with_kid("the-key").key_set()));
    assert_eq!(verifier.verify(&token, now()), Err(Refusal::Signature), "another key took its name");

    keys.set().store(Arc::new(KeySet::default()));
    let unknown = Refusal::KeyUnknown { kid: "the-key".to_owned() };
    assert_eq!(verifier.verify(&token, now()), Err(unknown));
}

#[test]
fn without_room_every_token_is_proven_again() {
    let issuer = TestIssuer::es256();
    let verifier = verifier(&issuer, &Keys::fixed(issuer.key_set())).with_cache_capacity(0);
    let token = issuer.token(now()).mint();
    let first = verifier.verify(&token, now()).unwrap();
    assert!(!Arc::ptr_eq(&first, &verifier.verify(&token, now()).unwrap()));
}
