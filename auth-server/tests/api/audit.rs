//! What happened is recorded: who, whence, why, and under which request id.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use auth_server::audit::{self, Audit, Event, Filter, Kind, Row, Trail};
use auth_server::housekeeping::Housekeeping;
use chrono::TimeDelta;
use serde_json::Value;
use shared::clock::Clock;
use shared::db::Pool;
use shared::testing::{Proxy, Upstream};
use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPoolOptions;

use crate::app::{CONFIDENTIAL, EMAIL, PASSWORD, PUBLIC, TestApp, login};
use crate::process::binary::{Binary, PATIENCE};
use crate::process::wire::token;

/// Every row of this process, in the order of its chain.
pub async fn rows(app: &TestApp) -> Vec<Row> {
    app.state.audit.flush().await;
    let mut conn = app.pool.acquire().await.unwrap();
    let mut rows = audit::list(&mut conn, &Filter::default(), 10_000).await.unwrap().rows;
    rows.retain(|row| row.writer == app.state.audit.writer());
    rows.sort_by_key(|row| row.seq);
    rows
}

fn told(row: &Row) -> (&str, &str, Option<&str>, Option<&str>) {
    (&row.event, &row.outcome, row.client_id.as_deref(), row.reason.as_deref())
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o03_logins_tokens_and_revocations_are_recorded(pool: Pool) {
    let app = TestApp::new(pool).await;
    let from = Ipv4Addr::new(192, 0, 2, 7);
    let good = app.token_from(from, &login(EMAIL, PASSWORD)).await;
    let wrong = app.token_from(from, &login(EMAIL, "wrong")).await;
    let nobody = app.token_from(from, &login("nobody@example.com", "wrong")).await;
    let secret = app.token_basic(CONFIDENTIAL, "wrong", &[("grant_type", "client_credentials")]).await;
    let scope = app.token(&[&login(EMAIL, PASSWORD)[..], &[("scope", "movies:none")]].concat()).await;
    let parameters = [("grant_type", "refresh_token"), ("client_id", PUBLIC)];
    let spent = good.refresh_token();
    let again = app.token(&[&parameters[..], &[("refresh_token", &spent)]].concat()).await;
    app.clock.advance(TimeDelta::seconds(60));
    let stolen = app.token(&[&parameters[..], &[("refresh_token", &spent)]].concat()).await;
    let mine = app.login().await;
    let revoked = app.post("/revoke", &[("token", &mine.refresh_token())]).await;
    // Malformed requests are nobody's.
    app.token(&[("grant_type", "password")]).await;

    let rows = rows(&app).await;
    let sub = app.user.sub.to_string();
    let client = Some(PUBLIC);
    assert_eq!(
        rows.iter().map(told).collect::<Vec<_>>(),
        [
            ("login", "ok", client, None),
            ("token_issued", "ok", client, None),
            ("login", "refused", client, Some("the login was refused: wrong password")),
            ("login", "refused", client, Some("the login was refused: unknown user")),
            ("client_authentication", "refused", Some(CONFIDENTIAL), Some("client: the client's secret is wrong")),
            ("login", "ok", client, None),
            ("token_refused", "refused", client, Some("the scope is unknown or wider than what the client may have")),
            ("token_issued", "ok", client, None),
            ("refresh_reuse", "refused", client, rows[8].reason.as_deref()),
            ("login", "ok", Some(CONFIDENTIAL), None),
            ("token_issued", "ok", Some(CONFIDENTIAL), None),
            ("revocation", "ok", Some(CONFIDENTIAL), None),
        ]
    );
    let details: Vec<_> =
        rows.iter().filter(|row| row.event == "token_issued").map(|row| row.detail.as_deref()).collect();
    assert_eq!(details, [Some("password"), Some("refresh_token"), Some("password")]);
    for (at, answer) in [
        (0, &good),
        (1, &good),
        (2, &wrong),
        (3, &nobody),
        (4, &secret),
        (6, &scope),
        (7, &again),
        (8, &stolen),
        (11, &revoked),
    ] {
        let id = rows[at].request_id.unwrap().to_string();
        assert_eq!(Some(id.as_str()), answer.header("x-request-id"), "{at}: {}", answer.body);
    }
    for (at, row) in rows.iter().enumerate() {
        assert_eq!(row.actor, "client");
        let is_known = ![3, 4].contains(&at);
        assert_eq!(row.subject.as_deref(), is_known.then_some(sub.as_str()), "{at}: {row:?}");
        let address = if at < 4 { "192.0.2.7" } else { "127.0.0.1" };
        assert_eq!(row.address.as_deref(), Some(address), "{row:?}");
    }
    let all = serde_json::to_string(&rows).unwrap();
    for secret in [EMAIL, "nobody@", PASSWORD, "mrt1_", &app.secret] {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o03_a_flood_is_one_row_where_its_slowing_down_begins(pool: Pool) {
    let app = TestApp::with(pool, &[("MYAPI_AUTH__LIMIT_ACCOUNT", "2:1")]).await;
    for _ in 0..6 {
        app.token(&login(EMAIL, "wrong")).await;
    }
    let rows = rows(&app).await;
    let throttled: Vec<_> = rows.iter().filter(|row| row.outcome == "throttled").collect();
    assert_eq!(throttled.len(), 1, "{rows:?}");
    assert!(throttled[0].detail.as_deref().unwrap().starts_with("account "), "{throttled:?}");
    assert_eq!(rows.iter().filter(|row| row.event == "login").count(), 2);
}

/// What an operator does, by the name that the operating system knows.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o03_commands_are_recorded_with_their_operator(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let binary = Binary::on(&pool);
    let run = |line: &str| {
        let ended = binary.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(ended.code, Some(0), "{line}: {}", ended.stderr);
    };
    let kid = app.state.keys.active_kid();
    run("create-user --email bob@example.com --generate-password");
    run("user set-password bob@example.com --generate-password");
    run("user set-scopes bob@example.com --none");
    run("user disable bob@example.com");
    run("user enable bob@example.com");
    run("user delete bob@example.com");
    run("client create jobs --grant client_credentials --scope movies:read");
    run("client update jobs --access-token-ttl 300");
    run("client rotate-secret jobs");
    run("client disable jobs");
    run("client enable jobs");
    run("client delete jobs");
    run("resource add-scope movies movies:rate=Rate");
    run("key generate --kid second");
    run("key activate second");
    run("key generate --kid third");
    run("key retire third");
    run(&format!("key revoke {kid}"));
    run("key reencrypt");
    assert_ne!(binary.run(&["user", "disable", "nobody@example.com"]).code, Some(0), "nothing was done");

    let listed = binary.json(&["audit", "list", "--since", "1h"]);
    let mut listed: Vec<&Value> = listed.as_array().unwrap().iter().collect();
    listed.reverse();
    let events: Vec<&str> = listed.iter().map(|row| row["event"].as_str().unwrap()).collect();
    assert_eq!(
        events,
        [
            "user_created",
            "user_password",
            "user_scopes",
            "user_disabled",
            "user_enabled",
            "user_deleted",
            "client_created",
            "client_updated",
            "client_secret",
            "client_disabled",
            "client_enabled",
            "client_deleted",
            "resource_server",
            "key_created",
            "key_activated",
            "key_created",
            "key_retired",
            "key_revoked",
            "keys_reencrypted",
        ]
    );
    let actors: BTreeSet<&str> = listed.iter().map(|row| row["actor"].as_str().unwrap()).collect();
    assert_eq!(actors.len(), 1);
    assert!(actors.first().unwrap().starts_with("cli:"), "{actors:?}");
    let subjects: BTreeSet<Option<&str>> = listed[..6].iter().map(|row| row["subject"].as_str()).collect();
    assert!(subjects.len() == 1 && !subjects.contains(&None), "{subjects:?}");
    assert!(listed[6..12].iter().all(|row| row["client_id"] == "jobs"), "{listed:?}");
    assert_eq!(listed[17]["detail"], kid.as_str());
    assert!(!Value::from_iter(listed.into_iter().cloned()).to_string().contains("@example"));
    drop(app);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn lists_and_exports_are_narrowed_down(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    for _ in 0..3 {
        app.token(&login(EMAIL, PASSWORD)).await;
    }
    app.token(&login(EMAIL, "wrong")).await;
    app.state.audit.flush().await;
    let binary = Binary::on(&pool);
    let count = |more: &[&str]| binary.json(&[&["audit", "list"], more].concat()).as_array().unwrap().len();
    let sub = app.user.sub.to_string();
    assert_eq!(count(&[]), 7);
    assert_eq!(count(&["--limit", "2"]), 2);
    assert_eq!(count(&["--event", "login"]), 4);
    assert_eq!(count(&["--outcome", "refused"]), 1);
    assert_eq!(count(&["--event", "login", "--outcome", "ok", "--subject", &sub, "--client", PUBLIC]), 3);
    assert_eq!(count(&["--client", "other"]), 0);
    assert_eq!(count(&["--until", "1h"]), 0);
    assert_eq!(count(&["--since", "2020-01-01", "--until", "2999-01-01T00:00:00Z"]), 7);
    assert_eq!(binary.run(&["audit", "list", "--event", "none"]).code, Some(2));

    let table = binary.run(&["audit", "list", "--outcome", "refused"]);
    assert!(table.stdout.contains("the login was refused: wrong password"), "{}", table.stdout);
    let exported = binary.run(&["audit", "export", "--event", "login"]);
    assert_eq!(exported.code, Some(0), "{}", exported.stderr);
    let lines: Vec<Value> = exported.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 4);
    let names: Vec<_> = lines[3].as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "at",
        "event",
        "outcome",
        "reason",
        "subject",
        "client_id",
        "address",
        "request_id",
        "actor",
        "detail",
        "writer",
        "seq",
        "prev_hash",
        "hash",
    ];
    assert_eq!(names.len(), expected.len());
    assert!(expected.iter().all(|name| names.contains(name)), "{names:?}");
    assert_eq!(lines[3]["hash"].as_str().unwrap().len(), 64);
}

/// Records that wait until somebody drains the server are written by then, and a signed checkpoint vouches for all.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_server_that_ends_has_written_everything(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let server = Binary::on(&pool).serve();
    let answer = token(server.address, &login(EMAIL, PASSWORD), &[]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let log = server.stop().log();
    let events: Vec<String> =
        sqlx::query_scalar("select event from myapi.audit_events order by seq").fetch_all(&pool).await.unwrap();
    assert_eq!(events, ["server_started", "login", "token_issued", "server_stopped"]);
    let verified = Binary::on(&pool).json(&["audit", "verify"]);
    let expected = serde_json::json!({
        "writers": 1, "events": 4, "checkpoints": 1, "unproven": 0, "unwitnessed": 0, "findings": [],
    });
    assert_eq!(verified, expected);
    assert!(log.iter().any(|line| line["message"] == "audit checkpoint"), "the log has it too");
    drop(app);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_full_queue_is_counted_and_told_by_the_log_itself(pool: Pool) {
    let narrow = PgPoolOptions::new().max_connections(1).connect_with((*pool.connect_options()).clone()).await.unwrap();
    let audit = Audit::with_queue(narrow.clone(), Clock::system(), None, 4);
    let all = async {
        let held = narrow.acquire().await.unwrap();
        // More than the queue and the batch under way hold, while nothing can be written and nobody is let in between.
        for number in 0..10 {
            audit::note(Event::ok(Kind::Revocation).detail(number));
        }
        drop(held);
    };
    Trail::of_server(audit.clone()).scope(all).await;
    audit.flush().await;
    assert_eq!((audit.counts().written, audit.counts().dropped, audit.counts().lost), (4, 6, 0));
    Trail::of_server(audit.clone()).scope(async { audit::note(Event::ok(Kind::Revocation)) }).await;
    assert!(!audit.close(Duration::from_secs(5)).await, "something was lost");
    let lost: Vec<String> = sqlx::query_scalar("select detail from myapi.audit_events where event = 'audit_lost'")
        .fetch_all(&pool)
        .await
        .unwrap();
    assert_eq!(lost, ["6 events"]);
    narrow.close().await;
}

/// The table is not what it should be: what cannot be written is counted, and the chain goes on without a gap.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_lost_batch_is_counted_and_told(pool: Pool) {
    let audit = Audit::start(pool.clone(), Clock::system(), None);
    let note = |number: u32| {
        let audit = audit.clone();
        Trail::of_server(audit).scope(async move { audit::note(Event::ok(Kind::Revocation).detail(number)) })
    };
    note(1).await;
    audit.flush().await;
    let execute = |sql: &str| sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&pool);
    execute("alter table myapi.audit_events rename to elsewhere").await.unwrap();
    note(2).await;
    note(3).await;
    audit.flush().await;
    assert_eq!((audit.counts().written, audit.counts().lost), (1, 2));
    execute("alter table myapi.elsewhere rename to audit_events").await.unwrap();
    note(4).await;
    audit.flush().await;
    let rows: Vec<(i64, String, Option<String>)> =
        sqlx::query_as("select seq, event, detail from myapi.audit_events order by seq")
            .fetch_all(&pool)
            .await
            .unwrap();
    let told: BTreeMap<i64, _> =
        rows.iter().map(|(seq, event, detail)| (*seq, (event.as_str(), detail.as_deref()))).collect();
    assert_eq!(told[&2], ("audit_lost", Some("2 events")));
    assert_eq!(told[&3], ("revocation", Some("4")));
    assert!(!audit.close(Duration::from_secs(5)).await);
}

/// While the database is away nobody waits for the audit log, and nothing of it is lost.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn what_happens_while_the_database_is_away_is_recorded_later(pool: Pool) {
    let narrow = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(Duration::from_millis(200))
        .connect_with((*pool.connect_options()).clone())
        .await
        .unwrap();
    let audit = Audit::start(narrow.clone(), Clock::system(), None);
    let held = narrow.acquire().await.unwrap();
    Trail::of_server(audit.clone()).scope(async { audit::note(Event::ok(Kind::Revocation)) }).await;
    assert!(tokio::time::timeout(Duration::from_millis(700), audit.flush()).await.is_err(), "it is tried again");
    assert_eq!((audit.counts().written, audit.counts().lost), (0, 0));
    drop(held);
    assert!(audit.close(Duration::from_secs(20)).await);
    assert_eq!(audit.counts().written, 1);
    narrow.close().await;
}

/// A batch that the database took, and whose writer never heard of it, is tried again and stands there once.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_batch_whose_answer_was_lost_is_recorded_once(pool: Pool) {
    let options = pool.connect_options();
    let proxy = Proxy::start(Upstream::of(&options));
    let url = format!("postgres://{}@{}/{}", options.get_username(), proxy.address(), options.get_database().unwrap());
    let reached = PgPoolOptions::new().max_connections(1).connect(&url).await.unwrap();
    let audit = Audit::start(reached, Clock::system(), None);
    let mut held = pool.begin().await.unwrap();
    sqlx::query("lock table myapi.audit_events in exclusive mode").execute(&mut *held).await.unwrap();
    Trail::of_server(audit.clone()).scope(async { audit::note(Event::ok(Kind::Revocation)) }).await;
    wait_for_inserts(&pool, 1).await;
    assert_eq!(proxy.cut(), 1);
    // The second stands in line behind the first, which nobody listens to any more.
    wait_for_inserts(&pool, 2).await;
    held.commit().await.unwrap();

    assert!(audit.close(Duration::from_secs(20)).await);
    assert_eq!((audit.counts().written, audit.counts().lost), (1, 0));
    let recorded = "select count(*) from myapi.audit_events where event = 'revocation'";
    assert_eq!(sqlx::query_scalar::<_, i64>(recorded).fetch_one(&pool).await.unwrap(), 1);
}

/// Until so many insertions into the table wait for a lock.
async fn wait_for_inserts(pool: &Pool, count: i64) {
    let waiting = "select count(*) from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock' and query like 'insert into myapi.audit_events%'";
    let deadline = Instant::now() + PATIENCE;
    while sqlx::query_scalar::<_, i64>(waiting).fetch_one(pool).await.unwrap() < count {
        assert!(Instant::now() < deadline, "{count} insertions do not wait");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn young_partitions_stay_whatever_is_asked(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    app.token(&login(EMAIL, PASSWORD)).await;
    app.state.audit.flush().await;
    let year = Duration::from_secs(366 * 86_400);
    let housekeeping = Housekeeping::new(pool.clone(), app.clock.clone(), year);
    housekeeping.with_audit_retention(Some(Duration::ZERO)).run().await.unwrap();
    let drop = "select myapi.drop_partition('audit_events', 'infinity')";
    assert_eq!(sqlx::query_scalar::<_, Option<String>>(drop).fetch_one(&pool).await.unwrap(), None);
    let count: i64 = sqlx::query_scalar("select count(*) from myapi.audit_events").fetch_one(&pool).await.unwrap();
    assert_eq!(count, 2);
}

/// By grants for the serving role, by triggers for whoever owns the tables and slips.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o03_what_was_recorded_cannot_be_changed(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let mut conn = pool.acquire().await.unwrap();
    auth_server::schema::migrate(&mut conn, true).await.unwrap();
    drop(conn);
    app.token(&login(EMAIL, PASSWORD)).await;
    app.state.audit.flush().await;
    for (role, allowed) in [("myapi_auth", true), ("myapi_movies_read", false), ("myapi_movies_write", false)] {
        let right =
            |table: &str, right: &str| format!("select has_table_privilege('{role}', 'myapi.{table}', '{right}')");
        for table in ["audit_events", "audit_checkpoints"] {
            for (name, expected) in
                [("select", allowed), ("insert", allowed), ("update", false), ("delete", false), ("truncate", false)]
            {
                let has: bool = sqlx::query_scalar(AssertSqlSafe(right(table, name))).fetch_one(&pool).await.unwrap();
                assert_eq!(has, expected, "{role} {name} {table}");
            }
        }
    }
    for sql in [
        "update myapi.audit_events set outcome = 'ok'",
        "delete from myapi.audit_events",
        "truncate myapi.audit_events",
        "truncate myapi.audit_checkpoints",
    ] {
        let refused = sqlx::query(sql).execute(&pool).await.unwrap_err().to_string();
        assert!(refused.contains("append-only"), "{sql}: {refused}");
    }
}

#[test]
fn every_event_is_in_the_operators_page() {
    let page = include_str!("../../README.md");
    for kind in Kind::ALL {
        assert!(page.contains(&format!("`{}`", kind.as_str())), "auth-server/README.md lacks {}", kind.as_str());
    }
}
