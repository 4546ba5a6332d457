//! The command line. The hidden commands are how this program watches its own children (see `process`), and what tests
//! of outages ask for.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::bench::cases::Case;
use crate::process::StopSignal;

/// Developer commands of this workspace.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", disable_help_subcommand = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Build and run auth-server and movies-api on a private Postgres, with demo data, until Ctrl-C
    Up(Up),
    /// Run the whole test suite on a private Postgres (or on DATABASE_URL, when that is set)
    Test(Test),
    /// Measure requests per second, latency and CPU time beside a bare server and raw Argon2, on a private Postgres
    Bench(Bench),
    /// Try the real binaries for long, with bounds that they have to keep (exit code 1 when one does not)
    Soak(Soak),
    /// List the protocol checklist: what is tested, waived with a reason, planned, or missing (exit code 1)
    Checklist(Checklist),
    /// Write the query cache `.sqlx` that a build without a database compiles against
    QueryCache(QueryCache),
    /// Run a program and stop it when standard input ends
    #[command(name = "__guard", hide = true)]
    Guard(Guard),
    /// Become a program that the kernel stops together with its parent
    #[command(name = "__exec", hide = true)]
    Exec(Exec),
    /// Run a throwaway Postgres that stops and starts as standard input says, for tests of outages
    #[command(name = "__postgres", hide = true)]
    Postgres,
    /// Serve what `bench` compares with, from the database that DATABASE_URL names
    #[cfg(feature = "bench")]
    #[command(name = "__bench-server", hide = true)]
    BenchServer(BenchServer),
}

/// `cargo xtask up`.
#[derive(Debug, Args)]
pub struct Up {
    /// Delete the kept data first and start over
    #[arg(long, conflicts_with = "ephemeral")]
    pub reset: bool,
    /// Keep nothing: the data lives in a private folder that is removed at the end
    #[arg(long)]
    pub ephemeral: bool,
    /// Agree to migrate the database that MYAPI_DATABASE__DEV names
    #[arg(long)]
    pub yes: bool,
    /// Load the demo client, user and movies into the database that MYAPI_DATABASE__DEV names
    #[arg(long)]
    pub demo: bool,
    /// Build them optimised, which takes some minutes more the first time
    #[arg(long, conflicts_with = "bin_dir")]
    pub release: bool,
    /// Run the auth-server and movies-api of this folder instead of building them
    #[arg(long, value_name = "DIR")]
    pub bin_dir: Option<PathBuf>,
}

/// `cargo xtask test`.
#[derive(Debug, Args)]
pub struct Test {
    /// Passed to the test runner (cargo nextest run, or cargo test without nextest); doctests run only without any
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGS")]
    pub args: Vec<OsString>,
}

/// `cargo xtask bench`.
#[derive(Debug, Args)]
pub struct Bench {
    /// Seconds that each case is measured in each round
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=300))]
    pub seconds: u32,
    /// Rounds; each case is measured once in each, and the medians count
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub rounds: u32,
    /// One round of a second each, to see that it runs; the figures mean little
    #[arg(long, conflicts_with_all = ["seconds", "rounds"])]
    pub quick: bool,
    /// Measure these and what they are compared with, and nothing else
    #[arg(long, value_name = "CASE,…", value_delimiter = ',')]
    pub only: Vec<Case>,
    /// Measure memory, and nothing else that is not asked for
    #[arg(long)]
    pub memory: bool,
    /// Measure every route of the movies with few films and with a million, and nothing else that is not asked for
    #[arg(long)]
    pub routes: bool,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
    /// Also write the result to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Also keep the result and its chart in deploy/bench, which the README shows
    #[arg(long, conflicts_with_all = ["quick", "only", "memory", "routes"])]
    pub save: bool,
    /// Measure the auth-server and movies-api of this folder instead of building them
    #[arg(long, value_name = "DIR")]
    pub bin_dir: Option<PathBuf>,
}

/// `cargo xtask soak`.
#[derive(Debug, Args)]
pub struct Soak {
    /// The one to run; all of them without a name
    pub name: Option<String>,
    /// Rounds, each on a fresh database; of each figure the worst counts
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub rounds: u32,
    /// Seconds of each part, where a soak goes by time
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub seconds: u32,
    /// How many kills, restarts, revocations and the like, in place of each soak's own number
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub times: Option<u32>,
    /// Try the auth-server and movies-api of this folder instead of building them
    #[arg(long, value_name = "DIR")]
    pub bin_dir: Option<PathBuf>,
    /// two-versions: build this revision as the older version; without it the last tag, or while there is none the commit
    /// before the newest change of the migrations
    #[arg(long, value_name = "REV", conflicts_with = "old_bin_dir")]
    pub old: Option<String>,
    /// two-versions: the auth-server and movies-api of this folder are the older version
    #[arg(long, value_name = "DIR")]
    pub old_bin_dir: Option<PathBuf>,
}

/// `cargo xtask checklist`.
#[derive(Debug, Args)]
pub struct Checklist {
    /// How the list is printed
    #[arg(long, value_enum, default_value_t)]
    pub output: Output,
}

/// How a list is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// One line a row, for people
    #[default]
    Table,
    /// One JSON document, for programs
    Json,
}

/// `cargo xtask __bench-server`.
#[cfg(feature = "bench")]
#[derive(Debug, Args)]
pub struct BenchServer {
    /// Where it listens
    #[arg(long)]
    pub bind: std::net::SocketAddr,
}

/// `cargo xtask query-cache`.
#[derive(Debug, Args)]
pub struct QueryCache {
    /// Change nothing; exit code 1 when the cache is not what the sources and migrations make
    #[arg(long)]
    pub check: bool,
}

/// `cargo xtask __guard`.
#[derive(Debug, Args)]
pub struct Guard {
    /// How the program is asked to stop
    #[arg(long)]
    pub signal: StopSignal,
    /// Seconds that it then gets before it is killed
    #[arg(long)]
    pub grace: u64,
    /// Send signals to the program's whole process group
    #[arg(long)]
    pub group: bool,
    /// Run it as this user id
    #[arg(long, requires = "gid")]
    pub uid: Option<u32>,
    /// Run it as this group id
    #[arg(long, requires = "uid")]
    pub gid: Option<u32>,
    /// Folders to remove once it has ended
    #[arg(long, value_name = "DIR")]
    pub remove: Vec<PathBuf>,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    pub program: Vec<OsString>,
}

/// `cargo xtask __exec`.
#[derive(Debug, Args)]
pub struct Exec {
    /// What the kernel sends when the parent dies
    #[arg(long)]
    pub signal: StopSignal,
    /// The parent's process id, as a check that it still lives
    #[arg(long)]
    pub parent: u32,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    pub program: Vec<OsString>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definitions_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn test_arguments_reach_the_runner_with_and_without_dashes() {
        for line in [vec!["xtask", "test", "--", "-p", "shared"], vec!["xtask", "test", "-p", "shared"]] {
            let Command::Test(test) = Cli::parse_from(line).command else { unreachable!() };
            assert_eq!(test.args, ["-p", "shared"]);
        }
    }

    #[test]
    fn a_bench_is_kept_only_as_a_whole() {
        assert!(Cli::try_parse_from(["xtask", "bench", "--quick", "--save"]).is_err());
        assert!(Cli::try_parse_from(["xtask", "bench", "--only", "refresh", "--save"]).is_err());
    }

    #[test]
    fn cases_are_separated_by_commas() {
        let line = ["xtask", "bench", "--only", "client,revoke-floor", "--only", "row"];
        let Command::Bench(bench) = Cli::parse_from(line).command else { unreachable!() };
        assert_eq!(bench.only, [Case::Client, Case::RevokeFloor, Case::Row]);
        assert!(Cli::try_parse_from(["xtask", "bench", "--only", "Refresh"]).is_err());
    }

    #[test]
    fn reset_and_ephemeral_exclude_each_other() {
        assert!(Cli::try_parse_from(["xtask", "up", "--reset", "--ephemeral"]).is_err());
    }
}
