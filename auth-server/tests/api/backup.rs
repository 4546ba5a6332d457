//! A dump that is taken while the server works, restored into a new database (F23, F24).

use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use auth_server::app;
use auth_server::state::AppState;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::TimeDelta;
use futures_util::future::join_all;
use shared::db::Pool;
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPoolOptions;

use crate::app::{CONFIDENTIAL, EMAIL, PASSWORD, TestApp, login};
use crate::process::binary::{Binary, database_url};

/// The newest of Postgres' own programs; without them the test reports itself skipped.
fn program(name: &str) -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<(u32, PathBuf)> = folders
        .filter_map(|folder| Some((folder.file_name().to_str()?.parse().ok()?, folder.path().join("bin").join(name))))
        .filter(|(_, program)| program.exists())
        .collect();
    versions.sort();
    let found = versions.pop().map(|(_, program)| program);
    if found.is_none() {
        assert_ne!(std::env::var("MYAPI_TEST_REQUIRE").as_deref(), Ok("all"), "the test needs {name}");
        eprintln!("skipped: {name} is not in /usr/lib/postgresql/*/bin");
    }
    found
}

/// Runs it on a thread of its own, so that the server goes on meanwhile.
async fn run(mut command: Command) -> Output {
    let (sender, done) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || sender.send(command.output()));
    let output = done.await.unwrap().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Refreshes one login after the other until told to stop; returns the last token.
async fn refresh_on(app: TestApp, stop: Arc<AtomicBool>) -> (String, u32) {
    let mut token = app.login().await.refresh_token();
    let mut rounds = 0;
    while !stop.load(Ordering::Relaxed) || rounds < 3 {
        token = app.refresh(&token).await.refresh_token();
        rounds += 1;
    }
    (token, rounds)
}

/// The dump, restored beside the database that it came from.
struct Restored {
    pool: Pool,
    admin: Pool,
    name: String,
}

impl Restored {
    async fn from(pool: &Pool, dump: &std::path::Path, pg_restore: PathBuf) -> Self {
        let name = format!("restored_{}", uuid::Uuid::new_v4().simple());
        let admin = pool.clone();
        sqlx::query(AssertSqlSafe(format!("create database \"{name}\""))).execute(&admin).await.unwrap();
        let mut url: url::Url = database_url(pool).parse().unwrap();
        url.set_path(&name);
        let mut restore = Command::new(pg_restore);
        restore.args(["--exit-on-error", "--single-transaction", "--dbname", url.as_str()]).arg(dump);
        run(restore).await;
        let options = pool.connect_options().as_ref().clone().database(&name);
        let pool = PgPoolOptions::new().max_connections(4).connect_with(options).await.unwrap();
        Self { pool, admin, name }
    }

    async fn drop(self) {
        self.pool.close().await;
        let drop = format!("drop database \"{}\" with (force)", self.name);
        sqlx::query(AssertSqlSafe(drop)).execute(&self.admin).await.unwrap();
    }
}

/// The same server on the restored database.
async fn over(app: &TestApp, pool: &Pool) -> TestApp {
    let state = AppState::start(app.state.config.as_ref().clone(), pool.clone(), app.clock.clone()).await.unwrap();
    let (user, secret) = (app.user.clone(), app.secret.clone());
    TestApp { router: app::router(state.clone()), state, clock: app.clock.clone(), pool: pool.clone(), user, secret }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f23_a_dump_under_load_is_restored_and_goes_on(pool: Pool) {
    let (Some(pg_dump), Some(pg_restore)) = (program("pg_dump"), program("pg_restore")) else { return };
    let app = TestApp::new(pool.clone()).await;
    let before = app.login().await;
    let unused = app.login().await.refresh_token();
    let spent = before.refresh_token();
    let successor = app.refresh(&spent).await.refresh_token();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("myapi.dump");

    let stop = Arc::new(AtomicBool::new(false));
    let load = join_all((0..4).map(|_| tokio::spawn(refresh_on(TestApp::of(&app), Arc::clone(&stop)))));
    let mut dump = Command::new(&pg_dump);
    dump.args(["--format", "custom", "--schema", "myapi", "--dbname", &database_url(&pool), "--file"]).arg(&file);
    let dumping = async {
        run(dump).await;
        stop.store(true, Ordering::Relaxed);
    };
    let (loads, ()) = tokio::join!(load, dumping);
    let later: Vec<String> = loads.into_iter().map(|load| load.unwrap().0).collect();
    let kid = app.state.keys.active_kid();
    // After the dump: spent there, and a login that it does not know.
    let after_dump = app.refresh(&unused).await.refresh_token();
    let unknown = app.login().await.refresh_token();
    app.state.audit.flush().await;

    let restored = Restored::from(&pool, &file, pg_restore).await;
    let ended = Binary::on(&restored.pool).run(&["audit", "verify"]);
    assert_eq!(ended.code, Some(0), "{}{}", ended.stdout, ended.stderr);
    let again = over(&app, &restored.pool).await;
    assert_eq!(again.state.keys.active_kid(), kid);
    assert_eq!(again.token(&login(EMAIL, PASSWORD)).await.status, 200, "users");
    assert_eq!(again.token_basic(CONFIDENTIAL, &app.secret, &[("grant_type", "client_credentials")]).await.status, 200);
    let introspected = again.post("/introspect", &[("token", &before.access_token())]).await;
    assert_eq!(introspected.json()["active"], true, "keys, and access tokens of before: {}", introspected.body);

    let leaves = again.live_leaves().await;
    for token in later.iter().chain([&after_dump, &unknown]) {
        let answer = again.refresh(token).await;
        // Where the dump was later than the token, the token is the one to use next.
        assert!(answer.status == 200 || answer.json()["error"] == "invalid_grant", "{}", answer.body);
    }
    again.refresh(&unknown).await.assert_error(400, "invalid_grant");
    again.refresh(&after_dump).await.assert_error(400, "invalid_grant");
    assert_eq!(again.live_leaves().await, leaves, "no login was ended for a token that the dump does not know");
    assert_eq!(again.refresh(&unused).await.status, 200, "it was not spent yet when the dump was taken");

    app.clock.advance(TimeDelta::seconds(60));
    again.refresh(&spent).await.assert_error(400, "invalid_grant");
    assert_eq!(again.live_leaves().await, leaves - 1, "reuse ends its own login and no other");
    again.refresh(&successor).await.assert_error(400, "invalid_grant");

    let feed = "select feed_id from myapi.revocation_feed";
    let old: uuid::Uuid = sqlx::query_scalar(feed).fetch_one(&restored.pool).await.unwrap();
    let taken = Binary::on(&restored.pool).run(&["migrate", "--restored"]);
    assert!(taken.code == Some(0) && taken.stdout.contains("--end-logins"), "{}{}", taken.stdout, taken.stderr);
    let new: uuid::Uuid = sqlx::query_scalar(feed).fetch_one(&restored.pool).await.unwrap();
    assert_ne!(old, new, "resource servers read everything again");
    assert_eq!(again.live_leaves().await, leaves - 1);
    let ended = Binary::on(&restored.pool).run(&["migrate", "--restored", "--end-logins"]);
    assert_eq!(ended.code, Some(0), "{}", ended.stderr);
    assert_eq!(again.live_leaves().await, 0);
    drop(again);
    restored.drop().await;
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f23_f24_a_dump_signs_nothing_without_the_key_encryption_key(pool: Pool) {
    let (Some(pg_dump), Some(pg_restore)) = (program("pg_dump"), program("pg_restore")) else { return };
    let app = TestApp::new(pool.clone()).await;
    let refresh_token = app.login().await.refresh_token();
    let folder = tempfile::tempdir().unwrap();
    let mut dump = Command::new(&pg_dump);
    dump.args(["--schema", "myapi", "--dbname", &database_url(&pool)]);
    let text = String::from_utf8(run(dump).await.stdout).unwrap();
    let kek = STANDARD.encode((1..=32).collect::<Vec<u8>>());
    for secret in [kek.as_str(), "PRIVATE KEY", "\"d\":", PASSWORD, &app.secret, &refresh_token] {
        assert!(!text.contains(secret), "{secret} stands in the dump");
    }
    // PKCS#8 of P-256 begins so; the bytes in the dump are in hexadecimal.
    assert!(!text.contains("308187020100301306072a8648ce3d0201"), "a private key in the clear");

    let file = folder.path().join("myapi.dump");
    let mut dump = Command::new(&pg_dump);
    dump.args(["--format", "custom", "--schema", "myapi", "--dbname", &database_url(&pool), "--file"]).arg(&file);
    run(dump).await;
    let restored = Restored::from(&pool, &file, pg_restore).await;
    let other = STANDARD.encode((2..=33).collect::<Vec<u8>>());
    let binary = Binary::on(&restored.pool).with("MYAPI_AUTH__KEY_ENCRYPTION_KEY", &other);
    let refused = binary.refusal();
    assert!(refused.contains(&app.state.keys.active_kid()), "{refused}");
    let without = Binary::on(&restored.pool).without("MYAPI_AUTH__KEY_ENCRYPTION_KEY").refusal();
    assert!(without.contains("MYAPI_AUTH__KEY_ENCRYPTION_KEY is not set"), "{without}");
    let keys: i64 =
        sqlx::query_scalar("select count(*) from myapi.signing_keys").fetch_one(&restored.pool).await.unwrap();
    assert_eq!(keys, 1, "none was made in its place");
    restored.drop().await;
}
