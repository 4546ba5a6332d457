//! `movies-api export`.

use std::io::{BufWriter, stdout};

use shared::config::Sources;

use super::database;
use crate::movies::export::export;
use crate::movies::files::Format;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// How to write them; `import` reads both.
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
}

pub(super) async fn run(sources: &Sources, arguments: Arguments) -> anyhow::Result<()> {
    let mut conn = database::connect(sources).await?;
    match export(&mut conn, BufWriter::new(stdout().lock()), arguments.format).await {
        Ok(_) => Ok(()),
        // Whoever reads has seen enough, as `head` has.
        Err(error) if error.is_broken_pipe() => Ok(()),
        Err(error) => Err(error.into()),
    }
}
