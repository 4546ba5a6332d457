//! Reports of which keys a process holds, for gated rotation.

use shared::clock::Clock;
use shared::db::Pool;
use shared::testing::TestIssuer;
use shared::token::heartbeat::Heartbeat;
use shared::token::keys::{Algorithm, KeySet};
use shared::token::revocations::{Position, Revocations};
use shared::token::source::Keys;
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
    let heartbeat = Heartbeat::new(pool.clone(), keys.clone(), revocations);
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
