//! Clients that sign who they are: `private_key_jwt` (RFC 7523) at every endpoint that asks.

use auth_server::clients::{ASSERTION_TYPE, AuthMethod, Authentication, ClientKind, GrantType, NewClient};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::db::Pool;
use shared::testing::{Answer as KeyAnswer, KeyServer, TestIssuer};
use shared::token::keys::Algorithm;

use crate::app::{self, Answer, CONFIDENTIAL, ISSUER, PUBLIC, TestApp, basic};

const ID: &str = "billing";
const TOKEN_ENDPOINT: &str = "http://127.0.0.1:8001/token";
const OWN: [(&str, &str); 1] = [("grant_type", "client_credentials")];

/// A client with a key of its own.
struct Signing {
    app: TestApp,
    key: TestIssuer,
}

fn registered(authentication: Authentication) -> NewClient {
    NewClient { authentication, ..app::client(ID, ClientKind::Confidential) }
}

fn inline(keys: &[&TestIssuer]) -> Authentication {
    let keys: Vec<_> = keys.iter().map(|key| serde_json::to_value(key.public_key().jwk()).unwrap()).collect();
    let jwks = json!({ "keys": keys }).to_string().parse().unwrap();
    Authentication { method: AuthMethod::PrivateKeyJwt, jwks: Some(jwks), jwks_uri: None }
}

impl Signing {
    async fn new(pool: Pool) -> Self {
        Self::with(pool, TestIssuer::es256()).await
    }

    async fn with(pool: Pool, key: TestIssuer) -> Self {
        let app = TestApp::new(pool).await;
        assert_eq!(app.create_client(&registered(inline(&[&key]))).await, None, "who signs has no secret");
        Self { app, key }
    }

    fn claims(&self) -> Value {
        let now = self.app.clock.now().timestamp();
        let jti = uuid::Uuid::new_v4().to_string();
        json!({ "iss": ID, "sub": ID, "aud": ISSUER, "iat": now, "nbf": now, "exp": now + 60, "jti": jti })
    }

    fn header(&self) -> Value {
        json!({ "alg": self.key.public_key().algorithm().as_str(), "kid": self.key.public_key().kid(), "typ": "JWT" })
    }

    fn mint(&self, header: &Value, claims: &Value) -> String {
        self.key.mint_raw(&header.to_string(), &claims.to_string())
    }

    fn good(&self) -> String {
        self.mint(&self.header(), &self.claims())
    }

    async fn post(&self, path: &str, assertion: &str, more: &[(&str, &str)]) -> Answer {
        post(&self.app, path, assertion, more).await
    }

    async fn rows(&self) -> i64 {
        sqlx::query_scalar("select count(*) from myapi.client_assertions").fetch_one(&self.app.pool).await.unwrap()
    }
}

async fn post(app: &TestApp, path: &str, assertion: &str, more: &[(&str, &str)]) -> Answer {
    let credentials = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)];
    app.post_as(path, None, &[&credentials[..], more].concat()).await
}

/// `value` with another member.
fn with(value: &Value, name: &str, member: impl Into<Value>) -> Value {
    let mut value = value.clone();
    value[name] = member.into();
    value
}

fn without(value: &Value, name: &str) -> Value {
    let mut value = value.clone();
    value.as_object_mut().unwrap().remove(name).unwrap();
    value
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn m02_every_listed_algorithm_is_taken_at_every_endpoint(pool: Pool) {
    let app = TestApp::new(pool).await;
    let metadata = app.get("/.well-known/oauth-authorization-server").await.json();
    let listed = metadata["token_endpoint_auth_signing_alg_values_supported"].clone();
    assert_eq!(listed, json!(["ES256", "EdDSA", "Ed25519", "RS256"]));
    for endpoint in ["token", "revocation", "introspection"] {
        assert_eq!(metadata[format!("{endpoint}_endpoint_auth_signing_alg_values_supported")], listed);
        let methods = metadata[format!("{endpoint}_endpoint_auth_methods_supported")].as_array().unwrap();
        assert!(methods.contains(&"private_key_jwt".into()), "{endpoint}");
    }
    let keys = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256].map(TestIssuer::new);
    app.create_client(&registered(inline(&keys.each_ref()))).await;
    let [es256, eddsa, rs256] = keys;
    for (name, key) in [("ES256", &es256), ("EdDSA", &eddsa), ("Ed25519", &eddsa), ("RS256", &rs256)] {
        let signing = Signing { app: TestApp::of(&app), key: TestIssuer::new(Algorithm::EdDsa) };
        let mint = || {
            let header = json!({ "alg": name, "kid": key.public_key().kid(), "typ": "JWT" });
            key.mint_raw(&header.to_string(), &signing.claims().to_string())
        };
        let token = signing.post("/token", &mint(), &OWN).await;
        assert_eq!((token.status.as_u16(), &token.claims()["client_id"]), (200, &ID.into()), "{name}: {}", token.body);
        let access = token.access_token();
        let looked = signing.post("/introspect", &mint(), &[("token", &access)]).await;
        assert_eq!(looked.json()["active"], true, "{name}: {}", looked.body);
        assert_eq!(signing.post("/revoke", &mint(), &[("token", &access)]).await.status, 200, "{name}");
        let pushed = crate::visitor::Asking::web().without("client_id").with("scope", "movies:read");
        let pushed: Vec<_> = pushed.0.iter().map(|(name, value)| (*name, value.as_str())).collect();
        assert_eq!(signing.post("/par", &mint(), &pushed).await.status, 201, "{name}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn what_may_differ_may_differ(pool: Pool) {
    let signing = Signing::new(pool).await;
    let (header, claims) = (|| signing.header(), || signing.claims());
    let now = signing.app.clock.now().timestamp();
    let cases = [
        ("no kid: the client has one key", without(&header(), "kid"), claims()),
        ("no typ", without(&header(), "typ"), claims()),
        ("a typ of its own", with(&header(), "typ", "client-authentication+jwt"), claims()),
        ("a typ as a media type", with(&header(), "typ", "application/Client-Authentication+JWT"), claims()),
        ("the token endpoint", header(), with(&claims(), "aud", TOKEN_ENDPOINT)),
        ("one audience in a list", header(), with(&claims(), "aud", json!([ISSUER]))),
        ("neither iat nor nbf", header(), without(&without(&claims(), "iat"), "nbf")),
        ("a clock that is fast", header(), with(&with(&claims(), "iat", now + 9), "nbf", now + 9)),
        ("a clock that is slow", header(), with(&claims(), "exp", now - 5)),
        ("five minutes", header(), with(&claims(), "exp", now + 300)),
        (
            "a fraction of a second",
            header(),
            with(&claims(), "exp", json!(f64::from(i32::try_from(now).unwrap()) + 59.5)),
        ),
        ("more claims", header(), with(&claims(), "azp", "x")),
    ];
    for (what, header, claims) in cases {
        let answer = signing.post("/token", &signing.mint(&header, &claims), &OWN).await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.body);
    }
    let named = [OWN[0], ("client_id", ID)];
    assert_eq!(signing.post("/token", &signing.good(), &named).await.status, 200, "client_id may stand beside it");
}

/// Assertions as forgers and broken clients send them, each good but for one thing.
fn mutated(signing: &Signing) -> Vec<(&'static str, String)> {
    let (header, claims) = (signing.header(), signing.claims());
    let now = signing.app.clock.now().timestamp();
    let good = signing.good();
    let [h, p, s] = good.split('.').collect::<Vec<_>>().try_into().unwrap();
    let other = TestIssuer::es256().with_kid(signing.key.public_key().kid());
    let heads = [
        ("alg none", with(&header, "alg", "none")),
        ("alg HS256", with(&header, "alg", "HS256")),
        ("alg of another key", with(&header, "alg", "EdDSA")),
        ("alg in lower case", with(&header, "alg", "es256")),
        ("no alg", without(&header, "alg")),
        ("an unknown kid", with(&header, "kid", "other")),
        ("an empty kid", with(&header, "kid", "")),
        ("a kid that is no text", with(&header, "kid", 1)),
        ("crit", with(&header, "crit", json!(["exp"]))),
        ("a key of its own", with(&header, "jwk", serde_json::to_value(other.public_key().jwk()).unwrap())),
        ("a place for keys", with(&header, "jku", "https://evil.test/jwks")),
        ("an access token's typ", with(&header, "typ", "at+jwt")),
        ("a DPoP proof's typ", with(&header, "typ", "dpop+jwt")),
        ("typ null", with(&header, "typ", Value::Null)),
    ];
    let bodies = [
        ("another issuer", with(&claims, "iss", "other")),
        ("no issuer", without(&claims, "iss")),
        ("no subject", without(&claims, "sub")),
        ("another client", with(&with(&claims, "sub", CONFIDENTIAL), "iss", CONFIDENTIAL)),
        ("a client that there is not", with(&with(&claims, "sub", "nobody"), "iss", "nobody")),
        ("no audience", without(&claims, "aud")),
        ("another audience", with(&claims, "aud", "https://evil.test")),
        ("the issuer with a slash", with(&claims, "aud", format!("{ISSUER}/"))),
        ("two audiences", with(&claims, "aud", json!([ISSUER, "https://evil.test"]))),
        ("an empty list of audiences", with(&claims, "aud", json!([]))),
        ("the resource server", with(&claims, "aud", app::AUDIENCE)),
        ("no exp", without(&claims, "exp")),
        ("exp as a text", with(&claims, "exp", (now + 60).to_string())),
        ("exp past", with(&claims, "exp", now - 10)),
        ("exp far ahead", with(&claims, "exp", now + 311)),
        ("exp without end", with(&claims, "exp", 1e300)),
        ("exp negative", with(&claims, "exp", -1)),
        ("nbf ahead", with(&claims, "nbf", now + 11)),
        ("iat ahead", with(&claims, "iat", now + 11)),
        ("iat as a text", with(&claims, "iat", "now")),
        ("no jti", without(&claims, "jti")),
        ("an empty jti", with(&claims, "jti", "")),
        ("a jti that is no text", with(&claims, "jti", 7)),
        ("a long jti", with(&claims, "jti", "j".repeat(513))),
    ];
    let encoded = |value: &str| URL_SAFE_NO_PAD.encode(value);
    let twice = claims.to_string().replace("{", "{\"sub\":\"x\",");
    let mut all = vec![
        ("another key", other.mint_raw(&header.to_string(), &claims.to_string())),
        ("no signature", format!("{h}.{p}.")),
        ("two segments", format!("{h}.{p}")),
        ("four segments", format!("{good}.x")),
        ("padding", format!("{good}=")),
        ("another payload", format!("{h}.{}.{s}", encoded(&with(&claims, "jti", "x").to_string()))),
        ("a claim twice", signing.key.mint_raw(&header.to_string(), &twice)),
        ("claims that are no object", signing.key.mint_raw(&header.to_string(), "[]")),
        ("a header that is none", signing.key.mint_raw("x", &claims.to_string())),
        ("a signature in DER", format!("{h}.{p}.{}", encoded("0E not a raw signature"))),
        ("nothing but dots", "..".to_owned()),
        ("too long", signing.mint(&header, &with(&claims, "x", "x".repeat(9000)))),
    ];
    all.extend(heads.map(|(what, header)| (what, signing.mint(&header, &claims))));
    all.extend(bodies.map(|(what, claims)| (what, signing.mint(&header, &claims))));
    all
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn mutated_assertions_are_one_refusal_and_leave_nothing(pool: Pool) {
    let signing = Signing::new(pool).await;
    let all = mutated(&signing);
    assert!(all.len() >= 45, "{}", all.len());
    let mut bodies = std::collections::BTreeSet::new();
    for (index, (what, assertion)) in all.iter().enumerate() {
        let answer = signing.post("/token", assertion, &OWN).await;
        assert_eq!(answer.status, 401, "{what}: {}", answer.body);
        answer.assert_error(401, "invalid_client");
        bodies.insert(answer.body.clone());
        // Guesses are counted; this is not about that.
        signing.app.clock.advance(TimeDelta::milliseconds(i64::try_from(index % 2).unwrap()));
        sqlx::query("delete from myapi.throttle").execute(&signing.app.pool).await.unwrap();
    }
    assert_eq!(bodies.len(), 1, "nobody learns which rule it was");
    assert_eq!(signing.rows().await, 0, "strangers fill no table");
    assert_eq!(signing.post("/token", &signing.good(), &OWN).await.status, 200);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_jti_is_good_once_on_every_replica(pool: Pool) {
    let signing = Signing::new(pool).await;
    let replica = signing.app.replica().await;
    let claims = signing.claims();
    let used = signing.mint(&signing.header(), &claims);
    assert_eq!(signing.post("/token", &used, &OWN).await.status, 200);
    signing.post("/token", &used, &OWN).await.assert_error(401, "invalid_client");
    post(&replica, "/introspect", &used, &[("token", "x")]).await.assert_error(401, "invalid_client");
    // The same name in another assertion is no second chance.
    let again = with(&claims, "exp", claims["exp"].as_i64().unwrap() + 7);
    let again = signing.mint(&signing.header(), &again);
    signing.post("/token", &again, &OWN).await.assert_error(401, "invalid_client");
    assert_eq!(signing.rows().await, 1);
    assert!(!signing.app.dump().await.contains(claims["jti"].as_str().unwrap()), "only a hash is kept");

    let raced = signing.good();
    let mut answers = tokio::task::JoinSet::new();
    for number in 0..16 {
        let app = TestApp::of(if number % 2 == 0 { &signing.app } else { &replica });
        let raced = raced.clone();
        answers.spawn(async move { post(&app, "/token", &raced, &OWN).await.status.as_u16() });
    }
    let answers = answers.join_all().await;
    assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    assert!(answers.iter().all(|status| [200, 401].contains(status)), "{answers:?}");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t13_one_way_and_the_registered_one(pool: Pool) {
    let signing = Signing::new(pool).await;
    let app = &signing.app;
    let good = || signing.good();
    // Two ways at once.
    let header = basic(CONFIDENTIAL, &app.secret);
    let assertion = good();
    let both = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", &assertion), OWN[0]];
    let answer = app.token_raw(&app::encode(&both), &[("authorization", &header)]).await;
    answer.assert_error(400, "invalid_request");
    let posted = [OWN[0], ("client_id", CONFIDENTIAL), ("client_secret", app.secret.as_str())];
    signing.post("/token", &good(), &posted).await.assert_error(400, "invalid_request");
    // A client that signs cannot use a secret or nothing, and who has a secret or nothing cannot sign.
    app.token_basic(ID, "mcs1_x", &OWN).await.assert_error(401, "invalid_client");
    app.token(&[OWN[0], ("client_id", ID)]).await.assert_error(401, "invalid_client");
    for other in [CONFIDENTIAL, PUBLIC] {
        let claims = with(&with(&signing.claims(), "sub", other), "iss", other);
        let theirs = signing.mint(&signing.header(), &claims);
        signing.post("/token", &theirs, &OWN).await.assert_error(401, "invalid_client");
    }
    // Of another client than the form says; of another type; a type alone; an assertion alone.
    let named = [OWN[0], ("client_id", CONFIDENTIAL)];
    signing.post("/token", &good(), &named).await.assert_error(401, "invalid_client");
    let assertion = good();
    for credentials in [
        vec![
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:saml2-bearer"),
            ("client_assertion", &assertion),
        ],
        vec![("client_assertion_type", ASSERTION_TYPE)],
        vec![("client_assertion", &assertion)],
    ] {
        app.token(&[&credentials[..], &OWN].concat()).await.assert_error(401, "invalid_client");
    }
    let assertion = good();
    assert_eq!(signing.post("/token", &assertion, &OWN).await.status, 200, "none of that used it up");

    let idle = |is: NewClient| NewClient { grants: vec![GrantType::Password], ..is };
    app.state.clients.update(&ID.parse().unwrap(), idle).await.unwrap();
    signing.post("/token", &good(), &OWN).await.assert_error(400, "unauthorized_client");
    app.state.clients.disable(&ID.parse().unwrap()).await.unwrap();
    signing.post("/token", &good(), &OWN).await.assert_error(401, "invalid_client");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn without_a_kid_the_key_has_to_be_the_only_one(pool: Pool) {
    let app = TestApp::new(pool).await;
    let (one, two) = (TestIssuer::es256(), TestIssuer::es256());
    app.create_client(&registered(inline(&[&one, &two]))).await;
    let signing = Signing { app, key: one };
    let unnamed = || signing.mint(&without(&signing.header(), "kid"), &signing.claims());
    signing.post("/token", &unnamed(), &OWN).await.assert_error(401, "invalid_client");
    assert_eq!(signing.post("/token", &signing.good(), &OWN).await.status, 200);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t18_guesses_are_counted_like_secrets(pool: Pool) {
    let signing = Signing::new(pool).await;
    let wrong = TestIssuer::es256().with_kid(signing.key.public_key().kid());
    let mut statuses = Vec::new();
    for _ in 0..40 {
        let forged = wrong.mint_raw(&signing.header().to_string(), &signing.claims().to_string());
        statuses.push(signing.post("/token", &forged, &OWN).await.status.as_u16());
    }
    assert_eq!(statuses.iter().position(|status| *status == 429), Some(20), "{statuses:?}");
    signing.app.clock.advance(TimeDelta::seconds(60));
    assert_eq!(signing.post("/token", &signing.good(), &OWN).await.status, 200);
}

async fn from_address(pool: Pool, server: &KeyServer, key: TestIssuer) -> Signing {
    let app = TestApp::new(pool).await;
    let jwks_uri = Some(server.url().as_str().parse().unwrap());
    app.create_client(&registered(Authentication { method: AuthMethod::PrivateKeyJwt, jwks: None, jwks_uri })).await;
    Signing { app, key }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s09_keys_at_an_address_are_read_once_and_again_for_a_new_key(pool: Pool) {
    let first = TestIssuer::es256();
    let server = KeyServer::start(KeyAnswer::Body(first.jwks())).await;
    let mut signing = from_address(pool, &server, first).await;
    for _ in 0..5 {
        assert_eq!(signing.post("/token", &signing.good(), &OWN).await.status, 200);
    }
    assert_eq!(server.hits(), 1, "the set is kept");
    let next = TestIssuer::new(Algorithm::EdDsa);
    server.set_answer(KeyAnswer::Body(next.jwks()));
    signing.key = next;
    assert_eq!(signing.post("/token", &signing.good(), &OWN).await.status, 200, "an unknown key is looked for");
    assert_eq!(server.hits(), 2);
    // Strangers cannot make it ask again and again.
    signing.key = TestIssuer::es256();
    for _ in 0..5 {
        signing.post("/token", &signing.good(), &OWN).await.assert_error(401, "invalid_client");
    }
    assert_eq!(server.hits(), 2, "one read in each cooldown");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s09_an_address_that_misbehaves_is_bounded(pool: Pool) {
    let key = TestIssuer::es256();
    let elsewhere = KeyServer::start(KeyAnswer::Body(key.jwks())).await;
    let private = json!({ "keys": [{ "kty": "oct", "k": "AAAA" }] }).to_string().into_bytes();
    let broken = KeyServer::start(KeyAnswer::Status(500)).await;
    let signing = from_address(pool, &broken, key).await;
    for answer in [
        KeyAnswer::Status(500),
        KeyAnswer::Redirect(elsewhere.url().to_string()),
        KeyAnswer::Redirect("file:///etc/passwd".to_owned()),
        KeyAnswer::Endless(300 * 1024),
        KeyAnswer::Body(b"<html>".to_vec()),
        KeyAnswer::Body(private),
    ] {
        let server = KeyServer::start(answer.clone()).await;
        let jwks_uri = Some(server.url().as_str().parse().unwrap());
        let moved =
            |is: NewClient| NewClient { authentication: Authentication { jwks_uri, ..is.authentication }, ..is };
        signing.app.state.clients.update(&ID.parse().unwrap(), moved).await.unwrap();
        for _ in 0..25 {
            signing.post("/token", &signing.good(), &OWN).await.assert_error(401, "invalid_client");
        }
        assert!((1..=2).contains(&server.hits()), "{answer:?}: {} tries, of age and of an unknown key", server.hits());
    }
    assert_eq!(elsewhere.hits(), 0, "no redirect is followed");
    // It was nobody's guess: the client is not slowed down, and comes in as soon as its keys are there.
    let jwks_uri = Some(elsewhere.url().as_str().parse().unwrap());
    let moved = |is: NewClient| NewClient { authentication: Authentication { jwks_uri, ..is.authentication }, ..is };
    signing.app.state.clients.update(&ID.parse().unwrap(), moved).await.unwrap();
    assert_eq!(signing.post("/token", &signing.good(), &OWN).await.status, 200);
}
