//! Clients: the rules of registration, secrets, and the ends of clients.

use std::time::Duration;

use auth_server::clients::{
    ApplicationType, ClientError, ClientId, ClientKind, GrantType, Lifetimes, NewClient, Proof,
};
use axum::body::Body;
use chrono::TimeDelta;
use http::Request;
use shared::db::Pool;
use sqlx::AssertSqlSafe;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use crate::app::{self, AUDIENCE, CONFIDENTIAL, EMAIL, PASSWORD, PUBLIC, TestApp, client, encode, login};

const OWN: [(&str, &str); 1] = [("grant_type", "client_credentials")];

fn id(text: &str) -> ClientId {
    text.parse().unwrap()
}

/// The field that is broken, and the whole error.
async fn broken(app: &TestApp, new: NewClient) -> (&'static str, String) {
    let error = app.state.clients.create(&new).await.err().unwrap();
    let text = error.to_string();
    match error {
        ClientError::Rule { broken, .. } => (broken.field, text),
        _ => panic!("{text}"),
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn every_rule_of_registration_names_client_and_field(pool: Pool) {
    let app = TestApp::new(pool).await;
    let confidential = || client("x", ClientKind::Confidential);
    let public = || client("x", ClientKind::Public);
    let lives = |lifetimes| NewClient { lifetimes, ..confidential() };
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    let none = Lifetimes::default();
    let uris = |uris: &[&str]| uris.iter().map(|uri| (*uri).to_owned()).collect::<Vec<_>>();
    let cases = [
        ("name", NewClient { name: " ".into(), ..public() }),
        ("name", NewClient { name: "a\nb".into(), ..public() }),
        ("grants", NewClient { grants: vec![GrantType::Password, GrantType::ClientCredentials], ..public() }),
        ("grants", NewClient { grants: vec![GrantType::RefreshToken], ..public() }),
        ("grants", NewClient { grants: vec![GrantType::RefreshToken, GrantType::ClientCredentials], ..confidential() }),
        ("grants", NewClient { redirect_uris: Vec::new(), ..public() }),
        ("audience", NewClient { audience: "urn:nobody".into(), ..public() }),
        ("scopes", NewClient { scopes: "movies:read no:such".parse().unwrap(), ..public() }),
        ("default_scopes", NewClient { scopes: "email".parse().unwrap(), ..public() }),
        ("serves", NewClient { serves: Some(AUDIENCE.into()), ..public() }),
        ("serves", NewClient { serves: Some("urn:nobody".into()), ..confidential() }),
        ("redirect_uris", NewClient { redirect_uris: uris(&["http://example.com/"]), ..public() }),
        ("redirect_uris", NewClient { redirect_uris: uris(&["https://a.example/", "https://a.example/"]), ..public() }),
        ("redirect_uris", NewClient { redirect_uris: vec!["https://a.example/".into(); 101], ..public() }),
        ("post_logout_redirect_uris", NewClient { post_logout_redirect_uris: uris(&["data:,x"]), ..public() }),
        ("access_token_ttl", lives(Lifetimes { access_token: seconds(2), ..none })),
        ("access_token_ttl", lives(Lifetimes { access_token: seconds(86_401), ..none })),
        ("refresh_token_ttl", lives(Lifetimes { refresh_absolute: seconds(7_776_001), ..none })),
        ("refresh_token_idle_ttl", lives(Lifetimes { refresh_idle: seconds(7_776_001), ..none })),
        (
            "refresh_token_idle_ttl",
            lives(Lifetimes { refresh_idle: seconds(61), refresh_absolute: seconds(60), ..none }),
        ),
        ("refresh_retry_window", lives(Lifetimes { retry_window: seconds(61), ..none })),
    ];
    for (field, new) in cases {
        let (found, text) = broken(&app, new).await;
        assert_eq!(found, field, "{text}");
        assert!(text.starts_with(&format!("client `x`: {field}: ")), "{text}");
    }
    assert!(matches!(app.state.clients.get(&id("x")).await, Err(ClientError::Unknown(_))), "nothing was kept");
    let (_, text) = broken(&app, lives(Lifetimes { refresh_absolute: seconds(9_000_000), ..none })).await;
    assert!(text.ends_with("which MYAPI_AUTH__REFRESH_TOKEN_TTL sets: raise that first"), "{text}");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a04_a05_redirect_uris_are_checked_by_application_type(pool: Pool) {
    let app = TestApp::new(pool).await;
    let with = |application_type, uri: &str| NewClient {
        application_type,
        redirect_uris: vec![uri.to_owned()],
        ..client("uri", ClientKind::Public)
    };
    for (application, uri) in [
        (ApplicationType::Web, "http://127.0.0.1/cb"),
        (ApplicationType::Web, "javascript:alert(1)"),
        (ApplicationType::Native, "data:text/html,x"),
        (ApplicationType::Native, "http://app.example.com/cb"),
        (ApplicationType::Native, "myapp:/cb"),
        (ApplicationType::Web, "https://app.example.com/cb#fragment"),
    ] {
        assert_eq!(broken(&app, with(application, uri)).await.0, "redirect_uris", "{uri}");
    }
    app.create_client(&with(ApplicationType::Native, "http://127.0.0.1/cb")).await;
    let kept = app.state.clients.get(&id("uri")).await.unwrap();
    assert_eq!(
        (kept.application_type, kept.redirect_uris),
        (ApplicationType::Native, vec!["http://127.0.0.1/cb".into()])
    );
    // What is taken for one type is not for another: a change is checked as a whole.
    let web = |is: NewClient| NewClient { application_type: ApplicationType::Web, ..is };
    assert!(app.state.clients.update(&id("uri"), web).await.unwrap_err().to_string().contains("redirect_uris"));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn who_may_redeem_codes_says_where_they_go(pool: Pool) {
    let app = TestApp::new(pool).await;
    let nowhere = NewClient { redirect_uris: Vec::new(), ..client("nowhere", ClientKind::Public) };
    let (field, reason) = broken(&app, nowhere.clone()).await;
    assert_eq!(field, "grants");
    assert!(reason.contains("authorization_code") && reason.contains("redirect_uris"), "{reason}");
    let without = NewClient { grants: vec![GrantType::Password, GrantType::RefreshToken], ..nowhere };
    app.create_client(&without).await;
    // Neither can be taken away from a client that has both.
    app.create_client(&client("both", ClientKind::Public)).await;
    let emptied = app.state.clients.update(&id("both"), |is| NewClient { redirect_uris: Vec::new(), ..is }).await;
    assert!(emptied.unwrap_err().to_string().contains("redirect_uris"));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn k01_a_public_client_with_the_grant_in_its_row_is_refused_all_the_same(pool: Pool) {
    let app = TestApp::new(pool).await;
    let add = "update myapi.clients set grants = grants || '{client_credentials}' where client_id = 'app'";
    sqlx::query(AssertSqlSafe(add.to_owned())).execute(&app.pool).await.unwrap();
    app.token(&[OWN[0], ("client_id", PUBLIC)]).await.assert_error(400, "unauthorized_client");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn k04_a_full_password_lane_keeps_no_client_waiting(pool: Pool) {
    // A hash takes most of a second here, and there is one lane.
    let app = TestApp::with(pool, &[("MYAPI_AUTH__PASSWORD_ITERATIONS", "32")]).await;
    let mut logins = JoinSet::new();
    for _ in 0..12 {
        let body = Body::from(encode(&login(EMAIL, PASSWORD)));
        let request = Request::post("/token").header("content-type", "application/x-www-form-urlencoded").body(body);
        logins.spawn(app.router.clone().oneshot(request.unwrap()));
    }
    for _ in 0..20 {
        assert_eq!(app.token_basic(CONFIDENTIAL, &app.secret, &OWN).await.status, 200);
        app.token_basic(CONFIDENTIAL, "mcs1_wrong", &OWN).await.assert_error(401, "invalid_client");
    }
    let mut ended = 0;
    while logins.try_join_next().is_some() {
        ended += 1;
    }
    assert!(ended < 12, "forty clients were answered while the lane was at it");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn two_secrets_live_and_the_older_one_ends_on_time(pool: Pool) {
    let app = TestApp::new(pool).await;
    let clients = &app.state.clients;
    let status = async |secret: &str| app.token_basic(CONFIDENTIAL, secret, &OWN).await.status.as_u16();
    let first = app.secret.clone();
    let second = clients.rotate_secret(&id(CONFIDENTIAL), Duration::from_secs(3600)).await.unwrap();
    assert_eq!(second.older_expires_at, Some(app.clock.now() + TimeDelta::seconds(3600)));
    let second = second.secret.expose().to_owned();
    assert_eq!((status(&first).await, status(&second).await), (200, 200));
    let known = clients.secrets(&id(CONFIDENTIAL)).await.unwrap();
    assert_eq!(known.iter().map(|secret| secret.expires_at.is_some()).collect::<Vec<_>>(), [false, true]);

    app.clock.advance(TimeDelta::seconds(3599));
    assert_eq!(status(&first).await, 200);
    app.clock.advance(TimeDelta::seconds(1));
    assert_eq!((status(&first).await, status(&second).await), (401, 200));

    // A third one ends the first for good; of two older ones the newest stays.
    let third = clients.rotate_secret(&id(CONFIDENTIAL), Duration::from_secs(60)).await.unwrap().secret;
    let fourth = clients.rotate_secret(&id(CONFIDENTIAL), Duration::from_secs(600)).await.unwrap();
    assert_eq!((status(&second).await, status(third.expose()).await), (401, 200));
    assert_eq!(status(fourth.secret.expose()).await, 200);
    assert_eq!(clients.secrets(&id(CONFIDENTIAL)).await.unwrap().len(), 2);

    let fifth = clients.rotate_secret(&id(CONFIDENTIAL), Duration::ZERO).await.unwrap();
    assert_eq!(fifth.older_expires_at, None);
    assert_eq!((status(fourth.secret.expose()).await, status(fifth.secret.expose()).await), (401, 200));
    let none = clients.rotate_secret(&id(PUBLIC), Duration::ZERO).await.err().unwrap();
    assert!(matches!(none, ClientError::NoSecret(_)), "{none}");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_rotation_beside_a_rotation_leaves_two_secrets(pool: Pool) {
    let app = TestApp::new(pool).await;
    let mut rotations = JoinSet::new();
    for _ in 0..8 {
        let clients = app.state.clients.clone();
        rotations.spawn(async move { clients.rotate_secret(&id(CONFIDENTIAL), Duration::from_secs(60)).await });
    }
    let all = rotations.join_all().await;
    let mut good = 0;
    for rotated in all {
        let answer = app.token_basic(CONFIDENTIAL, rotated.unwrap().secret.expose(), &OWN).await;
        good += u32::from(answer.status == 200);
    }
    assert_eq!(good, 2, "the newest and the one before it");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_disabled_client_is_refused_and_its_tokens_are_revoked(pool: Pool) {
    let app = TestApp::new(pool).await;
    let clients = &app.state.clients;
    let mine = app.token_basic(CONFIDENTIAL, &app.secret, &OWN).await.access_token();
    let feed = async || -> Vec<(String, String, Option<i64>)> {
        let text = "select kind, subject, version from myapi.revocations order by seq";
        sqlx::query_as(AssertSqlSafe(text.to_owned())).fetch_all(&app.pool).await.unwrap()
    };
    let disabled = clients.disable(&id(CONFIDENTIAL)).await.unwrap();
    assert_eq!((disabled.client_version, disabled.disabled_at), (2, Some(app.clock.now())));
    let first = ("client".to_owned(), CONFIDENTIAL.to_owned(), Some(1));
    assert_eq!(feed().await, std::slice::from_ref(&first));
    app.token_basic(CONFIDENTIAL, &app.secret, &OWN).await.assert_error(401, "invalid_client");
    // Once more is nothing more.
    assert_eq!(clients.disable(&id(CONFIDENTIAL)).await.unwrap().client_version, 2);
    assert_eq!(feed().await.len(), 1);

    assert_eq!(clients.enable(&id(CONFIDENTIAL)).await.unwrap().disabled_at, None);
    let again = app.token_basic(CONFIDENTIAL, &app.secret, &OWN).await;
    assert_eq!((again.status.as_u16(), again.claims()["cver"].as_i64()), (200, Some(2)));
    let active = async |token: &str| {
        let form = [("token", token)];
        app.post_as("/introspect", Some((CONFIDENTIAL, &app.secret)), &form).await.json()["active"].clone()
    };
    assert_eq!((active(&mine).await, active(&again.access_token()).await), (false.into(), true.into()));

    clients.delete(&id(CONFIDENTIAL)).await.unwrap();
    assert_eq!(feed().await, [first, ("client".to_owned(), CONFIDENTIAL.to_owned(), Some(2))]);
    for nobody in [clients.disable(&id(CONFIDENTIAL)).await, clients.enable(&id("nobody")).await] {
        assert!(matches!(nobody, Err(ClientError::Unknown(_))));
    }
    assert_eq!(feed().await.len(), 2, "nothing was revoked by a refusal");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_change_holds_from_the_next_request_on(pool: Pool) {
    let app = TestApp::new(pool).await;
    let change = |is: NewClient| NewClient {
        grants: vec![GrantType::ClientCredentials],
        lifetimes: Lifetimes { access_token: Some(Duration::from_secs(30)), ..is.lifetimes },
        // What cannot change is not changed.
        client_id: id("other"),
        kind: ClientKind::Public,
        ..is
    };
    let changed = app.state.clients.update(&id(CONFIDENTIAL), change).await.unwrap();
    assert_eq!((changed.client_id.as_str(), changed.kind), (CONFIDENTIAL, ClientKind::Confidential));
    assert_eq!(app.token_basic(CONFIDENTIAL, &app.secret, &OWN).await.json()["expires_in"], 30);
    let password = [("grant_type", "password"), ("username", EMAIL), ("password", PASSWORD)];
    app.token_basic(CONFIDENTIAL, &app.secret, &password).await.assert_error(400, "unauthorized_client");
    let nobody = app.state.clients.update(&id("nobody"), |is| is).await;
    assert!(matches!(nobody, Err(ClientError::Unknown(_))));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn authentication_is_one_query(pool: Pool) {
    let app = TestApp::new(pool).await;
    let presented = auth_server::clients::Presented {
        client_id: id(CONFIDENTIAL),
        proof: Proof::Secret(app.secret.clone().into()),
    };
    // One connection, held by a transaction that counts what it is asked: the statistics of this session.
    let options = app.pool.connect_options().as_ref().clone();
    let one = sqlx::postgres::PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
    let state = auth_server::state::AppState::start(app::config(&[]), one.clone(), app.clock.clone()).await.unwrap();
    let asked = "select statement from pg_prepared_statements where statement like '%clients%' order by prepare_time";
    let asked = || sqlx::query_scalar::<_, String>(AssertSqlSafe(asked.to_owned())).fetch_all(&one);
    let before = asked().await.unwrap().len();
    state.clients.authenticate(&presented).await.unwrap();
    assert_eq!(asked().await.unwrap().len() - before, 1, "statements that were prepared");
    // And a small one from then on.
    state.clients.authenticate(&presented).await.unwrap();
    state.clients.authenticate(&presented).await.unwrap();
    let statements = asked().await.unwrap();
    assert_eq!(statements.len() - before, 2);
    assert_eq!(
        statements.last().unwrap(),
        "select revision from myapi.clients where client_id = $1 and deleted_at is null"
    );
}
