//! Devices that sign in by another one's browser (RFC 8628): a device waits with a secret of its own, and a person types
//! a short code that the device shows.
//!
//! A device code is `mdc1_` and base64url of its end (4 bytes, seconds) and 32 secret bytes; the row holds the SHA-256 of
//! those 36 bytes. A user code is eight of twenty letters (34.5 bits), which anybody could find again from a plain hash:
//! the row holds an HMAC under a subkey of the key encryption key. A flow takes these steps:
//!
//! 1. A client starts it. How many one address and one client may start bounds how many are open ([`crate::limits`]).
//! 2. The device polls. A poll before its time makes the interval five seconds longer, for good: the row keeps it, so
//!    that it does not matter which replica is asked (section 3.5).
//! 3. A person who is signed in types the code. Wrong ones are counted, of the account, the address and its network
//!    (section 5.1).
//! 4. They allow or deny, once: one guarded update decides, and whoever comes later is told so.
//! 5. The device's next poll redeems it. One guarded update consumes it; of many at once one succeeds. In the same
//!    transaction the browser session in which it was allowed has to be alive still, the user unchanged, and the family
//!    of refresh tokens begins. That family does not end with the browser session: the device is another one.
//!
//! Another client learns nothing of a code and changes nothing of it.

mod error;
mod model;
mod service;
mod store;
mod user_code;

pub use error::{DecideError, DeviceError, FindError, StartError};
pub use model::{Approval, Asking, Decision, DeviceCode, DeviceSettings, Polled, Started, Waiting};
pub use service::{Devices, Given, Redemption};
pub use user_code::{UserCode, UserCodeError};
