//! `auth-server migrate`: an empty database, the old application's, and eight runs at once. Databases are made by hand
//! here because the tests are about what stands in them before the first migration.

use std::fs;
use std::path::Path;

use auth_server::{schema, users};
use serde_json::Value;
use shared::db::{self, Pool, SchemaState};
use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::app::{PASSWORD, TestApp, login};

/// bcrypt of [`PASSWORD`], cost 4, as passlib writes it.
fn bcrypt_of_password() -> String {
    bcrypt::hash_with_result(PASSWORD, 4).unwrap().format_for_version(bcrypt::Version::TwoB)
}

/// The old application's tables, with a serial key.
const OLD_WITH_SERIAL: &str = "
    create schema myapi;
    create table myapi.users (
        user_id serial primary key, name varchar(60), email varchar(120), hashed_password varchar(60),
        constraint some_other_name unique (email));
    create table myapi.movies (movie_id serial constraint pk_m primary key, title varchar(80), released integer,
        rating numeric(2,1));";

/// The old application's tables, keyed by the address.
const OLD_WITH_EMAIL: &str = "
    create schema myapi;
    create table myapi.users (name varchar, email varchar constraint k primary key, hashed_password varchar);
    create table myapi.movies (movie_id integer, title varchar, released integer, rating numeric(2,1),
        unique (movie_id));";

async fn adopt(pool: &Pool, old: &'static str) {
    let mut conn = pool.acquire().await.unwrap();
    conn.execute(old).await.unwrap();
    let insert = "insert into myapi.users (name, email, hashed_password) values ($1, $2, $3)";
    for (name, email) in
        [("John", "John@Domain.com"), ("Jane", "jane@x.com"), ("Twin", "Twin@x.com"), ("twin", "twin@x.com")]
    {
        sqlx::query(insert).bind(name).bind(email).bind(bcrypt_of_password()).execute(&mut *conn).await.unwrap();
    }
    conn.execute("insert into myapi.movies values (1, 'Dune', 2021, 8.0), (2, null, null, null)").await.unwrap();
    let done = schema::migrate(&mut conn, false).await.unwrap();
    assert_eq!(done.applied, db::MIGRATOR.iter().count());
}

async fn hashes(pool: &Pool) -> Vec<String> {
    sqlx::query_scalar("select hashed_password from myapi.users order by email").fetch_all(pool).await.unwrap()
}

#[sqlx::test]
async fn the_old_database_with_a_serial_key_is_adopted(pool: Pool) {
    check_adopted(pool, OLD_WITH_SERIAL).await;
}

#[sqlx::test]
async fn the_old_database_keyed_by_the_address_is_adopted(pool: Pool) {
    check_adopted(pool, OLD_WITH_EMAIL).await;
}

async fn check_adopted(pool: Pool, old: &'static str) {
    adopt(&pool, old).await;
    let before = hashes(&pool).await;
    assert!(before.iter().all(|hash| hash.starts_with("$2b$")), "bcrypt hashes are untouched");

    let clashes = users::adopt_addresses(&mut pool.acquire().await.unwrap()).await.unwrap();
    let listed: Vec<_> = clashes.iter().flat_map(|clash| clash.addresses.clone()).collect();
    assert_eq!(listed, ["Twin@x.com", "twin@x.com"]);

    let inserted = "insert into myapi.users (name, email, hashed_password) values ('New', 'New@old.app', $1)";
    sqlx::query(inserted).bind(bcrypt_of_password()).execute(&pool).await.unwrap();

    let app = TestApp::new(pool).await;
    for email in ["John@Domain.com", "john@domain.com", "Twin@x.com", "twin@x.com", "New@old.app"] {
        let answer = app.token(&login(email, PASSWORD)).await;
        assert_eq!(answer.status, 200, "{email}: {}", answer.body);
    }
    app.token(&login("TWIN@x.com", PASSWORD)).await.assert_error(400, "invalid_grant");
    let after = hashes(&app.pool).await;
    assert_eq!(after.iter().filter(|hash| hash.starts_with("$argon2id$")).count(), 5, "four logins here and Ann");
    let movies: i64 = sqlx::query_scalar("select count(*) from myapi.movies").fetch_one(&app.pool).await.unwrap();
    assert_eq!(movies, 2, "rows are kept, broken ones too");
}

#[sqlx::test]
async fn a_database_can_be_adopted_only_once_and_stays_current(pool: Pool) {
    adopt(&pool, OLD_WITH_SERIAL).await;
    let mut conn = pool.acquire().await.unwrap();
    assert_eq!(schema::migrate(&mut conn, false).await.unwrap().applied, 0);
    assert_eq!(db::schema_state(&mut conn).await.unwrap(), SchemaState::Current);
    let status = schema::status(&mut conn).await.unwrap();
    assert!(status.iter().all(|migration| migration.applied_at.is_some()));
}

#[sqlx::test]
async fn f22_of_eight_at_once_one_applies_and_all_succeed(pool: Pool) {
    let mut conn = pool.acquire().await.unwrap();
    assert_eq!(db::schema_state(&mut conn).await.unwrap(), SchemaState::Behind(db::MIGRATOR.iter().count()));
    let options = pool.connect_options();
    let runs = (0..8).map(|_| {
        let options = std::sync::Arc::clone(&options);
        tokio::spawn(async move {
            let mut conn = PgConnection::connect_with(&options).await.unwrap();
            schema::migrate(&mut conn, true).await.unwrap().applied
        })
    });
    let mut applied = Vec::new();
    for run in runs.collect::<Vec<_>>() {
        applied.push(run.await.unwrap());
    }
    applied.sort_unstable();
    assert_eq!(applied, [0, 0, 0, 0, 0, 0, 0, db::MIGRATOR.iter().count()]);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_schema_newer_than_the_binary_is_told_apart(pool: Pool) {
    let mut conn = pool.acquire().await.unwrap();
    conn.execute(
        "insert into myapi._sqlx_migrations (version, description, success, checksum, execution_time)
         values (30000101000000, 'of the future', true, '', 0)",
    )
    .await
    .unwrap();
    assert_eq!(db::schema_state(&mut conn).await.unwrap(), SchemaState::Ahead(30_000_101_000_000));
}

#[sqlx::test]
async fn s20_each_role_reaches_its_own_tables_only(pool: Pool) {
    let mut conn = pool.acquire().await.unwrap();
    schema::migrate(&mut conn, true).await.unwrap();
    let may = async |conn: &mut PgConnection, role: &str, statement: &'static str| {
        let mut transaction = conn.begin().await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!("set local role {role}"))).execute(&mut *transaction).await.unwrap();
        match transaction.execute(statement).await {
            Ok(_) => true,
            Err(error) if error.as_database_error().unwrap().code().as_deref() == Some("42501") => false,
            Err(error) => panic!("{statement}: {error}"),
        }
    };
    let cases = [
        ("select from myapi.movies", [false, true, true]),
        ("delete from myapi.movies", [false, false, true]),
        ("select from myapi.users", [true, false, false]),
        ("select from myapi.clients", [true, false, false]),
        ("select from myapi.client_secrets", [true, false, false]),
        ("select from myapi.signing_keys", [true, false, false]),
        ("select from myapi.pushed_requests", [true, false, false]),
        ("delete from myapi.pushed_requests", [false, false, false]),
        ("select from myapi.client_assertions", [true, false, false]),
        ("update myapi.client_assertions set expires_at = now()", [false, false, false]),
        ("select from myapi.dpop_proofs", [true, false, false]),
        ("update myapi.dpop_proofs set expires_at = now()", [false, false, false]),
        ("select from myapi._sqlx_migrations", [true, true, true]),
        ("create table myapi.evil ()", [false, false, false]),
        ("select myapi.apply_grants()", [false, false, false]),
    ];
    for (statement, expected) in cases {
        for (role, expected) in ["myapi_auth", "myapi_movies_read", "myapi_movies_write"].into_iter().zip(expected) {
            assert_eq!(may(&mut conn, role, statement).await, expected, "{role}: {statement}");
        }
    }
}

/// The text of every source of a service, with the spaces that its statements have in the query cache.
fn sources_of(service: &str) -> String {
    fn walk(folder: &Path, text: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, text);
            } else {
                text.push_str(&fs::read_to_string(path).unwrap().replace("\\\"", "\""));
            }
        }
    }
    let mut text = String::new();
    walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(service).join("src"), &mut text);
    spaced(&text)
}

fn spaced(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Tests run as a superuser; what a service asks in a deployment has to be granted. `explain` looks at the rights for
/// every table and function of a statement, and does nothing.
#[sqlx::test]
async fn s20_each_role_may_do_what_its_service_asks(pool: Pool) {
    let mut conn = pool.acquire().await.unwrap();
    schema::migrate(&mut conn, true).await.unwrap();
    let services = ["auth-server", "movies-api"].map(sources_of);
    let (mut asked, mut refused) = (0, Vec::new());
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../.sqlx")).unwrap() {
        let cached: Value = serde_json::from_slice(&fs::read(entry.unwrap().path()).unwrap()).unwrap();
        let query = cached["query"].as_str().unwrap();
        let [is_auth, is_movies] = services.each_ref().map(|sources| sources.contains(&spaced(query)));
        let only_reads = query.trim_start().starts_with("select") && !query.contains("for update");
        let roles = [
            ("myapi_auth", is_auth),
            ("myapi_movies_read", is_movies && only_reads),
            ("myapi_movies_write", is_movies),
        ];
        for (role, _) in roles.into_iter().filter(|(_, asks)| *asks) {
            asked += 1;
            let nothing = vec!["null"; cached["describe"]["parameters"]["Left"].as_array().unwrap().len()].join(", ");
            let arguments = if nothing.is_empty() { nothing } else { format!("({nothing})") };
            let mut transaction = conn.begin().await.unwrap();
            let script = format!(
                "set local plan_cache_mode = force_generic_plan; prepare asked_{asked} as {query};
                 set local role {role}; explain execute asked_{asked}{arguments}"
            );
            match sqlx::raw_sql(sqlx::AssertSqlSafe(script)).execute(&mut *transaction).await {
                Ok(_) => {}
                Err(error) if error.as_database_error().unwrap().code().as_deref() == Some("42501") => {
                    refused.push(format!("{role}: {}", spaced(query)));
                }
                Err(error) => panic!("{query}: {error}"),
            }
        }
    }
    assert!(asked > 120, "{asked} statements were found");
    // `migrate --restored` alone, which is the owner's.
    assert_eq!(refused, ["myapi_auth: update myapi.revocation_feed set feed_id = $1"]);
}
