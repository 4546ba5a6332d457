//! What is revoked in the database is refused here, within the time of a poll.

use std::time::Duration;

use http::{Method, StatusCode};
use insta::assert_snapshot;
use shared::clock::Clock;
use shared::db::Pool;
use shared::testing::TestIssuer;
use shared::token::revocations::{Feed, Revocations};
use shared::token::source::Keys;
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::{TestApp, insert_some};

const MOVIE: &str = "/movies/?movie_id=1";

/// The service with its feed, and what follows it.
async fn following(pool: &Pool) -> (TestApp, Revocations, JoinHandle<()>) {
    let issuer = TestIssuer::es256();
    let keys = Keys::fixed(issuer.key_set());
    let clock = TestApp::standing_clock();
    let revocations = Revocations::new(clock.clone());
    let (sender, first) = tokio::sync::oneshot::channel();
    let follow = revocations.clone().follow(Feed::Database(pool.clone()), keys.clone(), || sender.send(()).unwrap());
    let task = tokio::spawn(follow);
    first.await.unwrap();
    (TestApp::with_revocations(pool.clone(), issuer, keys, revocations.clone(), clock), revocations, task)
}

async fn revoke(pool: &PgPool, clock: &Clock, kind: &str, subject: &str, version: Option<i64>) -> i64 {
    sqlx::query(
        "select myapi.append_revocations(array[$1], array[$2], array[$3::bigint], $4, array[$4 + interval '1 hour'])",
    )
    .bind(kind)
    .bind(subject)
    .bind(version)
    .bind(clock.now())
    .execute(pool)
    .await
    .unwrap();
    sqlx::query_scalar("select max(seq) from myapi.revocations").fetch_one(pool).await.unwrap()
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s02_what_is_revoked_is_refused_cached_or_not(pool: PgPool) {
    insert_some(&pool).await;
    let (app, revocations, task) = following(&pool).await;
    let bad = app.ask(Method::GET, MOVIE, Some("Bearer abc")).await.to_string();
    for (kind, claim, subject, version) in [
        ("token", "jti", "j1", None),
        ("session", "sid", "s1", None),
        ("user", "sub", "ann", Some(1)),
        ("client", "client_id", "app", Some(1)),
        ("key", "", app.issuer.public_key().kid(), None),
    ] {
        let token = if claim.is_empty() { app.token() } else { app.token().claim(claim, subject) };
        let (cached, unseen) = (token.mint(), token.claim("unseen", true).mint());
        let ask = async |token: &str| app.ask(Method::GET, MOVIE, Some(&format!("Bearer {token}"))).await;
        assert_eq!(ask(&cached).await.status, StatusCode::OK, "{kind}");
        let seq = revoke(&pool, &app.clock, kind, subject, version).await;
        let mut watch = revocations.watch();
        // A hint or a poll: half a second; the rest is patience with a busy machine.
        timeout(Duration::from_secs(20), watch.wait_for(|position| position.seq >= seq)).await.unwrap().unwrap();
        for token in [&cached, &unseen] {
            assert_eq!(ask(token).await.to_string(), bad, "{kind}");
        }
        let other = ask(&app.token().mint()).await.status;
        assert_eq!(other, if kind == "key" { StatusCode::UNAUTHORIZED } else { StatusCode::OK }, "{kind}");
    }
    task.abort();
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn readiness_tells_whether_revocations_are_known(pool: PgPool) {
    insert_some(&pool).await;
    let (app, _, task) = following(&pool).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    let ready = async || app.ask(Method::GET, "/readyz", None).await;
    assert_snapshot!(ready().await.body, @r#"{"status":"ready","revocations":"fresh","revocations_age":0}"#);
    app.clock.advance(chrono::TimeDelta::seconds(75));
    let stale = ready().await;
    assert_eq!(stale.status, StatusCode::OK, "what is read here goes on");
    assert_snapshot!(stale.body, @r#"{"status":"ready","revocations":"stale","revocations_age":75}"#);
    assert_eq!(app.get(MOVIE).await.status, StatusCode::OK);
}
