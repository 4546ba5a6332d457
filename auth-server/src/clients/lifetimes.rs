//! How long a client's tokens live.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long a client's tokens live, where it differs from the settings; whole seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lifetimes {
    /// Of an access token.
    #[serde(rename = "access_token_ttl", with = "seconds")]
    pub access_token: Option<Duration>,
    /// Of a refresh token that is not used.
    #[serde(rename = "refresh_token_idle_ttl", with = "seconds")]
    pub refresh_idle: Option<Duration>,
    /// Of a family of refresh tokens, however often it is used.
    #[serde(rename = "refresh_token_ttl", with = "seconds")]
    pub refresh_absolute: Option<Duration>,
    /// Of a spent refresh token's right to be answered with its successor again.
    #[serde(rename = "refresh_retry_window", with = "seconds")]
    pub retry_window: Option<Duration>,
}

/// Durations as whole seconds.
mod seconds {
    use std::time::Duration;

    use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};

    #[expect(clippy::ref_option, reason = "serde gives the field by reference")]
    pub(super) fn serialize<S: Serializer>(ttl: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        ttl.map(|ttl| ttl.as_secs()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_secs))
    }
}
