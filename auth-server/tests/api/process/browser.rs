//! A person with Chromium and a relying party that was not written here (openid-client on Node.js) against the running
//! server: the scripts in `tests/browser`. Where Node.js, npm or Chromium is missing a test says by name that it is skipped;
//! with `MYAPI_TEST_REQUIRE=all` it fails instead.

use std::net::TcpListener;

use auth_server::clients::{GrantType, NewClient};
use shared::db::Pool;

use super::binary::{Binary, Server};
use super::packages;
use crate::app::{EMAIL, PASSWORD, TestApp};
use crate::visitor::{NATIVE, clients, native};

/// A running server, and its issuer: known before it listens.
fn serve(pool: &Pool, settings: &[(&str, &str)]) -> (Server, String) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (bind, issuer) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
    let binary = Binary::on(pool).with("MYAPI_AUTH__BIND", &bind).with("MYAPI_AUTH__ISSUER", &issuer);
    let binary = settings.iter().fold(binary, |binary, (name, value)| binary.with(name, value));
    (binary.serve(), issuer)
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_person_with_a_browser_signs_in_and_out(pool: Pool) {
    let Some(folder) = packages::browser("a_person_with_a_browser_signs_in_and_out") else { return };
    let app = TestApp::new(pool.clone()).await;
    clients(&app).await;
    let (server, issuer) = serve(&pool, &[]);
    let who = ["--email", EMAIL, "--password", PASSWORD];
    packages::walk(&folder, "walk.mjs", &[&["--issuer", &issuer, "--client", NATIVE][..], &who].concat());
    server.stop();
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_person_with_a_browser_lets_a_device_and_a_terminal_in(pool: Pool) {
    let Some(folder) = packages::browser("a_person_with_a_browser_lets_a_device_and_a_terminal_in") else { return };
    let app = TestApp::new(pool.clone()).await;
    app.create_client(&NewClient { grants: vec![GrantType::DeviceCode, GrantType::RefreshToken], ..native() }).await;
    let (server, issuer) = serve(&pool, &[("MYAPI_AUTH__DEVICE_INTERVAL", "1")]);
    let who = ["--email", EMAIL, "--password", PASSWORD];
    let device = ["--issuer", &issuer, "--client", NATIVE, "--terminal", env!("CARGO_BIN_EXE_auth-server")];
    packages::walk(&folder, "device.mjs", &[&device[..], &who].concat());
    server.stop();
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_page_of_documentation_signs_a_person_in_with_a_code(pool: Pool) {
    let Some(folder) = packages::browser("the_page_of_documentation_signs_a_person_in_with_a_code") else { return };
    let app = TestApp::new(pool.clone()).await;
    app.create_client(&NewClient {
        client_id: "docs".parse().unwrap(),
        redirect_uris: vec!["http://127.0.0.1/docs/oauth2-redirect.html".to_owned()],
        ..native()
    })
    .await;
    let (server, issuer) = serve(&pool, &[("MYAPI_AUTH__DEFAULT_CLIENT", "docs")]);
    let page = format!("{issuer}/docs");
    let call = ["--call", "/userinfo", "--expect", EMAIL];
    let who = ["--email", EMAIL, "--password", PASSWORD];
    packages::walk(&folder, "docs.mjs", &[&["--page", page.as_str()][..], &who, &call].concat());
    server.stop();
}
