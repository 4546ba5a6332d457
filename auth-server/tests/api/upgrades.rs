//! Two versions on one database (F30): migrations take nothing away from a version that knows only those before, and such a
//! version starts beside a newer one where it is told to. With real binaries of two versions: `cargo xtask soak two-versions`.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use shared::db::{self, MIGRATOR, Pool};
use sqlx::migrate::Migrator;
use sqlx::{Executor as _, PgConnection};

use crate::app::{PASSWORD, TestApp, login};
use crate::process::binary::Binary;
use crate::process::wire::{get, token};

/// What statements of a version lean on, by name.
type Offered = BTreeMap<String, String>;

/// Columns with their types, functions with their arguments and results, and what may not be null.
async fn offered(conn: &mut PgConnection) -> Offered {
    let sql = "
        select c.relname || '.' || a.attname as name, format_type(a.atttypid, a.atttypmod) as kind
        from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relnamespace = 'myapi'::regnamespace and c.relkind in ('r', 'p', 'v') and not c.relispartition
        union all
        select p.proname || '(' || oidvectortypes(p.proargtypes) || ')', pg_get_function_result(p.oid)
        from pg_proc p
        where p.pronamespace = 'myapi'::regnamespace and p.prorettype <> 'trigger'::regtype";
    sqlx::query_as::<_, (String, String)>(sql).fetch_all(conn).await.unwrap().into_iter().collect()
}

/// Columns that an insert has to name.
async fn demanded(conn: &mut PgConnection) -> Vec<String> {
    let sql = "
        select c.relname || '.' || a.attname
        from pg_class c
        join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
        where c.relnamespace = 'myapi'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
            and a.attnotnull and not a.atthasdef and a.attidentity = ''";
    sqlx::query_scalar(sql).fetch_all(conn).await.unwrap()
}

/// The migrations that an older version knows.
fn first(count: usize) -> Migrator {
    let mut part = Migrator::with_migrations(MIGRATOR.iter().take(count).cloned().collect());
    part.dangerous_set_table_name(MIGRATOR.table_name.clone());
    part.create_schema("myapi");
    part
}

#[sqlx::test]
async fn f30_no_migration_takes_away_what_a_version_before_it_uses(pool: Pool) {
    let mut conn = pool.acquire().await.unwrap();
    let mut versions: Vec<(i64, Offered, Vec<String>)> = Vec::new();
    for count in 1..=MIGRATOR.iter().count() {
        let part = first(count);
        part.run_direct(None, &mut *conn, false).await.unwrap();
        let version = part.iter().last().unwrap().version;
        versions.push((version, offered(&mut conn).await, demanded(&mut conn).await));
    }
    let (_, last, demanded_at_last) = versions.last().unwrap();
    let mut broken = Vec::new();
    for (version, offered, demanded) in &versions {
        broken.extend(offered.iter().filter_map(|(name, kind)| match last.get(name) {
            Some(now) if now == kind => None,
            now => Some(format!("after {version} {name} was {kind}, and now it is {now:?}")),
        }));
        let tables: Vec<&str> = offered.keys().filter_map(|name| Some(name.split_once('.')?.0)).collect();
        let is_its_table = |column: &str| column.split_once('.').is_some_and(|(table, _)| tables.contains(&table));
        let fresh = demanded_at_last.iter().filter(|column| !demanded.contains(column) && is_its_table(column));
        broken.extend(fresh.map(|column| format!("an insert of {version} names no {column}")));
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f22_f30_an_older_version_starts_on_a_newer_schema_where_it_is_told_to(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let newer = "insert into myapi._sqlx_migrations (version, description, success, checksum, execution_time)
                 values (30000101000000, 'of the future', true, '', 0)";
    sqlx::query(newer).execute(&pool).await.unwrap();
    let binary = Binary::on(&pool);
    assert!(binary.refusal().contains("set MYAPI_DATABASE__ACCEPT_NEWER=true"));
    let server = binary.with("MYAPI_DATABASE__ACCEPT_NEWER", "true").serve();
    assert_eq!(get(server.address, "/readyz").body, r#"{"status":"ready"}"#);
    let answer = token(server.address, &login("ann@example.com", PASSWORD), &[]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let log = server.stop().log();
    let warned = log.iter().find(|line| line["migration"] == 30_000_101_000_000_i64).unwrap();
    assert_eq!(warned["level"], "WARN");
}

/// The migration has one table and waits for the other, and somebody who has the other comes for the one: a deadlock, if it
/// would not give way.
#[sqlx::test]
async fn f30_a_migration_gives_way_to_those_who_serve(pool: Pool) {
    const BINDS_TOKENS: i64 = 20_261_126_120_000;
    let mut conn = pool.acquire().await.unwrap();
    let before = MIGRATOR.iter().take_while(|migration| migration.version < BINDS_TOKENS).count();
    first(before).run_direct(None, &mut *conn, false).await.unwrap();
    let mut serving = pool.begin().await.unwrap();
    serving.execute("select from myapi.authorization_codes").await.unwrap();
    let migrating = tokio::spawn(async move { db::migrate(&mut conn).await });
    let waits =
        "select exists (select from pg_locks where not granted and relation = 'myapi.authorization_codes'::regclass)";
    let mut looking = pool.acquire().await.unwrap();
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&mut *looking).await.unwrap() {
        tokio::task::yield_now().await;
    }
    let begun = Instant::now();
    serving.execute("select from myapi.families").await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    serving.commit().await.unwrap();
    assert_eq!(migrating.await.unwrap().unwrap(), MIGRATOR.iter().count() - before);
}
