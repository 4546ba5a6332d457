//! `/docs` and `/openapi.json`: the document and the routes are the same, and the page keeps to itself.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use http::{Method, Request, StatusCode, header};
use movies_api::config::{DEFAULT_PAGE, MAX_PAGE};
use serde_json::{Value, json};
use shared::testing::documented::{Operation, constants, operations};
use sqlx::PgPool;

use crate::support::{TestApp, insert_some};

async fn document(app: &TestApp) -> Value {
    let answer = app.ask(Method::GET, "/openapi.json", None).await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, "no-cache"));
    answer.json()
}

fn method(operation: &Operation) -> Method {
    operation.method.parse().unwrap()
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn every_documented_operation_is_there_and_answers_as_documented(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    let document = document(&app).await;
    assert_eq!(document["openapi"], "3.1.0");
    for operation in operations(&document) {
        let bearer = format!("Bearer {}", app.token().scope(&operation.scope).mint());
        let mut request = Request::builder().method(method(&operation)).uri(&operation.target);
        request = request.header(header::AUTHORIZATION, bearer);
        let mut body = String::new();
        if let Some((media_type, example)) = &operation.body {
            request = request.header(header::CONTENT_TYPE, media_type);
            body = example.to_string();
        }
        let answer = app.send(request.body(Body::from(body)).unwrap()).await;
        assert!(answer.status.is_success(), "{operation:?}: {answer}");
        let anonymous = app.ask(method(&operation), &operation.target, None).await.status.as_u16();
        assert_eq!(anonymous, if operation.is_protected { 401 } else { 200 }, "{operation:?}");
        let documented = |status: u16| operation.statuses.contains(&status);
        assert!(documented(answer.status.as_u16()) && documented(anonymous), "{operation:?}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn every_route_is_documented_with_its_methods(pool: PgPool) {
    let app = TestApp::new(pool);
    let mut documented = BTreeMap::<String, BTreeSet<String>>::new();
    for operation in operations(&document(&app).await) {
        documented.entry(operation.path).or_default().insert(operation.method);
    }
    let routes: BTreeSet<String> = constants(include_str!("../../src/routes.rs")).into_iter().collect();
    assert_eq!(documented.keys().cloned().collect::<BTreeSet<_>>(), routes);
    for (path, methods) in documented {
        let answer = app.ask(Method::TRACE, &path, None).await;
        let allowed = answer.header("allow").split(',').map(str::to_owned);
        assert_eq!(allowed.filter(|method| method != "HEAD").collect::<BTreeSet<_>>(), methods, "{path}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn refusals_are_documented_as_they_are_sent(pool: PgPool) {
    let app = TestApp::new(pool);
    let document = document(&app).await;
    let responses = |path: &str| document["paths"][path]["get"]["responses"].clone();
    let narrow = app.token().claim("scope", "profile").mint();
    let narrow = app.ask(Method::GET, "/movies/4", Some(&format!("Bearer {narrow}"))).await;
    for (path, answer) in [
        ("/movies/{movie_id}", app.ask(Method::GET, "/movies/4", None).await),
        ("/movies/{movie_id}", app.ask(Method::GET, "/movies/4", Some("Bearer x y")).await),
        ("/movies/{movie_id}", app.ask(Method::GET, "/movies/4", Some("Bearer x.y.z")).await),
        ("/movies/{movie_id}", narrow),
        ("/movies/{movie_id}", app.get("/movies/4").await),
        ("/movies/{movie_id}", app.get("/movies/one").await),
        ("/movies/", app.get("/movies/?movie_id=one").await),
        ("/movies/new", app.get("/movies/new?year=2000&rating=10").await),
    ] {
        let responses = responses(path);
        let documented = &responses[answer.status.as_str()];
        let example = &documented["content"]["application/problem+json"]["examples"][&answer.code()]["value"];
        assert_eq!(&answer.json(), example, "{path}");
        if answer.code() == "token_invalid" || answer.code() == "scope_insufficient" {
            let challenge = &documented["headers"]["WWW-Authenticate"]["schema"]["examples"][0];
            // The service adds where its metadata is.
            let sent = answer.header("www-authenticate");
            assert!(sent.starts_with(challenge.as_str().unwrap()), "{sent}");
        }
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_documented_bounds_are_those_of_the_code(pool: PgPool) {
    let document = document(&TestApp::new(pool)).await;
    let parameters = document["paths"]["/movies/new"]["get"]["parameters"].as_array().unwrap();
    let limit = parameters.iter().find(|parameter| parameter["name"] == "limit").unwrap();
    assert_eq!(
        (limit["schema"]["maximum"].as_u64(), limit["schema"]["minimum"].as_u64()),
        (Some(MAX_PAGE.into()), Some(1))
    );
    assert!(limit["description"].as_str().unwrap().contains(&DEFAULT_PAGE.to_string()));
    let movie = &document["components"]["schemas"]["Movie"];
    assert_eq!(movie["required"], json!(["movie_id", "title", "released", "rating"]));
    assert_eq!(movie["properties"]["rating"]["type"], json!(["number", "null"]));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_page_logs_in_at_the_auth_server(pool: PgPool) {
    let app = TestApp::new(pool);
    let token_url = format!("{}/token", app.issuer.issuer());
    let document = document(&app).await;
    let flows = &document["components"]["securitySchemes"]["login"]["flows"];
    assert_eq!(flows["password"]["tokenUrl"], token_url);
    // Each scope that some route needs is offered, and no other.
    let needed: BTreeSet<String> = operations(&document).into_iter().map(|operation| operation.scope).collect();
    let authorize_url = format!("{}/authorize", app.issuer.issuer());
    assert_eq!(flows["authorizationCode"]["authorizationUrl"], authorize_url);
    assert_eq!(flows["authorizationCode"]["scopes"], flows["password"]["scopes"]);
    let offered: BTreeSet<String> = flows["password"]["scopes"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(offered, needed.into_iter().filter(|scope| !scope.is_empty()).collect());
    let page = app.ask(Method::GET, "/docs", None).await;
    assert_eq!((page.status, page.header("content-type")), (StatusCode::OK, "text/html; charset=utf-8"));
    let policy = page.header("content-security-policy");
    let origin = app.issuer.issuer();
    assert!(
        policy.contains(&format!(
            "script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' {origin};"
        )),
        "{policy}"
    );
    let script = app.ask(Method::GET, "/docs/page.js", None).await;
    let line = script.body.split_once(";\n").unwrap().0;
    let settings: Value = serde_json::from_str(line.strip_prefix("const settings = ").unwrap()).unwrap();
    let asked_for: BTreeSet<String> = serde_json::from_value(settings["scopes"].clone()).unwrap();
    assert_eq!((&settings["clientId"], &settings["title"], asked_for), (&json!("demo"), &json!("Movies API"), offered));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn they_can_be_turned_off(pool: PgPool) {
    let app = TestApp::without_docs(pool);
    for path in ["/docs", "/docs/", "/docs/page.js", "/docs/oauth2-redirect.html", "/openapi.json"] {
        assert_eq!(app.get(path).await.code(), "route_not_found", "{path}");
    }
}
