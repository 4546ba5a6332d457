//! `grant_type=authorization_code` (checklist 1.4, F07).

use auth_server::app as service;
use auth_server::clients::{GrantType, NewClient};
use auth_server::state::AppState;
use auth_server::users::UserRef;
use chrono::TimeDelta;
use shared::db::Pool;
use sqlx::AssertSqlSafe;
use tokio::task::JoinSet;

use crate::app::{CONFIDENTIAL, EMAIL, TestApp, config};
use crate::visitor::{
    self, Asking, NATIVE, NATIVE_URI, VERIFIER, Visitor, WEB, WEB_URI, clients, redeem, redeem_with, s256,
};

async fn refresh(app: &TestApp, secret: &str, token: &str) -> u16 {
    let form = [("grant_type", "refresh_token"), ("refresh_token", token)];
    app.token_basic(WEB, secret, &form).await.status.as_u16()
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn c01_c02_a_code_is_good_once_and_its_replay_revokes_what_it_gave(pool: Pool) {
    let app = TestApp::new(pool).await;
    let secret = clients(&app).await;
    let code = Visitor::new(&app).code(&Asking::web()).await;
    assert!(code.starts_with("mac1_"));
    let first = redeem(&app, &secret, &code).await;
    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!(first.header("cache-control"), Some("no-store"));
    let body = first.json();
    assert_eq!(
        (body["scope"].as_str(), body["token_type"].as_str()),
        (Some("movies:read openid profile"), Some("Bearer"))
    );
    let claims = first.claims();
    assert_eq!(
        (claims["client_id"].as_str(), claims["auth_time"].as_i64()),
        (Some(WEB), Some(app.clock.now().timestamp()))
    );
    app.clock.advance(TimeDelta::seconds(30));
    redeem(&app, &secret, &code).await.assert_error(400, "invalid_grant");
    assert_eq!(refresh(&app, &secret, &first.refresh_token()).await, 400, "C02");
    let feed: Vec<String> = sqlx::query_scalar("select subject from myapi.revocations where kind = 'session'")
        .fetch_all(&app.pool)
        .await
        .unwrap();
    assert_eq!(feed, [claims["sid"].as_str().unwrap()]);
    // Again and again: nothing is left to revoke.
    redeem(&app, &secret, &code).await.assert_error(400, "invalid_grant");
    let entries: i64 = sqlx::query_scalar("select count(*) from myapi.revocations").fetch_one(&app.pool).await.unwrap();
    assert_eq!(entries, 1);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn c02_without_a_refresh_token_the_access_token_is_revoked(pool: Pool) {
    let app = TestApp::new(pool).await;
    let new = NewClient { grants: vec![GrantType::AuthorizationCode], ..visitor::web() };
    let secret = app.create_client(&new).await.unwrap();
    let code = Visitor::new(&app).code(&Asking::web()).await;
    let first = redeem(&app, &secret, &code).await;
    assert!(first.json().get("refresh_token").is_none());
    redeem(&app, &secret, &code).await.assert_error(400, "invalid_grant");
    let sid: String = sqlx::query_scalar("select subject from myapi.revocations").fetch_one(&app.pool).await.unwrap();
    assert_eq!(sid, first.claims()["sid"].as_str().unwrap());
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn c03_a_replay_with_wrong_parameters_revokes_nothing(pool: Pool) {
    let app = TestApp::new(pool).await;
    let secret = clients(&app).await;
    let code = Visitor::new(&app).code(&Asking::web()).await;
    let first = redeem(&app, &secret, &code).await;
    let wrong = "a".repeat(43);
    redeem_with(&app, &secret, &[("code", &code), ("code_verifier", &wrong)]).await.assert_error(400, "invalid_grant");
    let elsewhere = [("code", code.as_str()), ("redirect_uri", "https://app.example.com/other")];
    redeem_with(&app, &secret, &elsewhere).await.assert_error(400, "invalid_grant");
    let stranger = [
        ("grant_type", "authorization_code"),
        ("client_id", NATIVE),
        ("code", &code),
        ("redirect_uri", WEB_URI),
        ("code_verifier", VERIFIER),
    ];
    app.token(&stranger).await.assert_error(400, "invalid_grant");
    assert_eq!(refresh(&app, &secret, &first.refresh_token()).await, 200);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn c04_f07_of_many_redemptions_at_once_one_succeeds_across_replicas(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let secret = clients(&app).await;
    let other = AppState::start(config(&[]), pool, app.clock.clone()).await.unwrap();
    let other = TestApp {
        router: service::router(other.clone()),
        state: other,
        pool: app.pool.clone(),
        clock: app.clock.clone(),
        user: app.user.clone(),
        secret: app.secret.clone(),
    };
    let (app, other) = (std::sync::Arc::new(app), std::sync::Arc::new(other));
    for _ in 0..5 {
        let code = Visitor::new(&app).code(&Asking::web()).await;
        let mut all = JoinSet::new();
        for number in 0..16 {
            let replica = if number % 2 == 0 { app.clone() } else { other.clone() };
            let (secret, code) = (secret.clone(), code.clone());
            all.spawn(async move { redeem(&replica, &secret, &code).await });
        }
        let answers = all.join_all().await;
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [vec![200], vec![400; 15]].concat());
        let live: i64 = sqlx::query_scalar("select count(*) from myapi.families where revoked_at is null")
            .fetch_one(&app.pool)
            .await
            .unwrap();
        assert_eq!(live, 0, "the others were replays");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn c05_a_code_lives_as_long_as_configured(pool: Pool) {
    let app = TestApp::with(pool, &[("MYAPI_AUTH__CODE_TTL", "30")]).await;
    let secret = clients(&app).await;
    let mut visitor = Visitor::new(&app);
    let (young, old) = (visitor.code(&Asking::web()).await, visitor.code(&Asking::web()).await);
    app.clock.advance(TimeDelta::seconds(29));
    assert_eq!(redeem(&app, &secret, &young).await.status, 200);
    app.clock.advance(TimeDelta::seconds(2));
    redeem(&app, &secret, &old).await.assert_error(400, "invalid_grant");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn c06_a_code_is_bound_to_its_client(pool: Pool) {
    let app = TestApp::new(pool).await;
    let secret = clients(&app).await;
    let code = Visitor::new(&app).code(&Asking::web()).await;
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", WEB_URI),
        ("code_verifier", VERIFIER),
    ];
    app.token_basic(CONFIDENTIAL, &app.secret, &form).await.assert_error(400, "invalid_grant");
    assert_eq!(redeem(&app, &secret, &code).await.status, 200, "its own client may still");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn c07_the_redirect_uri_is_the_one_of_the_request(pool: Pool) {
    let app = TestApp::new(pool).await;
    let secret = clients(&app).await;
    let code = Visitor::new(&app).code(&Asking::web()).await;
    for other in [
        "https://app.example.com/cb/",
        "https://app.example.com/%63b",
        "https://App.example.com/cb",
        "not a url",
        "/cb",
    ] {
        let form = [("code", code.as_str()), ("redirect_uri", other)];
        redeem_with(&app, &secret, &form).await.assert_error(400, "invalid_grant");
    }
    redeem_with(&app, &secret, &[("code", &code), ("redirect_uri", "")]).await.assert_error(400, "invalid_request");
    assert_eq!(redeem(&app, &secret, &code).await.status, 200);
    // A native client's port is a part of it.
    let code = Visitor::new(&app).code(&Asking::native()).await;
    let form = |uri| {
        [
            ("grant_type", "authorization_code"),
            ("client_id", NATIVE),
            ("code", &code),
            ("redirect_uri", uri),
            ("code_verifier", VERIFIER),
        ]
    };
    app.token(&form(NATIVE_URI)).await.assert_error(400, "invalid_grant");
    assert_eq!(app.token(&form("http://127.0.0.1:51004/cb")).await.status, 200);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn c08_c09_c10_the_verifier_is_checked(pool: Pool) {
    let app = TestApp::new(pool).await;
    let secret = clients(&app).await;
    let mut visitor = Visitor::new(&app);
    for (length, status) in [(42, 400), (43, 200), (128, 200), (129, 400)] {
        let verifier = "~".repeat(length);
        let code = visitor.code(&Asking::web().with("code_challenge", &s256(&verifier))).await;
        let answer = redeem_with(&app, &secret, &[("code", &code), ("code_verifier", &verifier)]).await;
        assert_eq!(answer.status, status, "{length}");
    }
    let code = visitor.code(&Asking::web()).await;
    redeem_with(&app, &secret, &[("code", &code), ("code_verifier", "")]).await.assert_error(400, "invalid_request");
    let plus = format!("{}+", "a".repeat(50));
    for bad in [plus.clone(), plus.replace('+', "="), plus.replace('+', " "), plus.replace('+', "ü"), s256(VERIFIER)] {
        let answer = redeem_with(&app, &secret, &[("code", &code), ("code_verifier", &bad)]).await;
        answer.assert_error(400, "invalid_grant");
    }
    assert_eq!(redeem(&app, &secret, &code).await.status, 200);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn c11_the_fifth_wrong_verifier_burns_the_code(pool: Pool) {
    let app = TestApp::new(pool).await;
    let secret = clients(&app).await;
    let mut visitor = Visitor::new(&app);
    for (tries, status) in [(4, 200), (5, 400)] {
        let code = visitor.code(&Asking::web()).await;
        for _ in 0..tries {
            let wrong = [("code", code.as_str()), ("code_verifier", &"x".repeat(43))];
            redeem_with(&app, &secret, &wrong).await.assert_error(400, "invalid_grant");
        }
        assert_eq!(redeem(&app, &secret, &code).await.status, status, "{tries}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn c12_a_code_dies_with_the_session_and_with_the_user(pool: Pool) {
    let app = TestApp::new(pool).await;
    let secret = clients(&app).await;
    let mut visitor = Visitor::new(&app);
    let code = visitor.code(&Asking::web()).await;
    let sessions = app.state.sessions.list(None, 10, app.clock.now()).await.unwrap();
    assert!(app.state.sessions.end(sessions[0].session_id, app.clock.now()).await.unwrap());
    redeem(&app, &secret, &code).await.assert_error(400, "invalid_grant");

    let code = visitor.code(&Asking::web()).await;
    let who: UserRef = EMAIL.parse().unwrap();
    app.state.users.disable(&who).await.unwrap();
    redeem(&app, &secret, &code).await.assert_error(400, "invalid_grant");
    app.state.users.enable(&who).await.unwrap();
    redeem(&app, &secret, &code).await.assert_error(400, "invalid_grant");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn c13_an_unknown_code_is_invalid_grant(pool: Pool) {
    let app = TestApp::new(pool).await;
    let secret = clients(&app).await;
    let code = Visitor::new(&app).code(&Asking::web()).await;
    let mut other = code.clone();
    other.replace_range(20..21, if &code[20..21] == "A" { "B" } else { "A" });
    for garbage in [other.as_str(), "x", "mac1_", "mrt1_AAAA", "%00", "ü", &code[..code.len() - 1], &format!("{code}A")]
    {
        redeem(&app, &secret, garbage).await.assert_error(400, "invalid_grant");
    }
    redeem(&app, &secret, "").await.assert_error(400, "invalid_request");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_client_without_the_grant_may_not_redeem(pool: Pool) {
    let app = TestApp::new(pool).await;
    let new = NewClient { grants: vec![GrantType::Password], redirect_uris: Vec::new(), ..visitor::web() };
    let secret = app.create_client(&new).await.unwrap();
    redeem(&app, &secret, "x").await.assert_error(400, "unauthorized_client");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_refresh_goes_on_with_all_that_was_granted(pool: Pool) {
    let app = TestApp::new(pool).await;
    let secret = clients(&app).await;
    let code = Visitor::new(&app).code(&Asking::web()).await;
    let first = redeem(&app, &secret, &code).await;
    let form = [("grant_type", "refresh_token"), ("refresh_token", &first.refresh_token())];
    let next = app.token_basic(WEB, &secret, &form).await;
    assert_eq!(next.json()["scope"], "movies:read openid profile");
    assert_eq!(next.claims()["sid"], first.claims()["sid"]);
}

/// A code tells its own end, so that a look at it touches one index of one partition, however many there are.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_look_at_a_code_touches_one_partition(pool: Pool) {
    let app = TestApp::new(pool).await;
    sqlx::query("select myapi.make_partitions('authorization_codes', interval '1 day', now() + interval '5 days')")
        .execute(&app.pool)
        .await
        .unwrap();
    let mut connection = app.pool.acquire().await.unwrap();
    // A few rows would be read faster without an index.
    sqlx::query("set enable_seqscan = off").execute(&mut *connection).await.unwrap();
    for statement in [
        "select client_id from myapi.authorization_codes where code_hash = $1 and expires_at = $2",
        "update myapi.authorization_codes set consumed_at = $2
         where code_hash = $1 and expires_at = $2 and consumed_at is null and expires_at > $2 - interval '1 minute' and failures < 5",
    ] {
        let plan: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("explain (costs off) {statement}")))
            .bind([0_u8; 32].as_slice())
            .bind(app.clock.now() + TimeDelta::days(2))
            .fetch_all(&mut *connection)
            .await
            .unwrap();
        let scans: Vec<&String> = plan.iter().filter(|line| line.contains(" on authorization_codes_")).collect();
        assert!(scans.iter().any(|line| line.contains("Index Scan using authorization_codes_")), "{plan:#?}");
        let partitions: std::collections::BTreeSet<&str> =
            scans.iter().filter_map(|line| line.split(" on ").nth(1)?.split(' ').next()).collect();
        assert_eq!(partitions.len(), 1, "{plan:#?}");
        assert!(!partitions.contains("authorization_codes_default"), "{plan:#?}");
    }
}
