//! What proves a checkpoint.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::Sha256;
use shared::token::keys::VerifyingKey;

use super::checkpoint::{Checkpoint, Statement};
use crate::keys::{KekRing, KeyEncryptionKey, Label};

/// The `typ` of a checkpoint: it is no token, and no token is one.
pub(crate) const TYPE: &str = "audit-checkpoint+jwt";

/// Why a checkpoint proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProofError {
    #[error("it is no signed checkpoint")]
    Form,
    #[error("its signature is wrong")]
    Signature,
    #[error("the key beside it is not the signing key of that name")]
    OtherKey,
    #[error("it was not made by a holder of the key encryption key")]
    Code,
    #[error("the key that signed it is not known here")]
    UnknownKey,
}

/// Proves to whoever holds the key encryption key that its holder made this.
pub(super) fn code(kek: &KeyEncryptionKey, jws: &str) -> [u8; 32] {
    mac(kek, jws).finalize().into_bytes().into()
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn mac(kek: &KeyEncryptionKey, jws: &str) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(kek.subkey(Label::Audit).as_slice()).expect("HMAC takes keys of any length");
    mac.update(jws.as_bytes());
    mac
}

/// What checkpoints are held against.
pub(super) struct Prover<'a> {
    /// The signing keys that are there today, by kid.
    pub(super) keys: HashMap<String, VerifyingKey>,
    /// The key encryption keys, where they are configured.
    pub(super) keks: Option<&'a KekRing>,
}

/// What a checkpoint says, and whether something outside the table vouches for it.
pub(super) struct Proven {
    pub(super) statement: Statement,
    pub(super) is_vouched_for: bool,
}

impl Prover<'_> {
    /// A checkpoint of the table.
    pub(super) fn check(&self, checkpoint: &Checkpoint) -> Result<Proven, ProofError> {
        let json = serde_json::to_vec(&checkpoint.public_jwk).map_err(|_| ProofError::Form)?;
        let beside = VerifyingKey::from_jwk(&json).map_err(|_| ProofError::Form)?;
        let today = self.keys.get(&checkpoint.kid);
        if today.is_some_and(|today| today.thumbprint() != beside.thumbprint()) {
            return Err(ProofError::OtherKey);
        }
        let kek = self.keks.and_then(|keks| keks.find(&checkpoint.kek_id));
        if kek.is_some_and(|kek| mac(kek, &checkpoint.jws).verify_slice(&checkpoint.code).is_err()) {
            return Err(ProofError::Code);
        }
        let statement = open(&checkpoint.jws, &checkpoint.kid, &beside)?;
        Ok(Proven { statement, is_vouched_for: today.is_some() || kek.is_some() })
    }

    /// A checkpoint that somebody kept elsewhere, under a key of today or one of `others`.
    pub(super) fn check_kept(
        &self,
        jws: &str,
        others: &HashMap<String, VerifyingKey>,
    ) -> Result<Statement, ProofError> {
        let kid = header(jws)?.kid;
        let key = self.keys.get(&kid).or_else(|| others.get(&kid)).ok_or(ProofError::UnknownKey)?;
        open(jws, &kid, key)
    }
}

#[derive(Deserialize)]
struct Header {
    typ: String,
    kid: String,
    alg: String,
}

fn header(jws: &str) -> Result<Header, ProofError> {
    let head = jws.split('.').next().unwrap_or_default();
    let json = URL_SAFE_NO_PAD.decode(head).map_err(|_| ProofError::Form)?;
    serde_json::from_slice(&json).map_err(|_| ProofError::Form)
}

fn open(jws: &str, kid: &str, key: &VerifyingKey) -> Result<Statement, ProofError> {
    let header = header(jws)?;
    if header.typ != TYPE || header.kid != kid || header.alg != key.algorithm().as_str() {
        return Err(ProofError::Form);
    }
    let (message, signature) = jws.rsplit_once('.').ok_or(ProofError::Form)?;
    if !key.verify(message.as_bytes(), signature) {
        return Err(ProofError::Signature);
    }
    let (_, payload) = message.split_once('.').ok_or(ProofError::Form)?;
    let json = URL_SAFE_NO_PAD.decode(payload).map_err(|_| ProofError::Form)?;
    serde_json::from_slice(&json).map_err(|_| ProofError::Form)
}
