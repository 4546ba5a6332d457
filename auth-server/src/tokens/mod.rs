//! Refresh tokens: a login's family, and exactly one successor for each token (RFC 6749 section 6, RFC 9700 section
//! 4.14.2).
//!
//! A token is `mrt1_` and base64url of its end (4 bytes, seconds) and 32 secret bytes; the row holds the SHA-256 of
//! those 36 bytes. What came from one login of one client is a family: its row says who, for whom, until when at most,
//! and whether it was revoked. A refresh takes these steps:
//!
//! 1. The client was authenticated before; a malformed token is refused.
//! 2. The token's row names its family; without a row nothing is revoked: nobody knows whose it was.
//! 3. The family's row is locked, alone. All refreshes of one family stand in one line from here on.
//! 4. The token's row is read again, by a statement that began after the lock was held: a joined read would show a
//!    waiter the state from before it waited, and two tokens would follow one.
//! 5. Another client, a family that was revoked or has ended, a user who was disabled or has another version: refused.
//!    A wider scope: refused. Nothing was written yet.
//!    A token that is bound to a key (a public client's, RFC 9449 section 5) needs that key; an unspent one without it is
//!    refused, a spent one is reuse.
//! 6. Unspent: an expired one is refused. Else its successor is derived and inserted, this row says so, and the salt
//!    of its predecessor goes. Commit, then mint.
//! 7. Spent within the retry window, its successor unspent: the same successor is derived again, nothing is written.
//! 8. Anything else is reuse: the family is revoked, and the revocation is committed before the refusal leaves.
//!
//! **Why the same successor.** A client whose answer was lost, or whose two tabs refreshed at once, asks again with the
//! token that it has. Elsewhere it loses its login for that. Here it gets, within the window, the very token that the
//! first answer held, so there is still one live leaf, and nothing has to be remembered but a salt: the secret of the
//! successor is HKDF-SHA256 (RFC 5869) of the presented secret, with `HMAC(K, row salt)` as its salt, and as its info
//! the words `refresh v1`, the family's id and the successor's end. K is a subkey of the key encryption key, so that a
//! database dump with an old token derives nothing; once the successor was used, the salt is gone and nobody derives it.
//!
//! **What it costs.** A thief who replays a token inside the window gets the successor as well, and the theft shows
//! itself only when one of the two comes later than the window with a token that the other has spent. A window of 0
//! removes that: then of several refreshes with one token one wins, and the others revoke the family.

mod derive;
mod model;
mod refresh;
mod service;
mod store;

pub use model::{Family, NewFamily, RefreshSettings, RefreshToken};
pub use refresh::{Opened, RefreshError, Rotated};
pub use service::{StartError, Started, Tokens, revoke_all};
