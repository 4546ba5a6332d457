//! The README names every setting, every command, every route and every refusal of this service.

use clap::CommandFactory as _;
use movies_api::cli::Cli;
use shared::db::Pool;
use shared::testing::commands::{commands, named_commands};
use shared::testing::{documented, readme};

use crate::support::TestApp;

#[test]
fn the_tables_of_settings_are_those_of_the_code() {
    let faults = readme::faults_of_settings("MYAPI_MOVIES__", movies_api::config::SETTINGS);
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_command_has_a_row_and_nothing_else() {
    let root = Cli::command();
    assert_eq!(named_commands(readme::text(), "\n| movies-api | |\n", &root), commands(&root));
}

#[test]
fn every_route_is_named() {
    let unnamed = readme::unnamed_routes(documented::constants(include_str!("../../src/routes.rs")));
    assert!(unnamed.is_empty(), "README.md lacks {unnamed:?}");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn what_it_prints_of_the_service_is_what_the_service_says(pool: Pool) {
    let path = "/.well-known/oauth-protected-resource";
    let printed = readme::text().split_once(&format!("$ curl -s http://127.0.0.1:8000{path}\n")).unwrap().1;
    let said = TestApp::new(pool).get(path).await.body;
    assert_eq!(printed.lines().next(), Some(said.as_str()), "README.md, below `curl -s http://127.0.0.1:8000{path}`");
}

/// The document has every refusal, made by the code that answers it.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn every_refusal_of_the_movies_is_in_the_table_and_nothing_else(pool: Pool) {
    let document = TestApp::new(pool).get("/openapi.json").await.json();
    let mut codes = readme::codes_of_the_document(&document, "code");
    // Of paths and methods, which no document has.
    codes.extend(["route_not_found", "method_not_allowed", "not_ready"].map(str::to_owned));
    assert_eq!(readme::codes_of_the_table("movies-api"), codes);
}
