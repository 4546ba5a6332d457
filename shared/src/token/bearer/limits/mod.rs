//! How many requests each subject and each client may make, counted once the token is known to be good, so that nobody spends
//! what is another's.
//!
//! 1. [`Limits`] stand at the [`Gate`](super::Gate); it counts each request of a good token for its subject (issuer and `sub`
//!    together) and for its client.
//! 2. Whoever has nothing left is 429 `rate_limited`, with `Retry-After`.
//! 3. [`TellLayer`] around the routes tells everybody else what is left, by the fields of draft-ietf-httpapi-ratelimit-headers.
//!
//! Counts are this process's own: with N replicas it is N times as much. To share them would put a write to the database (or
//! a service that has to be there) on the path of each request, which a token check has not, and is no protection that a
//! gateway in front would not give sooner. Memory holds the callers of the last minute or so, sixteen bytes for each.

mod told;

use std::hash::{BuildHasher as _, RandomState};
use std::num::NonZeroU32;
use std::str::FromStr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use governor::clock::Clock as GovernorClock;
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

pub use self::told::{LEFT, POLICY, Tell, TellLayer};
pub(super) use self::told::{Told, tell};
use crate::clock::Clock;
use crate::token::claims::AccessClaims;

/// How often callers are forgotten who have everything left again, in seconds.
const TIDY_EVERY: u64 = 60;
/// The largest number in a limit.
const MOST: u32 = 100_000_000;

/// Requests at once, and then so many each second, minute or hour. In settings `200:50/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(Option<Quota>);

/// Why a text is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a limit is requests at once, a colon, and requests each second, minute or hour, such as 200:50/s, or off")]
pub struct LimitError;

impl Limit {
    /// As many as anybody likes.
    pub const OFF: Self = Self(None);
}

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let text = text.trim();
        if matches!(text, "off" | "0") {
            return Ok(Self::OFF);
        }
        let (burst, rate) = text.split_once(':').ok_or(LimitError)?;
        let (rate, unit) = rate.split_once('/').ok_or(LimitError)?;
        let unit = match unit {
            "s" => Duration::from_secs(1),
            "m" => Duration::from_mins(1),
            "h" => Duration::from_hours(1),
            _ => return Err(LimitError),
        };
        let quota = Quota::with_period(unit / number(rate)?.get()).ok_or(LimitError)?;
        Ok(Self(Some(quota.allow_burst(number(burst)?))))
    }
}

fn number(text: &str) -> Result<NonZeroU32, LimitError> {
    let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = text.parse().ok().filter(|number: &NonZeroU32| is_digits && number.get() <= MOST);
    number.ok_or(LimitError)
}

/// What each caller may do, and what each did lately.
pub struct Limits {
    subjects: Option<Counter>,
    clients: Option<Counter>,
    clock: Clock,
    /// In ticks of the clock, in seconds.
    tidied: AtomicU64,
}

impl Limits {
    /// `subject` for each subject, `client` for each client.
    #[must_use]
    pub fn new(subject: Limit, client: Limit, clock: Clock) -> Self {
        let counter = |name, Limit(quota): Limit| quota.map(|quota| Counter::new(name, quota, clock.clone()));
        let (subjects, clients) = (counter("subject", subject), counter("client", client));
        Self { subjects, clients, tidied: AtomicU64::new(clock.ticks().as_secs()), clock }
    }

    /// Counts one request.
    ///
    /// # Errors
    /// The same, when it is one too many.
    pub(super) fn count(&self, claims: &AccessClaims) -> Result<Told, Told> {
        let now = self.clock.ticks();
        self.tidy(now.as_secs());
        let subject = self.subjects.as_ref().map(|counter| counter.count(&(&claims.iss, &claims.sub), now));
        // What is refused to a subject is not at the cost of everybody else with the same client.
        let is_refused = subject.is_some_and(|budget| budget.left.is_none());
        let clients = self.clients.as_ref().filter(|_| !is_refused);
        let client = clients.map(|counter| counter.count(&(&claims.iss, &claims.client_id), now));
        let told = Told { subject, client };
        if told.is_exhausted() { Err(told) } else { Ok(told) }
    }

    /// How many callers are remembered.
    #[must_use]
    pub fn callers(&self) -> usize {
        [&self.subjects, &self.clients].into_iter().flatten().map(|counter| counter.limiter.len()).sum()
    }

    /// One request in a minute does it for all: some microseconds for a thousand callers.
    fn tidy(&self, now: u64) {
        let last = self.tidied.load(Ordering::Relaxed);
        let is_mine = now.saturating_sub(last) >= TIDY_EVERY
            && self.tidied.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if is_mine {
            for counter in [&self.subjects, &self.clients].into_iter().flatten() {
                counter.limiter.retain_recent();
                counter.limiter.shrink_to_fit();
            }
        }
    }
}

/// One kind of caller. Keys are hashes under a secret of this process, so that each takes the same little memory.
struct Counter {
    name: &'static str,
    quota: Quota,
    hasher: RandomState,
    limiter: RateLimiter<u64, DashMapStateStore<u64>, Ticks, StateInformationMiddleware>,
}

/// What one policy says of one caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    pub(super) name: &'static str,
    /// At once.
    pub(super) quota: u32,
    /// In how many seconds all of it is there again.
    pub(super) window: u64,
    /// How many more at once; `None` when this one was too many.
    pub(super) left: Option<u32>,
    /// In how many seconds all of it is there again now; when nothing is left, until the next one.
    pub(super) reset: u64,
}

impl Counter {
    fn new(name: &'static str, quota: Quota, clock: Clock) -> Self {
        let limiter = RateLimiter::dashmap_with_clock(quota, Ticks(clock)).with_middleware();
        Self { name, quota, hasher: RandomState::new(), limiter }
    }

    fn count(&self, caller: &(&String, &String), now: Duration) -> Budget {
        let quota = self.quota.burst_size().get();
        let window = seconds(self.quota.burst_size_replenished_in());
        let (left, reset) = match self.limiter.check_key(&self.hasher.hash_one(caller)) {
            Ok(state) => {
                let left = state.remaining_burst_capacity();
                let spent = quota.saturating_sub(left);
                (Some(left), seconds(self.quota.replenish_interval().saturating_mul(spent)))
            }
            Err(until) => (None, seconds(until.wait_time_from(now))),
        };
        Budget { name: self.name, quota, window, left, reset }
    }
}

/// Rounded up, and never none: whoever comes back after that many seconds is not too early.
fn seconds(duration: Duration) -> u64 {
    duration.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX).max(1)
}

/// The clock as governor reads it.
#[derive(Clone, Debug)]
struct Ticks(Clock);

impl GovernorClock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.ticks()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("200:50/s", 200, Duration::from_millis(20))]
    #[case(" 1:1/h ", 1, Duration::from_hours(1))]
    #[case("60:120/m", 60, Duration::from_millis(500))]
    fn a_limit_is_a_burst_and_a_rate(#[case] text: &str, #[case] burst: u32, #[case] interval: Duration) {
        let Limit(quota) = text.parse().unwrap();
        let quota = quota.unwrap();
        assert_eq!((quota.burst_size().get(), quota.replenish_interval()), (burst, interval));
    }

    #[rstest::rstest]
    #[case("")]
    #[case("200")]
    #[case("200:50")]
    #[case("200:50/d")]
    #[case("0:50/s")]
    #[case("200:0/s")]
    #[case("+2:5/s")]
    #[case("200:100000001/s")]
    #[case("none")]
    fn what_is_no_limit_is_refused(#[case] text: &str) {
        assert_eq!(text.parse::<Limit>(), Err(LimitError));
    }

    #[test]
    fn callers_who_have_everything_left_again_are_forgotten() {
        let start = chrono::DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let clock = Clock::manual(start);
        let limits = Limits::new("10:10/s".parse().unwrap(), Limit::OFF, clock.clone());
        let mut claims: AccessClaims = serde_json::from_value(serde_json::json!({
            "iss": "i", "aud": "a", "sub": "s", "client_id": "c", "iat": 0, "exp": 1, "jti": "j",
        }))
        .unwrap();
        for number in 0..1000 {
            claims.sub = number.to_string();
            limits.count(&claims).unwrap();
        }
        assert_eq!(limits.callers(), 1000);
        clock.advance(chrono::TimeDelta::seconds(61));
        limits.count(&claims).unwrap();
        assert_eq!(limits.callers(), 1);
    }
}
