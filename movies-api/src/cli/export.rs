//! `movies-api export`.

use std::io::{BufWriter, stdout};

use shared::config::Sources;

use crate::movies::export::export;
use crate::movies::files::Format;

const EXAMPLES: &str = "\
Examples:
  movies-api export > movies.csv
  movies-api export --format jsonl | gzip > movies.jsonl.gz";

/// Flags of `export`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct Export {
    /// How to write them; `import` reads both
    #[arg(long, value_enum, default_value = "csv")]
    format: Format,
}

impl Export {
    pub(super) async fn run(self, sources: &Sources) -> anyhow::Result<()> {
        let mut conn = super::connect(sources).await?;
        match export(&mut conn, BufWriter::new(stdout().lock()), self.format).await {
            Ok(_) => Ok(()),
            // Whoever reads has seen enough, as `head` has.
            Err(error) if error.is_broken_pipe() => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
