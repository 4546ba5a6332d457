//! The command line: one noun per file, over the same services as HTTP.
//!
//! Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 refused or failed, 2 wrong use.

mod client;
mod config;
mod key;
mod migrate;
mod resource;
mod serve;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use shared::clock::Clock;
use shared::config::Sources;
use shared::db::{self, Pool};
pub use shared::output::OutputFormat;

use crate::config::AuthConfig;

/// The authorization server: users, clients, signing keys, tokens.
#[derive(Parser)]
#[command(name = "auth-server", version, arg_required_else_help = true)]
struct Cli {
    /// TOML file with settings; the environment and `.env` win over it
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t)]
    output: OutputFormat,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Answer requests until SIGTERM
    Serve(serve::Serve),
    /// Bring the database's schema up to date
    Migrate(migrate::Migrate),
    /// Create a user
    CreateUser(user::CreateUser),
    /// List and change users
    #[command(subcommand)]
    User(user::UserCommand),
    /// List and change clients
    #[command(subcommand)]
    Client(client::ClientCommand),
    /// List and change signing keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// List and change resource servers and their scopes
    #[command(subcommand)]
    Resource(resource::ResourceCommand),
    /// Look at the settings
    #[command(subcommand)]
    Config(config::ConfigCommand),
}

/// What every command works with.
pub struct Context {
    /// The checked settings.
    pub config: AuthConfig,
    /// The database; connects when first used.
    pub pool: Pool,
    /// The system's clock.
    pub clock: Clock,
    /// How results are printed.
    pub output: OutputFormat,
}

/// Parses the arguments, does what they say, and tells the exit code.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    // A command's own words are on stdout; of its log only what needs attention.
    let level = if matches!(cli.command, Command::Serve(_)) { tracing::Level::INFO } else { tracing::Level::WARN };
    shared::telemetry::init(level);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::new(error).context("cannot start")),
    };
    match runtime.block_on(run(cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error),
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("error: {error:#}");
    ExitCode::FAILURE
}

async fn run(cli: Cli) -> anyhow::Result<()> {
    let flags = match &cli.command {
        Command::Serve(serve) => serve.flags(),
        _ => Vec::new(),
    };
    let sources = Sources::process(cli.config, flags);
    match cli.command {
        // These two need no database, and the first no settings either.
        Command::Key(key::KeyCommand::NewSecret) => key::print_new_secret(cli.output),
        Command::Config(command) => config::run(command, &sources, cli.output),
        command => dispatch(command, &context(&sources, cli.output)?).await,
    }
}

async fn dispatch(command: Command, context: &Context) -> anyhow::Result<()> {
    match command {
        Command::Serve(serve) => serve.run(context).await,
        Command::Migrate(migrate) => migrate.run(context).await,
        Command::CreateUser(arguments) => user::create(arguments, context).await,
        Command::User(command) => user::run(command, context).await,
        Command::Client(command) => client::run(command, context).await,
        Command::Key(command) => key::run(command, context).await,
        Command::Resource(command) => resource::run(command, context).await,
        Command::Config(_) => Ok(()),
    }
}

fn context(sources: &Sources, output: OutputFormat) -> anyhow::Result<Context> {
    let (config, _) = AuthConfig::load(sources)?;
    let pool = db::pool(config.common.database.options.clone(), config.database_connections, "auth-server");
    Ok(Context { config, pool, clock: Clock::system(), output })
}
