//! What is counted, and how much of it is allowed.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::time::Duration;

use uuid::Uuid;

/// Where an attempt comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    ip: IpAddr,
    device: Option<DeviceId>,
}

/// The random id of a browser, from a cookie whose signature was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceId(pub Uuid);

impl Origin {
    /// A client at `ip`; an IPv4 address in IPv6 clothes is taken as what it is.
    #[must_use]
    pub const fn new(ip: IpAddr, device: Option<DeviceId>) -> Self {
        Self { ip: ip.to_canonical(), device }
    }

    /// The address as it came.
    #[must_use]
    pub const fn ip(&self) -> IpAddr {
        self.ip
    }

    /// The browser, where one said who it is.
    #[must_use]
    pub const fn device(&self) -> Option<DeviceId> {
        self.device
    }

    /// What counts as one address: the /64 of IPv6, of which every host chooses freely.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        self.network(32, 64)
    }

    /// The network around it: what one customer of a provider, or one small provider, mostly has.
    #[must_use]
    pub fn prefix(&self) -> IpAddr {
        self.network(24, 48)
    }

    fn network(&self, v4: u32, v6: u32) -> IpAddr {
        match self.ip {
            IpAddr::V4(ip) => Ipv4Addr::from_bits(ip.to_bits() & u32::MAX.unbounded_shl(32 - v4)).into(),
            IpAddr::V6(ip) => Ipv6Addr::from_bits(ip.to_bits() & u128::MAX.unbounded_shl(128 - v6)).into(),
        }
    }
}

/// Failures at once, and then how many an hour. In settings `10:4`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    burst: u32,
    per_hour: u32,
}

/// Why a text is no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a limit is two whole numbers from 1 to 100000000: failures at once, a colon, failures an hour, such as 10:4")]
pub struct LimitError;

/// The largest number in a limit; more is no limit at all.
const MOST: u32 = 100_000_000;

impl Limit {
    /// `burst` failures at once, then `per_hour`.
    #[must_use]
    pub const fn new(burst: u32, per_hour: u32) -> Self {
        Self { burst, per_hour }
    }

    /// Failures at once.
    #[must_use]
    pub const fn burst(&self) -> u32 {
        self.burst
    }

    /// Seconds in which one failure is forgiven; also the longest delay.
    #[must_use]
    pub fn leak(&self) -> f64 {
        3600.0 / f64::from(self.per_hour)
    }

    /// The same limit, `factor` times as large.
    #[must_use]
    pub const fn times(self, factor: u32) -> Self {
        Self { burst: self.burst.saturating_mul(factor), per_hour: self.per_hour.saturating_mul(factor) }
    }
}

impl FromStr for Limit {
    type Err = LimitError;

    fn from_str(text: &str) -> Result<Self, LimitError> {
        let number = |text: &str| text.trim().parse().ok().filter(|number| (1..=MOST).contains(number));
        let (burst, per_hour) = text.split_once(':').ok_or(LimitError)?;
        Ok(Self { burst: number(burst).ok_or(LimitError)?, per_hour: number(per_hour).ok_or(LimitError)? })
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.burst, self.per_hour)
    }
}

/// The limits that an operator can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Of one account, for devices that it does not know.
    pub account: Limit,
    /// Of one address, IPv6 /64.
    pub address: Limit,
    /// Of one network, IPv4 /24, IPv6 /48.
    pub prefix: Limit,
    /// Of one client, over all its users.
    pub client: Limit,
    /// Of the secret of one client at one address.
    pub client_secret: Limit,
    /// Devices that one address starts to sign in.
    pub device_address: Limit,
    /// Devices that sign in by one client.
    pub device_client: Limit,
    /// Wrong user codes of one account, and of one address.
    pub user_code: Limit,
    /// Authorization requests that one address pushes for public clients.
    pub pushed_request: Limit,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            account: Limit::new(10, 4),
            address: Limit::new(20, 360),
            prefix: Limit::new(100, 1800),
            client: Limit::new(1000, 36_000),
            client_secret: Limit::new(20, 360),
            device_address: Limit::new(20, 120),
            device_client: Limit::new(1000, 6000),
            user_code: Limit::new(10, 40),
            pushed_request: Limit::new(60, 3600),
        }
    }
}

/// Of one device that an account knows: ten failures in 15 minutes, then it is a stranger.
pub(super) const DEVICE: Limit = Limit::new(10, 40);

/// How much more than one address all strangers together may get a client's secret wrong, and its network user codes.
pub(super) const STRANGERS: u32 = 10;

/// What a counter is of. The numbers stand in rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i16)]
pub(super) enum Kind {
    Account = 1,
    Address = 2,
    Prefix = 3,
    Client = 4,
    Device = 5,
    /// A client's secret, at one address.
    Secret = 6,
    /// A client's secret, wherever the client did not authenticate of late.
    SecretAnywhere = 7,
    /// No counter: when a client last authenticated at an address.
    SecretKnown = 8,
    /// Devices that one address starts to sign in.
    DeviceAddress = 9,
    /// Devices that sign in by one client.
    DeviceClient = 10,
    /// Wrong user codes of one account.
    UserCodeAccount = 11,
    /// Wrong user codes of one address.
    UserCodeAddress = 12,
    /// Wrong user codes of one network.
    UserCodePrefix = 13,
    /// Authorization requests that one address pushes for public clients.
    PushAddress = 14,
}

impl Kind {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Address => "address",
            Self::Prefix => "prefix",
            Self::Client => "client",
            Self::Device => "device",
            Self::Secret => "client secret at an address",
            Self::SecretAnywhere => "client secret",
            Self::SecretKnown => "client at an address",
            Self::DeviceAddress => "devices of an address",
            Self::DeviceClient => "devices of a client",
            Self::UserCodeAccount => "user codes of an account",
            Self::UserCodeAddress => "user codes of an address",
            Self::UserCodePrefix => "user codes of a network",
            Self::PushAddress => "pushed requests of an address",
        }
    }

    /// What it counts, for the log.
    pub(super) const fn what(self) -> &'static str {
        match self {
            Self::Account
            | Self::Address
            | Self::Prefix
            | Self::Client
            | Self::Device
            | Self::Secret
            | Self::SecretAnywhere
            | Self::SecretKnown => "failed logins",
            Self::DeviceAddress | Self::DeviceClient => "starting devices",
            Self::UserCodeAccount | Self::UserCodeAddress | Self::UserCodePrefix => "wrong user codes",
            Self::PushAddress => "pushed authorization requests",
        }
    }
}

/// Too many failures; the same for a name that somebody has and one that nobody has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many failures: {limit}")]
pub struct Throttled {
    /// When to come back, in whole seconds, at least one.
    pub retry_after: Duration,
    /// What is full, for the log.
    pub limit: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_those_of_the_design() {
        let origin = |ip: &str| Origin::new(ip.parse().unwrap(), None);
        let shown = |ip: &str| (origin(ip).address().to_string(), origin(ip).prefix().to_string());
        assert_eq!(shown("192.0.2.77"), ("192.0.2.77".into(), "192.0.2.0".into()));
        assert_eq!(shown("2001:db8:1:2:3:4:5:6"), ("2001:db8:1:2::".into(), "2001:db8:1::".into()));
        assert_eq!(shown("::ffff:192.0.2.77"), shown("192.0.2.77"), "the same host over either socket");
    }

    #[rstest::rstest]
    #[case("10:4", Some(Limit::new(10, 4)))]
    #[case(" 20 : 360 ", Some(Limit::new(20, 360)))]
    #[case("10", None)]
    #[case("0:4", None)]
    #[case("10:0", None)]
    #[case("10:4:1", None)]
    #[case("-1:4", None)]
    #[case("10:100000001", None)]
    fn a_limit_is_two_numbers(#[case] text: &str, #[case] expected: Option<Limit>) {
        assert_eq!(text.parse().ok(), expected);
        if let Some(limit) = expected {
            assert_eq!(limit.to_string().parse(), Ok(limit));
        }
    }
}
