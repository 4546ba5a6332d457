//! Signing keys: made, kept encrypted, used to sign, published.
//!
//! 1. `kek`: the key encryption key comes from outside the database; only labelled subkeys of it are used (RFC 5869).
//! 2. `material`: a key is made, or imported from a PEM file by `private_file`; weak ones are refused (RFC 8725 sections
//!    3.2 and 3.4). Its kid is its RFC 7638 thumbprint unless the operator chose one.
//! 3. It signs once and two libraries verify that before it is stored (`signer`).
//! 4. `seal`: the PKCS#8 DER is encrypted with AES-256-GCM, bound to table, kid and algorithm.
//! 5. `manage`: the first key is active at once; a further one is next, published before it signs; one signs at a time;
//!    a retired one stays published while tokens under it live.
//! 6. `rotate`: a next key signs when it was published long enough and every live resource server holds it; a retired
//!    one goes when its last token is dead; a revoked one ends everything that it signed.
//!    `status` tells how far that is.
//! 7. `service`: a server opens them at its start, or does not start (nothing is made silently), signs access tokens
//!    (RFC 9068 section 2.1) with the active one, and re-reads the table, so that every replica follows.
//! 8. `jwks`: all public halves are one document (RFC 7517 section 5).

mod error;
mod jwks;
mod kek;
mod manage;
mod material;
mod model;
mod pem;
mod private_file;
mod rotate;
mod seal;
mod service;
mod signer;
mod status;
mod store;

pub use error::KeysError;
pub use jwks::JwksDocument;
pub use kek::{KEY_BYTES, KekError, KekRing, KekRingError, KeyEncryptionKey, Label, new_secret};
pub use manage::{
    Changed, ListedKey, NewKey, Reencrypted, activate, export_jwks, export_public, generate, generate_first, import,
    list, list_public, reencrypt,
};
pub use material::MaterialError;
pub use model::{KeyId, KeyState};
pub use pem::PemError;
pub use private_file::{ImportError, read_private_file};
pub use rotate::{Gate, Laggard, RevokedKey, Rotation, Schedule, Waiting, keep_schedule, retire, revoke, rotate};
pub use seal::SealError;
pub use service::SigningKeys;
pub use signer::SignError;
pub use status::{ReportedServer, Status, status};
