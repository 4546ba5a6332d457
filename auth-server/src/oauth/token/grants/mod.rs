//! One file for each grant: a short async driver over its state machine. The machine says what it needs to know, the
//! driver asks a service and tells it.

pub(super) mod authorization_code;
pub(super) mod client_credentials;
pub(super) mod device_code;
pub(super) mod password;
pub(super) mod refresh_token;
