//! `cargo xtask test` with a real private Postgres and a stand-in for cargo.

mod support;

use support::{Sandbox, is_possible};

/// Says where the database is and whether its socket is there, then ends as a runner with failed tests does.
const FAILING_RUNNER: &str = r#"
    echo "runner: $*"
    echo "url: $DATABASE_URL"
    [ -S "${DATABASE_URL##*host=}/.s.PGSQL.5432" ] && echo "socket: there"
    exit 5"#;

#[test]
fn the_runner_gets_a_database_and_its_code_is_the_answer() {
    if !is_possible("the_runner_gets_a_database_and_its_code_is_the_answer") {
        return;
    }
    let sandbox = Sandbox::new("");
    sandbox.cargo(FAILING_RUNNER);
    let end = sandbox.test(&["--", "-p", "shared"], &[]).end();
    assert_eq!(end.code, Some(5), "{}", end.stderr);
    assert!(end.stdout.contains("runner: test --no-fail-fast -p shared\n"), "{}", end.stdout);
    assert!(end.stdout.contains("socket: there\n"), "{}", end.stdout);
    sandbox.assert_nothing_runs();
    assert_eq!(sandbox.clusters(), 0);
}

#[test]
fn doctests_follow_nextest_in_one_line_and_their_failure_counts() {
    let sandbox = Sandbox::new("");
    let runner = |doctest: &str| format!("case $1 in nextest) echo \"runner: $*\" ;; test) {doctest} ;; esac");
    let own = [("DATABASE_URL", "postgres://own.test/db")];
    sandbox.cargo_with_nextest(&runner("echo 'test result: ok. 2 passed; 0 failed'"));
    let end = sandbox.test(&[], &own).end();
    assert_eq!(end.code, Some(0), "{}", end.stderr);
    assert_eq!(end.stdout, "runner: nextest run --workspace --no-fail-fast\n");
    assert!(end.stderr.contains("Doctests 2 passed"), "{}", end.stderr);
    sandbox.cargo_with_nextest(&runner("echo 'test result: FAILED.'; exit 101"));
    let end = sandbox.test(&[], &own).end();
    assert_eq!(end.code, Some(101), "{}", end.stderr);
    assert!(end.stdout.contains("test result: FAILED."), "{}", end.stdout);
    let end = sandbox.test(&["clock"], &own).end();
    assert_eq!(end.code, Some(0), "arguments are the runner's alone: {}", end.stderr);
}

#[test]
fn a_database_url_of_ones_own_wins() {
    let sandbox = Sandbox::new("");
    sandbox.cargo(FAILING_RUNNER);
    let end = sandbox.test(&[], &[("DATABASE_URL", "postgres://own.test/db")]).end();
    assert_eq!(end.code, Some(5), "{}", end.stderr);
    assert!(end.stdout.contains("url: postgres://own.test/db\n"), "{}", end.stdout);
    assert!(end.stdout.contains("runner: test --workspace --no-fail-fast\n"), "{}", end.stdout);
}

#[test]
fn two_runs_at_once_have_a_database_each_and_an_end_takes_everything_along() {
    if !is_possible("two_runs_at_once_have_a_database_each_and_an_end_takes_everything_along") {
        return;
    }
    let sandbox = Sandbox::new("");
    sandbox.cargo("echo \"url: $DATABASE_URL\"; sleep 600 & wait");
    let mut first = sandbox.test(&[], &[]);
    let mut second = sandbox.test(&[], &[]);
    assert_ne!(first.line("url: "), second.line("url: "));
    assert_eq!(sandbox.clusters(), 2);
    assert_eq!(first.signal("INT").code, Some(130));
    assert_eq!(sandbox.clusters(), 1);
    second.signal("KILL");
    sandbox.assert_nothing_runs();
    assert_eq!(sandbox.clusters(), 0, "not even after a kill -9");
}
