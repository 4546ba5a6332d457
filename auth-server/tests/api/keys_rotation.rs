//! A key's life: published before it signs, signing when everybody holds it, gone with its last token, or revoked.

use std::time::Duration;

use auth_server::keys::{self, Gate, KekRing, KeyState, NewKey, Schedule};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use serde_json::Value;
use shared::db::Pool;
use shared::token::keys::Algorithm;
use uuid::Uuid;

use crate::app::TestApp;

const DAY: Duration = Duration::from_secs(86_400);
const SCHEDULE: Schedule = Schedule { signs_for: Some(DAY), published_for: Duration::from_secs(300) };

struct Keys {
    pool: Pool,
    keks: KekRing,
    now: DateTime<Utc>,
}

impl Keys {
    async fn new(pool: Pool) -> (TestApp, Self) {
        let app = TestApp::new(pool.clone()).await;
        let keks = app.state.config.key_ring().unwrap();
        let now = app.clock.now();
        (app, Self { pool, keks, now })
    }

    async fn rotate(&self, force: bool) -> keys::Rotation {
        keys::rotate(&self.pool, &self.keks, SCHEDULE, force, self.now).await.unwrap()
    }

    async fn tick(&self) -> keys::Rotation {
        keys::keep_schedule(&self.pool, &self.keks, SCHEDULE, self.now).await.unwrap()
    }

    async fn states(&self) -> Vec<(String, KeyState)> {
        keys::list(&self.pool).await.unwrap().into_iter().map(|key| (key.kid, key.state)).collect()
    }

    /// As a resource server reports what it holds; `ago` seconds before now, by the database's clock.
    async fn report(&self, instance: u128, held: &[&str], source: &str, ago: i32) {
        let instance = Uuid::from_u128(instance);
        sqlx::query("select myapi.report_resource_server($1, $2, 0, $3)")
            .bind(instance)
            .bind(held)
            .bind(source)
            .execute(&self.pool)
            .await
            .unwrap();
        let age = "update myapi.resource_server_reports
                   set reported_at = reported_at - make_interval(secs => $2) where instance = $1";
        sqlx::query(age).bind(instance).bind(f64::from(ago)).execute(&self.pool).await.unwrap();
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn m08_a_key_is_published_for_the_max_age_before_it_signs(pool: Pool) {
    let (app, mut keys) = Keys::new(pool).await;
    let first = app.state.keys.active_kid();
    let made = keys.rotate(false).await;
    let next = made.next.unwrap();
    assert_eq!(made.active_kid, first);
    assert_eq!(next.gate, Gate::Young { until: keys.now + TimeDelta::seconds(300) });
    app.state.keys.reload().await.unwrap();
    assert_eq!(app.state.keys.active_kid(), first);
    let published = app.get("/.well-known/jwks.json").await.body;
    assert!(published.contains(&next.kid) && published.contains(&first));

    keys.now += TimeDelta::seconds(299);
    assert!(keys.rotate(false).await.changed.is_none(), "one second more");
    keys.now += TimeDelta::seconds(1);
    let done = keys.rotate(false).await;
    assert_eq!((done.active_kid.as_str(), done.next.is_none()), (next.kid.as_str(), true));
    assert_eq!(done.changed.unwrap().retired_kid.as_deref(), Some(first.as_str()));
    app.state.keys.reload().await.unwrap();
    assert_eq!(app.login().await.segment(0)["kid"], next.kid);
    assert!(app.get("/.well-known/jwks.json").await.body.contains(&first), "its tokens live on");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_retired_key_goes_when_the_last_token_under_it_is_dead(pool: Pool) {
    let (_app, mut keys) = Keys::new(pool).await;
    keys.rotate(false).await;
    keys.now += TimeDelta::seconds(300);
    let first = keys.rotate(false).await.changed.unwrap().retired_kid.unwrap();
    keys.now += TimeDelta::seconds(86_400 + 119);
    assert!(keys.tick().await.gone.is_empty());
    keys.now += TimeDelta::seconds(1);
    assert_eq!(keys.tick().await.gone, std::slice::from_ref(&first));
    assert!(keys.states().await.iter().all(|(kid, _)| *kid != first));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_live_resource_server_that_lacks_the_key_is_waited_for_and_named(pool: Pool) {
    let (app, mut keys) = Keys::new(pool).await;
    let first = app.state.keys.active_kid();
    let next = keys.rotate(false).await.next.unwrap().kid;
    keys.now += TimeDelta::seconds(300);
    keys.report(1, &[&first, &next], "url", 0).await;
    keys.report(2, &[&first], "url", 0).await;
    let waiting = keys.rotate(false).await.next.unwrap();
    let Gate::Waiting { laggards } = &waiting.gate else { panic!("{waiting:?}") };
    assert_eq!(laggards.iter().map(|laggard| laggard.report.instance.as_u128()).collect::<Vec<_>>(), [2]);
    assert_eq!(laggards[0].report.reported_by, "postgres");

    let status = keys::status(&keys.pool, SCHEDULE, keys.now).await.unwrap();
    assert_eq!(status.next.unwrap().gate, waiting.gate);
    let lacks: Vec<Vec<String>> = status.resource_servers.into_iter().map(|server| server.lacks).collect();
    assert_eq!(lacks.concat(), std::slice::from_ref(&next));

    keys.report(2, &[&first, &next], "url", 0).await;
    assert_eq!(keys.rotate(false).await.active_kid, next);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn who_is_silent_is_not_waited_for_but_one_that_reads_a_file_always_is(pool: Pool) {
    let (app, mut keys) = Keys::new(pool).await;
    let first = app.state.keys.active_kid();
    let next = keys.rotate(false).await.next.unwrap().kid;
    keys.now += TimeDelta::seconds(300);
    keys.report(1, &[&first], "url", 91).await;
    keys.report(2, &[&first], "url", 86_500).await;
    keys.report(3, &[&first], "file", 500_000).await;
    let Gate::Waiting { laggards } = keys.rotate(false).await.next.unwrap().gate else { panic!("the gate is open") };
    assert_eq!(laggards.iter().map(|laggard| laggard.report.instance.as_u128()).collect::<Vec<_>>(), [3]);
    let listed = keys::status(&keys.pool, SCHEDULE, keys.now).await.unwrap().resource_servers;
    let listed: Vec<(u128, bool)> =
        listed.iter().map(|server| (server.report.instance.as_u128(), server.is_live)).collect();
    assert_eq!(listed, [(1, false), (3, true)], "a silent one is listed for a day");
    // Somebody knows that the process is gone for good.
    let mut conn = keys.pool.acquire().await.unwrap();
    assert!(auth_server::resource_servers::forget(&mut conn, Uuid::from_u128(3)).await.unwrap());
    drop(conn);
    assert_eq!(keys.rotate(false).await.active_kid, next);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn force_waits_for_nobody(pool: Pool) {
    let (app, keys) = Keys::new(pool).await;
    keys.report(1, &[&app.state.keys.active_kid()], "url", 0).await;
    let forced = keys.rotate(true).await;
    assert_ne!(forced.active_kid, app.state.keys.active_kid());
    assert!(forced.next.is_none());
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_schedule_makes_publishes_and_activates_by_itself_and_never_forces(pool: Pool) {
    let (app, mut keys) = Keys::new(pool).await;
    let first = app.state.keys.active_kid();
    assert!(keys.tick().await.next.is_none(), "nothing is due");
    keys.now += TimeDelta::from_std(DAY).unwrap() - TimeDelta::seconds(300);
    let next = keys.tick().await.next.unwrap().kid;
    keys.now += TimeDelta::seconds(299);
    assert_eq!(keys.tick().await.active_kid, first);
    keys.now += TimeDelta::seconds(1);
    keys.report(1, &[&first], "url", 0).await;
    for _ in 0..3 {
        assert!(matches!(keys.tick().await.next.unwrap().gate, Gate::Waiting { .. }));
        keys.now += TimeDelta::days(3);
    }
    keys.report(1, &[&first, &next], "url", 0).await;
    assert_eq!(keys.tick().await.active_kid, next);
    let off = Schedule { signs_for: None, ..SCHEDULE };
    keys.now += TimeDelta::days(300);
    let later = keys::keep_schedule(&keys.pool, &keys.keks, off, keys.now).await.unwrap();
    assert_eq!((later.active_kid, later.next.is_none()), (next, true), "only when an operator says so");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn replicas_that_rotate_at_once_agree(pool: Pool) {
    let (_app, mut keys) = Keys::new(pool).await;
    for _ in 0..3 {
        let steps = join_all((0..8).map(|_| keys.rotate(false))).await;
        assert_eq!(steps.iter().filter(|step| step.changed.is_some()).count(), 1, "one made the key");
        keys.now += TimeDelta::seconds(300);
        // Whoever comes after the one that activated makes the key of the next rotation: only one of them.
        join_all((0..8).map(|_| keys.tick())).await;
        let steps = join_all((0..2).map(|_| keys.rotate(false))).await;
        assert!(steps.iter().any(|step| step.changed.as_ref().is_some_and(|changed| changed.retired_kid.is_some())));
        let states = keys.states().await;
        assert_eq!(states.iter().filter(|(_, state)| *state == KeyState::Active).count(), 1);
        assert!(states.iter().filter(|(_, state)| *state == KeyState::Next).count() <= 1);
        for (kid, _) in states.iter().filter(|(_, state)| *state == KeyState::Next) {
            keys::retire(&keys.pool, kid).await.unwrap();
        }
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_revoked_key_ends_everything_that_it_signed_and_another_signs(pool: Pool) {
    let (app, keys) = Keys::new(pool).await;
    let first = app.state.keys.active_kid();
    let login = app.login().await;
    let revoked = keys::revoke(&keys.pool, &keys.keks, &first, keys.now).await.unwrap();
    let new = revoked.active.unwrap().key;
    assert_eq!((new.state, new.alg), (KeyState::Active, Algorithm::Es256));
    app.state.keys.reload().await.unwrap();
    let published = app.get("/.well-known/jwks.json").await.body;
    assert!(published.contains(&new.kid) && !published.contains(&first));
    let active = |token: String| {
        let app = &app;
        async move { app.post("/introspect", &[("token", &token)]).await.json()["active"].as_bool().unwrap() }
    };
    assert!(!active(login.access_token()).await);
    // The login itself lives on, under the new key.
    let next = app.refresh(&login.refresh_token()).await;
    assert_eq!(next.segment(0)["kid"], new.kid);
    assert!(active(next.access_token()).await);
    let feed: Vec<(String, String)> =
        sqlx::query_as("select kind, subject from myapi.revocations").fetch_all(&app.pool).await.unwrap();
    assert_eq!(feed, [("key".to_owned(), first.clone())]);
    assert!(keys::activate(&keys.pool, &keys.keks, &first, keys.now).await.is_err(), "it never signs again");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_revoked_key_is_followed_by_the_next_one_where_there_is_one(pool: Pool) {
    let (app, keys) = Keys::new(pool).await;
    let next = keys.rotate(false).await.next.unwrap().kid;
    let revoked = keys::revoke(&keys.pool, &keys.keks, &app.state.keys.active_kid(), keys.now).await.unwrap();
    assert_eq!(revoked.active.unwrap().key.kid, next);
    // One that does not sign leaves the other alone.
    let other = keys::generate(&keys.pool, &keys.keks, Algorithm::EdDsa, &NewKey::default(), keys.now).await.unwrap();
    assert!(keys::revoke(&keys.pool, &keys.keks, &other.key.kid, keys.now).await.unwrap().active.is_none());
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn only_a_key_that_never_signed_can_be_taken_back(pool: Pool) {
    let (app, keys) = Keys::new(pool).await;
    let next = keys.rotate(false).await.next.unwrap().kid;
    let refused = keys::retire(&keys.pool, &app.state.keys.active_kid()).await.unwrap_err().to_string();
    assert!(refused.contains("is active") && refused.contains("key rotate"), "{refused}");
    keys::retire(&keys.pool, &next).await.unwrap();
    assert_eq!(keys.states().await.len(), 1);
    assert!(keys::retire(&keys.pool, &next).await.is_err());
}

fn payload(jws: &str) -> Value {
    use base64::Engine as _;
    let payload = jws.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_feed_is_signed_numbered_and_whole_on_request(pool: Pool) {
    let (app, _) = Keys::new(pool).await;
    let empty = app.get("/revocations").await;
    assert_eq!((empty.status.as_u16(), empty.header("content-type")), (200, Some("application/revocations+jwt")));
    assert_eq!(empty.header("cache-control"), Some("no-store"));
    let first = payload(&empty.body);
    assert_eq!(
        (first["seq"].as_i64(), first["complete"].as_bool(), &first["entries"]),
        (Some(0), Some(true), &serde_json::json!([]))
    );
    let logins = [app.login().await, app.login().await];
    for login in &logins {
        app.post("/revoke", &[("token", &login.access_token())]).await;
    }
    // Another replica has no rows of a moment ago.
    let other = app.replica().await;
    let whole = payload(&other.get("/revocations").await.body);
    let kinds: Vec<&str> = whole["entries"].as_array().unwrap().iter().map(|e| e["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["token", "token"]);
    let claims = logins[0].claims();
    assert_eq!(whole["entries"][0]["subject"], claims["jti"]);
    assert_eq!(whole["entries"][0]["exp"].as_i64(), Some(claims["exp"].as_i64().unwrap() + 120));
    assert_eq!(whole["feed_id"], first["feed_id"]);
    let numbers: Vec<i64> = whole["entries"].as_array().unwrap().iter().map(|e| e["seq"].as_i64().unwrap()).collect();
    let rest = payload(&other.get(&format!("/revocations?since={}", numbers[0])).await.body);
    assert_eq!((rest["complete"].as_bool(), rest["entries"].as_array().unwrap().len()), (Some(false), 1));
    let beyond = payload(&other.get(&format!("/revocations?since={}", numbers[1] + 1)).await.body);
    assert_eq!((beyond["complete"].as_bool(), beyond["entries"].as_array().unwrap().len()), (Some(true), 2));
    let jws = other.get("/revocations").await.body;
    let (message, signature) = jws.rsplit_once('.').unwrap();
    let set = other.state.keys.verifying();
    assert!(set.load().find(&other.state.keys.active_kid()).unwrap().verify(message.as_bytes(), signature));
    for bad in ["x", "1.5", "99999999999999999999", "1&since=2"] {
        other.get(&format!("/revocations?since={bad}")).await.assert_error(400, "invalid_request");
    }
}
