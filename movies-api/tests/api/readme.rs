//! The README names every setting, every command, every route and every refusal of this service.

use std::collections::BTreeSet;

use clap::CommandFactory as _;
use movies_api::cli::Cli;
use serde_json::Value;
use shared::db::Pool;
use shared::testing::commands::{commands, named_commands};

use crate::support::TestApp;

const README: &str = include_str!("../../../README.md");
const EXAMPLE: &str = include_str!("../../../.env.example");

#[test]
fn every_setting_has_a_row() {
    for setting in movies_api::config::SETTINGS {
        let row = match setting.default {
            Some(default) => format!("| `{}` | `{default}` |", setting.name),
            None => format!("| `{}` |  |", setting.name),
        };
        assert!(README.contains(&row), "README.md lacks {row}");
        assert!(EXAMPLE.contains(&format!("#{}=", setting.name)), ".env.example lacks {}", setting.name);
    }
}

#[test]
fn no_other_setting_has_one() {
    let rows = README.lines().filter_map(|line| line.strip_prefix("| `MYAPI_MOVIES__")?.split('`').next());
    for name in rows.map(|rest| format!("MYAPI_MOVIES__{rest}")) {
        assert!(movies_api::config::SETTINGS.iter().any(|setting| setting.name == name), "there is no {name}");
    }
    for setting in shared::config::COMMON {
        let (_, last) = setting.name.rsplit_once("__").unwrap_or(("", setting.name));
        assert!(README.contains(&format!("{last}`")), "README.md lacks {}", setting.name);
    }
}

#[test]
fn every_command_has_a_row_and_nothing_else() {
    let root = Cli::command();
    assert_eq!(named_commands(README, "\n| movies-api | |\n", &root), commands(&root));
}

#[test]
fn every_route_is_named() {
    for route in shared::testing::documented::constants(include_str!("../../src/routes.rs")) {
        assert!(
            README.contains(&format!(" {route}`")) || README.contains(&format!(" {route}?")),
            "README.md lacks {route}"
        );
    }
}

/// Codes of the rows of this service, each with a meaning and a remedy.
fn codes_of_the_table() -> BTreeSet<String> {
    let rows = README.lines().map(|line| line.split(" | ").collect::<Vec<_>>()).filter(|cells| cells.len() == 5);
    let rows = rows.filter(|cells| cells[2] == "movies-api");
    rows.flat_map(|cells| {
        assert!(cells[3].len() > 7 && cells[4].len() > 10, "{cells:?}");
        cells[0].trim_start_matches("| ").split(", ").map(|code| code.trim_matches('`').to_owned()).collect::<Vec<_>>()
    })
    .collect()
}

fn collect(value: &Value, codes: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let (Some(code), true) = (members.get("code").and_then(Value::as_str), members.len() > 1) {
                codes.insert(code.to_owned());
            }
            members.values().for_each(|value| collect(value, codes));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, codes)),
        _ => {}
    }
}

/// The document has every refusal, made by the code that answers it.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn every_refusal_of_the_movies_is_in_the_table_and_nothing_else(pool: Pool) {
    let app = TestApp::new(pool);
    let document = app.get("/openapi.json").await.json();
    let mut codes = BTreeSet::new();
    collect(&document["paths"], &mut codes);
    collect(&document["components"]["responses"], &mut codes);
    // Of paths, methods and redirects, which no document has.
    codes.extend(["route_not_found", "method_not_allowed", "not_ready"].map(str::to_owned));
    assert_eq!(codes_of_the_table(), codes);
}
