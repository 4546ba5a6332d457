//! Both services answer as their `/openapi.json` says, to what fits the document and to what does not: schemathesis (PyPI)
//! asks, with credentials and without. S21. Where it is missing the test says by name that it is skipped; with
//! `MYAPI_TEST_REQUIRE=all` it fails instead. What it is not to check, and why, stands in `schemathesis/*.toml`.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod support;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use shared::testing::figures::rounds;
use support::is_possible;
use support::pair::{Pair, login, until};
use support::wire::{post, present};

/// Examples for each operation; a soak asks for more.
const EXAMPLES: u32 = 3;
const SEED: &str = "20261126";

/// The program: the one that `MYAPI_SCHEMATHESIS` names, the one that CI installs into the target folder, or that of the
/// `PATH`.
fn find(test: &str) -> Option<PathBuf> {
    let named = std::env::var_os("MYAPI_SCHEMATHESIS").map(PathBuf::from);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent();
    let installed = target.map(|target| target.join("schemathesis/bin/schemathesis"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).map(|folder| folder.join("schemathesis"));
    let found = named.into_iter().chain(installed).chain(on_path).find(|program| program.is_file());
    if found.is_none() {
        assert_ne!(std::env::var("MYAPI_TEST_REQUIRE").as_deref(), Ok("all"), "{test} needs schemathesis");
        eprintln!("skipped: {test}: needs schemathesis (pip install schemathesis)");
    }
    found
}

/// Asks one service by its own document.
fn ask_all(program: &Path, folder: &Path, service: &str, address: SocketAddr, credentials: &[&str]) {
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/schemathesis").join(format!("{service}.toml"));
    let mut command = Command::new(program);
    command
        .arg("--no-color")
        .arg("--config-file")
        .arg(&config)
        .arg("run")
        .arg(format!("http://{address}/openapi.json"));
    command.args(["--seed", SEED, "--max-examples", &rounds(EXAMPLES).to_string(), "--continue-on-failure"]);
    // What a busy machine takes is no fault.
    command.args(["--request-timeout", "60", "--suppress-health-check", "all"]).args(credentials);
    if credentials.is_empty() {
        // Nearly everything is refused: what is told one by one is enough.
        command.args(["--phases", "examples,coverage"]);
    }
    let output = command.current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let with = credentials.first().copied().unwrap_or("nothing");
    assert!(output.status.success(), "{service} with {with}: {said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains(" passed\n"), "{service} with {with}: {said}");
    if credentials.is_empty() {
        return;
    }
    eprintln!("{service} with {with}: {}", said.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default());
}

#[test]
fn s21_both_services_answer_as_their_documents_say() {
    let test = "s21_both_services_answer_as_their_documents_say";
    if !is_possible(test) {
        return;
    }
    let Some(program) = find(test) else { return };
    let mut pair = Pair::new();
    // As long as a soak takes.
    pair.set("MYAPI_AUTH__ACCESS_TOKEN_TTL", "86400");
    let scopes = ["movies:read", "movies:write", "openid", "profile", "email"].map(|scope| ["--scope", scope]).concat();
    let app = ["client", "create", "app", "--public", "--grant", "password"];
    pair.run("auth-server", &[&app[..], &scopes].concat(), "");
    pair.run("auth-server", &[&["user", "set-scopes", "ann@example.com"][..], &scopes].concat(), "");
    let jobs = ["client", "create", "jobs", "--grant", "client_credentials", "--scope", "movies:read"];
    let secret = pair.json(&jobs)["client_secret"].as_str().unwrap().to_owned();
    let (_auth, _movies) = (pair.start_auth(&[]), pair.start_movies());

    let token = post(
        pair.auth,
        "/token",
        &format!(
            "grant_type=password&client_id=app&scope=openid+profile+email+movies%3Aread+movies%3Awrite&{}",
            login("ann@example.com")
        ),
    );
    let bearer = format!("Authorization: Bearer {}", token.text("access_token"));
    until("movies-api takes the token", || present(pair.movies, &token.text("access_token")).status == 200);
    let basic = format!("jobs:{secret}");
    for credentials in [&["--header", bearer.as_str()][..], &["--auth", &basic], &[]] {
        ask_all(&program, &pair.path(""), "auth-server", pair.auth, credentials);
    }
    for credentials in [&["--header", bearer.as_str()][..], &[]] {
        ask_all(&program, &pair.path(""), "movies-api", pair.movies, credentials);
    }
}
