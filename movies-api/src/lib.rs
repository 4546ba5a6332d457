//! The movies API, and the model of a resource server: it checks bearer tokens offline and serves films.
//!
//! `main` → [`cli`] → [`app`] → rooms ([`movies`]) → `shared`. A new service is one folder beside `movies`, one `mod`
//! line here and one `.merge` line in [`app`].

pub mod app;
pub mod cli;
pub mod config;
pub mod movies;
pub mod routes;
pub mod state;
pub mod web;
