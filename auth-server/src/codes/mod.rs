//! Authorization codes (RFC 6749 section 4.1): what a browser carries from the authorization endpoint to the client,
//! and what that client changes into tokens, once.
//!
//! A code is `mac1_` and base64url of its end (4 bytes, seconds) and 32 secret bytes; the row holds the SHA-256 of those
//! 36 bytes. It is redeemed in these steps:
//!
//! 1. The client was authenticated before. The row is found; without one nothing happens.
//! 2. Client and `redirect_uri` are those of the authorization request, the PKCE verifier fits its challenge (RFC 7636
//!    section 4.6). A wrong verifier is counted: the fifth makes the code worthless. Nothing else changes: whoever merely
//!    saw a code can neither use it nor end what it gave.
//! 3. Only then is it looked at whether it was used before. If so, what it gave is revoked (RFC 6749 section 4.1.2), once,
//!    and that is committed before the refusal leaves.
//! 4. One guarded update consumes it; of many at once one finds it unconsumed, the others are in step 3.
//! 5. In the same transaction the browser session has to be alive still (it is locked, so that a logout waits and then
//!    sees what was started), the user unchanged, and the family of refresh tokens begins.

mod model;
mod service;
mod store;

pub use model::{Code, NewCode, StoredCode};
pub use service::{Codes, Given, RedeemError, Redemption, Terms};
