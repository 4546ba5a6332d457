//! `/device_authorization`, `/device` and the device code grant (checklist 1.6).

use auth_server::clients::{Client, ClientKind, GrantType, NewClient};
use auth_server::housekeeping::Housekeeping;
use axum::body::Body;
use axum::extract::ConnectInfo;
use chrono::TimeDelta;
use http::Request;
use serde_json::json;
use shared::db::Pool;
use sqlx::AssertSqlSafe;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

use crate::app::{self, Answer, CONFIDENTIAL, EMAIL, ISSUER, PUBLIC, TestApp, encode};
use crate::visitor::{Visitor, hidden, location, pairs};

pub(crate) const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// A public client that signs in by devices alone, and may refresh.
pub(crate) const TV: &str = "tv";

pub(crate) fn tv() -> NewClient {
    NewClient {
        name: "Film TV".to_owned(),
        grants: vec![GrantType::DeviceCode, GrantType::RefreshToken],
        scopes: "openid movies:read movies:write profile email".parse().unwrap(),
        redirect_uris: Vec::new(),
        ..app::client(TV, ClientKind::Public)
    }
}

pub(crate) async fn app(pool: Pool, settings: &[(&str, &str)]) -> TestApp {
    let app = TestApp::with(pool, settings).await;
    app.create_client(&tv()).await;
    app
}

/// The codes of a device that has started.
pub(crate) struct Device {
    pub(crate) device_code: String,
    pub(crate) user_code: String,
    pub(crate) link: String,
}

pub(crate) async fn start(app: &TestApp) -> Device {
    start_for(app, "openid profile movies:read").await
}

pub(crate) async fn start_for(app: &TestApp, scope: &str) -> Device {
    start_with(app, &[("scope", scope)]).await
}

pub(crate) async fn start_with(app: &TestApp, parameters: &[(&str, &str)]) -> Device {
    let answer = app.post_as("/device_authorization", None, &[parameters, &[("client_id", TV)]].concat()).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let text = |name: &str| answer.json()[name].as_str().unwrap().to_owned();
    let link = text("verification_uri_complete").strip_prefix(ISSUER).unwrap().to_owned();
    Device { device_code: text("device_code"), user_code: text("user_code"), link }
}

pub(crate) async fn poll(app: &TestApp, device: &Device) -> Answer {
    poll_as(app, TV, &device.device_code).await
}

async fn poll_as(app: &TestApp, client: &str, device_code: &str) -> Answer {
    app.token(&[("grant_type", GRANT), ("client_id", client), ("device_code", device_code)]).await
}

/// A browser in which somebody is signed in.
pub(crate) async fn signed_in(app: &TestApp) -> Visitor<'_> {
    let mut visitor = Visitor::new(app);
    assert_eq!(location(&visitor.sign_in("/login").await), "/login");
    visitor
}

/// Answers the page at this address.
async fn answer(visitor: &mut Visitor<'_>, page: &str, decision: &str) -> Answer {
    let page = visitor.get(page).await;
    assert_eq!(page.status, 200, "{}", page.body);
    answer_page(visitor, &page, decision).await
}

pub(crate) async fn answer_page(visitor: &mut Visitor<'_>, page: &Answer, decision: &str) -> Answer {
    let mut fields = hidden(&page.body);
    fields.push(("decision".to_owned(), decision.to_owned()));
    visitor.post("/device", &pairs(&fields)).await
}

pub(crate) async fn approve(visitor: &mut Visitor<'_>, device: &Device) {
    let done = answer(visitor, &device.link, "allow").await;
    assert_eq!(done.status, 200, "{}", done.body);
    assert!(done.body.contains("Your device is connected"), "{}", done.body);
}

/// `POST /device_authorization` from this address.
async fn start_from(app: &TestApp, ip: [u8; 4], client: &str) -> Answer {
    let request = Request::post("/device_authorization").header("content-type", "application/x-www-form-urlencoded");
    let request = request.extension(ConnectInfo(SocketAddr::from((ip, 4711))));
    app.send(request.body(Body::from(encode(&[("client_id", client)]))).unwrap()).await
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn d01_a_device_is_told_its_codes_and_where_to_send_people(pool: Pool) {
    let app = app(pool, &[]).await;
    let answer = app.post_as("/device_authorization", None, &[("client_id", TV), ("scope", "movies:read")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let body = answer.json();
    let (device_code, user_code) = (body["device_code"].as_str().unwrap(), body["user_code"].as_str().unwrap());
    assert!(device_code.starts_with("mdc1_") && device_code.len() == 53, "{device_code}");
    let letters: Vec<char> = user_code.chars().filter(|c| *c != '-').collect();
    assert!(letters.len() == 8 && letters.iter().all(|c| "BCDFGHJKLMNPQRSTVWXZ".contains(*c)), "{user_code}");
    assert_eq!(
        body,
        json!({
            "device_code": device_code,
            "user_code": user_code,
            "verification_uri": format!("{ISSUER}/device"),
            "verification_uri_complete": format!("{ISSUER}/device?user_code={user_code}"),
            "expires_in": 600,
            "interval": 5,
        })
    );
    // Neither code can be read from the database, in any spelling.
    let dump = app.dump().await;
    assert!(!dump.contains(device_code) && !dump.contains(user_code) && !dump.contains(&user_code.replace('-', "")));
    // A client with a secret says it here, too.
    assert_eq!(app.post("/device_authorization", &[]).await.status, 200);
    app.post_as("/device_authorization", Some((CONFIDENTIAL, "wrong")), &[]).await.assert_error(401, "invalid_client");
    app.post_as("/device_authorization", None, &[]).await.assert_error(401, "invalid_client");
    let form = |pair| [("client_id", TV), pair];
    for (pair, error) in [
        (("scope", "movies:delete"), "invalid_scope"),
        (("scope", "a\"b"), "invalid_scope"),
        (("resource", "https://other.example"), "invalid_target"),
    ] {
        app.post_as("/device_authorization", None, &form(pair)).await.assert_error(400, error);
    }
    app.post_as("/device_authorization?client_id=tv", None, &[]).await.assert_error(400, "invalid_request");
    assert_eq!(app.get("/device_authorization").await.status, 405);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn d02_a_poll_is_told_how_it_stands(pool: Pool) {
    let app = app(pool, &[]).await;
    let (first, second, third) = (start(&app).await, start(&app).await, start(&app).await);
    poll(&app, &first).await.assert_error(400, "authorization_pending");
    let mut visitor = signed_in(&app).await;
    let done = answer(&mut visitor, &first.link, "deny").await;
    assert!(done.status == 200 && done.body.contains("was not connected"), "{}", done.body);
    poll(&app, &first).await.assert_error(400, "access_denied");
    approve(&mut visitor, &third).await;
    app.clock.advance(TimeDelta::seconds(600));
    poll(&app, &second).await.assert_error(400, "expired_token");
    poll(&app, &third).await.assert_error(400, "expired_token");
    for garbage in ["x", "mdc1_", "mac1_AAAA", "%00", &format!("{}A", first.device_code)] {
        poll_as(&app, TV, garbage).await.assert_error(400, "invalid_grant");
    }
    let mut other = second.device_code.clone();
    other.replace_range(20..21, if &other[20..21] == "A" { "B" } else { "A" });
    poll_as(&app, TV, &other).await.assert_error(400, "invalid_grant");
    poll_as(&app, TV, "").await.assert_error(400, "invalid_request");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn d03_who_polls_too_fast_waits_longer_on_every_replica(pool: Pool) {
    let app = app(pool, &[]).await;
    let replica = app.replica().await;
    let device = start(&app).await;
    let interval = || async {
        sqlx::query_scalar::<_, i32>("select poll_interval from myapi.device_codes").fetch_one(&app.pool).await.unwrap()
    };
    poll(&app, &device).await.assert_error(400, "authorization_pending");
    app.clock.advance(TimeDelta::seconds(4));
    poll(&replica, &device).await.assert_error(400, "slow_down");
    assert_eq!(interval().await, 10);
    app.clock.advance(TimeDelta::seconds(5));
    poll(&app, &device).await.assert_error(400, "slow_down");
    assert_eq!(interval().await, 15, "at the old interval it is too fast still");
    app.clock.advance(TimeDelta::seconds(15));
    poll(&replica, &device).await.assert_error(400, "authorization_pending");
    app.clock.advance(TimeDelta::seconds(14));
    poll(&replica, &device).await.assert_error(400, "slow_down");
    // Another client's polls do not count, and haste does not keep out who was let in.
    poll_as(&app, PUBLIC, &device.device_code).await.assert_error(400, "invalid_grant");
    assert_eq!(interval().await, 20);
    approve(&mut signed_in(&app).await, &device).await;
    assert_eq!(poll(&app, &device).await.status, 200);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn d07_a_code_is_good_once_for_its_own_client(pool: Pool) {
    let app = app(pool, &[]).await;
    let device = start(&app).await;
    approve(&mut signed_in(&app).await, &device).await;
    poll_as(&app, PUBLIC, &device.device_code).await.assert_error(400, "invalid_grant");
    let first = poll(&app, &device).await;
    assert_eq!(first.status, 200, "{}", first.body);
    app.clock.advance(TimeDelta::seconds(60));
    poll(&app, &device).await.assert_error(400, "invalid_grant");
    // What it gave goes on: the second try may be the device's own, whose answer was lost.
    let form = [("grant_type", "refresh_token"), ("client_id", TV), ("refresh_token", &first.refresh_token())];
    let next = app.token(&form).await;
    assert_eq!((next.status.as_u16(), next.claims()["sid"].clone()), (200, first.claims()["sid"].clone()));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn d08_of_many_polls_at_once_one_gets_the_tokens_across_replicas(pool: Pool) {
    let app = Arc::new(app(pool, &[]).await);
    let replica = Arc::new(app.replica().await);
    for round in 0..5 {
        let device = start(&app).await;
        poll(&app, &device).await.assert_error(400, "authorization_pending");
        approve(&mut signed_in(&app).await, &device).await;
        let mut all = JoinSet::new();
        for number in 0..16 {
            let replica = if number % 2 == 0 { app.clone() } else { replica.clone() };
            let device_code = device.device_code.clone();
            all.spawn(async move { poll_as(&replica, TV, &device_code).await });
        }
        let answers = all.join_all().await;
        let good = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(good, 1, "{answers:?}");
        for refused in answers.iter().filter(|answer| answer.status != 200) {
            refused.assert_error(400, "invalid_grant");
        }
        assert_eq!(app.live_leaves().await, round + 1);
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn d10_starts_are_limited_by_address_and_by_client_and_their_rows_go(pool: Pool) {
    let app = app(pool, &[("MYAPI_AUTH__LIMIT_DEVICE_CLIENT", "50:300")]).await;
    let mut started = 0;
    for _ in 0..1000 {
        let answer = start_from(&app, [192, 0, 2, 1], TV).await;
        if answer.status == 200 {
            started += 1;
            continue;
        }
        answer.assert_error(429, "temporarily_unavailable");
        let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=30).contains(&seconds), "{seconds}");
    }
    assert_eq!(started, 20);
    // In the life of a flow an address is forgiven as many again: no more than 40 are open.
    app.clock.advance(TimeDelta::seconds(30));
    assert_eq!(start_from(&app, [192, 0, 2, 1], TV).await.status, 200);
    start_from(&app, [192, 0, 2, 1], TV).await.assert_error(429, "temporarily_unavailable");
    // The client's own limit holds for all addresses together, and is no other client's.
    let mut refused = 0;
    for number in 0..60 {
        refused += usize::from(start_from(&app, [198, 51, number, 1], TV).await.status == 429);
    }
    assert!((25..=32).contains(&refused), "{refused}");
    assert_eq!(start_from(&app, [203, 0, 113, 1], PUBLIC).await.status, 200);

    // Rows go with their day.
    let count = || async {
        let sql = "select count(*) from myapi.device_codes where expires_at < '2025-01-01'";
        sqlx::query_scalar::<_, i64>(sql).fetch_one(&app.pool).await.unwrap()
    };
    sqlx::raw_sql(AssertSqlSafe(
        "create table myapi.device_codes_20240101 partition of myapi.device_codes
             for values from ('2024-01-01 00:00:00+00') to ('2024-01-02 00:00:00+00');
         insert into myapi.device_codes
             (code_hash, expires_at, user_code_hash, client_id, audience, scope, created_at, poll_interval)
         select sha256(n::text::bytea), '2024-01-01 12:00:00+00', sha256('x'), 'tv', 'urn:x', '{}', '2024-01-01', 5
         from generate_series(1, 100) n"
            .to_owned(),
    ))
    .execute(&app.pool)
    .await
    .unwrap();
    assert_eq!(count().await, 100);
    let housekeeping = Housekeeping::new(app.pool.clone(), app.clock.clone(), Duration::from_secs(90 * 86_400));
    assert_eq!(housekeeping.run().await.unwrap().dropped, 1);
    assert_eq!(count().await, 0);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn d11_a_client_without_the_grant_may_neither_start_nor_poll(pool: Pool) {
    let app = app(pool, &[]).await;
    let new = NewClient { grants: vec![GrantType::Password], ..app::client("plain", ClientKind::Public) };
    app.create_client(&new).await;
    let answer = app.post_as("/device_authorization", None, &[("client_id", "plain")]).await;
    answer.assert_error(400, "unauthorized_client");
    poll_as(&app, "plain", "mdc1_x").await.assert_error(400, "unauthorized_client");
    // Nor one that has lost it, or was disabled, while a device waited.
    let device = start(&app).await;
    let mut visitor = signed_in(&app).await;
    let client: Client = app.state.clients.disable(&TV.parse().unwrap()).await.unwrap();
    assert!(client.disabled_at.is_some());
    assert_eq!(visitor.get(&device.link).await.status, 400);
    poll(&app, &device).await.assert_error(401, "invalid_client");
}

/// The television goes on when the telephone is signed out; what disables the user ends it.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_device_outlives_the_browser_session_that_let_it_in(pool: Pool) {
    let app = app(pool, &[]).await;
    let mut visitor = signed_in(&app).await;
    let device = start(&app).await;
    approve(&mut visitor, &device).await;
    let token = poll(&app, &device).await;
    let sessions = app.state.sessions.list(None, 10, app.clock.now()).await.unwrap();
    assert!(app.state.sessions.end(sessions[0].session_id, app.clock.now()).await.unwrap());
    let refresh = |token: String| {
        let app = &app;
        async move { app.token(&[("grant_type", "refresh_token"), ("client_id", TV), ("refresh_token", &token)]).await }
    };
    let next = refresh(token.refresh_token()).await;
    assert_eq!(next.status, 200, "{}", next.body);
    app.state.users.disable(&EMAIL.parse().unwrap()).await.unwrap();
    refresh(next.refresh_token()).await.assert_error(400, "invalid_grant");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn what_happens_to_a_device_is_recorded(pool: Pool) {
    let app = app(pool, &[]).await;
    let mut visitor = signed_in(&app).await;
    let (first, second) = (start(&app).await, start(&app).await);
    approve(&mut visitor, &first).await;
    answer(&mut visitor, &second.link, "deny").await;
    assert_eq!(poll(&app, &first).await.status, 200);
    app.state.audit.close(Duration::from_secs(30)).await;
    let rows: Vec<String> = sqlx::query_scalar(
        "select concat_ws(' ', event, coalesce(subject, '-'), client_id, detail) from myapi.audit_events
         where event like 'device%' or (event = 'token_issued' and client_id = 'tv') order by at, seq",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    let sub = app.user.sub;
    assert_eq!(
        rows,
        [
            "device_started - tv".to_owned(),
            "device_started - tv".to_owned(),
            format!("device_approved {sub} tv"),
            format!("device_denied {sub} tv"),
            format!("token_issued {sub} tv {GRANT}"),
        ]
    );
}

/// A device code tells its own end, and a user code's lies within the hour, so that a look at either touches one
/// partition (two around midnight), however many there are.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_look_at_a_device_touches_one_partition(pool: Pool) {
    let app = TestApp::new(pool).await;
    sqlx::query("select myapi.make_partitions('device_codes', interval '1 day', now() + interval '5 days')")
        .execute(&app.pool)
        .await
        .unwrap();
    let mut connection = app.pool.acquire().await.unwrap();
    // A few rows would be read faster without an index.
    sqlx::query("set enable_seqscan = off").execute(&mut *connection).await.unwrap();
    let noon = app.clock.now().date_naive().and_hms_opt(12, 0, 0).unwrap().and_utc() + TimeDelta::days(2);
    for statement in [
        "select client_id from myapi.device_codes where code_hash = $1 and expires_at = $2",
        "update myapi.device_codes set polled_at = $2 where code_hash = $1 and expires_at = $2 and client_id = 'tv'",
        "update myapi.device_codes set consumed_at = $2
         where code_hash = $1 and expires_at = $2 and is_approved and consumed_at is null",
        "select client_id from myapi.device_codes
         where user_code_hash = any(array[$1]) and expires_at > $2 and expires_at <= $2 + interval '1 hour' limit 2",
        "update myapi.device_codes set decided_at = $2
         where user_code_hash = any(array[$1]) and expires_at = $2 and decided_at is null",
    ] {
        let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("explain (costs off) {statement}")))
            .bind([0_u8; 32].as_slice())
            .bind(noon)
            .fetch_all(&mut *connection)
            .await
            .unwrap();
        let scans: Vec<&String> = plan.iter().filter(|line| line.contains(" on device_codes_")).collect();
        assert!(scans.iter().any(|line| line.contains("Index Scan using device_codes_")), "{plan:#?}");
        let partitions: std::collections::BTreeSet<&str> =
            scans.iter().filter_map(|line| line.split(" on ").nth(1)?.split(' ').next()).collect();
        assert_eq!(partitions.len(), 1, "{plan:#?}");
        assert!(!partitions.contains("device_codes_default"), "{plan:#?}");
    }
}
