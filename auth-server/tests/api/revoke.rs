//! Revocation (checklist 1.8).

use auth_server::clients::ClientKind;
use axum::body::Body;
use futures_util::future::join3;
use http::{Method, Request};
use shared::db::Pool;
use shared::testing::figures::{rounds, tell};

use crate::app::{self, Answer, CONFIDENTIAL, PASSWORD_GRANT, PUBLIC, TestApp};

#[track_caller]
fn assert_done(answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

async fn is_active(app: &TestApp, token: &str) -> bool {
    app.post("/introspect", &[("token", token)]).await.json()["active"].as_bool().unwrap()
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn v01_what_is_unknown_or_dead_is_answered_like_success(pool: Pool) {
    let app = TestApp::new(pool).await;
    let token = app.login().await.refresh_token();
    for token in ["nonsense", "mrt1_AAAA", "a.b.c", token.as_str(), token.as_str()] {
        assert_done(&app.post("/revoke", &[("token", token)]).await);
    }
    app.clock.advance(chrono::TimeDelta::days(100));
    assert_done(&app.post("/revoke", &[("token", &token)]).await);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn v02_the_client_authenticates(pool: Pool) {
    let app = TestApp::new(pool).await;
    let token = app.login().await.refresh_token();
    let asked = [("token", token.as_str())];
    app.post_as("/revoke", Some((CONFIDENTIAL, "wrong")), &asked).await.assert_error(401, "invalid_client");
    app.post_as("/revoke", None, &asked).await.assert_error(401, "invalid_client");
    let nameless = [("token", token.as_str()), ("client_id", CONFIDENTIAL)];
    app.post_as("/revoke", None, &nameless).await.assert_error(401, "invalid_client");
    assert_eq!(app.live_leaves().await, 1);
    // A public client says its id alone.
    let public = app.token(&[&[("client_id", PUBLIC)], PASSWORD_GRANT.as_slice()].concat()).await.refresh_token();
    assert_done(&app.post_as("/revoke", None, &[("token", &public), ("client_id", PUBLIC)]).await);
    assert_eq!(app.live_leaves().await, 1);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn v03_another_clients_token_lives_on(pool: Pool) {
    let app = TestApp::new(pool).await;
    let login = app.login().await;
    for token in [login.access_token(), login.refresh_token()] {
        assert_done(&app.post_as("/revoke", None, &[("token", &token), ("client_id", PUBLIC)]).await);
    }
    assert!(is_active(&app, &login.access_token()).await);
    assert_eq!(app.refresh(&login.refresh_token()).await.status, 200);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn v04_v06_a_refresh_token_ends_the_whole_grant(pool: Pool) {
    let app = TestApp::new(pool).await;
    for hint in ["", "refresh_token", "access_token", "nonsense"] {
        let login = app.login().await;
        let next = app.refresh(&login.refresh_token()).await;
        // Even a spent one: whoever logs out may hold an old one.
        let asked = [("token", login.refresh_token()), ("token_type_hint", hint.to_owned())];
        let asked: Vec<(&str, &str)> = asked.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_done(&app.post("/revoke", &asked).await);
        app.refresh(&next.refresh_token()).await.assert_error(400, "invalid_grant");
        for access in [login.access_token(), next.access_token()] {
            assert!(!is_active(&app, &access).await);
        }
    }
    let kinds: Vec<String> =
        sqlx::query_scalar("select kind from myapi.revocations order by seq").fetch_all(&app.pool).await.unwrap();
    assert_eq!(kinds, ["session"; 4]);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn v05_an_access_token_ends_alone_and_reaches_the_feed(pool: Pool) {
    let app = TestApp::new(pool).await;
    let login = app.login().await;
    let other = app.refresh(&login.refresh_token()).await;
    assert_done(&app.post("/revoke", &[("token", &login.access_token())]).await);
    assert!(!is_active(&app, &login.access_token()).await);
    assert!(is_active(&app, &other.access_token()).await);
    let rows: Vec<(String, String, i64)> =
        sqlx::query_as("select kind, subject, extract(epoch from expires_at)::bigint from myapi.revocations")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    let claims = login.claims();
    let until = claims["exp"].as_i64().unwrap() + 120;
    assert_eq!(rows, [("token".to_owned(), claims["jti"].as_str().unwrap().to_owned(), until)]);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn v07_the_token_stands_in_the_body_of_a_post(pool: Pool) {
    let app = TestApp::new(pool).await;
    let token = app.login().await.refresh_token();
    for path in ["/revoke", "/introspect"] {
        app.post(path, &[]).await.assert_error(400, "invalid_request");
        app.post(path, &[("token", "")]).await.assert_error(400, "invalid_request");
        app.post(&format!("{path}?token={token}"), &[]).await.assert_error(400, "invalid_request");
        app.post(path, &[("token", &token), ("token", &token)]).await.assert_error(400, "invalid_request");
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let request = Request::builder().method(method).uri(format!("{path}?token={token}"));
            let answer = app.send(request.body(Body::empty()).unwrap()).await;
            answer.assert_error(405, "invalid_request");
            assert_eq!(answer.header("allow"), Some("POST"));
        }
    }
    assert_eq!(app.live_leaves().await, 1);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn v08_without_the_database_there_is_no_false_success(pool: Pool) {
    let app = TestApp::new(pool).await;
    let login = app.login().await;
    app.pool.close().await;
    for path in ["/revoke", "/introspect"] {
        for token in [login.access_token(), login.refresh_token()] {
            let answer = app.post(path, &[("token", &token)]).await;
            answer.assert_error(503, "temporarily_unavailable");
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
    }
    app.refresh(&login.refresh_token()).await.assert_error(503, "temporarily_unavailable");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn v09_f08_revoke_refresh_and_disable_at_once_leave_no_live_leaf(pool: Pool) {
    let app = TestApp::new(pool).await;
    let other = app.replica().await;
    let who = auth_server::users::UserRef::Sub(app.user.sub);
    let rounds = rounds(20);
    for round in 0..rounds {
        let token = app.login().await.refresh_token();
        let asked = [("token", token.as_str())];
        let disable = async {
            if round % 2 == 0 {
                app.state.users.disable(&who).await.unwrap();
            }
        };
        let (revoked, refreshed, ()) = join3(app.post("/revoke", &asked), other.refresh(&token), disable).await;
        assert_done(&revoked);
        assert!(matches!(refreshed.status.as_u16(), 200 | 400), "{}", refreshed.body);
        if refreshed.status == 200 {
            assert!(!is_active(&app, &refreshed.access_token()).await, "round {round}");
            app.refresh(&refreshed.refresh_token()).await.assert_error(400, "invalid_grant");
        }
        assert_eq!(app.live_leaves().await, 0, "round {round}");
        app.state.users.enable(&who).await.unwrap();
        assert_eq!(app.live_leaves().await, 0, "round {round}: enabling revives nothing");
    }
    tell("revoke", "revocations beside a refresh, without a live leaf", f64::from(rounds));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_page_of_a_configured_origin_may_revoke(pool: Pool) {
    let app = TestApp::with(pool, &[("MYAPI_AUTH__CORS_ORIGINS", "https://app.example.com")]).await;
    let preflight = |origin: &'static str| {
        let request = Request::builder().method(Method::OPTIONS).uri("/revoke").header("origin", origin);
        app.send(request.header("access-control-request-method", "POST").body(Body::empty()).unwrap())
    };
    let answer = preflight("https://app.example.com").await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example.com"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    assert_eq!(preflight("https://evil.test").await.header("access-control-allow-origin"), None);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_deleted_client_can_revoke_nothing(pool: Pool) {
    let app = TestApp::new(pool).await;
    let secret = app.create_client(&app::client("gone", ClientKind::Confidential)).await.unwrap();
    app.state.clients.delete(&"gone".parse().unwrap()).await.unwrap();
    let asked = [("token", "x")];
    app.post_as("/revoke", Some(("gone", &secret)), &asked).await.assert_error(401, "invalid_client");
}
