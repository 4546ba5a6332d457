//! `/metrics` of the running service. O04, O07.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use http::{Method, StatusCode};
use shared::metrics;
use shared::testing::TestIssuer;
use sqlx::PgPool;

use crate::support::{TestApp, insert_some};

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended; a test that fails must not leave it behind.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o04_ten_thousand_clients_are_no_label(pool: PgPool) {
    insert_some(&pool).await;
    let exporter = metrics::install().unwrap();
    let app = TestApp::new(pool);
    for number in 0..10_000 {
        // No scope: refused before the database.
        let token = app.token().scope("profile").claim("client_id", format!("robot-{number}")).mint();
        let answer = app.ask(Method::GET, "/movies/1", Some(&format!("Bearer {token}"))).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    let good = app.token().mint();
    for _ in 0..2 {
        app.ask(Method::GET, "/movies/1", Some(&format!("Bearer {good}"))).await;
    }
    app.ask(Method::GET, "/movies/1", Some("Bearer bad")).await;
    let text = exporter.render();
    assert!(!text.contains("robot"), "{text}");
    assert!(text.lines().count() < 200, "{}", text.lines().count());
    // At least: other tests may count in the same process.
    for (line, least) in [
        (r#"myapi_refused_total{code="scope_insufficient"}"#, 10_000),
        (r#"myapi_refused_total{code="token_invalid"}"#, 1),
        (r#"myapi_token_checks_total{result="verified"}"#, 10_001),
        (r#"myapi_token_checks_total{result="cached"}"#, 1),
        (r#"myapi_token_checks_total{result="refused"}"#, 1),
        (r#"myapi_http_requests_total{route="/movies/{movie_id}",method="GET",status="403"}"#, 10_000),
    ] {
        let count = text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse::<u64>().ok());
        assert!(count.is_some_and(|count| count >= least), "{line}\n{text}");
    }
}

#[tokio::test]
async fn o07_the_service_tells_them_on_another_address_than_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let key = folder.path().join("key.pem");
    std::fs::write(&key, TestIssuer::es256().public_pem()).unwrap();
    let mut server = Server(
        Command::new(env!("CARGO_BIN_EXE_movies-api"))
            .arg("serve")
            .current_dir(folder.path())
            .env_clear()
            .env("RUST_LOG", "info")
            .env("MYAPI_MOVIES__BIND", "127.0.0.1:0")
            .env("MYAPI_MOVIES__METRICS_BIND", "127.0.0.1:0")
            .env("MYAPI_MOVIES__PUBLIC_KEY_FILE", key)
            // Port 1 of loopback: nobody listens there.
            .env("MYAPI_DATABASE__DEV", "postgres://nobody@127.0.0.1:1/none")
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut log = BufReader::new(server.0.stderr.take().unwrap());
    let mut line = String::new();
    let (mut metrics, mut own) = (String::new(), String::new());
    while own.is_empty() {
        line.clear();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended");
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        let text = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
        if metrics.is_empty() {
            metrics = text("metrics.listen");
        }
        own = text("listen");
    }
    assert_eq!(reqwest::get(format!("http://{own}/metrics")).await.unwrap().status(), 404);
    assert_eq!(reqwest::get(format!("http://{own}/movies/1")).await.unwrap().status(), 401);
    assert_eq!(reqwest::get(format!("http://{metrics}/movies/1")).await.unwrap().status(), 404);
    let text = reqwest::get(format!("http://{metrics}/metrics")).await.unwrap().text().await.unwrap();
    for line in [
        r#"myapi_http_requests_total{route="/movies/{movie_id}",method="GET",status="401"} 1"#,
        r#"myapi_http_requests_total{route="(none)",method="GET",status="404"} 1"#,
        r#"myapi_refused_total{code="token_missing"} 1"#,
        r#"myapi_database_connections{state="used"} 0"#,
        "myapi_database_connections_max 10",
        "myapi_revocations_stale 1",
        "myapi_keys_age_seconds ",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}
