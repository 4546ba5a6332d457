//! A person with Chromium and a relying party that was not written here against the pair as `cargo xtask up --ephemeral`
//! leaves it. Where Postgres, Node.js, npm or Chromium is missing a test says by name that it is skipped; with
//! `MYAPI_TEST_REQUIRE=all` it fails instead.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod support;

#[path = "../../auth-server/tests/api/process/packages.rs"]
mod packages;

use support::pair::binaries;
use support::{Sandbox, is_possible};

const TEST: &str = "who_starts_the_pair_can_sign_in_everywhere_with_a_browser";

/// What the banner says behind a word.
fn said<'a>(banner: &'a str, word: &str) -> &'a str {
    banner.lines().find_map(|line| line.trim().strip_prefix(word)).unwrap().trim()
}

#[test]
fn who_starts_the_pair_can_sign_in_everywhere_with_a_browser() {
    if !is_possible(TEST) {
        return;
    }
    let Some(folder) = packages::browser(TEST) else { return };
    let sandbox = Sandbox::new("");
    for name in ["auth-server", "movies-api"] {
        sandbox.stand_in(name, &format!("exec '{}' \"$@\"", binaries().join(name).display()));
    }
    let mut run = sandbox.up(&["--ephemeral"]);
    let banner = run.banner();
    let (auth, movies) = (said(&banner, "auth-server"), said(&banner, "movies-api"));
    let who = ["--email", "demo@example.com", "--password", said(&banner, "password")];

    // A relying party gets a token that movies-api takes.
    let relying = ["--issuer", auth, "--client", "demo", "--callback", "/callback", "--movies", movies];
    packages::walk(&folder, "walk.mjs", &[&relying[..], &who].concat());

    // So do a device without a browser, and this terminal.
    let binary = binaries().join("auth-server").display().to_string();
    let device = ["--issuer", auth, "--client", "demo", "--movies", movies, "--terminal", &binary];
    packages::walk(&folder, "device.mjs", &[&device[..], &who].concat());

    // So do the pages of documentation.
    let (auth_docs, movies_docs) = (format!("{auth}/docs"), format!("{movies}/docs"));
    let film = ["--page", &movies_docs, "--call", "/movies/{movie_id}", "--id", "1", "--expect", "The Land Girls"];
    // And pages of auth-server's origin call the movies; of another name of the same server, they do not.
    let (ours, foreign) = (format!("{auth}/healthz"), format!("{auth}/healthz").replace("127.0.0.1", "localhost"));
    let pages = ["--ours", &ours, "--foreign", &foreign];
    packages::walk(&folder, "docs.mjs", &[&film[..], &who, &pages].concat());
    let own = ["--page", &auth_docs, "--call", "/userinfo", "--expect", "demo@example.com"];
    packages::walk(&folder, "docs.mjs", &[&own[..], &who].concat());
    assert_eq!(run.signal("INT").code, Some(0));
    sandbox.assert_nothing_runs();
}
