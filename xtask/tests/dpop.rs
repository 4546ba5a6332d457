//! A client library that was not written here against the running pair: it knows the API's address alone, and its tokens are
//! bound to its key. Where Postgres, Node.js or npm is missing the test says by name that it is skipped; with
//! `MYAPI_TEST_REQUIRE=all` it fails instead. T31.
#![expect(clippy::unwrap_used, reason = "a test may fail")]

mod support;

#[expect(dead_code, reason = "no browser is needed here")]
#[path = "../../auth-server/tests/api/process/packages.rs"]
mod packages;

use support::is_possible;
use support::pair::Pair;

const TEST: &str = "t31_openid_client_finds_the_server_and_proves_its_key";

#[test]
fn t31_openid_client_finds_the_server_and_proves_its_key() {
    if !is_possible(TEST) {
        return;
    }
    let Some(folder) = packages::installed(TEST, "browser") else { return };
    let pair = Pair::new();
    let phone = ["client", "create", "phone", "--public", "--grant", "password", "--grant", "refresh_token"];
    pair.run("auth-server", &[&phone[..], &["--scope", "movies:read"]].concat(), "");
    let service = ["client", "create", "service", "--grant", "client_credentials", "--scope", "movies:read"];
    let made = pair.json(&service);
    let secret = made["client_secret"].as_str().unwrap();
    let api = format!("http://{}", pair.movies);
    let known = ["--api", &api, "--client", "service", "--secret", secret, "--public", "phone"];
    let who = ["--email", "ann@example.com", "--password", support::pair::PASSWORD];
    let _movies = pair.start_movies();
    for nonces in [false, true] {
        let auth = pair.start_auth(&[("MYAPI_AUTH__DPOP_NONCES", &nonces.to_string())]);
        let asked = if nonces { &["--nonces"][..] } else { &[] };
        packages::walk(&folder, "dpop.mjs", &[&known[..], &who, asked].concat());
        auth.end("TERM");
    }
}
