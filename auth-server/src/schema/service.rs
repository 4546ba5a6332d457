//! What can be done with the schema as a whole.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::db::{self, Conn, DbError, MIGRATOR};

use super::store;

/// What a run of [`migrate`] did.
#[derive(Clone, Debug, Serialize)]
pub struct Migrated {
    /// Migrations that were applied by this run.
    pub applied: usize,
    /// Roles that this run made.
    pub roles_made: Vec<&'static str>,
}

/// One migration of this binary, and since when the database has it.
#[derive(Clone, Debug, Serialize)]
pub struct AppliedMigration {
    /// Its number: the time that it was written.
    pub version: i64,
    /// What it does.
    pub description: String,
    /// `None` while it is missing.
    pub applied_at: Option<DateTime<Utc>>,
}

/// NOLOGIN roles that login roles become members of.
const ROLES: [&str; 3] = ["myapi_auth", "myapi_movies_read", "myapi_movies_write"];

/// Brings the schema up to date on a session of its own. Of several runs at once one applies and all succeed.
///
/// # Errors
/// [`DbError`]; migrations before the failing one stay applied.
pub async fn migrate(conn: &mut Conn, with_roles: bool) -> Result<Migrated, DbError> {
    let mut roles_made = Vec::new();
    if with_roles {
        for role in ROLES {
            if store::create_role(conn, role).await? {
                roles_made.push(role);
            }
        }
    }
    let applied = db::migrate(conn).await?;
    if with_roles {
        store::apply_grants(conn).await?;
    }
    Ok(Migrated { applied, roles_made })
}

/// Every migration of this binary, in order.
///
/// # Errors
/// [`DbError`].
pub async fn status(conn: &mut Conn) -> Result<Vec<AppliedMigration>, DbError> {
    let applied =
        if db::applied_migrations(conn).await?.is_empty() { Vec::new() } else { store::list_applied(conn).await? };
    let since = |version| applied.iter().find(|(applied, _)| *applied == version).map(|(_, since)| *since);
    Ok(MIGRATOR
        .iter()
        .map(|migration| AppliedMigration {
            version: migration.version,
            description: migration.description.to_string(),
            applied_at: since(migration.version),
        })
        .collect())
}
