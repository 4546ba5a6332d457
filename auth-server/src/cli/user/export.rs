//! `auth-server user export`.

use std::io::{BufWriter, stdout};

use super::super::Context;
use crate::users::export::{ExportFormat, export};

const EXAMPLES: &str = "\
Examples:
  auth-server user export > users.csv
  auth-server user export --format jsonl | gzip > users.jsonl.gz";

/// Flags of `user export`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(in crate::cli) struct Export {
    /// How to write them; nothing secret is in it
    #[arg(long, value_enum, default_value = "csv")]
    format: ExportFormat,
}

impl Export {
    pub(super) async fn run(self, context: &Context) -> anyhow::Result<()> {
        let mut conn = context.pool.acquire().await?;
        match export(&mut conn, BufWriter::new(stdout().lock()), self.format).await {
            Ok(_) => Ok(()),
            // Whoever reads has seen enough, as `head` has.
            Err(error) if error.is_broken_pipe() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
