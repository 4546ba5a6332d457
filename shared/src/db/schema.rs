//! How far a database's migrations are, beside those that this binary knows.

use sqlx::PgConnection;
use sqlx::migrate::Migrate as _;

use super::{DbError, MIGRATOR};

/// How the schema in a database stands to the one that this binary knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// All of this binary's migrations are applied, and no other.
    Current,
    /// So many migrations of this binary are not applied yet.
    Behind(usize),
    /// The database has migrations that this binary does not know: it is too old.
    Ahead(i64),
}

/// Why a binary does not work on a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Migrations are missing.
    #[error("it lacks {0} migrations of this version: run `auth-server migrate` first")]
    Behind(usize),
    /// The binary is too old.
    #[error("it has migration {0}, which this version does not know: it was migrated by a newer one; run that one")]
    Ahead(i64),
}

impl SchemaState {
    /// Ok for [`SchemaState::Current`] alone.
    ///
    /// # Errors
    /// [`SchemaError`], which says what to do.
    pub const fn check(self) -> Result<(), SchemaError> {
        match self {
            Self::Current => Ok(()),
            Self::Behind(missing) => Err(SchemaError::Behind(missing)),
            Self::Ahead(version) => Err(SchemaError::Ahead(version)),
        }
    }
}

/// Compares the applied migrations with this binary's.
///
/// # Errors
/// [`DbError`] when the database cannot be asked.
pub async fn schema_state(conn: &mut PgConnection) -> Result<SchemaState, DbError> {
    let applied = applied_migrations(conn).await?;
    if let Some(version) = applied.iter().copied().filter(|version| !MIGRATOR.version_exists(*version)).max() {
        return Ok(SchemaState::Ahead(version));
    }
    match MIGRATOR.iter().filter(|migration| !applied.contains(&migration.version)).count() {
        0 => Ok(SchemaState::Current),
        missing => Ok(SchemaState::Behind(missing)),
    }
}

/// Versions of the migrations that are applied; empty on a database without the list.
///
/// # Errors
/// [`DbError`] when the database cannot be asked.
pub async fn applied_migrations(conn: &mut PgConnection) -> Result<Vec<i64>, DbError> {
    let has_list: bool = sqlx::query_scalar("select to_regclass($1) is not null")
        .bind(MIGRATOR.table_name.as_ref())
        .fetch_one(&mut *conn)
        .await?;
    if !has_list {
        return Ok(Vec::new());
    }
    let applied = conn.list_applied_migrations(&MIGRATOR.table_name).await.map_err(migrate_error)?;
    Ok(applied.into_iter().map(|migration| migration.version).collect())
}

pub(super) fn migrate_error(error: sqlx::migrate::MigrateError) -> DbError {
    match error {
        sqlx::migrate::MigrateError::Execute(error) => error.into(),
        sqlx::migrate::MigrateError::ExecuteMigration(error, version) => match DbError::from(error) {
            DbError::Unavailable(error) => DbError::Unavailable(error),
            DbError::Other(error) => {
                DbError::Other(sqlx::Error::Configuration(format!("migration {version}: {error}").into()))
            }
        },
        other => DbError::Other(sqlx::Error::Migrate(Box::new(other))),
    }
}
