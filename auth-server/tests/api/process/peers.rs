//! A client library that was not written here, unmodified, against the running server: oauth4webapi on Node.js, from
//! discovery alone. Where Node.js or npm is missing the test says by name that it is skipped; with
//! `MYAPI_TEST_REQUIRE=all` it fails instead.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use shared::db::Pool;

use super::binary::Binary;
use crate::app::{AUDIENCE, CONFIDENTIAL, EMAIL, PASSWORD, PUBLIC, TestApp};

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn oauth4webapi_refreshes_revokes_and_introspects_from_discovery_alone(pool: Pool) {
    let Some(folder) = installed("oauth4webapi_refreshes_revokes_and_introspects_from_discovery_alone") else { return };
    let app = TestApp::new(pool.clone()).await;
    // The issuer is known before the server listens.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (bind, issuer) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
    let binary = Binary::on(&pool).with("MYAPI_AUTH__BIND", &bind).with("MYAPI_AUTH__ISSUER", &issuer);
    let server = binary.serve();
    let output = Command::new("node")
        .arg("oauth4webapi.mjs")
        .current_dir(&folder)
        .envs([("ISSUER", issuer.as_str()), ("AUDIENCE", AUDIENCE), ("EMAIL", EMAIL), ("PASSWORD", PASSWORD)])
        .envs([("CLIENT_ID", CONFIDENTIAL), ("CLIENT_SECRET", &app.secret), ("PUBLIC_ID", PUBLIC)])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let own = json!({ "sub": "client:backend", "scope": "movies:read", "refresh_token": null });
    let active = json!({ "active": true, "client_id": CONFIDENTIAL, "scope": "movies:read" });
    let dead = json!({ "active": false });
    assert_eq!(
        found,
        json!({
            "basic": own,
            "post": own,
            "refreshed": true,
            "before": [active, active],
            "after": [dead, dead],
            "refused": { "error": "invalid_grant", "status": 400 },
            "renewed": true,
        })
    );
    server.stop();
}

/// The folder with the script and the packages of `tests/peers/package-lock.json`, in the target folder.
fn installed(test: &str) -> Option<PathBuf> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("peers");
    match install(&source, &folder) {
        Ok(()) => Some(folder),
        Err(reason) => {
            assert_ne!(std::env::var("MYAPI_TEST_REQUIRE").as_deref(), Ok("all"), "{test}: {reason}");
            eprintln!("skipped: {test}: {reason}");
            None
        }
    }
}

fn install(source: &Path, folder: &Path) -> Result<(), String> {
    for tool in ["node", "npm"] {
        let is_there = Command::new(tool).arg("--version").output().is_ok_and(|output| output.status.success());
        if !is_there {
            return Err(format!("needs {tool}"));
        }
    }
    fs::create_dir_all(folder).unwrap();
    let is_same = |name: &str| fs::read(folder.join(name)).ok() == fs::read(source.join(name)).ok();
    let is_current = is_same("package-lock.json") && folder.join("node_modules/.package-lock.json").is_file();
    for name in ["package.json", "oauth4webapi.mjs"] {
        fs::copy(source.join(name), folder.join(name)).unwrap();
    }
    if is_current {
        return Ok(());
    }
    fs::copy(source.join("package-lock.json"), folder.join("package-lock.json")).unwrap();
    let flags = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"];
    let output = Command::new("npm").args(flags).current_dir(folder).output().map_err(|error| error.to_string())?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("npm ci failed: {}", String::from_utf8_lossy(&output.stderr)))
}
