//! What the README's tables say, for the tests that hold them against the code.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::config::{COMMON, Setting};

const README: &str = include_str!("../../../README.md");
const EXAMPLE: &str = include_str!("../../../.env.example");

/// What the tables of settings and the example lack of a service's settings, and what they have that it does not know.
/// `prefix` is that of its names, such as `MYAPI_AUTH__`.
#[must_use]
pub fn faults_of_settings(prefix: &str, settings: &[Setting]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut demand = |is_true: bool, fault: String| {
        if !is_true {
            faults.push(fault);
        }
    };
    for Setting { name, default, .. } in settings {
        let row = default.map_or_else(|| format!("| `{name}` |  |"), |default| format!("| `{name}` | `{default}` |"));
        demand(README.contains(&row), format!("README.md lacks {row}"));
        demand(EXAMPLE.contains(&format!("#{name}=")), format!(".env.example lacks {name}"));
    }
    let first_cells = README.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    for name in first_cells.filter(|name| name.starts_with(prefix)) {
        demand(settings.iter().any(|setting| setting.name == name), format!("there is no {name}"));
    }
    for Setting { name, .. } in COMMON {
        let last = name.rsplit_once("__").map_or(*name, |(_, last)| last);
        demand(README.contains(&format!("{last}`")), format!("README.md lacks {name}"));
    }
    faults
}

/// Those of `routes` that the README does not name.
#[must_use]
pub fn unnamed_routes(routes: Vec<String>) -> Vec<String> {
    let is_named = |route: &String| [" {}`", " {}?"].iter().any(|form| README.contains(&form.replace("{}", route)));
    routes.into_iter().filter(|route| !is_named(route)).collect()
}

/// The codes in the table of refusals of this service; each has a meaning and a remedy.
///
/// # Panics
/// Where a row has not.
#[must_use]
pub fn codes_of_the_table(service: &str) -> BTreeSet<String> {
    let rows = README.lines().filter_map(|line| <[&str; 5]>::try_from(line.split(" | ").collect::<Vec<_>>()).ok());
    let mut codes = BTreeSet::new();
    for row in rows.filter(|row| row[2] == service) {
        let [names, _, _, meaning, remedy] = row;
        assert!(meaning.len() > 7 && remedy.len() > 10, "{row:?}");
        codes.extend(names.trim_start_matches("| ").split(", ").map(|code| code.trim_matches('`').to_owned()));
    }
    codes
}

/// The codes of the refusals in an OpenAPI document: the member `name` of each of its examples.
#[must_use]
pub fn codes_of_the_document(document: &Value, name: &str) -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for part in ["/paths", "/components/responses"] {
        collect(document.pointer(part).unwrap_or(&Value::Null), name, &mut codes);
    }
    codes
}

fn collect(value: &Value, name: &str, codes: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            if let (Some(code), true) = (members.get(name).and_then(Value::as_str), members.len() > 1) {
                codes.insert(code.to_owned());
            }
            members.values().for_each(|value| collect(value, name, codes));
        }
        Value::Array(items) => items.iter().for_each(|value| collect(value, name, codes)),
        _ => {}
    }
}

/// The README itself.
#[must_use]
pub const fn text() -> &'static str {
    README
}
