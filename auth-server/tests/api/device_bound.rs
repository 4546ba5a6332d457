//! What a device may ask for on top: a key that its tokens are bound to (RFC 9449), one resource server among several
//! (RFC 8707).

use auth_server::clients::NewClient;
use auth_server::resource_servers::NewScope;
use shared::db::Pool;
use shared::testing::TestIssuer;

use crate::app::{AUDIENCE, Answer, EMAIL, TestApp, encode};
use crate::device::{self, Device, GRANT, TV, approve, signed_in, start_with};
use crate::dpop::assert_bound;
use crate::resource::{given, is};

const REVIEWS: &str = "https://reviews.example.com";
const REVIEWS_SCOPE: &str = "reviews:read";

async fn poll(app: &TestApp, device: &Device, more: &[(&str, &str)], key: Option<&TestIssuer>) -> Answer {
    let poll = [("grant_type", GRANT), ("device_code", device.device_code.as_str())];
    ask(app, &[&poll[..], more].concat(), key).await
}

async fn refresh(app: &TestApp, before: &Answer, more: &[(&str, &str)], key: Option<&TestIssuer>) -> Answer {
    let token = before.refresh_token();
    ask(app, &[&[("grant_type", "refresh_token"), ("refresh_token", &token)], more].concat(), key).await
}

async fn ask(app: &TestApp, parameters: &[(&str, &str)], key: Option<&TestIssuer>) -> Answer {
    let form = encode(&[parameters, &[("client_id", TV)]].concat());
    let proof = key.map(|key| key.proof("POST", "http://127.0.0.1:8001/token", app.clock.now()).mint());
    let headers: Vec<(&str, &str)> = proof.iter().map(|proof| ("dpop", proof.as_str())).collect();
    app.token_raw(&form, &headers).await
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t31_a_devices_tokens_are_bound_to_the_key_of_its_last_poll(pool: Pool) {
    let app = device::app(pool, &[]).await;
    let (key, thief) = (TestIssuer::es256(), TestIssuer::es256());
    let device = start_with(&app, &[("scope", "openid movies:read")]).await;
    poll(&app, &device, &[], Some(&key)).await.assert_error(400, "authorization_pending");
    approve(&mut signed_in(&app).await, &device).await;
    let first = poll(&app, &device, &[], Some(&key)).await;
    assert_bound(&first, &key);
    // The client is public, so that its refresh token is worth nothing without the key.
    refresh(&app, &first, &[], None).await.assert_error(400, "invalid_grant");
    refresh(&app, &first, &[], Some(&thief)).await.assert_error(400, "invalid_grant");
    let second = refresh(&app, &first, &[], Some(&key)).await;
    assert_bound(&second, &key);
    assert_eq!(app.live_leaves().await, 1);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t31_a_broken_proof_spends_no_device_code(pool: Pool) {
    let app = device::app(pool, &[]).await;
    let key = TestIssuer::es256();
    let device = start_with(&app, &[("scope", "movies:read")]).await;
    approve(&mut signed_in(&app).await, &device).await;
    let elsewhere = key.proof("POST", "http://127.0.0.1:8001/revoke", app.clock.now()).mint();
    let form = [("grant_type", GRANT), ("client_id", TV), ("device_code", &device.device_code)];
    app.token_raw(&encode(&form), &[("dpop", &elsewhere)]).await.assert_error(400, "invalid_dpop_proof");
    assert_bound(&poll(&app, &device, &[], Some(&key)).await, &key);
    poll(&app, &device, &[], Some(&key)).await.assert_error(400, "invalid_grant");
}

/// A device's client of two resource servers.
async fn of_two(pool: Pool) -> TestApp {
    let app = TestApp::new(pool).await;
    let scope = NewScope { scope: REVIEWS_SCOPE.to_owned(), description: "Read reviews".to_owned() };
    app.state.resource_servers.create(REVIEWS, "reviews", &[scope]).await.unwrap();
    let everything = Some("movies:read reviews:read profile email".parse().unwrap());
    app.state.users.set_scopes(&EMAIL.parse().unwrap(), everything).await.unwrap();
    let scopes = "openid movies:read reviews:read profile email".parse().unwrap();
    app.create_client(&NewClient { audiences: vec![REVIEWS.to_owned()], scopes, ..device::tv() }).await;
    app
}

const BOTH: (&str, &str) = ("scope", "movies:read reviews:read");

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t24_a_device_that_names_a_resource_at_the_start_gets_that_one_alone(pool: Pool) {
    let app = of_two(pool).await;
    let device = start_with(&app, &[BOTH, ("resource", REVIEWS)]).await;
    let mut visitor = signed_in(&app).await;
    let page = visitor.get(&device.link).await.body;
    assert!(page.contains("Read reviews") && !page.contains("movies:read"), "what is shown is what is granted: {page}");
    approve(&mut visitor, &device).await;
    poll(&app, &device, &[("resource", AUDIENCE)], None).await.assert_error(400, "invalid_target");
    // A wrong name did not burn the code.
    let first = poll(&app, &device, &[], None).await;
    assert_eq!(given(&first), is(REVIEWS, REVIEWS_SCOPE));
    refresh(&app, &first, &[("resource", AUDIENCE)], None).await.assert_error(400, "invalid_target");
    assert_eq!(given(&refresh(&app, &first, &[], None).await), is(REVIEWS, REVIEWS_SCOPE));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t24_a_device_that_names_none_chooses_later(pool: Pool) {
    let app = of_two(pool).await;
    let device = start_with(&app, &[BOTH]).await;
    approve(&mut signed_in(&app).await, &device).await;
    let first = poll(&app, &device, &[("resource", REVIEWS)], None).await;
    assert_eq!(given(&first), is(REVIEWS, REVIEWS_SCOPE));
    let second = refresh(&app, &first, &[], None).await;
    assert_eq!(given(&second), is(AUDIENCE, "movies:read"), "the choice was that token's alone");
    let refused = [("client_id", TV), BOTH, ("resource", "urn:nobody")];
    app.post_as("/device_authorization", None, &refused).await.assert_error(400, "invalid_target");
}
