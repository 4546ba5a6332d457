//! The proxies whose word about addresses counts.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// Networks of trusted proxies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies(Vec<IpNet>);

impl TrustedProxies {
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether `ip` is a trusted proxy's. An IPv4 address in IPv6 clothes is taken as what it is.
    #[must_use]
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }
}

impl FromStr for TrustedProxies {
    type Err = String;

    /// Addresses and CIDRs, separated by commas.
    fn from_str(text: &str) -> Result<Self, String> {
        let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
        let network = |item: &str| {
            let network = item.parse().or_else(|_| item.parse::<IpAddr>().map(IpNet::from));
            network.map_err(|_| format!("`{item}` is neither an address nor a network such as 10.0.0.0/8"))
        };
        items.map(network).collect::<Result<_, _>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p10_networks_and_single_addresses() {
        let proxies: TrustedProxies = "10.1.0.0/16, ::1 ,192.0.2.7,".parse().unwrap();
        let has = |ip: &str| proxies.contains(ip.parse().unwrap());
        assert!(has("10.1.2.3") && has("::1") && has("192.0.2.7") && has("::ffff:10.1.0.1"));
        assert!(!has("10.2.0.1") && !has("::2") && !has("192.0.2.8"));
        assert!(!TrustedProxies::default().contains(IpAddr::from([127, 0, 0, 1])));
        assert!("10.0.0.0/33".parse::<TrustedProxies>().is_err() && "proxy.local".parse::<TrustedProxies>().is_err());
    }
}
