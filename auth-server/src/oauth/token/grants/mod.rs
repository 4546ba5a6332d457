//! One file for each grant: a short async driver over its state machine. The machine says what it needs to know, the
//! driver asks a service and tells it.

pub(super) mod password;
