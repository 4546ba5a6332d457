//! Refresh tokens and codes as auth-server makes and reads them, and names for new rows.

use anyhow::{Context, Result};
use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use sqlx::types::Uuid;

/// What a refresh token begins with.
pub(super) const PREFIX: &str = "mrt1_";
/// What an authorization code begins with.
pub(super) const CODE_PREFIX: &str = "mac1_";

/// Hash and end of a refresh token or a code.
pub(super) fn read(token: &str, prefix: &str) -> Result<(Vec<u8>, DateTime<Utc>)> {
    let bytes = URL_SAFE_NO_PAD.decode(token.strip_prefix(prefix).context("no token of this kind")?)?;
    let expiry = bytes.first_chunk().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    let ends = DateTime::UNIX_EPOCH + TimeDelta::seconds(expiry.into());
    Ok((digest(&SHA256, &bytes).as_ref().to_vec(), ends))
}

/// A refresh token that nobody had.
pub(super) fn successor(expires_at: DateTime<Utc>) -> Result<String> {
    let mut bytes = [0_u8; 36];
    let (end, secret) = bytes.split_at_mut(4);
    end.copy_from_slice(&u32::try_from(expires_at.timestamp())?.to_be_bytes());
    aws_lc_rs::rand::fill(secret).context("no randomness")?;
    Ok(format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)))
}

/// Of a family, a token or a writer.
pub(super) fn random_id() -> Result<Uuid> {
    let mut bytes = [0_u8; 16];
    aws_lc_rs::rand::fill(&mut bytes).context("no randomness")?;
    Ok(Uuid::from_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_ends_when_it_is_told() {
        let ends = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let (one, other) = (successor(ends).unwrap(), successor(ends).unwrap());
        assert_ne!(one, other);
        assert_eq!(read(&one, PREFIX).unwrap().1, ends);
    }
}
