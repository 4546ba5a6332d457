//! Introspection (checklist 1.9).

use auth_server::clients::{ClientKind, NewClient};
use chrono::TimeDelta;
use serde_json::Value;
use shared::db::Pool;

use crate::app::{self, AUDIENCE, CONFIDENTIAL, ISSUER, PASSWORD_GRANT, PUBLIC, TestApp};

#[track_caller]
fn assert_inactive(answer: &app::Answer) {
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, r#"{"active":false}"#));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

async fn introspect(app: &TestApp, token: &str) -> app::Answer {
    app.post("/introspect", &[("token", token)]).await
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn i01_only_a_confidential_client_may_ask(pool: Pool) {
    let app = TestApp::new(pool).await;
    let token = app.login().await.access_token();
    let asked = [("token", token.as_str())];
    app.post_as("/introspect", None, &asked).await.assert_error(401, "invalid_client");
    app.post_as("/introspect", Some((CONFIDENTIAL, "wrong")), &asked).await.assert_error(401, "invalid_client");
    let public = [("token", token.as_str()), ("client_id", PUBLIC)];
    app.post_as("/introspect", None, &public).await.assert_error(401, "invalid_client");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn i02_whatever_is_no_good_is_inactive_and_nothing_more(pool: Pool) {
    let app = TestApp::new(pool).await;
    let token = app.login().await.access_token();
    let (head, signature) = token.rsplit_once('.').unwrap();
    let flipped = format!("{head}.{}", signature.chars().rev().collect::<String>());
    let unsigned = format!("{}.", head.replacen(&head[..10], "eyJhbGciOiJub25lIn0", 1));
    let foreign = shared::testing::TestIssuer::es256().token(app.clock.now()).mint();
    for bad in ["garbage", "a.b.c", "..", &flipped, &unsigned, &foreign, "mrt1_AAAA", "\u{e9}"] {
        assert_inactive(&introspect(&app, bad).await);
    }
    app.clock.advance(TimeDelta::seconds(606));
    assert_inactive(&introspect(&app, &token).await);
    let token = app.login().await.access_token();
    app.state.users.disable(&auth_server::users::UserRef::Sub(app.user.sub)).await.unwrap();
    assert_inactive(&introspect(&app, &token).await);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn i03_an_active_token_is_told_as_it_is(pool: Pool) {
    let app = TestApp::new(pool).await;
    let login = app.login().await;
    let (claims, body) = (login.claims(), introspect(&app, &login.access_token()).await.json());
    for same in ["scope", "client_id", "sub", "exp", "iat", "iss", "aud", "jti", "sid"] {
        assert_eq!(body[same], claims[same], "{same}");
    }
    let names: Vec<&String> = body.as_object().unwrap().keys().collect();
    let expected = ["active", "aud", "client_id", "exp", "iat", "iss", "jti", "scope", "sid", "sub", "token_type"];
    assert_eq!(names, expected);
    assert_eq!((body["active"].as_bool(), body["token_type"].as_str()), (Some(true), Some("Bearer")));
    let own = app.token_basic(CONFIDENTIAL, &app.secret, &[("grant_type", "client_credentials")]).await;
    let body = introspect(&app, &own.access_token()).await.json();
    assert_eq!(
        (body["active"].as_bool(), body["sub"].as_str(), body.get("sid")),
        (Some(true), Some("client:backend"), None)
    );
    assert_eq!(body["iss"], ISSUER);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn i04_foreign_tokens_look_like_garbage_but_to_whom_they_are_for(pool: Pool) {
    let app = TestApp::new(pool).await;
    let public = app.token(&[&[("client_id", PUBLIC)], PASSWORD_GRANT.as_slice()].concat()).await.access_token();
    assert_inactive(&introspect(&app, &public).await);
    let movies = NewClient { serves: Some(AUDIENCE.to_owned()), ..app::client("movies-api", ClientKind::Confidential) };
    let secret = app.create_client(&movies).await.unwrap();
    let asked = [("token", public.as_str())];
    let answer = app.post_as("/introspect", Some(("movies-api", &secret)), &asked).await;
    assert_eq!((answer.json()["active"].as_bool(), answer.json()["client_id"].as_str()), (Some(true), Some(PUBLIC)));
    // Another resource server's tokens are none of its business.
    app.state.resource_servers.create("https://other.example.com", "other", &[]).await.unwrap();
    let other = NewClient {
        audience: "https://other.example.com".to_owned(),
        scopes: "profile".parse().unwrap(),
        default_scopes: "profile".parse().unwrap(),
        ..app::client("other", ClientKind::Public)
    };
    app.create_client(&other).await;
    let token = app.token(&[&[("client_id", "other")], PASSWORD_GRANT.as_slice()].concat()).await.access_token();
    assert_inactive(&app.post_as("/introspect", Some(("movies-api", &secret)), &[("token", &token)]).await);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn i05_a_refresh_token_is_told_to_its_own_client_alone(pool: Pool) {
    let app = TestApp::new(pool).await;
    let token = app.login().await.refresh_token();
    let body = introspect(&app, &token).await.json();
    assert_eq!(
        (body["active"].as_bool(), body["client_id"].as_str(), body.get("jti")),
        (Some(true), Some(CONFIDENTIAL), None::<&Value>)
    );
    assert_eq!(body["exp"].as_i64(), Some((app.clock.now() + TimeDelta::days(14)).timestamp()));
    let movies = NewClient { serves: Some(AUDIENCE.to_owned()), ..app::client("movies-api", ClientKind::Confidential) };
    let secret = app.create_client(&movies).await.unwrap();
    assert_inactive(&app.post_as("/introspect", Some(("movies-api", &secret)), &[("token", &token)]).await);
    let next = app.refresh(&token).await.refresh_token();
    assert_inactive(&introspect(&app, &token).await);
    assert_eq!(introspect(&app, &next).await.json()["active"], true);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn i06_json_whatever_else_would_be_liked(pool: Pool) {
    let app = TestApp::new(pool).await;
    let token = app.login().await.access_token();
    let request = http::Request::post("/introspect")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("authorization", app::basic(CONFIDENTIAL, &app.secret))
        .header("accept", "application/token-introspection+jwt")
        .body(axum::body::Body::from(app::encode(&[("token", &token)])));
    let answer = app.send(request.unwrap()).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/json")));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn i07_every_replica_knows_at_once(pool: Pool) {
    let app = TestApp::new(pool).await;
    let other = app.replica().await;
    let login = app.login().await;
    assert_eq!(introspect(&other, &login.access_token()).await.json()["active"], true);
    app.post("/revoke", &[("token", &login.access_token())]).await;
    assert_inactive(&introspect(&other, &login.access_token()).await);
    app.post("/revoke", &[("token", &login.refresh_token())]).await;
    assert_inactive(&introspect(&other, &login.refresh_token()).await);
}
