//! Settings of throttling.

use shared::config::{ConfigError, Settings};

use crate::limits;

/// Reads the limits.
pub(super) fn read(settings: &Settings) -> Result<limits::Settings, ConfigError> {
    Ok(limits::Settings {
        account: settings.get("MYAPI_AUTH__LIMIT_ACCOUNT")?,
        address: settings.get("MYAPI_AUTH__LIMIT_ADDRESS")?,
        prefix: settings.get("MYAPI_AUTH__LIMIT_PREFIX")?,
        client: settings.get("MYAPI_AUTH__LIMIT_CLIENT")?,
        client_secret: settings.get("MYAPI_AUTH__LIMIT_CLIENT_SECRET")?,
        device_address: settings.get("MYAPI_AUTH__LIMIT_DEVICE_ADDRESS")?,
        device_client: settings.get("MYAPI_AUTH__LIMIT_DEVICE_CLIENT")?,
        user_code: settings.get("MYAPI_AUTH__LIMIT_USER_CODE")?,
        pushed_request: settings.get("MYAPI_AUTH__LIMIT_PUSHED_REQUEST")?,
    })
}
