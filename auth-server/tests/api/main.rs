//! Temporary: the lead's main.rs takes its place.

mod users;
mod users_addresses;
mod users_cli;
mod users_login;
