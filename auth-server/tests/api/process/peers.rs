//! A client library that was not written here, unmodified, against the running server: oauth4webapi on Node.js, from
//! discovery alone. Where Node.js or npm is missing the test says by name that it is skipped; with
//! `MYAPI_TEST_REQUIRE=all` it fails instead.

use std::net::TcpListener;
use std::process::Command;

use serde_json::{Value, json};
use shared::db::Pool;

use super::binary::Binary;
use super::packages;
use crate::app::{AUDIENCE, CONFIDENTIAL, EMAIL, PASSWORD, PUBLIC, TestApp};

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn oauth4webapi_refreshes_revokes_and_introspects_from_discovery_alone(pool: Pool) {
    let test = "oauth4webapi_refreshes_revokes_and_introspects_from_discovery_alone";
    let Some(folder) = packages::installed(test, "peers", "oauth4webapi.mjs") else { return };
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
