//! Clocks that differ. F10.

use chrono::TimeDelta;
use shared::clock::Clock;
use shared::testing::TestIssuer;
use shared::token::source::Keys;
use shared::token::verifier::Refusal;

use crate::support::{log, now, present, protect_at, verifier};

/// What a service answers whose clock is this far ahead of the issuer's, to a token that was issued just now for as long as
/// is said.
async fn answer(ahead: TimeDelta, lifetime: i64) -> u16 {
    let issuer = TestIssuer::es256();
    let clock = Clock::manual(now() + ahead);
    let router = protect_at(&issuer, &Keys::fixed(issuer.key_set()), clock);
    let token = issuer.token(now()).claim("exp", now().timestamp() + lifetime).mint();
    present(&router, &token).await.status
}

#[tokio::test]
async fn f10_clocks_that_differ_are_borne_within_the_leeway_and_no_further() {
    let seconds = TimeDelta::seconds;
    for (ahead, status) in [
        // Behind the issuer: the token is from the future.
        (seconds(-5), 200),
        (seconds(-6), 401),
        (seconds(-30), 401),
        (TimeDelta::minutes(-5), 401),
        (TimeDelta::hours(-1), 401),
        // Ahead of it: the token ends early.
        (seconds(30), 200),
        (TimeDelta::minutes(5), 200),
        (seconds(604), 200),
        (seconds(605), 401),
        (TimeDelta::hours(1), 401),
    ] {
        assert_eq!(answer(ahead, 600).await, status, "{ahead}");
    }
    assert_eq!(answer(seconds(30), 20).await, 401, "a short token is over");
}

#[tokio::test]
async fn f10_the_log_tells_how_far_the_clocks_are_apart() {
    let issuer = TestIssuer::es256();
    let clock = Clock::manual(now() - TimeDelta::minutes(5));
    let router = protect_at(&issuer, &Keys::fixed(issuer.key_set()), clock);
    let (log, _guard) = log();
    let wire = present(&router, &issuer.token(now()).mint()).await;
    assert_eq!((wire.status, &wire.json()["code"]), (401, &"token_invalid".into()));
    assert!(!wire.body.contains("300") && !wire.challenge().unwrap().contains("300"), "the wire does not tell");
    assert!(log.text().contains("token.refusal=\"issued_in_future\""), "{}", log.text());
    assert!(log.text().contains("issued 300 s ahead of this clock"), "{}", log.text());
}

#[test]
fn f10_a_clock_that_jumps_is_asked_again_for_tokens_that_were_good() {
    let issuer = TestIssuer::es256();
    let verifier = verifier(&issuer, &Keys::fixed(issuer.key_set()));
    let token = issuer.token(now()).mint();
    let at = |seconds| verifier.verify(&token, now() + TimeDelta::seconds(seconds)).map(drop);
    assert_eq!(at(0), Ok(()));
    assert_eq!(at(3600), Err(Refusal::Expired { seconds: 3000 }));
    assert_eq!(at(-3600), Err(Refusal::IssuedInFuture { seconds: 3600 }));
    assert_eq!(at(0), Ok(()), "and back again");
}

/// Beyond what 32 bits hold, and beyond what a year has four digits for.
#[test]
fn f10_the_year_2038_passes() {
    let issuer = TestIssuer::es256();
    let verifier = verifier(&issuer, &Keys::fixed(issuer.key_set()));
    for instant in [2_147_483_646, 2_147_483_647, 2_147_483_648, 4_294_967_296, 253_402_300_800] {
        let now = chrono::DateTime::from_timestamp(instant, 0).unwrap();
        let token = issuer.token(now).mint();
        assert!(verifier.verify(&token, now).is_ok(), "{instant}");
        let refusal = verifier.verify(&token, now + TimeDelta::seconds(605)).unwrap_err();
        assert_eq!(refusal, Refusal::Expired { seconds: 5 }, "{instant}");
    }
}
