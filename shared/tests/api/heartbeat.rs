//! Reports of which keys a process holds, for gated rotation.

use shared::clock::Clock;
use shared::db::Pool;
use shared::testing::{Answer, KeyServer, TestIssuer};
use shared::token::heartbeat::{Heartbeat, ReportError, ReportUrl, Reports};
use shared::token::keys::{Algorithm, KeySet};
use shared::token::revocations::{Position, Revocations};
use shared::token::source::{Keys, KeysOptions};
use uuid::Uuid;

use crate::support::now;

type Row = (Uuid, String, Vec<String>, i64, String, bool);

async fn rows(pool: &Pool) -> Vec<Row> {
    sqlx::query_as(
        "select instance, reported_by, kids, feed_seq, source,
             reported_at > now() - interval '1 minute' and first_reported_at <= reported_at
         from myapi.resource_server_reports order by instance",
    )
    .fetch_all(pool)
    .await
    .unwrap()
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_report_says_who_holds_what_and_is_one_row_a_process(pool: Pool) {
    let (one, two) = (TestIssuer::es256().with_kid("a"), TestIssuer::new(Algorithm::EdDsa).with_kid("b"));
    let keys = Keys::fixed(one.key_set());
    let revocations = Revocations::new(Clock::manual(now()));
    revocations.replace(Vec::new(), Position { feed_id: Some(Uuid::nil()), seq: 7 });
    let heartbeat = Heartbeat::new(Reports::Database(pool.clone()), keys.clone(), revocations);
    heartbeat.report().await.unwrap();
    let user: String = sqlx::query_scalar("select session_user::text").fetch_one(&pool).await.unwrap();
    let row = |kids: &[&str]| {
        let kids = kids.iter().map(|kid| (*kid).to_owned()).collect();
        (heartbeat.instance(), user.clone(), kids, 7, "file".to_owned(), true)
    };
    assert_eq!(rows(&pool).await, [row(&["a"])]);
    keys.set().store(KeySet::new([one.public_key().clone(), two.public_key().clone()]).unwrap().into());
    heartbeat.report().await.unwrap();
    assert_eq!(rows(&pool).await, [row(&["a", "b"])]);
}

/// Whoever reports cannot look at others' reports, and cannot write in any other way.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_role_of_a_resource_server_reports_and_nothing_else(pool: Pool) {
    let mut conn = pool.acquire().await.unwrap();
    let role = format!("reporter_{}", Uuid::new_v4().simple());
    let run = async |sql: String| sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await;
    run(format!("create role {role}")).await.unwrap();
    // As migrate --roles and apply_grants do it for myapi_movies_read, whose name the cluster shares.
    run(format!(
        "grant usage on schema myapi to {role};
         grant execute on function myapi.report_resource_server(uuid, text[], bigint, text) to {role}"
    ))
    .await
    .unwrap();
    // A migration may put its own grants around those of before.
    let sources = "select string_agg(prosrc, '') from pg_proc
                   where pronamespace = 'myapi'::regnamespace and proname like 'apply\\_grants%'";
    let source: String = sqlx::query_scalar(sources).fetch_one(&mut *conn).await.unwrap();
    assert!(source.contains("myapi.report_resource_server(uuid, text[], bigint, text) to %I', reader"));
    run_as(&pool, &role, "select myapi.report_resource_server(gen_random_uuid(), '{a}', 1, 'url')").await.unwrap();
    for forbidden in [
        "select count(*) from myapi.resource_server_reports",
        "delete from myapi.resource_server_reports",
        "update myapi.resource_server_reports set kids = '{}'",
    ] {
        let refused = run_as(&pool, &role, forbidden).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("42501"), "{forbidden}");
    }
    assert_eq!(rows(&pool).await.len(), 1);
    run(format!("drop owned by {role}; drop role {role}")).await.unwrap();
}

async fn run_as(pool: &Pool, role: &str, sql: &'static str) -> sqlx::Result<()> {
    let mut transaction = pool.begin().await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("set local role {role}"))).execute(&mut *transaction).await?;
    sqlx::raw_sql(sql).execute(&mut *transaction).await?;
    transaction.commit().await
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_full_table_loses_the_oldest_silent_process_and_never_a_live_one(pool: Pool) {
    sqlx::query(
        "insert into myapi.resource_server_reports
         select gen_random_uuid(), 'x', '{a}', n, case when n = 1 then 'file' else 'url' end, now(), now() - silent
         from (select n, case when n <= 3 then make_interval(mins => 10 - n) else interval '0' end as silent
               from generate_series(1, 1000) n) rows",
    )
    .execute(&pool)
    .await
    .unwrap();
    let report = async || {
        sqlx::query("select myapi.report_resource_server(gen_random_uuid(), '{a}', 9999, 'url')").execute(&pool).await
    };
    let left = async || -> Vec<i64> {
        sqlx::query_scalar("select feed_seq from myapi.resource_server_reports where feed_seq <= 3 order by 1")
            .fetch_all(&pool)
            .await
            .unwrap()
    };
    report().await.unwrap();
    assert_eq!(left().await, [1, 3], "the oldest silent one is gone; one fed from a file stays longest");
    report().await.unwrap();
    assert_eq!(left().await, [1]);
    report().await.unwrap();
    let refused = report().await.unwrap_err();
    assert!(refused.to_string().contains("1000 processes report already"), "{refused}");
    assert_eq!(rows(&pool).await.len(), 1000);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_report_that_makes_no_sense_is_refused(pool: Pool) {
    for bad in [
        "gen_random_uuid(), array_fill('a'::text, '{101}'), 1, 'url'",
        "gen_random_uuid(), array[repeat('a', 257)], 1, 'url'",
        "gen_random_uuid(), array[null]::text[], 1, 'url'",
        "gen_random_uuid(), '{a}', 1, 'elsewhere'",
    ] {
        let sql = format!("select myapi.report_resource_server({bad})");
        assert!(sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&pool).await.is_err(), "{bad}");
    }
    assert!(rows(&pool).await.is_empty());
}

/// Whoever is known by its user or client is not spoken for by another.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_process_belongs_to_whoever_reported_it_first(pool: Pool) {
    let keep = async |reporter: &str, kid: &str| {
        sqlx::query_scalar::<_, bool>("select myapi.keep_resource_server_report($1, $2, array[$3], 1, 'url')")
            .bind(reporter)
            .bind(Uuid::nil())
            .bind(kid)
            .fetch_one(&pool)
            .await
            .unwrap()
    };
    assert!(keep("client:one", "a").await);
    assert!(keep("client:one", "b").await);
    assert!(!keep("client:two", "c").await);
    let refused =
        sqlx::query("select myapi.report_resource_server($1, '{c}', 1, 'url')").bind(Uuid::nil()).execute(&pool);
    assert_eq!(refused.await.unwrap_err().as_database_error().unwrap().code().as_deref(), Some("42501"));
    let rows = rows(&pool).await;
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].1.as_str(), rows[0].2.as_slice()), ("client:one", ["b".to_owned()].as_slice()));
}

#[tokio::test]
async fn a_report_by_url_that_is_not_taken_is_an_error() {
    let server = KeyServer::start(Answer::Status(204)).await;
    let heartbeat = |url: &url::Url| {
        let credentials = ("movies".to_owned(), "secret".to_owned().into());
        let url = ReportUrl::new(url.clone(), credentials.0, credentials.1, &KeysOptions::default()).unwrap();
        let keys = Keys::fixed(TestIssuer::es256().key_set());
        Heartbeat::new(Reports::Url(url), keys, Revocations::new(Clock::manual(now())))
    };
    heartbeat(server.url()).report().await.unwrap();
    for status in [200, 302, 401, 503] {
        server.set_answer(Answer::Status(status));
        let refused = heartbeat(server.url()).report().await.unwrap_err();
        assert!(matches!(refused, ReportError::Status(code) if code == status), "{status}: {refused}");
    }
    let nobody = "http://127.0.0.1:1/resource_server_report".parse().unwrap();
    assert!(matches!(heartbeat(&nobody).report().await.unwrap_err(), ReportError::Url(_)));
    let beyond = "http://issuer.example/resource_server_report".parse().unwrap();
    assert!(ReportUrl::new(beyond, "id".to_owned(), "secret".to_owned().into(), &KeysOptions::default()).is_err());
}
