//! What Prometheus is told of requests for tokens. O04.

use shared::db::Pool;
use shared::metrics;

use crate::app::TestApp;

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o04_ids_of_clients_and_names_of_users_are_no_labels(pool: Pool) {
    let exporter = metrics::install().unwrap();
    let app = TestApp::new(pool).await;
    for number in 0..10_000 {
        let client = format!("robot-{number}");
        let form = [("grant_type", client.as_str()), ("client_id", &client), ("username", &client)];
        // The grant is asked about before the database is.
        let answer = app.post_as("/token", None, &form).await;
        assert!(answer.status.is_client_error());
    }
    let text = exporter.render();
    assert!(!text.contains("robot"), "{text}");
    assert!(text.lines().count() < 200, "{}", text.lines().count());
    assert!(text.contains(r#"myapi_http_requests_total{route="/token",method="POST","#), "{text}");
    assert!(text.contains(r#"myapi_refused_total{code=""#), "{text}");
}
