//! When it starts, what it says then, and when it refuses to.

use std::net::TcpListener;

use shared::db::{MIGRATOR, Pool};

use super::binary::{Binary, database_url, key_encryption_key};
use super::wire::get;
use crate::app::{AUDIENCE, ISSUER, TestApp};

const KEK: &str = "MYAPI_AUTH__KEY_ENCRYPTION_KEY";
/// Where nobody listens: port 1 needs privileges that no test has.
const NOWHERE: &str = "postgres://someone:hunter2hunter2@127.0.0.1:1/movies";

#[test]
fn o09_settings_that_do_not_fit_refuse_to_start() {
    let prod = |binary: Binary| binary.with("MYAPI_ENV", "prod").with("MYAPI_DATABASE__PROD", NOWHERE);
    let cases: [(Binary, &str); 9] = [
        (Binary::bare(), "MYAPI_DATABASE__DEV is not set: Postgres URL for MYAPI_ENV=dev"),
        (
            Binary::bare().with("MYAPI_AUTH__ISUER", "https://x.org"),
            "MYAPI_AUTH__ISUER (from environment) is not a setting; did you mean MYAPI_AUTH__ISSUER?",
        ),
        (
            prod(Binary::bare()),
            "MYAPI_AUTH__ISSUER (from default) is `http://127.0.0.1:8001`, but http is only for MYAPI_ENV=dev on \
             loopback: use https",
        ),
        (
            Binary::bare().with("MYAPI_DATABASE__DEV", NOWHERE).with("MYAPI_AUTH__ISSUER", "http://login.example.com"),
            "MYAPI_AUTH__ISSUER (from environment) is `http://login.example.com`, but http is only for MYAPI_ENV=dev \
             on loopback: use https",
        ),
        (
            Binary::bare().with("MYAPI_DATABASE__DEV", NOWHERE).with("MYAPI_AUTH__BIND", "0.0.0.0:0"),
            "MYAPI_AUTH__BIND (from environment) is `0.0.0.0:0`, but MYAPI_ENV=dev listens on loopback only \
             (127.0.0.1 or [::1])",
        ),
        (
            Binary::bare().with("MYAPI_ENV", "production"),
            "MYAPI_ENV (from environment) is `production`: it is one of dev, stage, prod",
        ),
        (
            Binary::bare().with("MYAPI_DATABASE__DEV", "mysql://u:hunter2hunter2@h/d"),
            "MYAPI_DATABASE__DEV (from environment) is not a Postgres URL such as postgres://user:password@host/database \
             (it starts with another scheme)",
        ),
        (
            Binary::bare().with("MYAPI_DATABASE__DEV", NOWHERE).with("MYAPI_AUTH__ACCESS_TOKEN_TTL", "1"),
            "MYAPI_AUTH__ACCESS_TOKEN_TTL (from environment) is `1`, but it is a whole number from 3 to 86400",
        ),
        (
            Binary::bare().with("MYAPI_DATABASE__TARGET_SCHEMA", "public"),
            "MYAPI_DATABASE__TARGET_SCHEMA (from environment) is `public`, but the schema is always myapi",
        ),
    ];
    for (binary, expected) in cases {
        assert_eq!(binary.refusal(), expected);
    }
}

/// Before the database is even asked: waiting would not mend it.
#[test]
fn u05_there_is_no_default_key_encryption_key_and_no_weak_one() {
    let binary = || Binary::bare().with("MYAPI_DATABASE__DEV", NOWHERE);
    assert!(binary().refusal().starts_with(&format!("{KEK} is not set: ")), "{}", binary().refusal());
    let (short, repeated) = ("AAECAwQFBgcICQoLDA0ODw==", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    for weak in ["", " ", short, repeated, "correct horse battery staple"] {
        let refused = binary().with(KEK, weak).refusal();
        assert!(refused.starts_with(KEK), "{refused}");
        assert!(refused.contains("`auth-server key new-secret`"), "{refused}");
        assert!(weak.trim().is_empty() || !refused.contains(weak), "{refused}");
    }
    let previous = binary().with(KEK, &key_encryption_key()).with(&format!("{KEK}_PREVIOUS"), short).refusal();
    assert!(previous.starts_with(&format!("{KEK}_PREVIOUS, key 1: ")), "{previous}");
}

#[sqlx::test]
async fn u05_a_new_database_has_nobody_and_nothing_that_signs(pool: Pool) {
    let binary = Binary::on(&pool);
    let behind = binary.refusal();
    let count = MIGRATOR.iter().count();
    assert_eq!(
        behind,
        format!("the database lacks {count} migrations of this version: run `auth-server migrate` first")
    );
    binary.json(&["migrate"]);
    for noun in ["user", "client", "key"] {
        assert_eq!(binary.json(&[noun, "list"]), serde_json::json!([]), "{noun}");
    }
    assert_eq!(binary.refusal(), "there is no signing key; make one with `auth-server key generate`");
    assert_eq!(binary.json(&["key", "list"]), serde_json::json!([]), "none is made silently");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f24_another_key_encryption_key_refuses_and_names_the_kid(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let binary = Binary::on(&pool);
    let before = binary.json(&["key", "list"]);
    let other = binary.json(&["key", "new-secret"])["key_encryption_key"].as_str().unwrap().to_owned();
    let refused = binary.with(KEK, &other);
    let said = refused.refusal();
    assert!(said.starts_with(&format!("signing key {} cannot be opened", app.state.keys.active_kid())), "{said}");
    assert!(said.contains(KEK) && !said.contains(&other) && !said.contains(&key_encryption_key()), "{said}");
    assert_eq!(refused.json(&["key", "list"]), before, "no key is made silently");
    // The earlier one beside it opens what it sealed.
    refused.with(&format!("{KEK}_PREVIOUS"), &key_encryption_key()).serve().stop();
}

#[test]
fn o09_a_database_that_does_not_answer_is_named_without_its_password() {
    let binary = Binary::bare()
        .with("MYAPI_DATABASE__DEV", NOWHERE)
        .with("MYAPI_AUTH__DATABASE_PATIENCE", "1")
        .with(KEK, &key_encryption_key());
    let ended = binary.run(&["serve"]);
    assert_eq!(ended.code, Some(1));
    let (log, said) = ended.stderr.trim_end().rsplit_once('\n').unwrap();
    assert!(log.contains("waiting for the database"), "{log}");
    let place = "error: cannot use the database 127.0.0.1:1/movies (set by MYAPI_DATABASE__DEV): ";
    assert!(said.starts_with(place) && said.contains("Connection refused"), "{said}");
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);

    let migrate = binary.run(&["migrate"]);
    assert_eq!(migrate.code, Some(1));
    assert!(migrate.stderr.contains("cannot reach the database 127.0.0.1:1/movies"), "{}", migrate.stderr);
    assert!(!migrate.stderr.contains("hunter2"), "{}", migrate.stderr);
}

#[sqlx::test]
async fn o09_a_database_that_is_not_there_is_refused_at_once(pool: Pool) {
    let mut url: url::Url = database_url(&pool).parse().unwrap();
    url.set_path("/nobody_made_this_one");
    let said = Binary::on(&pool)
        .with("MYAPI_DATABASE__DEV", url.as_str())
        .with("MYAPI_AUTH__DATABASE_PATIENCE", "3600")
        .refusal();
    assert!(said.contains("does not exist"), "{said}");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f22_a_newer_schema_is_refused_in_a_clear_line(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let newer = "insert into myapi._sqlx_migrations (version, description, success, checksum, execution_time)
                 values (30000101000000, 'of the future', true, '', 0)";
    sqlx::query(newer).execute(&pool).await.unwrap();
    let binary = Binary::on(&pool);
    let said = binary.refusal();
    assert!(said.starts_with("the database has migration 30000101000000, which this version does not know"), "{said}");
    let migrate = binary.run(&["migrate"]);
    assert_eq!(migrate.code, Some(1));
    assert!(migrate.stderr.contains("30000101000000"), "{}", migrate.stderr);
}

#[test]
fn a_port_that_is_taken_is_a_clear_line() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let binary = Binary::bare()
        .with("MYAPI_DATABASE__DEV", NOWHERE)
        .with(KEK, &key_encryption_key())
        .with("MYAPI_AUTH__BIND", &address);
    let said = binary.refusal();
    let clear = format!("cannot listen on {address}: another process listens there; set MYAPI_AUTH__BIND (");
    assert!(said.starts_with(&clear), "{said}");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_start_line_says_where_for_whom_and_on_what(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let mut url: url::Url = database_url(&pool).parse().unwrap();
    // The development database trusts everybody, so any password does.
    url.set_password(Some("hunter2hunter2")).unwrap();
    let server = Binary::on(&pool).with("MYAPI_DATABASE__DEV", url.as_str()).serve();
    assert_eq!(get(server.address, "/readyz").body, r#"{"status":"ready"}"#);
    let address = server.address.to_string();
    let ended = server.stop();
    assert_eq!(ended.stdout, "");
    assert!(!ended.stderr.contains("hunter2"), "{}", ended.stderr);
    let log = ended.log();
    let start = log.iter().find(|line| line["message"] == "auth-server listens").unwrap();
    assert_eq!(start["listen"], address);
    assert_eq!((&start["issuer"], &start["audience"]), (&ISSUER.into(), &AUDIENCE.into()));
    let database = format!("{}:{}{}", url.host_str().unwrap(), url.port().unwrap_or(5432), url.path());
    assert_eq!((&start["database"], &start["environment"]), (&database.into(), &"Dev".into()));
    assert_eq!(log.last().unwrap()["message"], "auth-server stopped");
}
