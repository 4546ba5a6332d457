//! How many requests each subject and each client may make.

use chrono::TimeDelta;
use http::Method;
use insta::assert_snapshot;
use sqlx::PgPool;

use crate::support::{Answer, TestApp, insert_some};

const ONE: &str = "/movies/1";

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn answers_tell_what_is_left_and_the_last_one_when_to_come_back(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::with_limits(pool, "2:30/m", "100:100/m");
    let token = app.token().claim("sub", "ann").mint();
    let get = async |target: &str| app.ask(Method::GET, target, Some(&format!("Bearer {token}"))).await;
    let first = get(ONE).await;
    assert_eq!(first.status, 200);
    assert_eq!(first.header("ratelimit-policy"), r#""subject";q=2;w=4, "client";q=100;w=60"#);
    assert_eq!(first.header("ratelimit"), r#""subject";r=1;t=2, "client";r=99;t=1"#);
    assert_eq!(get("/movies/99").await.header("ratelimit"), r#""subject";r=0;t=4, "client";r=98;t=2"#);
    assert_snapshot!(get(ONE).await, @r#"
    429 Too Many Requests
    cache-control: no-store
    content-length: 122
    content-type: application/problem+json
    ratelimit: "subject";r=0;t=2
    ratelimit-policy: "subject";q=2;w=4
    referrer-policy: no-referrer
    retry-after: 2
    vary: Authorization
    x-content-type-options: nosniff

    {"title":"There were too many requests","status":429,"code":"rate_limited","detail":"The limit of this subject is spent."}
    "#);
    // What it was told to wait for, and not a moment longer.
    app.clock.advance(TimeDelta::seconds(2));
    assert_eq!(get(ONE).await.status, 200);
    assert_eq!(get(ONE).await.code(), "rate_limited");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn each_subject_has_its_own_and_all_of_a_client_share_one(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::with_limits(pool, "2:1/h", "4:1/h");
    let ask = async |sub: &str, client: &str| {
        ask(&app, &app.token().claim("sub", sub).claim("client_id", client).mint()).await
    };
    let mut codes = Vec::new();
    for (sub, client) in
        [("ann", "a"), ("ann", "b"), ("ann", "a"), ("bob", "a"), ("cem", "a"), ("dan", "a"), ("eve", "a")]
    {
        let answer = ask(sub, client).await;
        codes.push((sub, client, answer.status.as_u16()));
    }
    // Ann's third is one too many for her, whatever the client, and at her cost alone; Eve's is the fifth of the client.
    let expected = [
        ("ann", "a", 200),
        ("ann", "b", 200),
        ("ann", "a", 429),
        ("bob", "a", 200),
        ("cem", "a", 200),
        ("dan", "a", 200),
    ];
    assert_eq!(codes, [&expected[..], &[("eve", "a", 429)]].concat());
    assert!(ask("eve", "a").await.body.contains("The limit of this client is spent."));
    assert_eq!(ask("fay", "c").await.status, 200);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn strangers_spend_nobodys_budget(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::with_limits(pool, "2:1/h", "2:1/h");
    let token = app.token().mint();
    let forged = format!("Bearer {}", token.rsplit_once('.').unwrap().0.to_owned() + ".c2lnbmF0dXJl");
    for authorization in [Some(forged.as_str()), None, Some("Bearer x"), Some("Basic Og==")] {
        for _ in 0..3 {
            let answer = app.ask(Method::GET, ONE, authorization).await;
            assert!(answer.status == 401 && !answer.headers.contains_key("ratelimit"), "{answer}");
        }
    }
    let expired = app.token().claim("exp", app.clock.now().timestamp() - 60).mint();
    assert_eq!(ask(&app, &expired).await.code(), "token_invalid");
    // Also what a good token may not do is its holder's request.
    let poor = ask(&app, &app.token().scope("nothing").mint()).await;
    assert_eq!((poor.code().as_str(), poor.header("ratelimit").is_empty()), ("scope_insufficient", false));
    assert_eq!(ask(&app, &token).await.status, 200);
    assert_eq!(ask(&app, &token).await.code(), "rate_limited");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn without_limits_nothing_is_said_of_them(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::with_limits(pool, "off", "0");
    for _ in 0..20 {
        let answer = app.get(ONE).await;
        assert!(answer.status == 200 && !answer.headers.contains_key("ratelimit-policy"), "{answer}");
    }
}

async fn ask(app: &TestApp, token: &str) -> Answer {
    app.ask(Method::GET, ONE, Some(&format!("Bearer {token}"))).await
}
