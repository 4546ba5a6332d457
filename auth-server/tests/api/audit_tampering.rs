//! Whoever owns the database can change every row. `audit verify` tells that it was done, and where.

use auth_server::audit::{self, Audit, Event, Kind, Trail, Verified, Witness};
use auth_server::keys;
use chrono::{DateTime, TimeDelta};
use shared::clock::Clock;
use shared::db::Pool;
use sqlx::AssertSqlSafe;
use std::time::Duration;

use crate::app::TestApp;
use crate::process::binary::Binary;

const PATIENCE: Duration = Duration::from_secs(20);

/// A server's chain of so many rows, ended in order, so that a checkpoint vouches for all of them.
async fn chain(app: &TestApp, rows: u32) -> Audit {
    let audit = open_chain(app, rows).await;
    assert!(audit.close(PATIENCE).await);
    audit
}

async fn open_chain(app: &TestApp, rows: u32) -> Audit {
    let keks = app.state.config.key_ring().unwrap();
    let witness = Witness::new(app.state.keys.clone(), keks);
    let audit = Audit::start(app.pool.clone(), app.clock.clone(), Some(witness));
    note(&audit, 1..=rows).await;
    audit.flush().await;
    audit
}

async fn note(audit: &Audit, numbers: impl IntoIterator<Item = u32>) {
    let noting = async {
        for number in numbers {
            audit::note(Event::ok(Kind::Revocation).detail(number));
        }
    };
    Trail::of_server(audit.clone()).scope(noting).await;
}

async fn verify(app: &TestApp) -> Verified {
    let mut conn = app.pool.acquire().await.unwrap();
    let public = keys::list_public(&app.pool).await.unwrap();
    let keks = app.state.config.key_ring().unwrap();
    audit::verify(&mut conn, public, Some(&keks), &[]).await.unwrap()
}

/// What is found in this chain, as (seq, fault).
#[track_caller]
fn found(verified: &Verified, audit: &Audit) -> Vec<(i64, &'static str)> {
    let of_this = verified.findings.iter().filter(|finding| finding.writer == Some(audit.writer()));
    let found: Vec<_> = of_this.map(|finding| (finding.seq.unwrap(), finding.fault)).collect();
    assert_eq!(found.len(), verified.findings.len(), "no other chain: {:?}", verified.findings);
    found
}

/// As the owner, who takes the triggers away first.
async fn tamper(app: &TestApp, sql: &str) {
    let mut transaction = app.pool.begin().await.unwrap();
    sqlx::query("set local session_replication_role = replica").execute(&mut *transaction).await.unwrap();
    let done = sqlx::query(AssertSqlSafe(sql.to_owned())).execute(&mut *transaction).await.unwrap();
    assert!(done.rows_affected() > 0, "{sql}");
    transaction.commit().await.unwrap();
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o03_an_untouched_log_has_no_finding(pool: Pool) {
    let app = TestApp::new(pool).await;
    chain(&app, 20).await;
    let open = open_chain(&app, 3).await;
    let verified = verify(&app).await;
    assert_eq!((verified.writers, verified.events, verified.checkpoints), (2, 23, 1));
    assert_eq!((verified.findings.len(), verified.unproven, verified.unwitnessed), (0, 0, 3));
    drop(open);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o03_an_edited_row_is_found(pool: Pool) {
    let app = TestApp::new(pool).await;
    let audit = chain(&app, 9).await;
    for column in [
        "outcome = 'refused'",
        "reason = 'x'",
        "subject = 'x'",
        "client_id = 'x'",
        "address = 'x'",
        "actor = 'x'",
        "detail = null",
        "request_id = gen_random_uuid()",
        "event = 'login'",
        "at = at + interval '1 microsecond'",
    ] {
        let row = format!("writer = '{}' and seq = 4", audit.writer());
        let before = "create table if not exists myapi.kept as select * from myapi.audit_events";
        sqlx::query(before).execute(&app.pool).await.unwrap();
        tamper(&app, &format!("update myapi.audit_events set {column} where {row}")).await;
        assert_eq!(found(&verify(&app).await, &audit), [(4, "edited")], "{column}");
        tamper(&app, &format!("delete from myapi.audit_events where {row}")).await;
        tamper(&app, &format!("insert into myapi.audit_events select * from myapi.kept where {row}")).await;
    }
    assert_eq!(found(&verify(&app).await, &audit), [], "as it was");
    let binary = Binary::on(&app.pool);
    tamper(&app, "update myapi.audit_events set detail = 'x' where seq = 4").await;
    let ended = binary.run(&["audit", "verify"]);
    assert_eq!(ended.code, Some(1), "{}", ended.stdout);
    assert!(
        ended.stdout.contains(&format!("edited     {} 4 row 4 is not what was written", audit.writer())),
        "{}",
        ended.stdout
    );
    assert_eq!(ended.stderr, "error: the audit log was tampered with: 1 finding\n");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o03_a_removed_row_is_found(pool: Pool) {
    let app = TestApp::new(pool).await;
    let audit = chain(&app, 9).await;
    tamper(&app, "delete from myapi.audit_events where seq = 4").await;
    assert_eq!(found(&verify(&app).await, &audit), [(4, "missing"), (5, "broken")]);
    // Closing the gap by other numbers does not help.
    tamper(&app, "update myapi.audit_events set seq = seq - 1 where seq > 4").await;
    let verified = verify(&app).await;
    assert!(found(&verified, &audit).contains(&(4, "edited")), "{verified:?}");
    assert!(found(&verified, &audit).contains(&(9, "cut")), "{verified:?}");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o03_the_first_rows_removed_are_found(pool: Pool) {
    let app = TestApp::new(pool).await;
    let audit = chain(&app, 9).await;
    tamper(&app, "delete from myapi.audit_events where seq <= 3").await;
    assert_eq!(found(&verify(&app).await, &audit), [(1, "missing"), (4, "broken")]);
    // A false anchor would explain it, were it not older than the chain.
    let anchor = "insert into myapi.audit_anchors (writer, seq, hash, until)
                  select writer, 3, prev_hash, at - interval '90 days' from myapi.audit_events where seq = 4";
    tamper(&app, anchor).await;
    assert_eq!(found(&verify(&app).await, &audit), [(3, "anchor")]);
}

/// A checkpoint saw row 2 as the last one; an anchor that stands for rows up to 5, before that, contradicts it.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o03_a_false_anchor_is_found(pool: Pool) {
    let app = TestApp::new(pool).await;
    let audit = open_chain(&app, 2).await;
    app.clock.advance(TimeDelta::days(1));
    // Another server's checkpoint vouches for this chain as well.
    chain(&app, 1).await;
    note(&audit, 3..=9).await;
    assert!(audit.close(PATIENCE).await);
    assert_eq!(found(&verify(&app).await, &audit), []);
    let writer = audit.writer();
    tamper(&app, &format!("delete from myapi.audit_events where seq <= 5 and writer = '{writer}'")).await;
    let anchor = format!(
        "insert into myapi.audit_anchors (writer, seq, hash, until)
         select writer, 5, prev_hash, at - interval '12 hours' from myapi.audit_events where seq = 6 and writer = '{writer}'"
    );
    tamper(&app, &anchor).await;
    assert_eq!(found(&verify(&app).await, &audit), [(2, "anchor")]);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o03_reordered_rows_are_found(pool: Pool) {
    let app = TestApp::new(pool).await;
    let audit = chain(&app, 9).await;
    tamper(&app, "update myapi.audit_events set seq = 2010 - seq where seq in (4, 6)").await;
    tamper(&app, "update myapi.audit_events set seq = seq - 2000 where seq > 1000").await;
    let expected = [(4, "broken"), (4, "edited"), (5, "broken"), (6, "broken"), (6, "edited"), (7, "broken")];
    assert_eq!(found(&verify(&app).await, &audit), expected);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o03_a_cut_tail_is_found(pool: Pool) {
    let app = TestApp::new(pool).await;
    let audit = chain(&app, 9).await;
    tamper(&app, "delete from myapi.audit_events where seq > 7").await;
    assert_eq!(found(&verify(&app).await, &audit), [(8, "cut")]);
    tamper(&app, "delete from myapi.audit_events").await;
    assert_eq!(found(&verify(&app).await, &audit), [(1, "cut")], "all of it likewise");
}

/// With its checkpoints the tail goes unseen, unless somebody kept the server's log.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o03_a_tail_cut_off_with_its_checkpoints_is_found_by_a_kept_log(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    chain(&app, 9).await;
    let jws: String = sqlx::query_scalar("select jws from myapi.audit_checkpoints").fetch_one(&pool).await.unwrap();
    let logged = serde_json::json!({ "message": "audit checkpoint", "audit.checkpoint": jws }).to_string();
    tamper(&app, "delete from myapi.audit_events where seq > 7").await;
    tamper(&app, "delete from myapi.audit_checkpoints").await;
    let binary = Binary::on(&pool);
    assert_eq!(binary.run(&["audit", "verify"]).code, Some(0));
    let kept = binary.write("kept.log", &format!("{logged}\n"));
    let ended = binary.run(&["audit", "verify", "--against", &kept]);
    assert_eq!(ended.code, Some(1), "{}", ended.stderr);
    assert!(ended.stdout.contains("rows 8 to 9 are gone"), "{}", ended.stdout);
    let forged = binary.write("kept.log", &jws.replacen('.', ".e30", 1));
    let ended = binary.run(&["audit", "verify", "--against", &forged]);
    assert!(ended.stderr.contains("line 1 of the kept checkpoints"), "{}", ended.stderr);
}

/// The chain alone can be made anew by whoever knows how; what was signed cannot.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o03_a_chain_that_was_made_anew_is_found(pool: Pool) {
    let app = TestApp::new(pool).await;
    let audit = chain(&app, 5).await;
    let other = Audit::start(app.pool.clone(), app.clock.clone(), None);
    note(&other, 11..=15).await;
    assert!(other.close(PATIENCE).await);
    // Its rows under the first one's name and its hashes are wrong; under its own name it is a chain that is whole.
    let (one, two) = (audit.writer(), other.writer());
    tamper(&app, &format!("delete from myapi.audit_events where writer = '{one}'")).await;
    let verified = verify(&app).await;
    assert_eq!(found(&verified, &audit), [(1, "cut")]);
    tamper(&app, &format!("update myapi.audit_events set writer = '{one}' where writer = '{two}'")).await;
    let verified = verify(&app).await;
    assert!(found(&verified, &audit).contains(&(5, "rewritten")), "{verified:?}");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o03_a_forged_checkpoint_is_found(pool: Pool) {
    let app = TestApp::new(pool).await;
    chain(&app, 5).await;
    let faults = |verified: &Verified| verified.findings.iter().map(|finding| finding.fault).collect::<Vec<_>>();
    tamper(&app, "update myapi.audit_checkpoints set code = sha256('x')").await;
    assert_eq!(faults(&verify(&app).await), ["checkpoint"]);
    tamper(&app, "update myapi.audit_checkpoints set jws = replace(jws, '.', '.e30')").await;
    assert_eq!(faults(&verify(&app).await), ["checkpoint"]);
}

/// The key that signed goes a day after it retires; the code under the key encryption key still proves the checkpoint.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o03_checkpoints_outlive_the_key_that_signed_them(pool: Pool) {
    let app = TestApp::new(pool).await;
    chain(&app, 5).await;
    sqlx::query("delete from myapi.signing_keys").execute(&app.pool).await.unwrap();
    let verified = verify(&app).await;
    assert_eq!((verified.findings.len(), verified.unproven), (0, 0));
    let mut conn = app.pool.acquire().await.unwrap();
    let blind = audit::verify(&mut conn, Vec::new(), None, &[]).await.unwrap();
    assert_eq!((blind.findings.len(), blind.unproven), (0, 1), "without both, only the table says so");
}

/// A partition goes, and the chain goes on from its anchor.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o03_a_dropped_partition_leaves_its_anchor(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    sqlx::query(
        "create table myapi.audit_events_20240101 partition of myapi.audit_events
         for values from ('2024-01-01 00:00:00+00') to ('2024-01-08 00:00:00+00')",
    )
    .execute(&pool)
    .await
    .unwrap();
    let clock = Clock::manual(DateTime::parse_from_rfc3339("2024-01-07T23:00:00Z").unwrap().to_utc());
    let witness = Witness::new(app.state.keys.clone(), app.state.config.key_ring().unwrap());
    let gone = Audit::start(pool.clone(), clock.clone(), Some(witness.clone()));
    note(&gone, 1..=2).await;
    assert!(gone.close(PATIENCE).await);
    let audit = Audit::start(pool.clone(), clock.clone(), Some(witness));
    note(&audit, 1..=4).await;
    audit.flush().await;
    clock.advance(app.clock.now() - clock.now() + TimeDelta::seconds(1));
    note(&audit, 5..=7).await;
    assert!(audit.close(PATIENCE).await);
    assert_eq!(found(&verify(&app).await, &audit), []);

    let dropped: Option<String> =
        sqlx::query_scalar("select myapi.drop_partition('audit_events', now() - interval '40 days')")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(dropped.as_deref(), Some("audit_events_20240101"));
    let verified = verify(&app).await;
    assert_eq!(found(&verified, &audit), [], "{verified:?}");
    assert_eq!((verified.events, verified.writers), (3, 2));
    tamper(&app, "delete from myapi.audit_events where seq = 5").await;
    assert_eq!(found(&verify(&app).await, &audit), [(5, "missing"), (6, "broken")]);
}
