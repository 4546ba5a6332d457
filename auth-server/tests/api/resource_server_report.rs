//! Reports of resource servers that share no database with us (gated rotation, issue of keys).

use std::time::Duration;

use auth_server::clients::{ClientKind, NewClient};
use auth_server::keys::{self, Gate, Schedule};
use axum::body::Body;
use chrono::TimeDelta;
use http::Request;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::{Value, json};
use shared::db::Pool;
use uuid::Uuid;

use crate::app::{self, AUDIENCE, Answer, CONFIDENTIAL, PUBLIC, TestApp, basic};

const PATH: &str = "/resource_server_report";
const SCHEDULE: Schedule = Schedule { signs_for: None, published_for: Duration::from_secs(300) };

/// A client that serves the movies, and its secret.
async fn server(app: &TestApp, id: &str) -> String {
    let new = NewClient { serves: Some(AUDIENCE.to_owned()), ..app::client(id, ClientKind::Confidential) };
    app.create_client(&new).await.unwrap()
}

async fn send(app: &TestApp, client: Option<(&str, &str)>, media_type: &str, body: &str) -> Answer {
    let mut request = Request::post(PATH).header(CONTENT_TYPE, media_type);
    if let Some((id, secret)) = client {
        request = request.header(AUTHORIZATION, basic(id, secret));
    }
    app.send(request.body(Body::from(body.to_owned())).unwrap()).await
}

async fn report(app: &TestApp, client: (&str, &str), body: &Value) -> Answer {
    send(app, Some(client), "application/json", &body.to_string()).await
}

fn holding(instance: u128, kids: &[&str]) -> Value {
    json!({ "instance": Uuid::from_u128(instance), "kids": kids, "feed_seq": 7, "source": "url" })
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_report_over_http_holds_up_a_rotation_like_one_in_the_database(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let secret = server(&app, "movies").await;
    let keks = app.state.config.key_ring().unwrap();
    let first = app.state.keys.active_kid();
    let rotate = async |after| {
        let now = app.clock.now() + TimeDelta::seconds(after);
        keys::rotate(&pool, &keks, SCHEDULE, false, now).await.unwrap()
    };
    let next = rotate(0).await.next.unwrap().kid;
    let answer = report(&app, ("movies", &secret), &holding(1, &[&first])).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""));
    assert_eq!(answer.header("cache-control"), Some("no-store"));

    let Gate::Waiting { laggards } = rotate(300).await.next.unwrap().gate else { panic!("the gate is open") };
    assert_eq!(laggards[0].report.reported_by, "client:movies");
    let status = keys::status(&pool, SCHEDULE, app.clock.now()).await.unwrap();
    let listed = &status.resource_servers[0];
    assert_eq!((listed.report.feed_seq, listed.report.source.as_str(), listed.is_live), (7, "url", true));
    assert_eq!(listed.lacks, std::slice::from_ref(&next));

    assert_eq!(report(&app, ("movies", &secret), &holding(1, &[&first, &next])).await.status, 204);
    assert_eq!(rotate(300).await.active_kid, next);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn only_a_confidential_client_that_serves_may_report_and_for_its_own_processes(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let secret = server(&app, "movies").await;
    let other = server(&app, "reviews").await;
    let body = holding(1, &["a"]).to_string();
    for (client, status, error) in [
        (None, 401, "invalid_client"),
        (Some(("movies", "wrong")), 401, "invalid_client"),
        (Some(("nobody", "wrong")), 401, "invalid_client"),
        (Some((PUBLIC, "")), 400, "unauthorized_client"),
        (Some((CONFIDENTIAL, app.secret.as_str())), 400, "unauthorized_client"),
    ] {
        send(&app, client, "application/json", &body).await.assert_error(status, error);
    }
    let count = async || -> i64 {
        sqlx::query_scalar("select count(*) from myapi.resource_server_reports").fetch_one(&pool).await.unwrap()
    };
    assert_eq!(count().await, 0);
    assert_eq!(report(&app, ("movies", &secret), &holding(1, &["a"])).await.status, 204);
    let stolen = report(&app, ("reviews", &other), &holding(1, &["b"])).await;
    stolen.assert_error(400, "unauthorized_client");
    assert_eq!(count().await, 1);
    let get = app.get(PATH).await;
    get.assert_error(405, "invalid_request");
    assert_eq!(get.header("allow"), Some("POST"));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn what_is_no_report_is_refused(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let secret = server(&app, "movies").await;
    let as_movies = Some(("movies", secret.as_str()));
    let good = holding(1, &["a"]);
    let with = |name: &str, value: Value| {
        let mut body = good.clone();
        body[name] = value;
        body.to_string()
    };
    let bodies = [
        "{}".to_owned(),
        "not json".to_owned(),
        "instance=a".to_owned(),
        with("instance", json!("one")),
        with("kids", json!("a")),
        with("kids", json!(vec!["a"; 101])),
        with("kids", json!(["a".repeat(257)])),
        with("kids", json!(["nul\0"])),
        with("kids", json!([""])),
        with("feed_seq", json!(-1)),
        with("source", json!("elsewhere")),
        with("reported_by", json!("postgres")),
    ];
    for body in bodies {
        send(&app, as_movies, "application/json", &body).await.assert_error(400, "invalid_request");
    }
    send(&app, as_movies, "application/x-www-form-urlencoded", &good.to_string())
        .await
        .assert_error(400, "invalid_request");
    send(&app, as_movies, "application/json", &" ".repeat(70_000)).await.assert_error(413, "invalid_request");
    sqlx::query(
        "insert into myapi.resource_server_reports
         select gen_random_uuid(), 'x', '{a}', 1, 'url', now(), now() from generate_series(1, 1000)",
    )
    .execute(&pool)
    .await
    .unwrap();
    let full = report(&app, ("movies", &secret), &good).await;
    full.assert_error(503, "temporarily_unavailable");
    assert_eq!(full.header("retry-after"), Some("1"));
}
