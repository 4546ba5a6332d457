//! The command line: one noun per file, over the same services as HTTP.
//!
//! Results go to stdout, everything else to stderr. Exit codes: 0 done, 1 refused or failed, 2 wrong use.

mod audit;
mod capacity;
mod client;
mod config;
mod consent;
mod device_login;
mod doctor;
mod key;
mod migrate;
mod resource;
mod selftest;
mod serve;
mod session;
mod token;
mod user;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{CommandFactory as _, Parser, Subcommand};
use shared::cli::{Completions, ConfigCommand, Healthcheck, Man};
use shared::clock::Clock;
use shared::config::{Settings, Sources};
use shared::db::{self, Pool};
pub use shared::output::OutputFormat;
use sqlx::Connection as _;

use crate::audit::{Audit, Trail};
use crate::config::{AuthConfig, SECTION, SETTINGS};
use crate::routes;

/// The version and the commit that it was built from.
pub const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("BUILD_COMMIT"), ")");
/// The setting that says where the server listens.
const BIND: &str = "MYAPI_AUTH__BIND";

/// How long the end of a process waits for what happened to be recorded.
const AUDIT_PATIENCE: Duration = Duration::from_secs(5);

const EXAMPLES: &str = "\
Examples:
  auth-server migrate
  auth-server key generate
  auth-server client create web --public --grant password --scope movies:read
  auth-server create-user --email john@domain.com
  auth-server serve

Settings come from flags, the environment, .env and --config FILE, in this order; `config show` lists them.
Exit codes: 0 done, 1 refused or failed, 2 wrong use.";

/// The authorization server: users, clients, signing keys, tokens
#[derive(Parser)]
#[command(name = "auth-server", version = VERSION, arg_required_else_help = true, after_long_help = EXAMPLES)]
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
    /// Bring the database's schema up to date
    Migrate(migrate::Migrate),
    /// Create a user
    CreateUser(user::CreateUser),
    /// List and change users
    #[command(subcommand)]
    User(user::UserCommand),
    /// List and change clients
    #[command(subcommand)]
    Client(Box<client::ClientCommand>),
    /// List browsers that are signed in, and sign them out
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// List what people have allowed clients, and withdraw it
    #[command(subcommand)]
    Consent(consent::ConsentCommand),
    /// List and change signing keys
    #[command(subcommand)]
    Key(key::KeyCommand),
    /// List and change resource servers and their scopes
    #[command(subcommand)]
    Resource(resource::ResourceCommand),
    /// Look into an access token
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Read and verify what happened
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Measure how many logins this machine affords, and recommend settings
    Capacity(capacity::MeasureCapacity),
    /// Sign this terminal in by a browser on any device, as a client of the server
    DeviceLogin(device_login::DeviceLogin),
    /// Look at everything that serving needs, and say what to do; exit code 1 when something is wrong
    Doctor,
    /// Attack the running pair in the ways that matter, and report what was held off; exit code 1 when something was not
    Selftest(selftest::Selftest),
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
    // Wrong use ends here with 2, `--help` and `--version` with 0.
    let cli = Cli::parse();
    // A command's own words are on stdout; of its log only what needs attention.
    let level = if matches!(cli.command, Command::Serve(_)) { tracing::Level::INFO } else { tracing::Level::WARN };
    shared::telemetry::init(level);
    shared::cli::run(run(cli))
}

/// Commands that need neither a database nor, most of them, settings that fit.
async fn run(cli: Cli) -> anyhow::Result<()> {
    let output = cli.output;
    let sources = Sources::process(cli.config, cli.command.flags());
    match cli.command {
        Command::Key(key::KeyCommand::NewSecret) => key::print_new_secret(output),
        Command::Capacity(capacity) => capacity.run(&sources, output),
        Command::Client(command) if matches!(*command, client::ClientCommand::NewSecret) => {
            client::print_new_secret(output)
        }
        Command::Token(command) if command.is_offline() => token::run_offline(command, &sources, output),
        Command::Config(command) => config::run(command, &sources, output),
        Command::Healthcheck(check) => {
            let settings = Settings::load(SECTION, SETTINGS, &sources)?;
            Ok(check.run(shared::config::address(&settings, BIND)?, routes::READY, output)?)
        }
        Command::DeviceLogin(login) => {
            let settings = Settings::load(SECTION, SETTINGS, &sources)?;
            login.run(&settings, output).await
        }
        Command::Completions(completions) => Ok(completions.print(Cli::command())?),
        Command::Man(man) => Ok(man.print(Cli::command(), output)?),
        command => dispatch(command, &Context::new(&sources, output)?).await,
    }
}

async fn dispatch(command: Command, context: &Context) -> anyhow::Result<()> {
    // These speak with a database whose schema may be another one.
    let command = match command {
        Command::Serve(serve) => return serve.run(context).await,
        Command::Doctor => return doctor::run(context).await,
        Command::Migrate(migrate) => return recorded(context, migrate.run(context)).await,
        command => command,
    };
    shared::cli::connect(&context.config.common.database, "auth-server").await?.close().await?;
    recorded(context, command_on(command, context)).await
}

/// What a command does is recorded with the user of the operating system who runs it. It ends when that is written.
async fn recorded(context: &Context, command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let audit = Audit::start(context.pool.clone(), context.clock.clone(), None);
    let result = Trail::of_command(audit.clone()).scope(command).await;
    audit.close(AUDIT_PATIENCE).await;
    result
}

async fn command_on(command: Command, context: &Context) -> anyhow::Result<()> {
    match command {
        Command::Audit(command) => command.run(context).await,
        Command::CreateUser(arguments) => user::create(arguments, context).await,
        Command::User(command) => user::run(command, context).await,
        Command::Client(command) => client::run(*command, context).await,
        Command::Session(command) => session::run(command, context).await,
        Command::Consent(command) => consent::run(command, context).await,
        Command::Key(command) => key::run(command, context).await,
        Command::Resource(command) => resource::run(command, context).await,
        Command::Selftest(selftest) => selftest.run(context).await,
        Command::Token(command) => token::run(command, context).await,
        _ => Ok(()),
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

impl Context {
    fn new(sources: &Sources, output: OutputFormat) -> anyhow::Result<Self> {
        let (config, _) = AuthConfig::load(sources)?;
        let pool = db::pool(config.common.database.options.clone(), config.database_connections, "auth-server");
        Ok(Self { config, pool, clock: Clock::system(), output })
    }
}
