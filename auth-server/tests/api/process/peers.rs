//! Client libraries that were not written here, unmodified, against the running server: oauth4webapi and openid-client on
//! Node.js, from discovery alone. Where Node.js or npm is missing the test says by name that it is skipped; with
//! `MYAPI_TEST_REQUIRE=all` it fails instead.

use std::net::TcpListener;
use std::process::Command;

use auth_server::clients::{AuthMethod, Authentication, NewClient};
use auth_server::resource_servers::NewScope;
use serde_json::{Value, json};
use shared::db::Pool;
use shared::testing::TestIssuer;
use shared::token::keys::Algorithm;

use super::binary::Binary;
use super::packages;
use crate::app::{AUDIENCE, CONFIDENTIAL, EMAIL, PASSWORD, PUBLIC, TestApp};
use crate::visitor;

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn oauth4webapi_refreshes_revokes_and_introspects_from_discovery_alone(pool: Pool) {
    let test = "oauth4webapi_refreshes_revokes_and_introspects_from_discovery_alone";
    let Some(folder) = packages::installed(test, "peers") else { return };
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

const REVIEWS: &str = "https://reviews.example.com";

/// A client that signs, with a key of each kind, and may ask for two resource servers; the private keys, for the script.
async fn signing(app: &TestApp) -> String {
    let scope = NewScope { scope: "reviews:read".to_owned(), description: "Read reviews".to_owned() };
    app.state.resource_servers.create(REVIEWS, "reviews", &[scope]).await.unwrap();
    let everything = Some("movies:read reviews:read profile email".parse().unwrap());
    app.state.users.set_scopes(&EMAIL.parse().unwrap(), everything).await.unwrap();
    let keys = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256].map(TestIssuer::new);
    let public: Vec<_> = keys.iter().map(|key| serde_json::to_value(key.public_key().jwk()).unwrap()).collect();
    let jwks = Some(json!({ "keys": public }).to_string().parse().unwrap());
    app.create_client(&NewClient {
        client_id: SIGNING.parse().unwrap(),
        audiences: vec![REVIEWS.to_owned()],
        scopes: "openid movies:read reviews:read profile email".parse().unwrap(),
        require_pushed_authorization_requests: true,
        authentication: Authentication { method: AuthMethod::PrivateKeyJwt, jwks, jwks_uri: None },
        ..visitor::web()
    })
    .await;
    let private = keys.iter().map(|key| {
        let public = key.public_key();
        json!({ "alg": public.algorithm().as_str(), "kid": public.kid(), "pem": key.private_pem() })
    });
    Value::Array(private.collect()).to_string()
}

const SIGNING: &str = "signing";

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn openid_client_signs_and_pushes_from_discovery_alone(pool: Pool) {
    let Some(folder) = packages::installed("openid_client_signs_and_pushes_from_discovery_alone", "peers") else {
        return;
    };
    let app = TestApp::new(pool.clone()).await;
    let keys = signing(&app).await;
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let (bind, issuer) = (format!("127.0.0.1:{port}"), format!("http://127.0.0.1:{port}"));
    let binary = Binary::on(&pool).with("MYAPI_AUTH__BIND", &bind).with("MYAPI_AUTH__ISSUER", &issuer);
    let server = binary.serve();
    let output = Command::new("node")
        .arg("openid_client.mjs")
        .current_dir(&folder)
        .envs([("ISSUER", issuer.as_str()), ("CLIENT_ID", SIGNING), ("EMAIL", EMAIL), ("PASSWORD", PASSWORD)])
        .envs([("REDIRECT_URI", visitor::WEB_URI), ("OTHER_AUDIENCE", REVIEWS), ("KEYS", &keys)])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let own = json!({ "scope": "movies:read", "before": true, "after": false });
    assert_eq!(
        found,
        json!({
            "ES256": own,
            "EdDSA": own,
            "RS256": own,
            "carried": ["client_id", "request_uri"],
            "signed_in": { "scope": "movies:read openid profile", "aud": SIGNING },
            "name": "Ann Example",
            "other": { "scope": "openid profile reviews:read", "aud": true },
            "again": 400,
            "refused": { "error": "invalid_scope", "status": 400 },
        })
    );
    server.stop();
}
