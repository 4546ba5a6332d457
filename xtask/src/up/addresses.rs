//! Where the two services listen.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

use anyhow::{Context, Result, bail};

use crate::environment::Environment;

/// The settings that move them.
const AUTH_BIND: &str = "MYAPI_AUTH__BIND";
const MOVIES_BIND: &str = "MYAPI_MOVIES__BIND";

/// The two addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Addresses {
    /// auth-server's, 127.0.0.1:8001 unless set.
    pub auth: SocketAddr,
    /// movies-api's, 127.0.0.1:8000 unless set.
    pub movies: SocketAddr,
}

impl Addresses {
    /// The services' own defaults, or what their settings say.
    ///
    /// # Errors
    /// When a setting is not an address, or lets the system choose the port, which nobody could then be told.
    pub fn read(environment: &Environment) -> Result<Self> {
        let read = |name: &str, port: u16| match environment.find(name) {
            None => Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
            Some(text) => match text
                .parse::<SocketAddr>()
                .with_context(|| format!("{name} is `{text}`, which is not ADDRESS:PORT"))?
            {
                address if address.port() == 0 => {
                    bail!("{name} is `{text}`: `up` needs a fixed port")
                }
                address => Ok(address),
            },
        };
        let both = Self { auth: read(AUTH_BIND, 8001)?, movies: read(MOVIES_BIND, 8000)? };
        if both.auth == both.movies {
            bail!("{AUTH_BIND} and {MOVIES_BIND} are both {}", both.auth);
        }
        Ok(both)
    }

    /// # Errors
    /// When something listens on one of them already.
    pub fn check_free(&self) -> Result<()> {
        for (address, program, setting) in
            [(self.auth, "auth-server", AUTH_BIND), (self.movies, "movies-api", MOVIES_BIND)]
        {
            let next = SocketAddr::new(address.ip(), address.port().checked_add(1000).unwrap_or(18_000));
            match TcpListener::bind(address) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::AddrInUse => bail!(
                    "port {} is taken, and {program} wants to listen on {address}: stop what listens there, or choose another with {setting}={next}",
                    address.port()
                ),
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("{program} cannot listen on {address} ({setting} chooses another)"));
                }
            }
        }
        Ok(())
    }
}

/// The URL at which a program on this machine reaches a listener; no slash at the end.
pub fn url(address: SocketAddr) -> String {
    format!("http://{}", reached_at(address))
}

/// The address at which a program on this machine reaches a listener.
pub fn reached_at(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_services_defaults_hold_unless_a_setting_moves_them() {
        let both = Addresses::read(&Environment::of(&[])).unwrap();
        assert_eq!(
            (url(both.auth), url(both.movies)),
            ("http://127.0.0.1:8001".to_owned(), "http://127.0.0.1:8000".to_owned())
        );
        let both =
            Addresses::read(&Environment::of(&[(AUTH_BIND, "[::]:9001"), (MOVIES_BIND, "0.0.0.0:9000")])).unwrap();
        assert_eq!(
            (url(both.auth), url(both.movies)),
            ("http://[::1]:9001".to_owned(), "http://127.0.0.1:9000".to_owned())
        );
    }

    #[test]
    fn an_address_that_cannot_be_told_is_refused() {
        for value in ["localhost", "127.0.0.1:0", "127.0.0.1:8000"] {
            let error = Addresses::read(&Environment::of(&[(AUTH_BIND, value)])).unwrap_err().to_string();
            assert!(error.contains(AUTH_BIND), "{error}");
        }
    }

    #[test]
    fn a_taken_port_is_named_with_the_setting_that_moves_it() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
        let listener = TcpListener::bind(taken.unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        let other = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let error = Addresses { auth: address, movies: other }.check_free().unwrap_err().to_string();
        assert!(error.contains(&format!("port {} is taken", address.port())) && error.contains(AUTH_BIND), "{error}");
    }
}
