//! The README names every setting and every route of this service.

const README: &str = include_str!("../../../README.md");

#[test]
fn every_setting_has_a_row() {
    for setting in auth_server::config::SETTINGS {
        let row = match setting.default {
            Some(default) => format!("| `{}` | `{default}` |", setting.name),
            None => format!("| `{}` |  |", setting.name),
        };
        assert!(README.contains(&row), "README.md lacks {row}");
    }
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
