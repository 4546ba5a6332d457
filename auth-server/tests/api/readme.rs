//! The README names every setting, every command, every route and every refusal of this service.

use auth_server::cli::Cli;
use clap::CommandFactory as _;
use shared::db::Pool;
use shared::testing::commands::{commands, named_commands};
use shared::testing::{documented, readme};

use crate::app::TestApp;

#[test]
fn the_tables_of_settings_are_those_of_the_code() {
    let faults = readme::faults_of_settings("MYAPI_AUTH__", auth_server::config::SETTINGS);
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_command_has_a_row_and_nothing_else() {
    let root = Cli::command();
    assert_eq!(named_commands(readme::text(), "\n| auth-server | |\n", &root), commands(&root));
}

#[test]
fn every_route_is_named() {
    let unnamed = readme::unnamed_routes(documented::constants(include_str!("../../src/routes.rs")));
    assert!(unnamed.is_empty(), "README.md lacks {unnamed:?}");
}

/// The document has every refusal, made by the code that answers it.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn every_refusal_is_in_the_table_and_nothing_else(pool: Pool) {
    let document = TestApp::new(pool).await.get("/openapi.json").await.json();
    let mut codes = readme::codes_of_the_document(&document, "error");
    // Of paths, methods and redirects, which no document has.
    codes.extend(
        ["not_found", "access_denied", "login_required", "consent_required", "request_uri_not_supported"]
            .map(str::to_owned),
    );
    assert_eq!(readme::codes_of_the_table("auth-server"), codes);
}
