//! A person with Chromium and a relying party that was not written here (openid-client on Node.js) against the running
//! server: `tests/browser/walk.mjs`. Where Node.js, npm or Chromium is missing the test says by name that it is skipped;
//! with `MYAPI_TEST_REQUIRE=all` it fails instead.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use shared::db::Pool;

use super::binary::Binary;
use super::packages;
use crate::app::{EMAIL, PASSWORD, TestApp};
use crate::visitor::{NATIVE, clients};

const TEST: &str = "a_person_with_a_browser_signs_in_and_out";
/// Where Debian and others put it.
const CHROMIUM: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_person_with_a_browser_signs_in_and_out(pool: Pool) {
    if !CHROMIUM.iter().any(|path| Path::new(path).exists()) {
        return packages::skip(TEST, "needs chromium");
    }
    let Some(folder) = packages::installed(TEST, "browser", "walk.mjs") else { return };
    let app = TestApp::new(pool.clone()).await;
    clients(&app).await;
    // The issuer is known before the server listens.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (bind, issuer) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
    let binary = Binary::on(&pool).with("MYAPI_AUTH__BIND", &bind).with("MYAPI_AUTH__ISSUER", &issuer);
    let server = binary.serve();
    let walk = ["walk.mjs", issuer.as_str(), NATIVE, EMAIL, PASSWORD];
    let output = Command::new("node").args(walk).current_dir(&folder).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    assert_eq!(String::from_utf8_lossy(&output.stdout), "done\n", "{said}");
    server.stop();
}
