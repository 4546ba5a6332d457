//! The command line: one verb per file, over the same services as HTTP.
//!
//! Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 refused or failed, 2 wrong use.

mod background;
mod config;
mod database;
mod doctor;
mod export;
mod import;
mod metrics;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use shared::cli::{Completions, ConfigCommand, Healthcheck, Man};
use shared::config::{CommonConfig, Settings, Sources};
use shared::db::Conn;
use shared::output::OutputFormat;

use crate::config::{SECTION, SETTINGS};
use crate::routes;

/// The version and the commit that it was built from.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("BUILD_COMMIT"), ")");
/// The setting that says where the server listens.
const BIND: &str = "MYAPI_MOVIES__BIND";

const EXAMPLES: &str = "\
Examples:
  movies-api import movies.csv
  movies-api serve
  movies-api export --format jsonl > movies.jsonl

Settings come from flags, the environment, .env and --config FILE, in this order; `config show` lists them.
Exit codes: 0 done, 1 refused or failed, 2 wrong use.";

/// The movies API: serves films to bearers of a token, and brings films in and out
#[derive(Parser)]
#[command(name = "movies-api", version = VERSION, arg_required_else_help = true, after_long_help = EXAMPLES)]
pub struct Cli {
    /// TOML file with settings; the environment and `.env` win over it
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORMAT")]
    output: OutputFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answer requests until SIGTERM or Ctrl-C
    Serve(serve::Serve),
    /// Bring films from a file into the database: all of them or none
    Import(import::Import),
    /// Write all films to stdout
    Export(export::Export),
    /// Look at everything that serving needs, and say what to do; exit code 1 when something is wrong
    Doctor,
    /// Look at the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Ask the server on this machine whether it is ready; exit code 1 when it is not
    Healthcheck(Healthcheck),
    /// Print the script that completes this command line in a shell
    Completions(Completions),
    /// Print the manual page, or write those of all commands
    Man(Man),
}

/// Parses the arguments, does what they say, and tells the exit code.
#[must_use]
pub fn main() -> ExitCode {
    // Wrong use ends here with 2, `--help` and `--version` with 0.
    let cli = Cli::parse();
    shared::telemetry::init(match cli.command {
        Command::Serve(_) => tracing::Level::INFO,
        // It tells by its own error what the log would say before it.
        Command::Config(_) | Command::Doctor => tracing::Level::ERROR,
        // A command's own words are on stdout; of its log only what needs attention.
        _ => tracing::Level::WARN,
    });
    shared::cli::run(run(cli))
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let output = cli.output;
    let sources = Sources::process(cli.config, cli.command.flags());
    match cli.command {
        Command::Serve(serve) => serve.run(&sources).await,
        Command::Import(import) => import.run(&sources, output).await,
        Command::Export(export) => export.run(&sources).await,
        Command::Config(command) => config::run(command, &sources, output).await,
        Command::Doctor => doctor::run(&sources, output).await,
        Command::Healthcheck(check) => {
            let settings = Settings::load(SECTION, SETTINGS, &sources)?;
            Ok(check.run(shared::config::address(&settings, BIND)?, routes::READY, output)?)
        }
        Command::Completions(completions) => Ok(completions.print(Cli::command())?),
        Command::Man(man) => Ok(man.print(Cli::command(), output)?),
    }
}

impl Command {
    /// Flags that take the place of a setting, by the setting's name.
    fn flags(&self) -> Vec<(String, String)> {
        match self {
            Self::Serve(serve) => serve.flags(),
            Self::Healthcheck(check) => check.flags(BIND),
            _ => Vec::new(),
        }
    }
}

/// The one connection of a command that reads from the database; it needs no other setting.
async fn connect(sources: &Sources) -> anyhow::Result<Conn> {
    Ok(shared::cli::connect(&read_common(sources)?.database, "movies-api").await?)
}

/// The same of one that writes: the other may lead to a standby.
async fn connect_primary(sources: &Sources) -> anyhow::Result<Conn> {
    Ok(shared::cli::connect(read_common(sources)?.direct_database(), "movies-api").await?)
}

fn read_common(sources: &Sources) -> anyhow::Result<CommonConfig> {
    let settings = Settings::load(SECTION, SETTINGS, sources)?;
    Ok(CommonConfig::read(&settings, SECTION)?)
}
