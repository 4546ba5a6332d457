//! `auth-server doctor`: each line is ok or says what to do.

use std::net::TcpListener;

use serde_json::Value;
use shared::db::Pool;

use crate::app::TestApp;
use crate::process::binary::{Binary, Ended};

/// `check` to `(health, text)`.
#[track_caller]
fn look(ended: &Ended, check: &str) -> (String, String) {
    let looks: Vec<Value> = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
    let found = looks.iter().filter(|look| look["check"] == check).collect::<Vec<_>>();
    let [look] = found.as_slice() else { panic!("{check}: {looks:?}") };
    (look["health"].as_str().unwrap().to_owned(), look["text"].as_str().unwrap().to_owned())
}

fn doctor(binary: &Binary) -> Ended {
    binary.run(&["doctor", "--output", "json"])
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_server_that_is_well_is_told_so(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    // Free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let binary = Binary::on(&pool)
        .with("MYAPI_AUTH__BIND", &format!("127.0.0.1:{port}"))
        .with("MYAPI_AUTH__ISSUER", &format!("http://127.0.0.1:{port}"));
    let server = binary.serve();
    let well = doctor(&binary);
    assert_eq!(well.code, Some(0), "{}{}", well.stdout, well.stderr);
    for check in
        ["database", "rights", "clock", "proxies", "key ring", "keys", "key age", "audience", "clients", "issuer"]
    {
        assert_eq!(look(&well, check).0, "ok", "{check}: {}", well.stdout);
    }
    assert_eq!(look(&well, "holders").0, "note", "nobody reports");
    let table = binary.run(&["doctor"]);
    assert!(table.stdout.lines().all(|line| line.starts_with("ok ") || line.starts_with("note ")), "{}", table.stdout);
    server.stop();
    let alone = doctor(&binary);
    assert_eq!(alone.code, Some(1));
    let (health, text) = look(&alone, "issuer");
    assert!(health == "wrong" && text.contains("start `auth-server serve`"), "{text}");
    drop(app);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn mistakes_are_named_with_their_remedy(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let binary = Binary::on(&pool)
        .with("MYAPI_ENV", "prod")
        .with("MYAPI_DATABASE__PROD", &crate::process::binary::database_url(&pool))
        .with("MYAPI_AUTH__ISSUER", "https://127.0.0.1:9")
        .with("MYAPI_AUTH__AUDIENCE", "https://other.example")
        .with("MYAPI_AUTH__DEFAULT_CLIENT", "nobody")
        .with("MYAPI_AUTH__KEY_ENCRYPTION_KEY", "ISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+P0A=");
    sqlx::query("select myapi.report_resource_server(gen_random_uuid(), array['old'], 0, 'file')")
        .execute(&pool)
        .await
        .unwrap();
    let ended = doctor(&binary);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    for (check, remedy) in [
        ("proxies", "MYAPI_AUTH__TRUSTED_PROXIES"),
        ("keys", &app.state.keys.active_kid()),
        ("holders", "`auth-server key status`"),
        ("audience", "`auth-server resource set-audience`"),
        ("clients", "`auth-server client create`"),
        ("issuer", "let the proxy pass this path on"),
    ] {
        let (health, text) = look(&ended, check);
        assert!(health == "wrong" && text.contains(remedy), "{check}: {text}");
    }
    assert!(ended.stderr.contains("checks found something to do"), "{}", ended.stderr);
}

#[test]
fn a_database_that_does_not_answer_is_one_line() {
    let binary = Binary::bare().with("MYAPI_DATABASE__DEV", "postgres://nobody@127.0.0.1:1/none");
    let ended = doctor(&binary);
    assert_eq!(ended.code, Some(1));
    let (health, text) = look(&ended, "database");
    assert!(health == "wrong" && text.contains("MYAPI_DATABASE__DEV"), "{text}");
    assert!(look(&ended, "key ring").1.contains("`auth-server key new-secret`"));
}
