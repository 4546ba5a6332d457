//! The command line: results on stdout, logs and messages on stderr, exit 0 done, 1 refused or failed, 2 wrong use.

mod config;
mod database;
mod export;
mod import;
mod serve;

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::LazyLock;

use clap::{CommandFactory, Parser, Subcommand};
use shared::config::Sources;
use shared::output::OutputFormat;
use shared::telemetry;

/// The version, with the commit where the build was told it (`MYAPI_COMMIT`).
pub static VERSION: LazyLock<String> = LazyLock::new(|| match option_env!("MYAPI_COMMIT") {
    Some(commit) => format!("{} ({commit})", env!("CARGO_PKG_VERSION")),
    None => env!("CARGO_PKG_VERSION").to_owned(),
});

/// Serves films to whoever holds a token of the auth-server, and brings films in and out.
#[derive(Debug, Parser)]
#[command(name = "movies-api", version = VERSION.as_str(), about, disable_help_subcommand = true)]
pub struct Cli {
    /// A TOML file with settings; environment and `.env` win over it.
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// How results are printed.
    #[arg(long, global = true, value_enum, default_value_t)]
    output: OutputFormat,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Answer requests until SIGTERM or Ctrl-C.
    Serve(serve::Arguments),
    /// Bring films from a CSV file or a file of JSON lines into the database: all of them or none.
    Import(import::Arguments),
    /// Write all films to stdout.
    Export(export::Arguments),
    /// Look at the settings.
    #[command(subcommand)]
    Config(config::Command),
}

/// Runs the command that the process was started with.
pub async fn run() -> ExitCode {
    // Wrong use ends here with 2, `--help` and `--version` with 0.
    let cli = Cli::parse();
    let Some(command) = cli.command else {
        return match Cli::command().print_help() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::FAILURE,
        };
    };
    // A command's own words are on stdout; of its log only what needs attention.
    telemetry::init(if matches!(command, Command::Serve(_)) { tracing::Level::INFO } else { tracing::Level::WARN });
    let result = match command {
        Command::Serve(arguments) => serve::run(cli.config, arguments).await,
        Command::Import(arguments) => import::run(&sources(cli.config), arguments, cli.output).await,
        Command::Export(arguments) => export::run(&sources(cli.config), arguments).await,
        Command::Config(command) => config::run(&sources(cli.config), command, cli.output).await,
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn sources(file: Option<PathBuf>) -> Sources {
    Sources::process(file, Vec::new())
}
