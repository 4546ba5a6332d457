//! `/docs` and `/openapi.json`: the document and the routes are the same, and the page keeps to itself.

use std::collections::{BTreeMap, BTreeSet};

use axum::body::Body;
use http::Request;
use serde_json::{Value, json};
use shared::db::Pool;
use shared::testing::documented::{constants, operations};

use crate::app::{self, EMAIL, PASSWORD, TestApp};

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn every_documented_operation_is_there_and_answers_as_documented(pool: Pool) {
    let app = TestApp::new(pool).await;
    let document = app.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let form = app::encode(&[
        ("grant_type", "password"),
        ("username", EMAIL),
        ("password", PASSWORD),
        ("client_id", app::CONFIDENTIAL),
        ("client_secret", &app.secret),
        ("token", "anything"),
    ]);
    for operation in operations(&document) {
        let request = Request::builder().method(operation.method.as_str()).uri(&operation.target);
        let request = match operation.path.as_str() {
            "/token" | "/revoke" | "/introspect" | "/device_authorization" => {
                request.header("content-type", "application/x-www-form-urlencoded").body(form.clone().into())
            }
            _ => request.body(Body::empty()),
        };
        let answer = app.send(request.unwrap()).await;
        let expected = match (operation.method.as_str(), operation.path.as_str()) {
            // Without a client there is nobody to go back to, without a form nothing to read, without a token nobody.
            ("GET", "/authorize" | "/consent")
            | ("POST", "/authorize" | "/login" | "/consent" | "/logout" | "/par") => 400,
            ("POST", "/device") => 400,
            // Nobody is signed in.
            ("GET", "/device") => 303,
            (_, "/userinfo" | "/resource_server_report") => 401,
            _ => 200,
        };
        assert_eq!(answer.status, expected, "{operation:?}: {}", answer.body);
        assert!(operation.statuses.contains(&expected), "{operation:?}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn every_route_is_documented_with_its_methods(pool: Pool) {
    let app = TestApp::new(pool).await;
    let document = app.get("/openapi.json").await.json();
    let mut documented = BTreeMap::<String, BTreeSet<String>>::new();
    for operation in operations(&document) {
        documented.entry(operation.path).or_default().insert(operation.method);
    }
    let routes: BTreeSet<String> = constants(include_str!("../../src/routes.rs")).into_iter().collect();
    assert_eq!(documented.keys().cloned().collect::<BTreeSet<_>>(), routes);
    for (path, methods) in documented {
        let request = Request::builder().method("TRACE").uri(&path).body(Body::empty()).unwrap();
        let answer = app.send(request).await;
        let allowed = answer.header("allow").unwrap().split(',').map(str::to_owned);
        assert_eq!(allowed.filter(|method| method != "HEAD").collect::<BTreeSet<_>>(), methods, "{path}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn refusals_are_documented_as_they_are_sent(pool: Pool) {
    let app = TestApp::new(pool).await;
    let document = app.get("/openapi.json").await.json();
    let responses = &document["paths"]["/token"]["post"]["responses"];
    let example =
        |status: &str, code: &str| &responses[status]["content"]["application/json"]["examples"][code]["value"];

    let answer = app.token(&app::login(EMAIL, "another password")).await;
    assert_eq!(&answer.json(), example("400", "invalid_grant"));
    let answer = app.token(&[("client_id", "stranger"), ("grant_type", "password")]).await;
    assert_eq!(&answer.json(), example("401", "invalid_client"));
    let challenge = &responses["401"]["headers"]["WWW-Authenticate"]["schema"]["examples"][0];
    assert_eq!(answer.header("www-authenticate"), challenge.as_str());
    let answer = app.token_raw(&"a".repeat(70_000), &[]).await;
    assert_eq!(&answer.json(), example("413", "invalid_request"));
    assert_eq!(responses["503"]["headers"]["Retry-After"]["schema"]["examples"], json!(["1"]));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_authorize_button_logs_in_by_a_code_and_by_the_password_grant(pool: Pool) {
    let app = TestApp::new(pool).await;
    let document = app.get("/openapi.json").await.json();
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!(
        schemes["login"]["flows"],
        json!({
            "authorizationCode": {
                "authorizationUrl": "http://127.0.0.1:8001/authorize",
                "tokenUrl": "http://127.0.0.1:8001/token",
                "scopes": {
                    "openid": "know who signed in; opens /userinfo",
                    "movies:read": "granted to users who have no scopes of their own",
                    "profile": "granted to users who have no scopes of their own",
                    "email": "granted to users who have no scopes of their own",
                },
            },
            "password": {
                "tokenUrl": "http://127.0.0.1:8001/token",
                "scopes": {
                    "movies:read": "granted to users who have no scopes of their own",
                    "profile": "granted to users who have no scopes of their own",
                    "email": "granted to users who have no scopes of their own",
                },
            },
        })
    );
    assert_eq!(schemes["secret"]["scheme"], "basic");
    let script = app.get("/docs/page.js").await;
    let settings = r#"const settings = {"clientId":"app","scopes":[],"title":"Authorization server"};"#;
    assert!(script.body.starts_with(settings), "{}", script.body);
    // What it sends: empty fields become Basic credentials of nothing, the header of XMLHttpRequest comes along.
    let form = app::encode(&[
        ("grant_type", "password"),
        ("scope", "movies:read"),
        ("username", EMAIL),
        ("password", PASSWORD),
    ]);
    let headers = [("authorization", "Basic Og=="), ("x-requested-with", "XMLHttpRequest"), ("origin", app::AUDIENCE)];
    let answer = app.token_raw(&form, &headers).await;
    assert_eq!((answer.status.as_u16(), answer.json()["scope"].as_str()), (200, Some("movies:read")));
    assert_eq!(answer.header("access-control-allow-origin"), Some(app::AUDIENCE));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_page_and_its_files_come_from_the_binary(pool: Pool) {
    let app = TestApp::new(pool).await;
    let page = app.get("/docs").await;
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    assert_eq!(
        page.header("content-security-policy"),
        Some(
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self' \
              http://127.0.0.1:8001; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )
    );
    let linked: Vec<&str> = page.body.split('"').filter(|text| text.starts_with("docs/")).collect();
    assert_eq!(linked.len(), 5, "{linked:?}");
    for path in linked {
        let file = app.get(&format!("/{path}")).await;
        assert_eq!((file.status.as_u16(), file.header("x-content-type-options")), (200, Some("nosniff")), "{path}");
        let is_ours = path == "docs/page.js";
        assert_eq!(file.header("cache-control"), Some(if is_ours { "no-cache" } else { "public, max-age=86400" }));
        assert_eq!(file.header("content-encoding"), (!is_ours).then_some("gzip"), "{path}");
    }
    // Where a sign-in comes back to; its address has a code in it.
    let back = app.get("/docs/oauth2-redirect.html?code=mac1_x&state=s").await;
    assert_eq!((back.status.as_u16(), back.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!((back.header("cache-control"), back.header("referrer-policy")), (Some("no-store"), Some("no-referrer")));
    assert_eq!(
        back.header("content-security-policy"),
        Some(
            "default-src 'none'; script-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'; \
              frame-ancestors 'none'"
        )
    );
    assert!(back.body.contains("<script src=\"oauth2-redirect.js\"></script>") && !back.body.contains("mac1_x"));
    let script = app.get("/docs/oauth2-redirect.js").await;
    assert!(script.status == 200 && script.header("content-type").unwrap().contains("javascript"), "{script:?}");
    let slashed = app.get("/docs/").await;
    assert_eq!((slashed.status.as_u16(), slashed.header("location")), (308, Some("../docs")));
    app.get("/docs/swagger-ui.js").await.assert_error(404, "not_found");
    app.send(Request::post("/docs").body(Body::empty()).unwrap()).await.assert_error(405, "invalid_request");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn they_can_be_turned_off(pool: Pool) {
    let app = TestApp::with(pool, &[("MYAPI_AUTH__DOCS", "false")]).await;
    for path in ["/docs", "/docs/", "/docs/page.js", "/docs/oauth2-redirect.html", "/openapi.json"] {
        app.get(path).await.assert_error(404, "not_found");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn below_an_issuers_path_the_document_says_so(pool: Pool) {
    let app = TestApp::with(pool, &[("MYAPI_AUTH__ISSUER", "https://example.com/tenant/a")]).await;
    let document = app.get("/openapi.json").await.json();
    assert_eq!(document["servers"], json!([{ "url": "/tenant/a" }]));
    let metadata: &Value = &document["paths"]["/.well-known/oauth-authorization-server/tenant/a"];
    assert_eq!(metadata["servers"], json!([{ "url": "/" }]));
    let token_url = &document["components"]["securitySchemes"]["login"]["flows"]["password"]["tokenUrl"];
    assert_eq!(token_url, "https://example.com/tenant/a/token");
}
