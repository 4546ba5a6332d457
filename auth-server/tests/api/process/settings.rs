//! Where a process finds its settings: `.env` in its folder, `--config`, `_FILE` twins, and the old application's names.

use serde_json::{Value, json};
use shared::db::Pool;

use super::binary::{Binary, database_url, key_encryption_key};
use crate::app::TestApp;

const URL: &str = "postgres://someone:hunter2hunter2@db.example/movies";

/// A setting's value and origin, as `config show` tells it.
fn shown(binary: &Binary, arguments: &[&str], name: &str) -> (Value, Value) {
    let rows = binary.json(&[&["config", "show"], arguments].concat());
    let row = rows.as_array().unwrap().iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("no {name}"));
    (row["value"].clone(), row["origin"].clone())
}

#[test]
fn o09_the_environment_wins_over_dotenv_and_dotenv_over_the_file() {
    let binary = Binary::bare().without("MYAPI_AUTH__BIND");
    let file = binary.write(
        "auth.toml",
        &format!("[database]\ndev = \"{URL}\"\n[auth]\nissuer = \"http://127.0.0.1:1\"\nbind = \"127.0.0.1:1\"\naudience = \"http://a.org\"\n"),
    );
    binary.write(".env", "MYAPI_AUTH__BIND=127.0.0.1:2\nMYAPI_AUTH__ISSUER=http://127.0.0.1:2\n");
    let binary = binary.with("MYAPI_AUTH__ISSUER", "http://127.0.0.1:3");
    let arguments = ["--config", &file];
    let expected = [
        ("MYAPI_AUTH__ISSUER", json!("http://127.0.0.1:3"), json!("environment")),
        ("MYAPI_AUTH__BIND", json!("127.0.0.1:2"), json!(".env")),
        ("MYAPI_AUTH__AUDIENCE", json!("http://a.org"), json!(file)),
        ("MYAPI_DATABASE__DEV", json!("(set)"), json!(file)),
        ("MYAPI_AUTH__KEY_RELOAD", json!("10"), json!("default")),
        ("MYAPI_AUTH__DEFAULT_CLIENT", Value::Null, json!("unset")),
    ];
    for (name, value, origin) in expected {
        assert_eq!(shown(&binary, &arguments, name), (value, origin), "{name}");
    }
}

#[test]
fn o09_a_bad_file_is_named_with_its_line_and_not_quoted() {
    let binary = Binary::bare().with("MYAPI_DATABASE__DEV", URL);
    let file = binary.write("auth.toml", "[auth]\nkey_encryption_key = \"hunter2hunter2\n");
    let ended = binary.run(&["config", "check", "--config", &file]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.stderr.starts_with(&format!("error: {file}: TOML parse error at line 2, column ")),
        "{}",
        ended.stderr
    );
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    let ended = binary.run(&["config", "check", "--config", "nowhere.toml"]);
    assert_eq!(ended.code, Some(1));
    assert!(ended.stderr.starts_with("error: nowhere.toml: cannot be read: "), "{}", ended.stderr);
    let file = binary.write("auth.toml", "[auth]\nisuer = \"https://x.org\"\n");
    let ended = binary.run(&["config", "check", "--config", &file]);
    assert_eq!(
        ended.stderr,
        format!("error: MYAPI_AUTH__ISUER (from {file}) is not a setting; did you mean MYAPI_AUTH__ISSUER?\n")
    );
}

#[test]
fn config_check_and_show_tell_no_secret() {
    let old = "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyE=";
    let binary = Binary::bare()
        .with("MYAPI_DATABASE__DEV", URL)
        .with("MYAPI_TOKEN_KEY", "hunter2hunter2")
        .with("MYAPI_AUTH__KEY_ENCRYPTION_KEY", &key_encryption_key())
        .with("MYAPI_AUTH__KEY_ENCRYPTION_KEY_PREVIOUS", old);
    for command in [&["config", "show"][..], &["config", "check"], &["config", "show", "--output", "json"]] {
        let ended = binary.run(command);
        assert_eq!(ended.code, Some(0), "{}", ended.stderr);
        for secret in ["hunter2", &key_encryption_key(), old] {
            assert!(!format!("{ended:?}").contains(secret), "{command:?}: {ended:?}");
        }
    }
    let checked = binary.json(&["config", "check"]);
    assert_eq!(checked["ok"], true);
    assert!(checked["notices"][0].as_str().unwrap().starts_with("MYAPI_TOKEN_KEY has no use here"), "{checked}");
    let weak = binary.with("MYAPI_AUTH__KEY_ENCRYPTION_KEY", "hunter2hunter2").run(&["config", "check"]);
    assert_eq!((weak.code, weak.stdout.as_str()), (Some(1), ""));
    assert!(weak.stderr.starts_with("error: MYAPI_AUTH__KEY_ENCRYPTION_KEY: "), "{}", weak.stderr);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn secrets_may_stand_in_files(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let binary = Binary::on(&pool).without("MYAPI_DATABASE__DEV").without("MYAPI_AUTH__KEY_ENCRYPTION_KEY");
    let url = binary.write("url", &format!("{}\n", database_url(&pool)));
    let key = binary.write("key", &format!("{}\n", key_encryption_key()));
    let binary = binary.with("MYAPI_AUTH__DATABASE_URL_FILE", &url).with("MYAPI_AUTH__KEY_ENCRYPTION_KEY_FILE", &key);
    binary.serve().stop();
    let both = binary.with("MYAPI_AUTH__KEY_ENCRYPTION_KEY", &key_encryption_key()).refusal();
    assert_eq!(
        both,
        "MYAPI_AUTH__KEY_ENCRYPTION_KEY_FILE (from environment) is set beside MYAPI_AUTH__KEY_ENCRYPTION_KEY: keep one"
    );
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_settings_of_the_old_application_do_with_one_notice_each(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let url = database_url(&pool);
    let (_, rest) = url.split_once("://").unwrap();
    let old = ["MYAPI_TOKEN_KEY", "MYAPI_DATABASE__DSN", "MYAPI_DATABASE__TARGET_SCHEMA"];
    let server = Binary::on(&pool)
        .without("MYAPI_DATABASE__DEV")
        .with(old[0], "hunter2hunter2")
        .with(old[1], &format!("postgresql+psycopg2://{rest}"))
        .with(old[2], "myapi")
        .serve();
    let ended = server.stop();
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    for name in old {
        let notices = ended.log().iter().filter(|line| line["message"].as_str().unwrap().starts_with(name)).count();
        assert_eq!(notices, 1, "{name}: {}", ended.stderr);
    }
}
