//! DPoP (RFC 9449): proofs at `/token`, and what is bound to their keys. T31.

use std::sync::Arc;

use auth_server::clients::{ClientKind, NewClient};
use auth_server::housekeeping::Housekeeping;
use axum::body::Body;
use chrono::TimeDelta;
use http::header::AUTHORIZATION;
use http::{Method, Request};
use serde_json::json;
use shared::db::Pool;
use shared::testing::TestIssuer;
use shared::testing::mutations::proofs;
use shared::token::keys::Algorithm;
use tokio::task::JoinSet;

use crate::app::{self, Answer, CONFIDENTIAL, ISSUER, PASSWORD_GRANT, PUBLIC, TestApp, basic, encode};
use crate::visitor::{Asking, NATIVE, VERIFIER, Visitor, clients};

const TOKEN: &str = "http://127.0.0.1:8001/token";
const OWN: [(&str, &str); 1] = [("grant_type", "client_credentials")];

fn proof(app: &TestApp, key: &TestIssuer) -> String {
    key.proof("POST", TOKEN, app.clock.now()).mint()
}

/// `POST /token` of the confidential client with these proofs.
async fn ask(app: &TestApp, parameters: &[(&str, &str)], proofs: &[&str]) -> Answer {
    let basic = basic(CONFIDENTIAL, &app.secret);
    let headers: Vec<(&str, &str)> = proofs.iter().map(|proof| ("dpop", *proof)).collect();
    app.token_raw(&encode(parameters), &[&headers[..], &[("authorization", &basic)]].concat()).await
}

/// `POST /token` of a public client.
async fn ask_as(app: &TestApp, client: &str, parameters: &[(&str, &str)], proof: Option<&str>) -> Answer {
    let form = encode(&[parameters, &[("client_id", client)]].concat());
    let headers: Vec<(&str, &str)> = proof.iter().map(|proof| ("dpop", *proof)).collect();
    app.token_raw(&form, &headers).await
}

async fn refresh(app: &TestApp, token: &str, proof: Option<&str>) -> Answer {
    ask_as(app, PUBLIC, &[("grant_type", "refresh_token"), ("refresh_token", token)], proof).await
}

/// A token for the holder of this key alone.
#[track_caller]
pub(crate) fn assert_bound(answer: &Answer, key: &TestIssuer) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["token_type"], "DPoP");
    assert_eq!(answer.claims()["cnf"], json!({ "jkt": key.thumbprint().as_str() }));
}

#[track_caller]
fn assert_unbound(answer: &Answer) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.json()["token_type"], "Bearer");
    assert!(answer.claims().get("cnf").is_none());
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t31_m02_every_listed_algorithm_binds_the_tokens_of_every_grant(pool: Pool) {
    let app = TestApp::new(pool).await;
    let document = app.get("/.well-known/oauth-authorization-server").await.json();
    let listed: Vec<String> = serde_json::from_value(document["dpop_signing_alg_values_supported"].clone()).unwrap();
    assert_eq!(listed, ["ES256", "EdDSA", "RS256"]);
    for algorithm in listed {
        let key = TestIssuer::new(Algorithm::find(&algorithm).unwrap());
        assert_bound(&ask(&app, &OWN, &[&proof(&app, &key)]).await, &key);
    }
    let key = TestIssuer::es256();
    let login = ask(&app, &PASSWORD_GRANT, &[&proof(&app, &key)]).await;
    assert_bound(&login, &key);
    let form = [("grant_type", "refresh_token"), ("refresh_token", &login.refresh_token())];
    assert_bound(&ask(&app, &form, &[&proof(&app, &key)]).await, &key);
    clients(&app).await;
    let code = Visitor::new(&app).code(&Asking::native()).await;
    assert_bound(&redeem(&app, &code, Some(&proof(&app, &key))).await, &key);
    for (grant, answer) in [("own", ask(&app, &OWN, &[]).await), ("password", ask(&app, &PASSWORD_GRANT, &[]).await)] {
        assert_unbound(&answer);
        assert!(answer.header("dpop-nonce").is_none(), "{grant}");
    }
}

async fn redeem(app: &TestApp, code: &str, proof: Option<&str>) -> Answer {
    let form = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", "http://127.0.0.1:51004/cb"),
        ("code_verifier", VERIFIER),
    ];
    ask_as(app, NATIVE, &form, proof).await
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t31_every_mutation_of_a_proof_is_refused(pool: Pool) {
    let app = TestApp::new(pool).await;
    let key = TestIssuer::es256();
    let request = proofs::Request { method: "POST", address: TOKEN, now: app.clock.now() };
    let table = proofs::all(&key, request);
    assert!(table.len() >= 40);
    for (name, proof, refusal) in table {
        let answer = ask(&app, &OWN, &[&proof]).await;
        assert_eq!(answer.json()["error"], "invalid_dpop_proof", "{name} {refusal}: {}", answer.body);
        answer.assert_error(400, "invalid_dpop_proof");
    }
    let (one, other) = (proof(&app, &key), proof(&app, &key));
    ask(&app, &OWN, &[&one, &other]).await.assert_error(400, "invalid_dpop_proof");
    let elsewhere = key.proof("POST", "http://127.0.0.1:8001/revoke", app.clock.now()).mint();
    ask(&app, &OWN, &[&elsewhere]).await.assert_error(400, "invalid_dpop_proof");
    assert_bound(&ask(&app, &OWN, &[&one]).await, &key);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t31_a_proof_is_good_once_across_replicas(pool: Pool) {
    let app = Arc::new(TestApp::new(pool).await);
    let other = Arc::new(app.replica().await);
    let key = TestIssuer::es256();
    let once = proof(&app, &key);
    assert_bound(&ask(&app, &OWN, &[&once]).await, &key);
    for replica in [&app, &other] {
        ask(replica, &OWN, &[&once]).await.assert_error(400, "invalid_dpop_proof");
    }
    app.clock.advance(TimeDelta::seconds(120));
    ask(&other, &OWN, &[&once]).await.assert_error(400, "invalid_dpop_proof");
    let raced = proof(&app, &key);
    let mut all = JoinSet::new();
    for number in 0..12 {
        let (replica, raced) = (if number % 2 == 0 { app.clone() } else { other.clone() }, raced.clone());
        all.spawn(async move { ask(&replica, &OWN, &[&raced]).await.status.as_u16() });
    }
    let mut statuses = all.join_all().await;
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200], vec![400; 11]].concat());
    // The jti of one key says nothing of another's.
    let same = |key: &TestIssuer| key.proof("POST", TOKEN, app.clock.now()).claim("jti", "1").mint();
    for key in [TestIssuer::es256(), TestIssuer::es256()] {
        assert_bound(&ask(&app, &OWN, &[&same(&key)]).await, &key);
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t31_a_refused_request_uses_no_proof_up_and_writes_nothing(pool: Pool) {
    let app = TestApp::new(pool).await;
    let key = TestIssuer::es256();
    let proof = proof(&app, &key);
    let wrong = [("grant_type", "password"), ("username", app::EMAIL), ("password", "wrong")];
    ask(&app, &wrong, &[&proof]).await.assert_error(400, "invalid_grant");
    ask(&app, &[("grant_type", "refresh_token"), ("refresh_token", "x")], &[&proof])
        .await
        .assert_error(400, "invalid_grant");
    assert_eq!(rows(&app).await, 0);
    assert_bound(&ask(&app, &PASSWORD_GRANT, &[&proof]).await, &key);
    assert_eq!(rows(&app).await, 1);
    assert!(!app.dump().await.contains(&proof), "the proof is hashed");
    // Housekeeping forgets it a day after it was too old.
    let housekeeping = Housekeeping::new(app.pool.clone(), app.clock.clone(), std::time::Duration::from_secs(86_400));
    assert_eq!(housekeeping.run().await.unwrap().proofs, 0);
    app.clock.advance(TimeDelta::days(1) + TimeDelta::seconds(200));
    assert_eq!(housekeeping.run().await.unwrap().proofs, 1);
    assert_eq!(rows(&app).await, 0);
}

async fn rows(app: &TestApp) -> i64 {
    sqlx::query_scalar("select count(*) from myapi.dpop_proofs").fetch_one(&app.pool).await.unwrap()
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t31_a_public_clients_refresh_token_needs_its_key(pool: Pool) {
    let app = TestApp::new(pool).await;
    let (key, thief) = (TestIssuer::es256(), TestIssuer::es256());
    let login = ask_as(&app, PUBLIC, &PASSWORD_GRANT, Some(&proof(&app, &key))).await;
    assert_bound(&login, &key);
    let first = login.refresh_token();
    refresh(&app, &first, None).await.assert_error(400, "invalid_grant");
    refresh(&app, &first, Some(&proof(&app, &thief))).await.assert_error(400, "invalid_grant");
    let second = refresh(&app, &first, Some(&proof(&app, &key))).await;
    assert_bound(&second, &key);
    let second = second.refresh_token();
    let again = refresh(&app, &first, Some(&proof(&app, &key))).await;
    assert_eq!(again.refresh_token(), second, "the retry window is there for who has the key");
    let used = proof(&app, &key);
    let third = refresh(&app, &second, Some(&used)).await;
    assert_bound(&third, &key);
    refresh(&app, &third.refresh_token(), Some(&used)).await.assert_error(400, "invalid_dpop_proof");
    assert_eq!(app.live_leaves().await, 1, "a replayed proof rotates nothing");
    // Who comes with a spent token and without its key has stolen it.
    refresh(&app, &second, Some(&proof(&app, &thief))).await.assert_error(400, "invalid_grant");
    refresh(&app, &third.refresh_token(), Some(&proof(&app, &key))).await.assert_error(400, "invalid_grant");
    assert_eq!(app.live_leaves().await, 0);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t31_the_first_proof_of_a_public_client_binds_its_login(pool: Pool) {
    let app = TestApp::new(pool).await;
    let key = TestIssuer::es256();
    let login = ask_as(&app, PUBLIC, &PASSWORD_GRANT, None).await;
    assert_unbound(&login);
    let next = refresh(&app, &login.refresh_token(), None).await;
    assert_unbound(&next);
    let bound = refresh(&app, &next.refresh_token(), Some(&proof(&app, &key))).await;
    assert_bound(&bound, &key);
    refresh(&app, &bound.refresh_token(), None).await.assert_error(400, "invalid_grant");
    assert_bound(&refresh(&app, &bound.refresh_token(), Some(&proof(&app, &key))).await, &key);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t31_a_confidential_clients_refresh_token_is_bound_to_the_client(pool: Pool) {
    let app = TestApp::new(pool).await;
    let (key, next) = (TestIssuer::es256(), TestIssuer::es256());
    let mut token = ask(&app, &PASSWORD_GRANT, &[&proof(&app, &key)]).await.refresh_token();
    for other in [Some(&next), None, Some(&key)] {
        let proof = other.map(|key| proof(&app, key));
        let form = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
        let answer = ask(&app, &form, proof.as_deref().as_slice()).await;
        match other {
            Some(key) => assert_bound(&answer, key),
            None => assert_unbound(&answer),
        }
        token = answer.refresh_token();
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t31_dpop_jkt_binds_the_code(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    let (key, thief) = (TestIssuer::es256(), TestIssuer::es256());
    let asking = Asking::native().with("dpop_jkt", key.thumbprint().as_str());
    let code = Visitor::new(&app).code(&asking).await;
    redeem(&app, &code, None).await.assert_error(400, "invalid_grant");
    redeem(&app, &code, Some(&proof(&app, &thief))).await.assert_error(400, "invalid_grant");
    let answer = redeem(&app, &code, Some(&proof(&app, &key))).await;
    assert_bound(&answer, &key);
    let form = [("grant_type", "refresh_token"), ("refresh_token", &answer.refresh_token())];
    ask_as(&app, NATIVE, &form, Some(&proof(&app, &thief))).await.assert_error(400, "invalid_grant");
    let bad = Asking::native().with("dpop_jkt", "short").with("prompt", "none");
    let answer = app.get(&bad.path()).await;
    let location = answer.header("location").unwrap();
    assert!(location.starts_with("http://127.0.0.1:51004/cb?error=invalid_request"), "{location}");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t31_a_proof_at_par_binds_the_code(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    let (key, thief) = (TestIssuer::es256(), TestIssuer::es256());
    let push = async |asking: &Asking, proof: &str| {
        let request = Request::post("/par").header("content-type", "application/x-www-form-urlencoded");
        app.send(request.header("dpop", proof).body(Body::from(asking.query())).unwrap()).await
    };
    let proof_of = |key: &TestIssuer| key.proof("POST", &format!("{ISSUER}/par"), app.clock.now()).mint();
    let other = Asking::native().with("dpop_jkt", thief.thumbprint().as_str());
    push(&other, &proof_of(&key)).await.assert_error(400, "invalid_dpop_proof");
    push(&Asking::native(), &proof(&app, &key)).await.assert_error(400, "invalid_dpop_proof");
    let once = proof_of(&key);
    let pushed = push(&Asking::native(), &once).await;
    assert_eq!(pushed.status, 201, "{}", pushed.body);
    push(&Asking::native(), &once).await.assert_error(400, "invalid_dpop_proof");
    let request_uri = pushed.json()["request_uri"].as_str().unwrap().to_owned();
    let brought = Asking(vec![("client_id", NATIVE.to_owned()), ("request_uri", request_uri)]);
    let code = Visitor::new(&app).code(&brought).await;
    redeem(&app, &code, None).await.assert_error(400, "invalid_grant");
    redeem(&app, &code, Some(&proof(&app, &thief))).await.assert_error(400, "invalid_grant");
    assert_bound(&redeem(&app, &code, Some(&proof(&app, &key))).await, &key);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t31_with_nonces_a_proof_has_to_be_an_answer(pool: Pool) {
    let app = TestApp::with(pool, &[("MYAPI_AUTH__DPOP_NONCES", "true")]).await;
    let other = app.replica().await;
    let key = TestIssuer::es256();
    let with = |nonce: &str| key.proof("POST", TOKEN, app.clock.now()).claim("nonce", nonce).mint();
    let refused = ask(&app, &OWN, &[&proof(&app, &key)]).await;
    refused.assert_error(400, "use_dpop_nonce");
    let nonce = refused.header("dpop-nonce").unwrap().to_owned();
    let answer = ask(&other, &OWN, &[&with(&nonce)]).await;
    assert_bound(&answer, &key);
    assert_eq!(answer.header("dpop-nonce"), Some(nonce.as_str()), "every answer offers one");
    let bad = ask(&app, &OWN, &["no proof"]).await;
    bad.assert_error(400, "invalid_dpop_proof");
    assert_eq!(bad.header("dpop-nonce"), Some(nonce.as_str()));
    for wrong in ["x", "AAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        ask(&app, &OWN, &[&with(wrong)]).await.assert_error(400, "use_dpop_nonce");
    }
    app.clock.advance(TimeDelta::seconds(100));
    let answer = ask(&app, &OWN, &[&with(&nonce)]).await;
    assert_bound(&answer, &key);
    let newer = answer.header("dpop-nonce").unwrap().to_owned();
    assert_ne!(newer, nonce, "a fresh one is offered while the old one is still good");
    app.clock.advance(TimeDelta::seconds(100));
    ask(&app, &OWN, &[&with(&nonce)]).await.assert_error(400, "use_dpop_nonce");
    assert_bound(&ask(&app, &OWN, &[&with(&newer)]).await, &key);
    let plain = ask(&app, &OWN, &[]).await;
    assert_unbound(&plain);
    assert!(plain.header("dpop-nonce").is_none());
    let off = TestApp::over(&app, &[]).await;
    let answer = ask(&off, &OWN, &[&with("anything")]).await;
    assert_bound(&answer, &key);
    assert!(answer.header("dpop-nonce").is_none());
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t31_introspection_names_the_key(pool: Pool) {
    let app = TestApp::new(pool).await;
    let key = TestIssuer::es256();
    let token = ask(&app, &OWN, &[&proof(&app, &key)]).await.access_token();
    let body = app.post("/introspect", &[("token", &token)]).await.json();
    assert_eq!((&body["active"], &body["token_type"]), (&json!(true), &json!("DPoP")));
    assert_eq!(body["cnf"], json!({ "jkt": key.thumbprint().as_str() }));
    let token = ask(&app, &OWN, &[]).await.access_token();
    let body = app.post("/introspect", &[("token", &token)]).await.json();
    assert_eq!((&body["token_type"], body.get("cnf")), (&json!("Bearer"), None));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t31_userinfo_takes_a_bound_token_with_its_proof_alone(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    let key = TestIssuer::es256();
    let code = Visitor::new(&app).code(&Asking::native()).await;
    let token = redeem(&app, &code, Some(&proof(&app, &key))).await.access_token();
    let ask = async |scheme: &str, proof: Option<String>| {
        let request = Request::get("/userinfo").header(AUTHORIZATION, format!("{scheme} {token}"));
        let request = proof.into_iter().fold(request, |request, proof| request.header("dpop", proof));
        app.send(request.body(Body::empty()).unwrap()).await
    };
    let good = || key.proof("GET", &format!("{ISSUER}/userinfo"), app.clock.now()).for_token(&token);
    let answer = ask("DPoP", Some(good().mint())).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["sub"]), (200, &json!(app.user.sub)));
    for (scheme, proof) in [
        ("Bearer", None),
        ("Bearer", Some(good().mint())),
        ("DPoP", None),
        ("DPoP", Some(good().claim("htm", "POST").mint())),
        ("DPoP", Some(good().without_claim("ath").mint())),
    ] {
        assert_eq!(ask(scheme, proof).await.status, 401, "{scheme}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t31_a_client_that_has_to_be_bound_is_refused_without_a_proof(pool: Pool) {
    let app = TestApp::new(pool).await;
    let new = NewClient { dpop_bound_access_tokens: true, ..app::client("bound", ClientKind::Public) };
    app.create_client(&new).await;
    ask_as(&app, "bound", &PASSWORD_GRANT, None).await.assert_error(400, "invalid_dpop_proof");
    let key = TestIssuer::es256();
    assert_bound(&ask_as(&app, "bound", &PASSWORD_GRANT, Some(&proof(&app, &key))).await, &key);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t31_t30_pages_may_send_proofs_and_see_nonces(pool: Pool) {
    let settings = [("MYAPI_AUTH__CORS_ORIGINS", "https://app.example.com"), ("MYAPI_AUTH__DPOP_NONCES", "true")];
    let app = TestApp::with(pool, &settings).await;
    for path in ["/token", "/userinfo"] {
        let preflight = Request::builder()
            .method(Method::OPTIONS)
            .uri(path)
            .header("origin", "https://app.example.com")
            .header("access-control-request-method", "POST")
            .header("access-control-request-headers", "dpop");
        let answer = app.send(preflight.body(Body::empty()).unwrap()).await;
        assert!(answer.header("access-control-allow-headers").unwrap().split(',').any(|name| name == "dpop"), "{path}");
    }
    let proof = proof(&app, &TestIssuer::es256());
    let answer = app.token_raw(&encode(&OWN), &[("dpop", &proof), ("origin", "https://app.example.com")]).await;
    answer.assert_error(400, "use_dpop_nonce");
    assert_eq!(answer.header("access-control-expose-headers"), Some("dpop-nonce"));
    assert!(answer.header("dpop-nonce").is_some());
}
