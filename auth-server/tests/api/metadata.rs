//! `/.well-known/oauth-authorization-server` and `/.well-known/jwks.json` (checklist 1.10).

use auth_server::clients::GrantType;
use axum::body::Body;
use chrono::TimeDelta;
use http::Request;
use shared::db::Pool;

use crate::app::{self, CONFIDENTIAL, PUBLIC, TestApp};

const METADATA: &str = "/.well-known/oauth-authorization-server";
const JWKS: &str = "/.well-known/jwks.json";

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn m01_the_document(pool: Pool) {
    let app = TestApp::new(pool).await;
    let answer = app.get(METADATA).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/json")));
    insta::assert_json_snapshot!(answer.json(), @r#"
    {
      "authorization_endpoint": "http://127.0.0.1:8001/authorize",
      "authorization_response_iss_parameter_supported": true,
      "claims_parameter_supported": false,
      "claims_supported": [
        "iss",
        "sub",
        "aud",
        "iat",
        "exp",
        "auth_time",
        "nonce",
        "at_hash",
        "sid",
        "name",
        "email",
        "email_verified"
      ],
      "code_challenge_methods_supported": [
        "S256"
      ],
      "device_authorization_endpoint": "http://127.0.0.1:8001/device_authorization",
      "dpop_signing_alg_values_supported": [
        "ES256",
        "EdDSA",
        "RS256"
      ],
      "end_session_endpoint": "http://127.0.0.1:8001/logout",
      "grant_types_supported": [
        "authorization_code",
        "client_credentials",
        "password",
        "refresh_token",
        "urn:ietf:params:oauth:grant-type:device_code"
      ],
      "id_token_signing_alg_values_supported": [
        "ES256"
      ],
      "introspection_endpoint": "http://127.0.0.1:8001/introspect",
      "introspection_endpoint_auth_methods_supported": [
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt"
      ],
      "introspection_endpoint_auth_signing_alg_values_supported": [
        "ES256",
        "EdDSA",
        "Ed25519",
        "RS256"
      ],
      "issuer": "http://127.0.0.1:8001",
      "jwks_uri": "http://127.0.0.1:8001/.well-known/jwks.json",
      "prompt_values_supported": [
        "none",
        "login",
        "consent"
      ],
      "pushed_authorization_request_endpoint": "http://127.0.0.1:8001/par",
      "request_parameter_supported": false,
      "request_uri_parameter_supported": false,
      "require_pushed_authorization_requests": false,
      "response_modes_supported": [
        "query"
      ],
      "response_types_supported": [
        "code"
      ],
      "revocation_endpoint": "http://127.0.0.1:8001/revoke",
      "revocation_endpoint_auth_methods_supported": [
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
        "none"
      ],
      "revocation_endpoint_auth_signing_alg_values_supported": [
        "ES256",
        "EdDSA",
        "Ed25519",
        "RS256"
      ],
      "scopes_supported": [
        "email",
        "movies:read",
        "movies:write",
        "openid",
        "profile"
      ],
      "subject_types_supported": [
        "public"
      ],
      "token_endpoint": "http://127.0.0.1:8001/token",
      "token_endpoint_auth_methods_supported": [
        "client_secret_basic",
        "client_secret_post",
        "private_key_jwt",
        "none"
      ],
      "token_endpoint_auth_signing_alg_values_supported": [
        "ES256",
        "EdDSA",
        "Ed25519",
        "RS256"
      ],
      "ui_locales_supported": [
        "en",
        "de"
      ],
      "userinfo_endpoint": "http://127.0.0.1:8001/userinfo"
    }
    "#);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn m01_an_issuers_path_follows_the_well_known_one(pool: Pool) {
    let app = TestApp::with(pool, &[("MYAPI_AUTH__ISSUER", "https://example.com/tenant/a")]).await;
    let document = app.get("/.well-known/oauth-authorization-server/tenant/a").await.json();
    assert_eq!(document["issuer"], "https://example.com/tenant/a");
    assert_eq!(document["token_endpoint"], "https://example.com/tenant/a/token");
    assert_eq!(app.get(METADATA).await.status, 404);
}

/// Every listed value works; the unlisted ones are refused in `token.rs` (T07, T12, T15, T20).
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn m02_p01_what_is_listed_works_and_what_works_is_listed(pool: Pool) {
    let app = TestApp::new(pool).await;
    let document = app.get(METADATA).await.json();
    let list = |name: &str| -> Vec<String> { serde_json::from_value(document[name].clone()).unwrap() };
    for grant in list("grant_types_supported") {
        assert!(grant.parse::<GrantType>().is_ok(), "{grant}");
    }
    let everything = Some("email movies:read movies:write profile".parse().unwrap());
    app.state.users.set_scopes(&app::EMAIL.parse().unwrap(), everything).await.unwrap();
    // `openid` is driven in `oidc.rs`.
    for scope in list("scopes_supported").into_iter().filter(|scope| scope != "openid") {
        let answer = app.token_basic(CONFIDENTIAL, &app.secret, &login(&scope)).await;
        assert_eq!(answer.json()["scope"], scope, "{}", answer.body);
    }
    for method in list("token_endpoint_auth_methods_supported") {
        let posted =
            [login("email").to_vec(), vec![("client_id", CONFIDENTIAL), ("client_secret", &app.secret)]].concat();
        let public = [login("email").to_vec(), vec![("client_id", PUBLIC)]].concat();
        let answer = match method.as_str() {
            "client_secret_basic" => app.token_basic(CONFIDENTIAL, &app.secret, &login("email")).await,
            "client_secret_post" => app.token(&posted).await,
            "none" => app.token(&public).await,
            // Driven in `assertions.rs`, with every listed algorithm at every endpoint.
            "private_key_jwt" => continue,
            other => panic!("{other} is listed but not tested"),
        };
        assert_eq!(answer.status, 200, "{method}: {}", answer.body);
    }
    for id in [CONFIDENTIAL, PUBLIC] {
        app.state.clients.delete(&id.parse().unwrap()).await.unwrap();
    }
    app.clock.advance(TimeDelta::seconds(5));
    let grants = app.get(METADATA).await.json()["grant_types_supported"].clone();
    assert_eq!(grants, serde_json::json!([]), "no client is left to have a grant");
}

fn login(scope: &str) -> [(&str, &str); 4] {
    [("grant_type", "password"), ("username", app::EMAIL), ("password", app::PASSWORD), ("scope", scope)]
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn m05_the_host_header_changes_nothing(pool: Pool) {
    let app = TestApp::new(pool).await;
    let plain = app.get(METADATA).await.body;
    let request = Request::get(METADATA)
        .header("host", "evil.test")
        .header("x-forwarded-host", "evil.test")
        .header("x-forwarded-proto", "https")
        .header("forwarded", "host=evil.test;proto=https");
    assert_eq!(app.send(request.body(Body::empty()).unwrap()).await.body, plain);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn m06_t26_public_members_only(pool: Pool) {
    let app = TestApp::with(pool, &[("MYAPI_AUTH__JWKS_MAX_AGE", "120")]).await;
    let answer = app.get(JWKS).await;
    assert_eq!(answer.header("content-type"), Some("application/jwk-set+json"));
    assert_eq!(answer.header("cache-control"), Some("public, max-age=120"));
    let document = answer.json();
    let keys = document["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 1);
    let mut names: Vec<_> = keys[0].as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x", "y"]);
    assert_eq!((&keys[0]["alg"], &keys[0]["use"]), (&"ES256".into(), &"sig".into()));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn m07_conditional_and_head(pool: Pool) {
    let app = TestApp::new(pool).await;
    let first = app.get(JWKS).await;
    let etag = first.header("etag").unwrap().to_owned();
    for tags in [etag.clone(), format!("\"x\", {etag}"), format!("W/{etag}")] {
        let request = Request::get(JWKS).header("if-none-match", &tags).body(Body::empty()).unwrap();
        let answer = app.send(request).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str(), answer.header("etag")), (304, "", Some(&*etag)));
    }
    let head = app.send(Request::head(JWKS).body(Body::empty()).unwrap()).await;
    assert_eq!((head.status.as_u16(), head.body.as_str(), head.header("etag")), (200, "", Some(&*etag)));
    let other = Request::get(JWKS).header("if-none-match", "\"other\"").body(Body::empty()).unwrap();
    assert_eq!(app.send(other).await.status, 200);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn m11_any_page_may_read_both_without_credentials(pool: Pool) {
    let app = TestApp::new(pool).await;
    for path in [METADATA, JWKS] {
        let request = Request::get(path).header("origin", "https://evil.test").body(Body::empty()).unwrap();
        let answer = app.send(request).await;
        assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn both_outlive_the_database(pool: Pool) {
    let app = TestApp::new(pool).await;
    let before = app.get(METADATA).await.body;
    app.pool.close().await;
    app.clock.advance(TimeDelta::hours(1));
    assert_eq!(app.get(METADATA).await.body, before);
    assert_eq!(app.get(JWKS).await.status, 200);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn other_methods_are_refused(pool: Pool) {
    let app = TestApp::new(pool).await;
    for path in [METADATA, JWKS] {
        let answer = app.send(Request::post(path).body(Body::empty()).unwrap()).await;
        answer.assert_error(405, "invalid_request");
        assert_eq!(answer.header("allow"), Some("GET,HEAD"), "{path}");
    }
}
