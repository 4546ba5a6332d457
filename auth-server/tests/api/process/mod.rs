//! auth-server as a process: its start and its refusals to start, its logs, its sockets, its end, and its commands.

mod bad_database;
mod bad_networks;
pub mod binary;
mod browser;
mod commands;
mod commit_reset;
mod crash;
mod drain;
mod flood;
mod limits;
mod log_reader;
mod logs;
mod logs_refusals;
mod logs_secrets;
mod packages;
mod partition_drop;
mod peers;
mod replicas;
mod settings;
mod signed_in;
mod start;
mod traces;
pub mod wire;
