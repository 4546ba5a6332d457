//! Client credentials (checklist 1.5).

use auth_server::clients::{ClientKind, NewClient};
use shared::db::Pool;
use sqlx::AssertSqlSafe;

use crate::app::{self, PUBLIC, TestApp};

const GRANT: [(&str, &str); 1] = [("grant_type", "client_credentials")];

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn k01_public_clients_have_no_credentials(pool: Pool) {
    let app = TestApp::new(pool).await;
    app.token(&[&GRANT[..], &[("client_id", PUBLIC)]].concat()).await.assert_error(400, "unauthorized_client");
    app.token(&GRANT).await.assert_error(401, "invalid_client");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn k02_k03_the_token_is_the_clients_own(pool: Pool) {
    let app = TestApp::new(pool).await;
    let answer = app.token_basic(app::CONFIDENTIAL, &app.secret, &GRANT).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let names: Vec<String> = answer.json().as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["access_token", "expires_in", "scope", "token_type"], "no refresh token");
    let claims = answer.claims();
    let names: Vec<&String> = claims.as_object().unwrap().keys().collect();
    assert_eq!(names, ["aud", "client_id", "cver", "exp", "iat", "iss", "jti", "scope", "sub", "ver"]);
    assert_eq!((claims["sub"].as_str(), claims["client_id"].as_str()), (Some("client:backend"), Some("backend")));
    assert_eq!((claims["ver"].as_i64(), claims["cver"].as_i64()), (Some(1), Some(1)));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t25_no_client_can_name_itself_like_a_user(pool: Pool) {
    let app = TestApp::new(pool).await;
    let sub = app.user.sub.to_string();
    for id in [sub.as_str(), app::EMAIL, &format!("client:{sub}")] {
        let secret = app.create_client(&app::client(id, ClientKind::Confidential)).await.unwrap();
        let claims = app.token_basic(id, &secret, &GRANT).await.claims();
        assert_eq!(claims["sub"], format!("client:{id}"));
        assert!(uuid::Uuid::parse_str(claims["sub"].as_str().unwrap()).is_err(), "no user's sub");
        assert_eq!((claims.get("email"), claims.get("name"), claims.get("sid")), (None, None, None));
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn scopes_about_users_mean_nothing_here(pool: Pool) {
    let app = TestApp::new(pool).await;
    let scopes: shared::token::scope::ScopeSet = "movies:read profile".parse().unwrap();
    let new = NewClient { default_scopes: scopes, ..app::client("both", ClientKind::Confidential) };
    let secret = app.create_client(&new).await.unwrap();
    assert_eq!(app.token_basic("both", &secret, &GRANT).await.json()["scope"], "movies:read");
    for scope in ["profile", "movies:read email", "no:such", "a\"b"] {
        let asked = [&GRANT[..], &[("scope", scope)]].concat();
        app.token_basic("both", &secret, &asked).await.assert_error(400, "invalid_scope");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn k04_no_row_is_written(pool: Pool) {
    let app = TestApp::new(pool).await;
    // A database that refuses every write answers all the same.
    let name: String = sqlx::query_scalar("select current_database()").fetch_one(&app.pool).await.unwrap();
    let read_only = format!("alter database \"{name}\" set default_transaction_read_only = on");
    sqlx::query(AssertSqlSafe(read_only)).execute(&app.pool).await.unwrap();
    let options = app.pool.connect_options().as_ref().clone();
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(2).connect_with(options).await.unwrap();
    let state = auth_server::state::AppState::start(app.state.config.as_ref().clone(), pool, app.clock.clone()).await;
    let replica = TestApp { router: auth_server::app::router(state.unwrap()), ..app.replica().await };
    assert_eq!(replica.token_basic(app::CONFIDENTIAL, &app.secret, &GRANT).await.status, 200);
    assert_eq!(replica.token(&app::login(app::EMAIL, app::PASSWORD)).await.status, 503, "a family would be a write");
}
