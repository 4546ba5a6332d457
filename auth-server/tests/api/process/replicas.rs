//! Several processes on one database: tokens of each verify with the key set of any, before and after a new key.

use std::net::SocketAddr;

use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::Value;
use shared::db::Pool;

use super::binary::{Binary, until};
use super::wire::{get, token};
use crate::app::{AUDIENCE, EMAIL, ISSUER, PASSWORD, TestApp, login};

fn issue(address: SocketAddr) -> String {
    let answer = token(address, &login(EMAIL, PASSWORD), &[]);
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

fn kid(token: &str) -> String {
    decode_header(token).unwrap().kid.unwrap()
}

/// Verifies as any library does that got nothing but the address of the key set.
#[track_caller]
fn verify(token: &str, address: SocketAddr) -> Value {
    let keys: JwkSet = serde_json::from_str(&get(address, "/.well-known/jwks.json").body).unwrap();
    let key = keys.find(&kid(token)).unwrap_or_else(|| panic!("{} is not published: {keys:?}", kid(token)));
    let mut validation = Validation::new(decode_header(token).unwrap().alg);
    validation.set_issuer(&[ISSUER]);
    validation.set_audience(&[AUDIENCE]);
    decode(token, &DecodingKey::from_jwk(key).unwrap(), &validation).unwrap().claims
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn two_replicas_give_tokens_that_verify_with_either_key_set(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let binary = Binary::on(&pool);
    let servers = [binary.serve(), binary.serve()];
    let sets = servers.each_ref().map(|server| get(server.address, "/.well-known/jwks.json").body);
    assert_eq!(sets[0], sets[1]);
    for (issuer, publisher) in [(0, 1), (1, 0)] {
        let claims = verify(&issue(servers[issuer].address), servers[publisher].address);
        assert_eq!(claims["sub"], app.user.sub.to_string());
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_key_of_the_command_line_is_used_by_running_servers_and_old_tokens_live_on(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let binary = Binary::on(&pool).with("MYAPI_AUTH__KEY_RELOAD", "1");
    let servers = [binary.serve(), binary.serve()];
    let old = issue(servers[0].address);
    let changed = binary.json(&["key", "generate", "--alg", "EdDSA", "--activate"]);
    assert_eq!(changed["retired_kid"].as_str(), Some(kid(&old).as_str()));
    let new_kid = changed["kid"].as_str().unwrap();
    for mut server in servers {
        let address = server.address;
        assert!(until(|| get(address, "/.well-known/jwks.json").body.contains(new_kid)), "the key is not published");
        let noticed = server.process.line(|line| line["message"] == "another signing key is active");
        assert_eq!(
            (&noticed["key.kid"], noticed["key.previous_kid"].as_str()),
            (&new_kid.into(), Some(kid(&old).as_str()))
        );
        let new = issue(address);
        assert_eq!(kid(&new), new_kid);
        verify(&new, address);
        verify(&old, address);
        server.stop();
    }
}
