//! `cargo xtask up` and `cargo xtask test` with a real private Postgres and stand-ins for cargo and the two binaries.

mod support;

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;

use support::{Sandbox, is_possible, stand_in_server};

/// Not a test: what the stand-ins for the two binaries become on `serve`.
#[test]
#[ignore = "the stand-in services run it"]
fn stand_in_service() {
    stand_in_server();
}

#[test]
fn up_fills_the_database_once_and_ctrl_c_stops_everything() {
    if !is_possible("up_fills_the_database_once_and_ctrl_c_stops_everything") {
        return;
    }
    let sandbox = Sandbox::new("");
    let mut run = sandbox.up(&[]);
    let first = run.banner();
    assert!(sandbox.processes().len() >= 6, "{:?}", sandbox.processes());
    let end = run.signal("INT");
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    sandbox.assert_nothing_runs();
    assert_eq!(
        sandbox.calls(),
        [
            "auth-server key new-secret",
            "auth-server migrate",
            "auth-server key list --output json",
            "auth-server key generate",
            "auth-server client new-secret --output json",
            "auth-server resource list --output json",
            "auth-server client apply SCRATCH/up/demo-clients.toml",
            "auth-server user show demo@example.com --output json",
            "auth-server create-user --name Demo User --email demo@example.com --password-stdin",
            "movies-api import CHECKOUT/movies-api/data/movies.csv",
            "auth-server serve",
            "movies-api serve",
        ]
    );
    let home = sandbox.scratch().join("up");
    for secret in ["key-encryption-key", "demo-password", "demo-service-secret"] {
        assert_eq!(fs::metadata(home.join(secret)).unwrap().mode() & 0o777, 0o600, "{secret}");
    }
    let password = fs::read_to_string(home.join("demo-password")).unwrap();
    assert!(first.contains(&format!("password={}", password.trim())), "{first}");
    assert_eq!(sandbox.given_password(), password);

    let mut run = sandbox.up(&[]);
    assert_eq!(run.banner(), first, "the second run shows the same");
    assert_eq!(run.signal("TERM").code, Some(0));
    assert!(!sandbox.calls().iter().any(|call| call.contains("new-secret") || call.contains("import")));
    sandbox.assert_nothing_runs();

    let mut run = sandbox.up(&["--reset"]);
    assert_ne!(run.banner(), first, "the third starts over");
    assert_eq!(run.signal("INT").code, Some(0));
    sandbox.assert_nothing_runs();
}

#[test]
fn kill_9_leaves_no_process_and_the_next_run_works() {
    if !is_possible("kill_9_leaves_no_process_and_the_next_run_works") {
        return;
    }
    let sandbox = Sandbox::new("");
    let mut run = sandbox.up(&[]);
    let first = run.banner();
    run.signal("KILL");
    // At once: the next run has to wait for the old server by itself.
    let mut run = sandbox.up(&[]);
    assert_eq!(run.banner(), first);
    run.signal("KILL");
    sandbox.assert_nothing_runs();
}

#[test]
fn kill_9_of_the_guards_too_leaves_no_process() {
    if !is_possible("kill_9_of_the_guards_too_leaves_no_process") {
        return;
    }
    let sandbox = Sandbox::new("");
    let mut run = sandbox.up(&["--ephemeral"]);
    run.banner();
    sandbox.kill_9_every_xtask();
    run.signal("KILL");
    sandbox.assert_nothing_runs();
}

#[test]
fn a_deep_checkout_works() {
    if !is_possible("a_deep_checkout_works") {
        return;
    }
    let sandbox = Sandbox::new(&"a-rather-long-name/with space/".repeat(6));
    let mut run = sandbox.up(&[]);
    let banner = run.banner();
    assert!(banner.contains("?host=/"), "{banner}");
    assert_eq!(run.signal("INT").code, Some(0));
    sandbox.assert_nothing_runs();
}

#[test]
fn a_second_up_is_told_who_is_first_and_disturbs_nobody() {
    if !is_possible("a_second_up_is_told_who_is_first_and_disturbs_nobody") {
        return;
    }
    let sandbox = Sandbox::new("");
    let mut first = sandbox.up(&[]);
    first.banner();
    let second = sandbox.up(&[]).end();
    assert_eq!(second.code, Some(1));
    assert!(second.stderr.contains(&format!("process {}", first.pid())), "{}", second.stderr);
    assert_eq!(first.signal("INT").code, Some(0));
}

#[test]
fn ephemeral_keeps_nothing() {
    if !is_possible("ephemeral_keeps_nothing") {
        return;
    }
    let sandbox = Sandbox::new("");
    let mut run = sandbox.up(&["--ephemeral"]);
    run.banner();
    assert!(!sandbox.temporary().is_empty());
    assert_eq!(run.signal("INT").code, Some(0));
    assert_eq!(sandbox.temporary(), [""; 0]);
    let mut run = sandbox.up(&["--ephemeral"]);
    run.banner();
    run.signal("KILL");
    sandbox.assert_nothing_runs();
    assert_eq!(sandbox.temporary(), [""; 0], "not even after a kill -9");
}

#[test]
fn a_taken_port_is_an_error_before_anything_is_built() {
    let sandbox = Sandbox::new("");
    let _listener = TcpListener::bind(&sandbox.auth).unwrap();
    let end = sandbox.up(&[]).end();
    assert_eq!(end.code, Some(1));
    assert!(end.stderr.contains("is taken") && end.stderr.contains("MYAPI_AUTH__BIND"), "{}", end.stderr);
    assert_eq!(sandbox.calls(), [""; 0]);
}

#[test]
fn a_service_that_ends_is_an_error_with_its_last_words() {
    if !is_possible("a_service_that_ends_is_an_error_with_its_last_words") {
        return;
    }
    let sandbox = Sandbox::new("");
    sandbox.stand_in("movies-api", "[ $1 = serve ] && { echo no such luck >&2; exit 7; }; exit 0");
    let end = sandbox.up(&[]).end();
    assert_eq!(end.code, Some(1));
    assert!(end.stderr.contains("movies-api ended") && end.stderr.contains("no such luck"), "{}", end.stderr);
    sandbox.assert_nothing_runs();
}

#[test]
fn a_database_of_ones_own_is_touched_only_after_yes() {
    let sandbox = Sandbox::new("");
    let own = [("MYAPI_DATABASE__DEV", "postgres://me:s3cret@db.test/shop")];
    let end = sandbox.up_with(&[], &own).end();
    assert_eq!(end.code, Some(1));
    assert!(end.stderr.contains("shop on db.test") && end.stderr.contains("--yes"), "{}", end.stderr);
    let reset = sandbox.up_with(&["--yes", "--reset"], &own).end();
    assert_eq!(reset.code, Some(1));
    assert_eq!(sandbox.calls(), [""; 0]);

    let mut run = sandbox.up_with(&["--yes"], &own);
    let banner = run.banner();
    assert!(!banner.contains("curl"), "{banner}");
    let end = run.signal("INT");
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    let calls = sandbox.calls();
    assert!(calls.contains(&"auth-server migrate".to_owned()), "{calls:?}");
    assert!(!calls.iter().any(|call| call.contains("demo") || call.contains("import")), "{calls:?}");

    let mut run = sandbox.up_with(&["--yes", "--demo"], &own);
    let banner = run.banner();
    assert!(banner.contains("curl") && !banner.contains("s3cret"), "{banner}");
    assert!(!run.signal("INT").stderr.contains("s3cret"));
    assert!(sandbox.calls().iter().any(|call| call.contains("create-user")));
    sandbox.assert_nothing_runs();
}
