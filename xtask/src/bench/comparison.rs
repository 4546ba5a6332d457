//! What is compared with what, and where it should be.

use super::cases::Case;

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// What is judged.
    pub ours: Case,
    /// The least that could do the same.
    pub least: Case,
    /// The least ratio that is aimed at, if there is an aim.
    pub aim: Option<f64>,
}

impl Comparison {
    /// All.
    pub const ALL: [Self; 8] = [
        Self { ours: Case::Movies, least: Case::Row, aim: Some(0.95) },
        Self { ours: Case::Movies, least: Case::Handed, aim: None },
        Self { ours: Case::Login, least: Case::Raw, aim: Some(0.9) },
        Self { ours: Case::Client, least: Case::ClientFloor, aim: Some(0.8) },
        Self { ours: Case::Refresh, least: Case::RefreshFloor, aim: Some(0.8) },
        Self { ours: Case::Code, least: Case::CodeFloor, aim: Some(0.8) },
        Self { ours: Case::Introspect, least: Case::IntrospectFloor, aim: Some(0.8) },
        Self { ours: Case::Revoke, least: Case::RevokeFloor, aim: Some(0.8) },
    ];
}

/// What is aimed at in answers per second of the server's own CPU time.
pub const PER_CORE: (Case, f64) = (Case::Client, 5000.0);
