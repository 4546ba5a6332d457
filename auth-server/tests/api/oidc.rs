//! OpenID Connect: `id_token`, `/userinfo`, discovery (checklist 1.10, M02 to M04).

use auth_server::keys::{self, NewKey};
use auth_server::users::UserRef;
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use http::Request;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256, Sha512};
use shared::db::Pool;
use shared::token::keys::{Algorithm, KeySet};

use crate::app::{self, Answer, EMAIL, ISSUER, TestApp};
use crate::visitor::{Asking, Visitor, WEB, clients, location, redeem};

/// What a JWS says, unchecked.
pub fn claims(token: &str) -> Value {
    segment(token, 1)
}

fn segment(token: &str, at: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap()).unwrap()
}

async fn signed_in(app: &TestApp, scope: &str) -> Answer {
    let secret = clients(app).await;
    let code = Visitor::new(app).code(&Asking::web().with("scope", scope)).await;
    redeem(app, &secret, &code).await
}

async fn userinfo(app: &TestApp, method: &str, token: &str) -> Answer {
    let request = Request::builder().method(method).uri("/userinfo").header("authorization", format!("Bearer {token}"));
    app.send(request.body(Body::empty()).unwrap()).await
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_id_token_says_who_signed_in_to_whom(pool: Pool) {
    let app = TestApp::new(pool).await;
    let answer = signed_in(&app, "openid profile").await;
    let body = answer.json();
    let id_token = body["id_token"].as_str().unwrap();
    assert_eq!(segment(id_token, 0), json!({ "typ": "JWT", "alg": "ES256", "kid": app.state.keys.active_kid() }));
    let hash = Sha256::digest(body["access_token"].as_str().unwrap());
    let now = app.clock.now().timestamp();
    assert_eq!(
        claims(id_token),
        json!({
            "iss": ISSUER, "sub": app.user.sub, "aud": WEB, "iat": now, "exp": now + 600, "auth_time": now,
            "nonce": "n-1", "at_hash": URL_SAFE_NO_PAD.encode(&hash[..16]), "sid": answer.claims()["sid"],
        })
    );
    // Signed by a published key, and no access token: no resource server takes it.
    let keys = KeySet::from_jwks(app.get("/.well-known/jwks.json").await.body.as_bytes()).unwrap();
    let (message, signature) = id_token.rsplit_once('.').unwrap();
    assert!(keys.find(&app.state.keys.active_kid()).unwrap().verify(message.as_bytes(), signature));
    assert_eq!(userinfo(&app, "GET", id_token).await.status, 401);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn without_openid_there_is_no_id_token(pool: Pool) {
    let app = TestApp::new(pool).await;
    let answer = signed_in(&app, "movies:read profile").await;
    assert!(answer.json().get("id_token").is_none());
    let refused = userinfo(&app, "GET", answer.json()["access_token"].as_str().unwrap()).await;
    assert_eq!(refused.status, 403);
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.starts_with("Bearer realm=\"auth-server\", error=\"insufficient_scope\""), "{challenge}");
    assert!(challenge.ends_with("scope=\"openid\""), "{challenge}");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn an_ed25519_key_hashes_with_sha_512(pool: Pool) {
    let app = TestApp::new(pool).await;
    let keks = app::config(&[]).key_ring().unwrap();
    let key = NewKey { kid: None, activate: true };
    keys::generate(&app.pool, &keks, Algorithm::EdDsa, &key, app.clock.now()).await.unwrap();
    app.state.keys.reload().await.unwrap();
    let body = signed_in(&app, "openid").await.json();
    let id_token = body["id_token"].as_str().unwrap();
    assert_eq!(segment(id_token, 0)["alg"], "EdDSA");
    let hash = Sha512::digest(body["access_token"].as_str().unwrap());
    assert_eq!(claims(id_token)["at_hash"], URL_SAFE_NO_PAD.encode(&hash[..32]));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn userinfo_says_what_the_scope_allows(pool: Pool) {
    let app = TestApp::new(pool).await;
    let secret = clients(&app).await;
    let mut visitor = Visitor::new(&app);
    let sub = app.user.sub;
    for (scope, expected) in [
        ("openid", json!({ "sub": sub })),
        ("openid profile", json!({ "sub": sub, "name": "Ann Example" })),
        ("openid email movies:read", json!({ "sub": sub, "email": EMAIL, "email_verified": false })),
    ] {
        let code = visitor.code(&Asking::web().with("scope", scope)).await;
        let answer = redeem(&app, &secret, &code).await;
        for method in ["GET", "POST"] {
            let info = userinfo(&app, method, answer.json()["access_token"].as_str().unwrap()).await;
            assert_eq!((info.status.as_u16(), info.json()), (200, expected.clone()), "{method} {scope}");
            assert_eq!(
                (info.header("content-type"), info.header("cache-control")),
                (Some("application/json"), Some("no-store"))
            );
        }
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn userinfo_refuses_what_is_dead(pool: Pool) {
    let app = TestApp::new(pool).await;
    let secret = clients(&app).await;
    let mut visitor = Visitor::new(&app);
    let missing = app.get("/userinfo").await;
    // The second one is for tokens that are bound to a key.
    let challenges: Vec<_> =
        missing.headers.get_all("www-authenticate").iter().map(|one| one.to_str().unwrap()).collect();
    let dpop = "DPoP realm=\"auth-server\", algs=\"ES256 EdDSA RS256\"";
    assert_eq!((missing.status.as_u16(), challenges), (401, vec!["Bearer realm=\"auth-server\"", dpop]));
    let token = |answer: &Answer| answer.json()["access_token"].as_str().unwrap().to_owned();
    let is_invalid = |answer: &Answer| {
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        challenge.starts_with("Bearer realm=\"auth-server\", error=\"invalid_token\"") && answer.status == 401
    };

    let code = visitor.code(&Asking::web()).await;
    let replayed = token(&redeem(&app, &secret, &code).await);
    assert_eq!(userinfo(&app, "GET", &replayed).await.status, 200);
    redeem(&app, &secret, &code).await;
    let refused = userinfo(&app, "GET", &replayed).await;
    assert!(is_invalid(&refused), "{refused:?}");

    let code = visitor.code(&Asking::web()).await;
    let expired = token(&redeem(&app, &secret, &code).await);
    app.clock.advance(TimeDelta::seconds(606));
    assert_eq!(userinfo(&app, "GET", &expired).await.status, 401);

    let code = visitor.code(&Asking::web()).await;
    let disabled = token(&redeem(&app, &secret, &code).await);
    let who: UserRef = EMAIL.parse().unwrap();
    app.state.users.disable(&who).await.unwrap();
    assert_eq!(userinfo(&app, "GET", &disabled).await.status, 401);
    app.state.users.enable(&who).await.unwrap();
    assert_eq!(userinfo(&app, "GET", &disabled).await.status, 401, "of a dead version");

    let code = visitor.code(&Asking::web()).await;
    let of_client = token(&redeem(&app, &secret, &code).await);
    app.state.clients.disable(&WEB.parse().unwrap()).await.unwrap();
    assert_eq!(userinfo(&app, "GET", &of_client).await.status, 401);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn m03_m04_discovery_is_the_same_document_twice(pool: Pool) {
    let app = TestApp::new(pool).await;
    let discovery = app.get("/.well-known/openid-configuration").await;
    assert_eq!(discovery.header("content-type"), Some("application/json"));
    let document = discovery.json();
    assert_eq!(document, app.get("/.well-known/oauth-authorization-server").await.json());
    assert_eq!(document["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(document["authorization_response_iss_parameter_supported"], true);
    assert_eq!(document["issuer"], ISSUER);
    for (name, path) in
        [("authorization_endpoint", "authorize"), ("userinfo_endpoint", "userinfo"), ("end_session_endpoint", "logout")]
    {
        assert_eq!(document[name], format!("{ISSUER}/{path}"));
    }
}

/// Both directions: what the served document lists works, and what it does not list is refused.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn m02_what_is_listed_works_and_nothing_else_does(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    let document = app.get("/.well-known/openid-configuration").await.json();
    let list = |name: &str| -> Vec<String> { serde_json::from_value(document[name].clone()).unwrap() };
    let mut visitor = Visitor::new(&app);
    visitor.code(&Asking::web()).await;
    let dimensions = [
        ("response_type", "response_types_supported", &["code", "token", "id_token", "code id_token", "none"][..]),
        ("response_mode", "response_modes_supported", &["query", "fragment", "form_post", "jwt"]),
        ("code_challenge_method", "code_challenge_methods_supported", &["S256", "plain", "S512"]),
        ("prompt", "prompt_values_supported", &["none", "login", "consent", "create", "select_account"]),
        (
            "scope",
            "scopes_supported",
            &["openid", "email", "profile", "movies:read", "movies:write", "phone", "address", "offline_access"],
        ),
    ];
    let everything = Some("email movies:read movies:write profile".parse().unwrap());
    app.state.users.set_scopes(&EMAIL.parse().unwrap(), everything).await.unwrap();
    for (parameter_name, listed_as, tried) in dimensions {
        let listed = list(listed_as);
        assert!(
            listed.iter().all(|value| tried.contains(&value.as_str())),
            "{listed_as} has a value that is not tried"
        );
        for value in tried {
            let answer = visitor.get(&Asking::web().with(parameter_name, value).path()).await;
            let is_refused =
                location(&answer).contains("error=") && !location(&answer).contains("error=consent_required");
            assert_eq!(
                is_refused,
                !listed.contains(&(*value).to_owned()),
                "{parameter_name}={value}: {}",
                location(&answer)
            );
        }
    }
    for (name, parameter_name) in
        [("request_parameter_supported", "request"), ("request_uri_parameter_supported", "request_uri")]
    {
        assert_eq!(document[name], false);
        assert!(
            location(&visitor.get(&Asking::web().with(parameter_name, "x").path()).await).contains("error=request")
        );
    }
    for language in list("ui_locales_supported") {
        let page =
            location(&visitor.get(&Asking::web().with("prompt", "login").with("ui_locales", &language).path()).await);
        assert_eq!(visitor.get(&page).await.header("content-language"), Some(language.as_str()));
    }
    // Every listed claim is said somewhere, and nothing is said that is not listed.
    let secret = app.state.clients.rotate_secret(&WEB.parse().unwrap(), std::time::Duration::ZERO).await.unwrap();
    let code = visitor.code(&Asking::web().with("scope", "openid profile email")).await;
    let answer = redeem(&app, secret.secret.expose(), &code).await.json();
    let info = userinfo(&app, "GET", answer["access_token"].as_str().unwrap()).await.json();
    let id_token = claims(answer["id_token"].as_str().unwrap());
    let mut said: Vec<_> = [info, id_token]
        .iter()
        .flat_map(|said| said.as_object().unwrap().keys().cloned().collect::<Vec<_>>())
        .collect();
    said.sort();
    said.dedup();
    let mut listed = list("claims_supported");
    listed.sort();
    assert_eq!(said, listed);
    assert_eq!(list("id_token_signing_alg_values_supported"), ["ES256"]);
    assert_eq!(list("subject_types_supported"), ["public"]);
}
