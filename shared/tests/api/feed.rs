//! The feed in the database: nothing is lost, whoever commits when, and whatever happens to the connection.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use shared::clock::Clock;
use shared::db::Pool;
use shared::testing::{Answer, KeyServer, TestIssuer};
use shared::token::keys::{Algorithm, KeySet};
use shared::token::revocations::{Feed, Freshness, Position, Revocations};
use shared::token::source::{KeySource, Keys, KeysOptions};
use sqlx::{PgConnection, Row as _};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::support::now;

/// Far beyond every pause of the code; reached only where something is lost.
const PATIENCE: Duration = Duration::from_secs(20);

struct Follower {
    revocations: Revocations,
    clock: Clock,
    task: JoinHandle<()>,
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Follower {
    async fn start(pool: &Pool, keys: Keys) -> Self {
        let clock = Clock::manual(now());
        let revocations = Revocations::new(clock.clone());
        let (sender, first) = tokio::sync::oneshot::channel();
        let follow = revocations.clone().follow(Feed::Database(pool.clone()), keys, || sender.send(()).unwrap());
        let task = tokio::spawn(follow);
        timeout(PATIENCE, first).await.unwrap().unwrap();
        Self { revocations, clock, task }
    }

    async fn until(&self, is_met: impl FnMut(&Position) -> bool) {
        timeout(PATIENCE, self.revocations.watch().wait_for(is_met)).await.unwrap().unwrap();
    }

    /// Whether a token with this id is revoked.
    fn has(&self, jti: &str) -> bool {
        let issuer = TestIssuer::es256();
        let mut claims = issuer.claims(now());
        claims.jti = jti.to_owned();
        self.revocations.find(&claims, "kid").is_some()
    }
}

fn no_keys() -> Keys {
    Keys::fixed(KeySet::default())
}

/// As every writer does it.
async fn append(conn: &mut PgConnection, kind: &str, subject: &str, ends: DateTime<Utc>) {
    sqlx::query("select myapi.append_revocations(array[$1], array[$2], array[null::bigint], $3, array[$4])")
        .bind(kind)
        .bind(subject)
        .bind(now())
        .bind(ends)
        .execute(conn)
        .await
        .unwrap();
}

async fn revoke(pool: &Pool, jti: &str) -> i64 {
    append(&mut pool.acquire().await.unwrap(), "token", jti, now() + TimeDelta::hours(1)).await;
    head(pool).await
}

async fn head(pool: &Pool) -> i64 {
    sqlx::query("select coalesce(max(seq), 0) from myapi.revocations").fetch_one(pool).await.unwrap().get(0)
}

/// Beside the feed's own order, which only a reading of everything finds.
async fn slip_in(pool: &Pool, seq: i64, jti: &str) {
    sqlx::query(
        "insert into myapi.revocations (seq, kind, subject, revoked_at, expires_at) values ($1, 'token', $2, $3, $4)",
    )
    .bind(seq)
    .bind(jti)
    .bind(now())
    .bind(now() + TimeDelta::hours(1))
    .execute(pool)
    .await
    .unwrap();
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn interleaved_and_rolled_back_transactions_lose_nothing(pool: Pool) {
    let ends = now() + TimeDelta::hours(1);
    let follower = Follower::start(&pool, no_keys()).await;
    let mut early = pool.begin().await.unwrap();
    let mut late = pool.begin().await.unwrap();
    // Both are open; the later one commits first, and is read.
    sqlx::query("select 1").execute(&mut *early).await.unwrap();
    append(&mut late, "token", "late", ends).await;
    late.commit().await.unwrap();
    let seq = head(&pool).await;
    follower.until(|position| position.seq >= seq).await;
    // One takes a number and rolls back: a gap that nobody waits for.
    let mut gone = pool.begin().await.unwrap();
    append(&mut gone, "token", "gone", ends).await;
    gone.rollback().await.unwrap();
    // One has appended and is open: another has to wait for it, so that its number cannot be read first.
    append(&mut early, "token", "early", ends).await;
    let waiting = pool.clone();
    let other = tokio::spawn(async move { revoke(&waiting, "other").await });
    let blocked = "select count(*) > 0 from pg_locks where locktype = 'advisory' and not granted
        and database = (select oid from pg_database where datname = current_database())";
    while !sqlx::query_scalar::<_, bool>(blocked).fetch_one(&pool).await.unwrap() {
        tokio::task::yield_now().await;
    }
    assert!(!other.is_finished() && !follower.has("early") && !follower.has("other"));
    early.commit().await.unwrap();
    let seq = other.await.unwrap();
    follower.until(|position| position.seq >= seq).await;
    for (jti, is_revoked) in [("late", true), ("early", true), ("other", true), ("gone", false)] {
        assert_eq!(follower.has(jti), is_revoked, "{jti}");
    }
    assert_eq!(follower.revocations.len(), 3);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_cut_connection_loses_nothing_and_everything_is_read_again(pool: Pool) {
    sqlx::query("select setval('myapi.revocations_seq', 10)").execute(&pool).await.unwrap();
    let own = pool.clone();
    let feed = sqlx::postgres::PgPoolOptions::new()
        .max_connections(3)
        .connect_lazy_with((*own.connect_options()).clone().application_name("the-feed"));
    let follower = Follower::start(&feed, no_keys()).await;
    for round in 0..3 {
        let before = revoke(&pool, &format!("before-{round}")).await;
        follower.until(|position| position.seq >= before).await;
        // Never seen by whoever reads on from where it was.
        slip_in(&pool, 1 + round, &format!("slipped-{round}")).await;
        // Both connections die, and something is revoked before they are back.
        let cut = "select count(pg_terminate_backend(pid)) from pg_stat_activity
            where application_name = 'the-feed' and datname = current_database()";
        let count: i64 = sqlx::query_scalar(cut).fetch_one(&pool).await.unwrap();
        assert!(count >= 1, "{count} connections of the feed");
        let after = revoke(&pool, &format!("after-{round}")).await;
        follower.until(|position| position.seq >= after).await;
        for name in ["before", "slipped", "after"] {
            assert!(follower.has(&format!("{name}-{round}")), "{name} {round}");
        }
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn another_feed_and_numbers_that_go_back_are_read_from_the_start(pool: Pool) {
    let follower = Follower::start(&pool, no_keys()).await;
    let seq = revoke(&pool, "old").await;
    revoke(&pool, "older").await;
    follower.until(|position| position.seq > seq).await;
    // A backup was restored: fewer numbers than were read.
    sqlx::query("delete from myapi.revocations where subject = 'older'").execute(&pool).await.unwrap();
    follower.until(|position| position.seq == seq).await;
    assert!(follower.has("old") && !follower.has("older"));
    // Another database: higher numbers, and nothing of the old ones.
    let first = follower.revocations.position().feed_id;
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("delete from myapi.revocations").execute(&mut *transaction).await.unwrap();
    sqlx::query("update myapi.revocation_feed set feed_id = gen_random_uuid()")
        .execute(&mut *transaction)
        .await
        .unwrap();
    append(&mut transaction, "token", "new", now() + TimeDelta::hours(1)).await;
    transaction.commit().await.unwrap();
    follower.until(|position| position.feed_id != first).await;
    assert!(follower.has("new") && !follower.has("old"));
    assert_eq!(follower.revocations.len(), 1);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_start_reads_what_is_not_over_and_a_feed_that_fails_becomes_stale(pool: Pool) {
    append(&mut pool.acquire().await.unwrap(), "token", "over", now()).await;
    revoke(&pool, "open").await;
    let follower = Follower::start(&pool, no_keys()).await;
    assert!(follower.has("open") && !follower.has("over"));
    assert_eq!(follower.revocations.freshness(), Freshness::Fresh(Duration::ZERO));
    // An entry of a kind that this version does not know must not be left out in silence.
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("alter table myapi.revocations drop constraint revocations_kind_check")
        .execute(&mut *transaction)
        .await
        .unwrap();
    append(&mut transaction, "device", "d1", now() + TimeDelta::hours(1)).await;
    transaction.commit().await.unwrap();
    let held = follower.revocations.position();
    follower.clock.advance(TimeDelta::seconds(61));
    let recovered = timeout(Duration::from_secs(3), async {
        while follower.revocations.freshness() != Freshness::Stale(Some(Duration::from_secs(61))) {
            tokio::task::yield_now().await;
            follower.clock.advance(TimeDelta::zero());
        }
    });
    recovered.await.unwrap();
    assert_eq!(follower.revocations.position(), held);
    assert!(follower.has("open"), "what is known stays");
    sqlx::query("delete from myapi.revocations where kind = 'device'").execute(&pool).await.unwrap();
    timeout(PATIENCE, async {
        while !matches!(follower.revocations.freshness(), Freshness::Fresh(_)) {
            tokio::task::yield_now().await;
        }
    })
    .await
    .unwrap();
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_revoked_key_leaves_the_set_and_the_disk_and_stays_away(pool: Pool) {
    let (good, stolen) = (TestIssuer::es256().with_kid("good"), TestIssuer::new(Algorithm::EdDsa).with_kid("stolen"));
    let both = KeySet::new([good.public_key().clone(), stolen.public_key().clone()]).unwrap();
    let server = KeyServer::start(Answer::Body(serde_json::to_vec(&both.to_jwks()).unwrap())).await;
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("keys.json");
    let options = KeysOptions {
        copy: Some(copy.clone()),
        shortest_age: Duration::from_millis(50),
        default_age: Duration::from_millis(50),
        ..KeysOptions::default()
    };
    let keys = Keys::new(KeySource::JwksUrl(server.url().clone()), options).unwrap();
    keys.load().await.unwrap();
    let fresh = tokio::spawn(keys.clone().keep_fresh());
    let kids = || keys.set().load().kids().into_iter().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(kids(), ["good", "stolen"]);
    let on_disk = || std::fs::read_to_string(&copy).unwrap_or_default();
    let eventually = async |is_met: &dyn Fn() -> bool| {
        timeout(PATIENCE, async {
            while !is_met() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .unwrap();
    };
    eventually(&|| on_disk().contains("stolen")).await;
    let follower = Follower::start(&pool, keys.clone()).await;
    let mut changes = keys.watch();
    append(&mut pool.acquire().await.unwrap(), "key", "stolen", now() + TimeDelta::hours(1)).await;
    timeout(PATIENCE, changes.changed()).await.unwrap().unwrap();
    assert_eq!(kids(), ["good"]);
    eventually(&|| !on_disk().contains("stolen") && on_disk().contains("good")).await;
    // Still published, and fetched again and again: it does not come back.
    let hits = server.hits();
    eventually(&|| server.hits() > hits + 3).await;
    assert_eq!(kids(), ["good"]);
    assert!(!on_disk().contains("stolen"));
    assert!(follower.revocations.has_key("stolen"));
    fresh.abort();
}
