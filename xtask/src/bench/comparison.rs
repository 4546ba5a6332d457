//! What is compared with what, and where it should be.

use super::cases::Case;

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Comparison {
    /// What is judged.
    pub ours: Case,
    /// The least that could do the same.
    pub least: Case,
    /// The least ratio that is aimed at.
    pub aim: f64,
}

impl Comparison {
    /// All.
    pub const ALL: [Self; 6] = [
        Self { ours: Case::Movies, least: Case::Row, aim: 0.9 },
        Self { ours: Case::Login, least: Case::Raw, aim: 0.9 },
        Self { ours: Case::Client, least: Case::ClientFloor, aim: 0.8 },
        Self { ours: Case::Refresh, least: Case::RefreshFloor, aim: 0.8 },
        Self { ours: Case::Introspect, least: Case::IntrospectFloor, aim: 0.8 },
        Self { ours: Case::Revoke, least: Case::RevokeFloor, aim: 0.8 },
    ];
}

/// What is aimed at in answers per second of the server's own CPU time.
pub const PER_CORE: (Case, f64) = (Case::Client, 5000.0);
