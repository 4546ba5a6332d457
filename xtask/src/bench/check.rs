//! What the check of a token costs without a server around it: ours of a token that was never seen (cold) and of one that
//! was (hot), beside the bare verification of the same library, which asks for the same signature, issuer, audience and
//! times. All three with nothing revoked, and with ten thousand entries in the revoked set.

use std::fmt::Write as _;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, anyhow};
use arc_swap::ArcSwap;
use chrono::TimeDelta;
use jsonwebtoken::{DecodingKey, Validation};
use serde::{Deserialize, Serialize};
use shared::clock::Clock;
use shared::testing::TestIssuer;
use shared::token::keys::Algorithm;
use shared::token::revocations::{Entry, Kind, Position, Revocations};
use shared::token::verifier::{DEFAULT_LEEWAY, Verifier};
use sqlx::types::Uuid;

use super::figures::{median, rounded};
use crate::interrupt::Interrupt;

/// The most that a token's first check should cost, in bare verifications.
const AIM: f64 = 1.3;
/// Entries of the revoked set.
const REVOKED: [usize; 2] = [0, 10_000];
/// Tokens of a turn; each is checked once in each way.
const TOKENS: usize = 400;

/// The costs under one algorithm: medians over the turns, in microseconds.
#[derive(Debug, Serialize)]
pub struct CheckCosts {
    /// The `alg`.
    pub algorithm: &'static str,
    /// Entries of the revoked set.
    pub revoked: usize,
    /// The library's own verification.
    pub bare_us: f64,
    /// Ours, of a token that was never seen.
    pub cold_us: f64,
    /// Ours, of a token that was seen before.
    pub hot_us: f64,
    /// Cold beside bare, turn by turn.
    pub ratio: f64,
    /// The most that it should be.
    pub aim: f64,
}

/// What an application would have the library read.
#[derive(Deserialize)]
#[expect(dead_code, reason = "it is read and no more")]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    client_id: String,
    scope: String,
    iat: i64,
    exp: i64,
    jti: String,
    sid: Option<String>,
    ver: Option<i64>,
    cver: Option<i64>,
}

/// One algorithm's key, and tokens under it.
struct Bench {
    clock: Clock,
    issuer: TestIssuer,
    tokens: Vec<String>,
    key: DecodingKey,
    validation: Validation,
}

/// Measures in as many turns.
///
/// # Errors
/// When a token is refused, or somebody interrupts.
pub fn measure(turns: u32, interrupt: &Interrupt) -> Result<Vec<CheckCosts>> {
    let mut costs = Vec::new();
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let bench = Bench::new(algorithm)?;
        for revoked in REVOKED {
            let revocations = revocations(revoked);
            let each = (0..turns).map(|_| {
                interrupt.check()?;
                bench.turn(&revocations)
            });
            let each: Vec<[f64; 3]> = each.collect::<Result<_>>()?;
            let median_of = |pick: fn(&[f64; 3]) -> f64| median(each.iter().map(pick).collect()).unwrap_or_default();
            costs.push(CheckCosts {
                algorithm: algorithm.as_str(),
                revoked,
                bare_us: rounded(median_of(|[bare, ..]| *bare), 100.0),
                cold_us: rounded(median_of(|[_, cold, _]| *cold), 100.0),
                hot_us: rounded(median_of(|[.., hot]| *hot), 100.0),
                ratio: rounded(median_of(|[bare, cold, _]| cold / bare), 1000.0),
                aim: AIM,
            });
        }
    }
    Ok(costs)
}

impl Bench {
    fn new(algorithm: Algorithm) -> Result<Self> {
        let issuer = TestIssuer::new(algorithm);
        let pem = issuer.public_pem();
        let key = match algorithm {
            Algorithm::Es256 => DecodingKey::from_ec_pem(pem.as_bytes()),
            Algorithm::EdDsa => DecodingKey::from_ed_pem(pem.as_bytes()),
            Algorithm::Rs256 => DecodingKey::from_rsa_pem(pem.as_bytes()),
        };
        let mut validation = Validation::new(algorithm.into());
        validation.set_issuer(&[issuer.issuer()]);
        validation.set_audience(&[issuer.audience()]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.leeway = DEFAULT_LEEWAY.as_secs();
        validation.validate_nbf = true;
        let clock = Clock::system();
        let now = clock.now();
        let tokens = (0..TOKENS).map(|_| issuer.mint(&issuer.claims(now))).collect();
        Ok(Self { key: key.context("the test key")?, clock, issuer, tokens, validation })
    }

    /// Microseconds a token: bare, cold, hot.
    fn turn(&self, revocations: &Revocations) -> Result<[f64; 3]> {
        let keys = Arc::new(ArcSwap::from_pointee(self.issuer.key_set()));
        let verifier = Verifier::new(self.issuer.issuer(), self.issuer.audience(), keys);
        let verifier = verifier.with_revocations(revocations.clone());
        let ours = |token: &String| -> Result<()> {
            black_box(verifier.verify(token, self.clock.now()).map_err(|refusal| anyhow!("a good token: {refusal}"))?);
            Ok(())
        };
        let bare = self.each(|token| {
            black_box(jsonwebtoken::decode::<Claims>(token, &self.key, &self.validation)?);
            Ok(())
        })?;
        Ok([bare, self.each(ours)?, self.each(ours)?])
    }

    #[expect(clippy::cast_precision_loss, reason = "tokens are few")]
    fn each(&self, check: impl Fn(&String) -> Result<()>) -> Result<f64> {
        let begun = Instant::now();
        self.tokens.iter().try_for_each(check)?;
        Ok(begun.elapsed().as_secs_f64() * 1e6 / self.tokens.len() as f64)
    }
}

/// A revoked set of so many entries, none of which any token here falls under.
fn revocations(count: usize) -> Revocations {
    let kinds = [Kind::Token, Kind::Session, Kind::User];
    let clock = Clock::system();
    let expires_at = clock.now() + TimeDelta::hours(1);
    let entry = |(seq, kind): (i64, &Kind)| Entry {
        seq,
        kind: *kind,
        subject: Uuid::from_u128(u128::from(seq.unsigned_abs())).to_string(),
        version: (*kind == Kind::User).then_some(1),
        expires_at,
    };
    let entries: Vec<Entry> = (1..).zip(kinds.iter().cycle()).take(count).map(entry).collect();
    let seq = entries.last().map_or(0, |entry| entry.seq);
    let revocations = Revocations::new(clock);
    revocations.replace(entries, Position { feed_id: Some(Uuid::nil()), seq });
    revocations
}

/// A line for each algorithm.
pub fn text(costs: &[CheckCosts]) -> String {
    let mut text = String::from("The check of a token alone, in µs:\n");
    for CheckCosts { algorithm, revoked, bare_us, cold_us, hot_us, ratio, aim } in costs {
        let verdict = if ratio <= aim { "reached" } else { "missed" };
        // Writing into a String cannot fail.
        let _ = writeln!(
            text,
            "  {algorithm:<5} {revoked:>6} revoked: hot {hot_us:>5.2}, cold {cold_us:>6.1}, the library alone {bare_us:>6.1}; \
             cold/bare {ratio:.2} (aim {aim:.2}: {verdict})"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revoked_set_has_as_many_entries_as_asked_for() {
        for count in REVOKED {
            assert_eq!(revocations(count).len(), count);
        }
    }

    #[test]
    fn all_three_ways_take_the_tokens() {
        for algorithm in [Algorithm::Es256, Algorithm::EdDsa] {
            let times = Bench::new(algorithm).unwrap().turn(&revocations(3)).unwrap();
            assert!(times.iter().all(|time| *time > 0.0), "{times:?}");
        }
    }
}
