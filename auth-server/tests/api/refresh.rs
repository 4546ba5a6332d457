//! Refresh tokens with exactly one successor (checklist 1.3).

use std::time::Duration;

use auth_server::clients::{ClientKind, Lifetimes, NewClient};
use auth_server::users::UserRef;
use chrono::TimeDelta;
use futures_util::future::join_all;
use shared::db::Pool;
use shared::testing::figures::{rounds, tell};
use sqlx::AssertSqlSafe;

use crate::app::{self, Answer, CONFIDENTIAL, EMAIL, PASSWORD, PASSWORD_GRANT, PUBLIC, TestApp};

const TEXT: &str = "the refresh token is invalid, expired, revoked or another client's";

#[track_caller]
fn assert_refused(answer: &Answer) {
    answer.assert_error(400, "invalid_grant");
    assert_eq!(answer.json()["error_description"], TEXT);
}

async fn is_active(app: &TestApp, token: &str) -> bool {
    let answer = app.post("/introspect", &[("token", token)]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["active"].as_bool().unwrap()
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn r01_each_use_gives_the_next_token_and_a_fresh_access_token(pool: Pool) {
    let app = TestApp::new(pool).await;
    let first = app.login().await;
    app.clock.advance(TimeDelta::seconds(1));
    let second = app.refresh(&first.refresh_token()).await;
    assert_eq!(second.status, 200, "{}", second.body);
    let names: Vec<String> = second.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["access_token", "expires_in", "refresh_token", "scope", "token_type"]);
    assert_ne!(second.refresh_token(), first.refresh_token());
    assert_ne!(second.claims()["jti"], first.claims()["jti"]);
    for same in ["sid", "sub", "ver", "cver", "auth_time", "scope", "aud"] {
        assert_eq!(second.claims()[same], first.claims()[same], "{same}");
    }
    assert_eq!(second.claims()["exp"].as_i64().unwrap() - second.claims()["iat"].as_i64().unwrap(), 600);
    assert_eq!(app.live_leaves().await, 1);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_client_without_the_grant_gets_no_refresh_token(pool: Pool) {
    let app = TestApp::new(pool).await;
    let mut new = app::client("once", ClientKind::Public);
    new.grants = vec!["password".parse().unwrap()];
    app.create_client(&new).await;
    let answer = app.token(&[&[("client_id", "once")], PASSWORD_GRANT.as_slice()].concat()).await;
    assert_eq!((answer.status.as_u16(), answer.json().get("refresh_token")), (200, None));
    assert_eq!(app.live_leaves().await, 0);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn r02_a_spent_token_revokes_the_family(pool: Pool) {
    let app = TestApp::new(pool).await;
    let r1 = app.login().await;
    let r2 = app.refresh(&r1.refresh_token()).await;
    let r3 = app.refresh(&r2.refresh_token()).await;
    assert!(is_active(&app, &r3.access_token()).await && is_active(&app, &r3.refresh_token()).await);
    assert_refused(&app.refresh(&r1.refresh_token()).await);
    assert_refused(&app.refresh(&r3.refresh_token()).await);
    for dead in [r1.access_token(), r3.access_token(), r3.refresh_token()] {
        assert!(!is_active(&app, &dead).await);
    }
    assert_eq!(app.live_leaves().await, 0);
    // Another login of the same user is not touched.
    let other = app.login().await;
    assert_eq!(app.refresh(&other.refresh_token()).await.status, 200);
}

async fn refresh_at_once(replicas: &[&TestApp], token: &str, times: usize) -> Vec<Answer> {
    join_all((0..times).map(|at| replicas[at % replicas.len()].refresh(token))).await
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn r03_f06_sixteen_at_once_get_the_same_successor_on_two_replicas(pool: Pool) {
    let app = TestApp::new(pool).await;
    let other = app.replica().await;
    let mut token = app.login().await.refresh_token();
    let rounds = rounds(10);
    for _ in 0..rounds {
        let answers = refresh_at_once(&[&app, &other], &token, 16).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status.as_u16()).collect();
        assert_eq!(statuses, [200; 16]);
        token = answers[0].refresh_token();
        assert!(answers.iter().all(|answer| answer.refresh_token() == token), "one successor");
        let mut ids: Vec<String> = answers.iter().map(|answer| answer.claims()["jti"].to_string()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 16, "each has an access token of its own");
        assert_eq!(app.live_leaves().await, 1);
    }
    tell("refresh", "races of 16 with one successor", f64::from(rounds));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn r03_without_a_window_one_wins_and_the_family_is_revoked(pool: Pool) {
    let app = TestApp::with(pool, &[("MYAPI_AUTH__REFRESH_RETRY_WINDOW", "0")]).await;
    let other = app.replica().await;
    let rounds = rounds(5);
    for _ in 0..rounds {
        let token = app.login().await.refresh_token();
        let answers = refresh_at_once(&[&app, &other], &token, 16).await;
        let (good, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!((good.len(), refused.len()), (1, 15));
        refused.iter().for_each(|answer| assert_refused(answer));
        assert_eq!(app.live_leaves().await, 0);
    }
    tell("refresh", "races of 16 without a window, with no live leaf", f64::from(rounds));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn r04_the_window_is_one_generation_deep(pool: Pool) {
    let app = TestApp::new(pool).await;
    let r1 = app.login().await.refresh_token();
    let r2 = app.refresh(&r1).await.refresh_token();
    assert_eq!(app.refresh(&r1).await.refresh_token(), r2);
    let r3 = app.refresh(&r2).await.refresh_token();
    assert_eq!(app.refresh(&r2).await.refresh_token(), r3, "the newest spent one still answers");
    assert_refused(&app.refresh(&r1).await);
    assert_refused(&app.refresh(&r3).await);
    assert_eq!(app.live_leaves().await, 0);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn r15_a_lost_answer_is_given_again_until_the_window_closes(pool: Pool) {
    let app = TestApp::new(pool).await;
    let r1 = app.login().await.refresh_token();
    let lost = app.refresh(&r1).await;
    app.clock.advance(TimeDelta::milliseconds(9_999));
    let again = app.refresh(&r1).await;
    assert_eq!(again.refresh_token(), lost.refresh_token());
    assert_ne!(again.claims()["jti"], lost.claims()["jti"]);
    // The window counts from the rotation, not from the last retry.
    app.clock.advance(TimeDelta::milliseconds(1));
    assert_refused(&app.refresh(&r1).await);
    assert_refused(&app.refresh(&lost.refresh_token()).await);
    assert_eq!(app.live_leaves().await, 0);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_client_has_a_window_of_its_own(pool: Pool) {
    let app = TestApp::new(pool).await;
    let lifetimes = Lifetimes { retry_window: Some(Duration::ZERO), ..Lifetimes::default() };
    app.create_client(&NewClient { lifetimes, ..app::client("strict", ClientKind::Public) }).await;
    let login = app.token(&[&[("client_id", "strict")], PASSWORD_GRANT.as_slice()].concat()).await;
    let token = login.refresh_token();
    let parameters = [("grant_type", "refresh_token"), ("client_id", "strict"), ("refresh_token", token.as_str())];
    assert_eq!(app.token(&parameters).await.status, 200);
    assert_refused(&app.token(&parameters).await);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_later_key_encryption_key_still_answers_a_retry(pool: Pool) {
    let app = TestApp::new(pool).await;
    let token = app.login().await.refresh_token();
    let lost = app.refresh(&token).await.refresh_token();
    let old = ("MYAPI_AUTH__KEY_ENCRYPTION_KEY_PREVIOUS", "AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyA=");
    let new = ("MYAPI_AUTH__KEY_ENCRYPTION_KEY", "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=");
    let after = TestApp::over(&app, &[old, new]).await;
    assert_eq!(after.refresh(&token).await.refresh_token(), lost);
    assert_eq!(after.refresh(&lost).await.status, 200);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn r05_another_client_gets_nothing_and_breaks_nothing(pool: Pool) {
    let app = TestApp::new(pool).await;
    let token = app.login().await.refresh_token();
    let stolen = [("grant_type", "refresh_token"), ("client_id", PUBLIC), ("refresh_token", token.as_str())];
    assert_refused(&app.token(&stolen).await);
    assert_eq!(app.refresh(&token).await.status, 200);
    // Nor does a spent token tell another client anything, or revoke.
    assert_refused(&app.token(&stolen).await);
    assert_eq!(app.live_leaves().await, 1);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn r06_scope_shrinks_for_one_token_and_never_grows(pool: Pool) {
    let app = TestApp::new(pool).await;
    let wide = [PASSWORD_GRANT.as_slice(), &[("scope", "movies:read email")]].concat();
    let first = app.token_basic(CONFIDENTIAL, &app.secret, &wide).await;
    let token = first.refresh_token();
    let with = |scope: &'static str, token: String| {
        let app = &app;
        async move {
            let more = [("grant_type", "refresh_token"), ("refresh_token", token.as_str()), ("scope", scope)];
            app.token_basic(CONFIDENTIAL, &app.secret, &more).await
        }
    };
    for wider in ["movies:read email profile", "movies:write", "no:such", "bad\"scope"] {
        with(wider, token.clone()).await.assert_error(400, "invalid_scope");
    }
    let narrow = with("movies:read", token).await;
    assert_eq!((narrow.json()["scope"].as_str(), &narrow.claims()["email"]), (Some("movies:read"), &().into()));
    let next = app.refresh(&narrow.refresh_token()).await;
    assert_eq!(next.json()["scope"], "email movies:read", "the next one has it all again");
    // A retry of the narrowed one is judged anew, and has the same successor.
    assert_eq!(with("email", narrow.refresh_token()).await.refresh_token(), next.refresh_token());
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn what_a_user_may_not_have_any_more_is_left_out(pool: Pool) {
    let app = TestApp::new(pool).await;
    let wide = [PASSWORD_GRANT.as_slice(), &[("scope", "movies:read email")]].concat();
    let token = app.token_basic(CONFIDENTIAL, &app.secret, &wide).await.refresh_token();
    let who = UserRef::Sub(app.user.sub);
    app.state.users.set_scopes(&who, Some("movies:read".parse().unwrap())).await.unwrap();
    let next = app.refresh(&token).await;
    assert_eq!(next.json()["scope"], "movies:read");
    app.state.users.set_scopes(&who, Some("profile".parse().unwrap())).await.unwrap();
    app.refresh(&next.refresh_token()).await.assert_error(400, "invalid_scope");
    assert_eq!(app.live_leaves().await, 1, "nothing was spent");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn r07_r08_idle_and_absolute_ends(pool: Pool) {
    let settings = [("MYAPI_AUTH__REFRESH_TOKEN_IDLE_TTL", "100"), ("MYAPI_AUTH__REFRESH_TOKEN_TTL", "250")];
    let app = TestApp::with(pool, &settings).await;
    let idle = app.login().await.refresh_token();
    app.clock.advance(TimeDelta::seconds(100));
    assert_refused(&app.refresh(&idle).await);
    let mut token = app.login().await.refresh_token();
    for _ in 0..2 {
        app.clock.advance(TimeDelta::seconds(90));
        token = app.refresh(&token).await.refresh_token();
    }
    app.clock.advance(TimeDelta::seconds(69));
    assert_eq!(app.refresh(&token).await.refresh_token().len(), token.len());
    app.clock.advance(TimeDelta::seconds(2));
    assert_refused(&app.refresh(&token).await);
    assert_eq!(app.live_leaves().await, 0);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn r09_disabled_deleted_or_another_password_ends_it(pool: Pool) {
    let app = TestApp::new(pool).await;
    let who = UserRef::Sub(app.user.sub);
    let token = app.login().await;
    app.state.users.disable(&who).await.unwrap();
    assert_refused(&app.refresh(&token.refresh_token()).await);
    assert!(!is_active(&app, &token.access_token()).await);
    app.state.users.enable(&who).await.unwrap();
    assert_refused(&app.refresh(&token.refresh_token()).await);
    let token = app.login().await;
    assert!(is_active(&app, &token.access_token()).await, "a login after that is alive in the same second");
    let plain = auth_server::passwords::Plain::new("another battery staple horse".to_owned()).unwrap();
    let leniency = auth_server::passwords::Leniency::AllowWeak;
    app.state.users.set_password(&who, &plain, leniency).await.unwrap();
    assert_refused(&app.refresh(&token.refresh_token()).await);
    assert!(!is_active(&app, &token.access_token()).await);
    app.state.users.delete(&who).await.unwrap();
    assert_refused(&app.refresh(&token.refresh_token()).await);
    let feed: Vec<(String, Option<i64>)> =
        sqlx::query_as("select kind, version from myapi.revocations order by seq").fetch_all(&app.pool).await.unwrap();
    let user = |version| ("user".to_owned(), Some(version));
    assert_eq!(feed, [user(1), user(2), user(3)]);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn r10_a_client_that_lost_the_grant_or_its_life_refreshes_no_more(pool: Pool) {
    let app = TestApp::new(pool).await;
    let token = app.login().await.refresh_token();
    let set = |sql: &'static str| {
        sqlx::query(AssertSqlSafe(format!("update myapi.clients set {sql} where client_id = 'backend'")))
            .execute(&app.pool)
    };
    set("grants = '{password}'").await.unwrap();
    app.refresh(&token).await.assert_error(400, "unauthorized_client");
    set("grants = '{password,refresh_token}', disabled_at = now()").await.unwrap();
    app.refresh(&token).await.assert_error(401, "invalid_client");
    set("disabled_at = null").await.unwrap();
    let next = app.refresh(&token).await.refresh_token();
    set("client_version = client_version + 1").await.unwrap();
    assert_refused(&app.refresh(&next).await);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn r11_kinds_of_tokens_are_not_interchangeable(pool: Pool) {
    let app = TestApp::new(pool).await;
    let login = app.login().await;
    let (access, refresh) = (login.access_token(), login.refresh_token());
    let mut longer = refresh.clone();
    longer.push('A');
    let other_end = format!("{}AAAAAA{}", &refresh[..5], &refresh[11..]);
    let bad = [access.as_str(), "mrt1_", "mrt1_AAAA", &refresh[5..], &longer, &other_end, " ", "mrt1_%00", "\u{e9}"];
    for token in bad {
        assert_refused(&app.refresh(token).await);
    }
    assert_eq!(app.live_leaves().await, 1);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn r12_no_row_holds_a_token_or_what_derives_one(pool: Pool) {
    let app = TestApp::new(pool).await;
    let first = app.login().await.refresh_token();
    let second = app.refresh(&first).await.refresh_token();
    let third = app.refresh(&second).await.refresh_token();
    let dump = app.dump().await;
    for token in [&first, &second, &third] {
        use base64::Engine as _;
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(&token[5..]).unwrap();
        let secret: String = bytes[4..].iter().map(|byte| format!("{byte:02x}")).collect();
        assert!(!dump.contains(&token[5..]) && !dump.contains(&secret));
    }
    assert!(!dump.contains(app.secret.as_str()) && !dump.contains(PASSWORD));
    // The salt of a generation is gone as soon as its successor was used.
    let salts: Vec<bool> = sqlx::query_scalar(
        "select salt is not null from myapi.refresh_tokens order by rotated_at nulls last, created_at",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    assert_eq!(salts.iter().filter(|salt| **salt).count(), 1, "{salts:?}");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn r14_an_expired_token_that_was_spent_is_reuse(pool: Pool) {
    let app = TestApp::with(pool, &[("MYAPI_AUTH__REFRESH_TOKEN_IDLE_TTL", "100")]).await;
    let first = app.login().await.refresh_token();
    app.clock.advance(TimeDelta::seconds(60));
    let second = app.refresh(&first).await.refresh_token();
    app.clock.advance(TimeDelta::seconds(60));
    assert_refused(&app.refresh(&first).await);
    assert_refused(&app.refresh(&second).await);
    let reason: Option<String> =
        sqlx::query_scalar("select revoked_for from myapi.families").fetch_one(&app.pool).await.unwrap();
    assert_eq!(reason.as_deref(), Some("a refresh token was used twice"));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_default_client_refreshes_without_naming_itself(pool: Pool) {
    let app = TestApp::new(pool).await;
    let login = app.token(&[("username", EMAIL), ("password", PASSWORD)]).await;
    let token = login.refresh_token();
    let answer = app.token(&[("grant_type", "refresh_token"), ("refresh_token", &token)]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    // Another client's token is not the default client's.
    let other = app.login().await.refresh_token();
    assert_refused(&app.token(&[("grant_type", "refresh_token"), ("refresh_token", &other)]).await);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_lookup_touches_one_partition(pool: Pool) {
    let app = TestApp::new(pool).await;
    app.login().await;
    let sql =
        "explain (costs off) select family_id from myapi.refresh_tokens where token_hash = $1 and expires_at = $2";
    let plan: Vec<String> = sqlx::query_scalar(sql)
        .bind([0_u8; 32].as_slice())
        .bind(app.clock.now() + TimeDelta::days(14))
        .fetch_all(&app.pool)
        .await
        .unwrap();
    let plan = plan.join("\n");
    assert_eq!(plan.matches("refresh_tokens_").count(), 2, "one index of one partition:\n{plan}");
    assert!(plan.contains("Index Scan") && !plan.contains("Seq Scan"), "{plan}");
}
