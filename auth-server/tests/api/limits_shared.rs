//! What holds for the counters as a whole: they tell nothing, they do not grow, they are shared by all replicas, and
//! many at once get no further than many in a row (checklist P02, F12, F13).

use std::sync::Arc;

use auth_server::app;
use auth_server::limits::{Limits, Origin, Settings, Subject};
use auth_server::state::AppState;
use serde_json::Value;
use shared::db::Pool;
use std::time::Duration;
use tokio::task::JoinSet;

use crate::app::{EMAIL, PASSWORD, PUBLIC, TestApp, config, login};
use crate::limits::{WRONG, fail, loopback, retry_after};

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p02_known_and_unknown_names_are_slowed_down_alike(pool: Pool) {
    let app = TestApp::new(pool).await;
    app.create_user("off@example.com", PASSWORD).await;
    app.state.users.disable(&"off@example.com".parse().unwrap()).await.unwrap();
    let mut seen = Vec::new();
    for (network, email) in [EMAIL, "nobody@example.com", "off@example.com", "no address"].iter().enumerate() {
        let from = |last| [10, u8::try_from(network).unwrap(), 0, last];
        let mut answers = Vec::new();
        for last in 0..12 {
            let mut answer = app.token_from(from(last), &login(email, WRONG)).await;
            answer.headers.remove("x-request-id").unwrap();
            answers.push((answer.status, format!("{:?}", answer.headers), answer.body));
        }
        seen.push(answers);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:#?}");
    assert_eq!(seen[0].iter().filter(|(status, ..)| *status == 429).count(), 2);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f13_made_up_names_make_nothing_grow(pool: Pool) {
    let app = TestApp::new(pool).await;
    // As a million names would have left it: every place is taken.
    let fill = "insert into myapi.throttle (kind, slot, level, changed_at, free_at, told_until)
                select kind, slot, 0, to_timestamp(0), to_timestamp(0), to_timestamp(0)
                from generate_series(1, 8) as kind, generate_series(0, 65535) as slot";
    sqlx::query(fill).execute(&app.pool).await.unwrap();
    for number in 0..60 {
        app.token_from([10, 1, number, 1], &login(&format!("{number}@example.com"), WRONG)).await;
    }
    let rows: i64 = sqlx::query_scalar("select count(*) from myapi.throttle").fetch_one(&app.pool).await.unwrap();
    assert_eq!(rows, 8 * 65_536);
    let outside = "insert into myapi.throttle (kind, slot, level, changed_at, free_at, told_until)
                   values (1, 65536, 0, now(), now(), now())";
    let error = sqlx::query(outside).execute(&app.pool).await.unwrap_err();
    assert_eq!(error.as_database_error().unwrap().constraint(), Some("throttle_slot_check"));
    let known: i64 = sqlx::query_scalar("select count(*) from myapi.known_devices").fetch_one(&app.pool).await.unwrap();
    assert_eq!(known, 0, "no row for a name that nobody has");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f13_replicas_share_the_counters(pool: Pool) {
    let one = TestApp::new(pool.clone()).await;
    let state = AppState::start(config(&[]), pool, one.clock.clone()).await.unwrap();
    let two = TestApp { router: app::router(state.clone()), state, ..TestApp::of(&one) };
    let addresses = loopback(20);
    let mut looked_at = 0;
    for round in 0..15 {
        let replica = if round % 2 == 0 { &one } else { &two };
        looked_at += fail(replica, EMAIL, 2, &addresses[round..]).await;
    }
    assert_eq!(looked_at, 10);
    // A device that one of them met is known to both.
    one.clock.advance(chrono::TimeDelta::hours(12));
    assert_eq!(one.token_from([10, 0, 0, 1], &login(EMAIL, PASSWORD)).await.status, 200);
    fail(&two, EMAIL, 20, &addresses).await;
    assert_eq!(two.token_from([10, 0, 0, 1], &login(EMAIL, PASSWORD)).await.status, 200);
}

/// Sends all at once; how many answers of each status came.
async fn at_once(app: &TestApp, requests: Vec<([u8; 4], &'static str, &'static str)>) -> Vec<(u16, usize)> {
    let app = Arc::new(TestApp::of(app));
    let mut answers = JoinSet::new();
    for (ip, email, password) in requests {
        let app = Arc::clone(&app);
        answers.spawn(async move { app.token_from(ip, &login(email, password)).await.status.as_u16() });
    }
    let mut counts = std::collections::BTreeMap::new();
    for status in answers.join_all().await {
        *counts.entry(status).or_default() += 1;
    }
    counts.into_iter().collect()
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f12_four_hundred_guesses_at_once_are_no_more_than_ten(pool: Pool) {
    let app = TestApp::new(pool).await;
    let before = app.state.users.lane().counts().begun;
    let guesses = (0..400_u16).map(|number| ([10, 0, 0, (number % 40).to_be_bytes()[1]], EMAIL, WRONG)).collect();
    let answers = at_once(&app, guesses).await;
    let begun = app.state.users.lane().counts().begun - before;
    assert!(begun <= 10, "{begun} hashes: {answers:?}");
    assert!(answers.iter().all(|(status, _)| [400, 429, 503].contains(status)), "{answers:?}");
    // And from a device that the account knows, likewise.
    app.clock.advance(chrono::TimeDelta::hours(12));
    assert_eq!(app.token_from([10, 9, 9, 9], &login(EMAIL, PASSWORD)).await.status, 200);
    fail(&app, EMAIL, 20, &loopback(20)).await;
    let before = app.state.users.lane().counts().begun;
    at_once(&app, vec![([10, 9, 9, 9], EMAIL, WRONG); 100]).await;
    let begun = app.state.users.lane().counts().begun - before;
    assert!(begun <= 10, "{begun} hashes");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn right_passwords_at_once_are_no_guesses(pool: Pool) {
    let app = TestApp::new(pool).await;
    // More than the account's budget: those too many wait for the first to succeed.
    let answers = at_once(&app, vec![([10, 0, 0, 1], EMAIL, PASSWORD); 16]).await;
    // 503 is a lane that was too slow for this machine at this moment, and counts as nothing.
    assert!(answers.iter().all(|(status, _)| [200, 503].contains(status)), "{answers:?}");
    assert!(answers.iter().any(|(status, count)| *status == 200 && *count >= 5), "{answers:?}");
    let left: f64 = sqlx::query_scalar("select coalesce(sum(level), 0) from myapi.throttle where kind <> 8")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert!(left.abs() < 1e-6, "successes are not counted: {left}");
    // Many users behind one address, too.
    sqlx::query(
        "insert into myapi.users (email, email_canonical, hashed_password)
                 select number || '@example.com', number || '@example.com', hashed_password
                 from myapi.users, generate_series(1, 30) as number where email = $1",
    )
    .bind(EMAIL)
    .execute(&app.pool)
    .await
    .unwrap();
    for number in 1..=30 {
        let answer = app.token_from([10, 0, 0, 2], &login(&format!("{number}@example.com"), PASSWORD)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p11_who_hangs_up_stays_charged(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let limits = Limits::new(pool, &app.state.config.key_ring().unwrap(), Settings::default());
    let origin = Origin::new([10, 0, 0, 1].into(), None);
    let subject = Subject { name: EMAIL, sub: Some(app.user.sub), client: PUBLIC, origin: &origin };
    let now = app.clock.now();
    for _ in 0..10 {
        let charge = limits.charge(&subject, || Duration::from_secs(2), now).await.unwrap();
        drop(charge);
    }
    limits.charge(&subject, || Duration::from_secs(2), now).await.unwrap_err();
    assert_eq!(retry_after(&app.token_from([10, 0, 0, 1], &login(EMAIL, PASSWORD)).await), 1);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_answer_is_documented_as_it_is_sent(pool: Pool) {
    let app = TestApp::new(pool).await;
    fail(&app, EMAIL, 10, &loopback(10)).await;
    let answer = app.token_from([10, 0, 0, 1], &login(EMAIL, WRONG)).await;
    assert_eq!(retry_after(&answer), 1);
    let document: Value = app.get("/openapi.json").await.json();
    let documented = &document["paths"]["/token"]["post"]["responses"]["429"];
    let example = &documented["content"]["application/json"]["examples"]["temporarily_unavailable"]["value"];
    assert_eq!(example, &answer.json());
    assert_eq!(documented["headers"]["Retry-After"]["schema"]["examples"][0], "1");
}
