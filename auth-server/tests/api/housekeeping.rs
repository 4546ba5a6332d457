//! Partitions are made ahead and dropped behind; ended families go.

use std::time::Duration;

use auth_server::housekeeping::{Done, Housekeeping};
use chrono::{DateTime, TimeDelta, Utc};
use futures_util::future::join_all;
use shared::db::Pool;
use sqlx::{AssertSqlSafe, Connection as _};

use crate::app::{TestApp, config};

const DAYS_90: Duration = Duration::from_secs(90 * 86_400);

async fn partitions(pool: &Pool, table: &str) -> Vec<String> {
    let sql = "select c.relname::text
               from pg_inherits i join pg_class c on c.oid = i.inhrelid
               where i.inhparent = ('myapi.' || $1)::regclass
               order by 1";
    sqlx::query_scalar(sql).bind(table).fetch_all(pool).await.unwrap()
}

async fn execute(pool: &Pool, sql: impl Into<String>) {
    sqlx::query(AssertSqlSafe(sql.into())).execute(pool).await.unwrap();
}

/// A partition long past, with rows.
pub async fn make_old_partition(pool: &Pool, rows: u32) {
    execute(
        pool,
        "create table myapi.refresh_tokens_20240101 partition of myapi.refresh_tokens
                   for values from ('2024-01-01 00:00:00+00') to ('2024-01-08 00:00:00+00')",
    )
    .await;
    let insert = format!(
        "insert into myapi.refresh_tokens (token_hash, expires_at, family_id, created_at)
         select sha256(n::text::bytea), '2024-01-03', gen_random_uuid(), '2024-01-01' from generate_series(1, {rows}) n"
    );
    execute(pool, insert).await;
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn partitions_reach_as_far_as_a_token_can_live(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let housekeeping = Housekeeping::new(pool.clone(), app.clock.clone(), DAYS_90);
    let first = housekeeping.run().await.unwrap();
    assert!(first.made >= 9, "{first:?}");
    assert_eq!(housekeeping.run().await.unwrap(), Done::default(), "the second time there is nothing to do");
    let names = partitions(&pool, "refresh_tokens").await;
    // 90 days are 13 weeks and then some, before the first of which lies a part of this week.
    assert!((14..=17).contains(&(names.len() - 1)), "{names:?}");
    let last: DateTime<Utc> = app.clock.now() + TimeDelta::days(90);
    execute(
        &pool,
        format!(
            "insert into myapi.refresh_tokens (token_hash, expires_at, family_id, created_at)
             values (sha256('a'), '{}', gen_random_uuid(), now())",
            last.to_rfc3339()
        ),
    )
    .await;
    let strays: i64 =
        sqlx::query_scalar("select count(*) from myapi.refresh_tokens_default").fetch_one(&pool).await.unwrap();
    assert_eq!(strays, 0);
}

/// A table that a migration partitions and nobody keeps would fill its default partition for ever.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn every_table_of_partitions_is_kept(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let housekeeping = Housekeeping::new(pool.clone(), app.clock.clone(), DAYS_90);
    housekeeping.run().await.unwrap();
    let sql = "select c.relname::text, (select count(*) from pg_inherits i where i.inhparent = c.oid)
               from pg_partitioned_table p join pg_class c on c.oid = p.partrelid
               where c.relnamespace = 'myapi'::regnamespace
               order by 1";
    let counted = || async { sqlx::query_as::<_, (String, i64)>(sql).fetch_all(&pool).await.unwrap() };
    let before = counted().await;
    assert!(before.len() >= 6, "{before:?}");
    app.clock.advance(TimeDelta::days(40));
    housekeeping.run().await.unwrap();
    for ((table, before), (_, after)) in before.into_iter().zip(counted().await) {
        assert!(after > before, "{table} has no partitions made ahead");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn only_a_table_of_partitions_has_partitions(pool: Pool) {
    for table in ["users", "pushed_requests_default", "nothing", "sessions"] {
        let made = sqlx::query("select myapi.make_partitions($1, interval '1 day', now())").bind(table);
        let error = made.execute(&pool).await.unwrap_err().to_string();
        assert!(error.contains("not a table of partitions"), "{table}: {error}");
        let dropped = sqlx::query("select myapi.drop_partition($1, now())").bind(table);
        assert!(dropped.execute(&pool).await.unwrap_err().to_string().contains("not a table of partitions"), "{table}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn what_the_default_partition_caught_moves_where_it_belongs(pool: Pool) {
    let settings = [("MYAPI_AUTH__REFRESH_TOKEN_IDLE_TTL", "5184000")];
    let app = TestApp::with(pool.clone(), &settings).await;
    let login = app.login().await;
    let strays = "select count(*) from myapi.refresh_tokens_default";
    let count = || async { sqlx::query_scalar::<_, i64>(strays).fetch_one(&pool).await.unwrap() };
    assert_eq!(count().await, 1, "60 days ahead there is no partition before housekeeping");
    Housekeeping::new(pool.clone(), app.clock.clone(), DAYS_90).run().await.unwrap();
    assert_eq!(count().await, 0);
    assert_eq!(app.refresh(&login.refresh_token()).await.status, 200);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn expired_rows_go_with_their_partition_and_a_reader_is_not_waited_for(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let housekeeping = Housekeeping::new(pool.clone(), app.clock.clone(), DAYS_90);
    housekeeping.run().await.unwrap();
    make_old_partition(&pool, 1000).await;
    let login = app.login().await;
    let mut reader = pool.acquire().await.unwrap();
    let mut reading = reader.begin().await.unwrap();
    sqlx::query("select count(*) from myapi.refresh_tokens").execute(&mut *reading).await.unwrap();
    let refused = housekeeping.run().await.unwrap_err();
    assert!(refused.is_unavailable() && refused.to_string().contains("55P03"), "{refused}");
    assert_eq!(app.refresh(&login.refresh_token()).await.status, 200, "nobody queues behind it");
    reading.rollback().await.unwrap();
    drop(reader);
    assert_eq!(housekeeping.run().await.unwrap(), Done { dropped: 1, ..Done::default() });
    assert!(!partitions(&pool, "refresh_tokens").await.contains(&"refresh_tokens_20240101".to_owned()));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn ended_families_go_a_day_later(pool: Pool) {
    let app = TestApp::with(pool.clone(), &[("MYAPI_AUTH__REFRESH_TOKEN_TTL", "1209600")]).await;
    app.login().await;
    let housekeeping = Housekeeping::new(pool.clone(), app.clock.clone(), Duration::from_secs(1_209_600));
    app.clock.advance(TimeDelta::days(15));
    assert_eq!(housekeeping.run().await.unwrap().families, 0);
    app.clock.advance(TimeDelta::seconds(1));
    assert_eq!(housekeeping.run().await.unwrap().families, 1);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn many_replicas_at_once_make_each_partition_once(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let before = partitions(&pool, "refresh_tokens").await.len();
    let all = (0..6).map(|_| {
        let housekeeping = Housekeeping::new(pool.clone(), app.clock.clone(), DAYS_90);
        async move { housekeeping.run().await }
    });
    let made: i32 = join_all(all).await.into_iter().map(|done| done.unwrap().made).sum();
    let after = partitions(&pool, "refresh_tokens").await.len() + partitions(&pool, "revocations").await.len();
    assert!(made > 0 && after > before);
    assert_eq!(Housekeeping::new(pool.clone(), app.clock.clone(), DAYS_90).run().await.unwrap().made, 0);
}

/// The role that serves owns nothing: it makes and drops partitions through the owner's functions, and those refuse
/// whatever is not a table of partitions.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_functions_take_no_other_table(pool: Pool) {
    for call in [
        "select myapi.make_partitions('users', interval '7 days', now())",
        "select myapi.make_partitions('refresh_tokens', interval '1 hour', now())",
        "select myapi.make_partitions('refresh_tokens', interval '7 days', now() + interval '10 years')",
        "select myapi.drop_partition('users', now())",
    ] {
        let refused = sqlx::query(AssertSqlSafe(call.to_owned())).execute(&pool).await.unwrap_err();
        assert!(refused.to_string().contains("not a"), "{refused}");
    }
    let dropped: Option<String> =
        sqlx::query_scalar("select myapi.drop_partition('refresh_tokens', 'infinity')").fetch_one(&pool).await.unwrap();
    assert_eq!(dropped, None, "a day of margin, whatever is asked");
}

#[test]
fn an_idle_life_beyond_the_absolute_one_is_refused_by_name() {
    assert_eq!(config(&[]).refresh.absolute, DAYS_90);
    let environment = vec![
        ("MYAPI_DATABASE__DEV".to_owned(), "postgres://nobody@127.0.0.1:1/none".to_owned()),
        ("MYAPI_AUTH__REFRESH_TOKEN_TTL".to_owned(), "100".to_owned()),
    ];
    let sources = shared::config::Sources { environment, ..Default::default() };
    let refused = auth_server::config::AuthConfig::load(&sources).err().unwrap().to_string();
    assert!(refused.contains("MYAPI_AUTH__REFRESH_TOKEN_IDLE_TTL"), "{refused}");
}
