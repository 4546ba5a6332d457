//! Clients that a server has read before: whatever is changed, by whomever, counts at the next request.

use std::time::Duration;

use auth_server::clients::{ClientId, GrantType, NewClient};
use chrono::TimeDelta;
use shared::db::Pool;
use sqlx::AssertSqlSafe;

use crate::app::{Answer, CONFIDENTIAL, TestApp};

const OWN: [(&str, &str); 1] = [("grant_type", "client_credentials")];

fn id() -> ClientId {
    CONFIDENTIAL.parse().unwrap()
}

/// What the server answers that has read the client before.
async fn ask(app: &TestApp, secret: &str) -> Answer {
    app.token_basic(CONFIDENTIAL, secret, &OWN).await
}

/// By hand, past every service.
async fn execute(app: &TestApp, sql: &str) {
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&app.pool).await.unwrap();
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn what_another_process_changes_counts_at_once(pool: Pool) {
    let app = TestApp::new(pool).await;
    let other = app.replica().await;
    let clients = &other.state.clients;
    assert_eq!(ask(&app, &app.secret).await.json()["expires_in"], 600);

    let change = |is: NewClient| NewClient { grants: vec![GrantType::RefreshToken, GrantType::Password], ..is };
    clients.update(&id(), change).await.unwrap();
    ask(&app, &app.secret).await.assert_error(400, "unauthorized_client");
    clients.update(&id(), |is| NewClient { grants: vec![GrantType::ClientCredentials], ..is }).await.unwrap();
    assert_eq!(ask(&app, &app.secret).await.status, 200);

    let newer = clients.rotate_secret(&id(), Duration::ZERO).await.unwrap().secret;
    ask(&app, &app.secret).await.assert_error(401, "invalid_client");
    assert_eq!(ask(&app, newer.expose()).await.status, 200);

    clients.disable(&id()).await.unwrap();
    ask(&app, newer.expose()).await.assert_error(401, "invalid_client");
    clients.enable(&id()).await.unwrap();
    let token = ask(&app, newer.expose()).await;
    assert_eq!(token.claims()["cver"], 2, "its tokens of before are dead");

    clients.delete(&id()).await.unwrap();
    ask(&app, newer.expose()).await.assert_error(401, "invalid_client");
    ask(&app, newer.expose()).await.assert_error(401, "invalid_client");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn introspection_knows_at_once_of_a_client_that_another_process_disabled(pool: Pool) {
    let app = TestApp::new(pool).await;
    let (other, secret) = (app.replica().await, app.secret.clone());
    let machine = crate::app::client("machine", auth_server::clients::ClientKind::Confidential);
    let machine = NewClient { grants: vec![GrantType::ClientCredentials], ..machine };
    let its_secret = app.create_client(&machine).await.unwrap();
    app.state.clients.update(&id(), |is| NewClient { serves: Some(is.audience.clone()), ..is }).await.unwrap();
    let token = app.token_basic("machine", &its_secret, &OWN).await.access_token();
    let is_active = async || {
        let form = [("token", token.as_str())];
        app.post_as("/introspect", Some((CONFIDENTIAL, &secret)), &form).await.json()["active"].clone()
    };
    assert_eq!(is_active().await, true);
    // By hand, so that no revocation tells of it.
    execute(&other, "update myapi.clients set disabled_at = now() where client_id = 'machine'").await;
    assert_eq!(is_active().await, false);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn what_is_changed_by_hand_counts_at_once(pool: Pool) {
    let app = TestApp::new(pool).await;
    let secret = &app.secret;
    let good = async || ask(&app, secret).await.status == 200;
    assert!(good().await);
    let of_client = format!("where client_id = '{CONFIDENTIAL}'");
    execute(&app, &format!("update myapi.clients set access_token_ttl = 30 {of_client}")).await;
    assert_eq!(ask(&app, secret).await.json()["expires_in"], 30);
    execute(&app, &format!("update myapi.client_secrets set expires_at = '2020-01-01' {of_client}")).await;
    assert!(!good().await, "an end was set");
    execute(&app, &format!("update myapi.client_secrets set expires_at = null {of_client}")).await;
    assert!(good().await);

    execute(&app, "create table myapi.kept as select * from myapi.client_secrets").await;
    for gone in [format!("delete from myapi.client_secrets {of_client}"), "truncate myapi.client_secrets".to_owned()] {
        execute(&app, &gone).await;
        assert!(!good().await, "{gone}");
        execute(&app, "truncate myapi.client_secrets").await;
        execute(&app, "insert into myapi.client_secrets select * from myapi.kept").await;
        assert!(good().await, "it is there again");
    }
    // Another client's from now on: gone for the one, and there for the other.
    execute(&app, &format!("insert into myapi.clients (client_id, name, kind, grants, scopes, default_scopes, audience, application_type) select 'heir', name, kind, grants, scopes, default_scopes, audience, application_type from myapi.clients {of_client}")).await;
    let heir = async || app.token_basic("heir", secret, &OWN).await.status.as_u16();
    assert_eq!(heir().await, 401);
    execute(&app, &format!("update myapi.client_secrets set client_id = 'heir' {of_client}")).await;
    assert_eq!((good().await, heir().await), (false, 200));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_change_that_is_not_committed_changes_nothing(pool: Pool) {
    let app = TestApp::new(pool).await;
    assert_eq!(ask(&app, &app.secret).await.status, 200);
    let mut transaction = app.pool.begin().await.unwrap();
    for change in ["delete from myapi.client_secrets", "update myapi.clients set disabled_at = now()"] {
        sqlx::query(AssertSqlSafe(change.to_owned())).execute(&mut *transaction).await.unwrap();
    }
    // Whoever asks inside of it sees it; nobody else is to learn of it from there.
    let inside = app.state.clients.find_in(&mut transaction, &id()).await.unwrap().unwrap();
    assert!(inside.disabled_at.is_some());
    assert_eq!(ask(&app, &app.secret).await.status, 200);
    transaction.rollback().await.unwrap();
    assert_eq!(ask(&app, &app.secret).await.status, 200);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn an_older_secret_ends_by_the_clock_although_it_is_known(pool: Pool) {
    let app = TestApp::new(pool).await;
    let newer = app.state.clients.rotate_secret(&id(), Duration::from_secs(3600)).await.unwrap().secret;
    assert_eq!(ask(&app, &app.secret).await.status, 200);
    app.clock.advance(TimeDelta::seconds(3599));
    assert_eq!(ask(&app, &app.secret).await.status, 200);
    app.clock.advance(TimeDelta::seconds(1));
    ask(&app, &app.secret).await.assert_error(401, "invalid_client");
    assert_eq!(ask(&app, newer.expose()).await.status, 200);
}
