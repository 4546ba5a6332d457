//! What a device is told (RFC 8628 section 3.5).

use http::StatusCode;

use super::Answer;
use crate::devices::DeviceError;

impl Answer {
    /// What a device does next is told by the code alone (RFC 8628 section 3.5).
    pub(super) const fn device(error: &DeviceError) -> Self {
        match error {
            DeviceError::Pending => {
                Self::new(StatusCode::BAD_REQUEST, "authorization_pending", "nobody has answered yet, poll again")
            }
            DeviceError::SlowDown => Self::new(
                StatusCode::BAD_REQUEST,
                "slow_down",
                "nobody has answered yet, wait five seconds longer from now on",
            ),
            DeviceError::Denied => Self::new(StatusCode::BAD_REQUEST, "access_denied", "the user denied the request"),
            DeviceError::Expired => {
                Self::new(StatusCode::BAD_REQUEST, "expired_token", "the device code has expired, start again")
            }
            DeviceError::Malformed
            | DeviceError::Unknown
            | DeviceError::Spent
            | DeviceError::SessionEnded
            | DeviceError::UserChanged => {
                let text = "the device code is unknown, used before or another client's";
                Self::new(StatusCode::BAD_REQUEST, "invalid_grant", text)
            }
            DeviceError::Randomness(_) => Self::failed(),
            DeviceError::Database(error) => Self::database(error),
        }
    }

    pub(super) const fn too_many_devices(seconds: u64) -> Self {
        let text = "too many devices have started to sign in, try again later";
        let answer = Self::new(StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", text);
        Self { retry_after: Some(seconds), ..answer }
    }
}
