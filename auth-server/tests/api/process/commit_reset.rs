//! The connection to the database is reset at the very COMMIT of a refresh, so that nobody knows its outcome (fault F19).

use shared::db::Pool;
use shared::testing::figures::{rounds, tell};
use shared::testing::{AtCommit, Proxy, Upstream};

use super::binary::{Binary, until};
use super::crash::{logged_in, refresh, refresh_token, spent};
use crate::app::TestApp;

/// Every fourth COMMIT is lost on its way; the others arrive.
const fn fault(round: u32) -> AtCommit {
    if round % 4 == 3 { AtCommit::ResetBefore } else { AtCommit::ResetBehind }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f19_a_reset_at_commit_is_503_and_the_retry_gives_the_one_successor(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let options = pool.connect_options();
    let proxy = Proxy::start(Upstream::of(&options));
    let url = format!("postgres://{}@{}/{}", options.get_username(), proxy.address(), options.get_database().unwrap());
    // A window longer than the test, so that a retry is a retry however slow the machine is.
    let binary = Binary::on(&pool).with("MYAPI_DATABASE__DEV", &url).with("MYAPI_AUTH__REFRESH_RETRY_WINDOW", "60");
    let server = binary.serve();
    let mut newest = logged_in(server.address);
    let rounds = rounds(12);
    let (mut committed, mut lost) = (0, 0);
    for round in 0..rounds {
        let (before, resets) = (spent(&pool).await, proxy.resets());
        proxy.at_next_commit(fault(round));
        let answer = refresh(server.address, &newest);
        assert_eq!(proxy.resets(), resets + 1, "round {round}");
        assert_eq!((answer.status, answer.header("retry-after")), (503, Some("1")), "round {round}: {}", answer.body);
        assert_eq!(answer.json()["error"], "temporarily_unavailable");
        assert_eq!(app.live_leaves().await, 1, "round {round}: before the retry");

        // Other connections of the pool are whole, so the retry is answered at once.
        let again = refresh_token(&refresh(server.address, &newest));
        assert_ne!(again, newest);
        assert_eq!(spent(&pool).await, before + 1, "round {round}: one rotation, whoever committed it");
        assert_eq!(app.live_leaves().await, 1, "round {round}: after the retry");
        let third = refresh_token(&refresh(server.address, &newest));
        assert_eq!(third, again, "round {round}: whoever retries once more gets the same");
        match fault(round) {
            AtCommit::ResetBehind => committed += 1,
            AtCommit::ResetBefore => lost += 1,
        }
        newest = again;
    }
    tell("commit", "resets behind a COMMIT that arrived", f64::from(committed));
    tell("commit", "resets before a COMMIT that was lost", f64::from(lost));
    assert!(until(|| server_is_ready(server.address)), "the pool does not recover");
    let said = server.stop().stderr;
    assert!(said.contains("Connection reset by peer"), "{said}");
}

fn server_is_ready(address: std::net::SocketAddr) -> bool {
    super::wire::get(address, "/readyz").status == 200
}
