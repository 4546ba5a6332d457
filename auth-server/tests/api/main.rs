//! auth-server from outside: through its router, on a real Postgres, one database a test. One file for each endpoint or
//! grant; ids in names are those of the protocol checklist.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking, in its helpers too"
)]

mod app;
mod assertions;
mod audit;
mod audit_browsers;
mod audit_tampering;
mod authorize;
mod backup;
mod client_credentials;
mod clients;
mod clients_apply;
mod clients_cli;
mod clients_known;
mod code;
mod command_line;
mod device;
mod device_bound;
mod device_page;
mod docs;
mod doctor;
mod dpop;
mod fuzz;
mod health;
mod housekeeping;
mod introspect;
mod keys;
mod keys_import;
mod keys_rotation;
mod limits;
mod limits_secrets;
mod limits_shared;
mod logout;
mod metadata;
mod metrics;
mod migrations;
mod oidc;
mod pages;
mod pages_session;
mod panics;
mod par;
mod password;
mod process;
mod readme;
mod refresh;
mod resource;
mod resource_server_report;
mod revoke;
mod token;
mod token_answers;
mod token_explain;
mod upgrades;
mod users;
mod users_addresses;
mod users_cli;
mod users_import;
mod users_login;
mod visitor;
