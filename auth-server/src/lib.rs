//! The authorization server: owns users, clients and signing keys, gives out tokens by OAuth 2.0 grants, and signs them
//! as JWTs (RFC 9068). Nobody else can sign.
//!
//! Each folder is a room; calls go `cli → app → oauth → domain rooms → shared`, never up and never sideways into
//! another room's store.

pub mod app;
pub mod audit;
pub mod cli;
pub mod clients;
pub mod codes;
pub mod config;
pub mod consents;
pub mod devices;
pub mod health;
pub mod housekeeping;
pub mod keys;
pub mod limits;
pub mod logins;
pub mod oauth;
pub mod opaque;
pub mod pages;
pub mod passwords;
pub mod proofs;
pub mod pushed_requests;
pub mod resource_servers;
pub mod revocations;
pub mod routes;
pub mod schema;
pub mod sessions;
pub mod state;
pub mod tokens;
pub mod users;
pub mod web;
