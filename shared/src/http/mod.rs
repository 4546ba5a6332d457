//! What both services do alike around their routes: bind and drain ([`serve`]), request ids, limits and the last line of
//! errors ([`layers`]), pages of other origins ([`cors`]), strict decoding ([`percent`]), RFC 9457 problem documents
//! ([`problem`]), documentation from the code ([`docs`]).

pub mod cors;
pub mod docs;
pub mod layers;
pub mod percent;
pub mod problem;
pub mod serve;
pub mod trace;

use url::{Host, Url};

/// Whether an address is of this machine, so that nobody stands on the way to it.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
