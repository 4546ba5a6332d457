//! What a waiting device is.

use std::time::Duration;

use chrono::{DateTime, Utc};
use shared::token::scope::ScopeSet;
use uuid::Uuid;

use super::user_code::UserCode;
use crate::clients::ClientId;
use crate::opaque::{Kind, Opaque};

/// How long devices wait.
#[derive(Clone, Copy, Debug)]
pub struct DeviceSettings {
    /// From the start until nobody may say anything to it any more.
    pub ttl: Duration,
    /// Between two polls, at first.
    pub interval: Duration,
}

/// The kind of [`DeviceCode`].
#[derive(Debug)]
pub enum Device {}

impl Kind for Device {
    const NAME: &'static str = "device code";
    const PREFIX: &'static str = "mdc1_";
}

/// What a device waits with, given to it once.
pub type DeviceCode = Opaque<Device>;

/// What a device asks for when it starts.
#[derive(Clone, Copy, Debug)]
pub struct Asking<'a> {
    /// Who asks.
    pub client_id: &'a ClientId,
    /// The resource server that its tokens are for, unless a later request names another.
    pub audience: &'a str,
    /// What it asks for.
    pub scope: &'a ScopeSet,
}

/// What a device is told when it starts.
#[derive(Clone, Debug)]
pub struct Started {
    /// For the device alone.
    pub device_code: DeviceCode,
    /// For the person.
    pub user_code: UserCode,
    /// How long both are good.
    pub ttl: Duration,
    /// Between two polls.
    pub interval: Duration,
}

/// A device as a person finds it by its user code.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// What was typed.
    pub user_code: UserCode,
    /// When it ends; with the code it names the row.
    pub expires_at: DateTime<Utc>,
    /// Who waits.
    pub client_id: ClientId,
    /// What it asks for.
    pub scope: ScopeSet,
}

/// What a person allowed a device.
#[derive(Clone, Debug)]
pub struct Approval {
    /// Who allowed it.
    pub sub: Uuid,
    /// The user's version then.
    pub user_version: i64,
    /// The browser session in which that was.
    pub session_id: Uuid,
    /// When the user proved who they are.
    pub auth_time: DateTime<Utc>,
    /// What was allowed.
    pub scope: ScopeSet,
}

/// What a person said to a device.
#[derive(Clone, Debug)]
pub enum Decision {
    /// Nothing yet.
    None,
    /// No.
    Denied,
    /// Yes.
    Approved(Approval),
}

/// What a poll finds.
#[derive(Clone, Debug)]
pub struct Polled {
    /// What its tokens are for, unless the request names another.
    pub audience: String,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
    /// Whether this poll came before its time, while nobody had decided; the interval is longer now.
    pub is_early: bool,
    /// What was said.
    pub decision: Decision,
    /// When it was redeemed.
    pub consumed_at: Option<DateTime<Utc>>,
}
