//! The one connection of a command that works on the database.

use anyhow::{Context as _, bail};
use shared::config::{CommonConfig, Settings, Sources};
use shared::db::{self, SchemaState};
use sqlx::{ConnectOptions as _, PgConnection};

use crate::config::{SECTION, SETTINGS};

/// Connects, and refuses a schema that this binary is too old or too new for.
pub(super) async fn connect(sources: &Sources) -> anyhow::Result<PgConnection> {
    let settings = Settings::load(SECTION, SETTINGS, sources)?;
    let database = CommonConfig::read(&settings, SECTION)?.database;
    let options = database.options.application_name("movies-api");
    let place = format!("{}:{}", options.get_host(), options.get_port());
    let mut conn = options
        .connect()
        .await
        .with_context(|| format!("cannot connect to the database at {place}, which {} names", database.variable))?;
    match db::schema_state(&mut conn).await? {
        SchemaState::Current => Ok(conn),
        SchemaState::Behind(missing) => {
            bail!("the database lacks {missing} migrations: run `auth-server migrate` first")
        }
        SchemaState::Ahead(version) => bail!(too_old(version)),
    }
}

/// What an old binary says to a newer schema.
pub(super) fn too_old(version: i64) -> String {
    format!(
        "the database is newer than this binary: it has migration {version}, which movies-api {} does not know; \
         run a newer movies-api",
        *super::VERSION
    )
}
