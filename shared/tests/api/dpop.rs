//! Bound tokens and their proofs (RFC 9449) before protected routes. T31.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, Request};
use chrono::TimeDelta;
use insta::assert_json_snapshot;
use shared::clock::Clock;
use shared::testing::TestIssuer;
use shared::testing::mutations::proofs;
use shared::token::bearer::{Gate, RequireLayer};
use shared::token::dpop::{Address, Expected, Proof, ProofRefusal, Proofs};
use shared::token::keys::Algorithm;
use shared::token::source::Keys;

use crate::support::{MoviesRead, Wire, now, receive, routes, verifier};

const MOVIES: &str = "http://127.0.0.1:8000/movies";

struct House {
    issuer: TestIssuer,
    key: TestIssuer,
    token: String,
    router: Router,
}

impl House {
    fn of(make: impl FnOnce(Gate) -> Gate) -> Self {
        let (issuer, key) = (TestIssuer::es256(), TestIssuer::es256());
        let token = issuer.token(now()).bound_to(&key.thumbprint()).mint();
        let keys = Keys::fixed(issuer.key_set());
        let gate = make(Gate::new(verifier(&issuer, &keys), keys, "movies", Clock::manual(now())));
        Self { issuer, key, token, router: routes(Arc::new(gate)) }
    }

    fn both() -> Self {
        Self::of(|gate| gate.with_proofs(Proofs::new("http://127.0.0.1:8000").unwrap()))
    }

    fn proof(&self) -> String {
        self.key.proof("GET", MOVIES, now()).for_token(&self.token).mint()
    }

    async fn present(&self, scheme: &str, token: &str, proofs: &[&str]) -> Wire {
        ask(&self.router, "/movies", &format!("{scheme} {token}"), proofs).await
    }
}

async fn ask(router: &Router, path: &str, authorization: &str, proofs: &[&str]) -> Wire {
    let mut request = Request::get(path).header(AUTHORIZATION, authorization).header("host", "evil.example");
    for proof in proofs {
        request = request.header("dpop", *proof);
    }
    receive(router, request.body(Body::empty()).unwrap()).await
}

fn challenges(wire: &Wire) -> Vec<&str> {
    wire.headers.get_all(WWW_AUTHENTICATE).iter().map(|value: &HeaderValue| value.to_str().unwrap()).collect()
}

#[test]
fn t31_every_mutation_of_a_proof_is_refused_for_its_own_reason() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let key = TestIssuer::new(algorithm);
        let request = proofs::Request { method: "POST", address: "http://127.0.0.1:8001/token", now: now() };
        let address = Address::parse(request.address).unwrap();
        let expected = Expected { method: "POST", address: &address, token: None, now: now() };
        let judge = |text: &str| Proof::parse(text).and_then(|proof| proof.check(&expected));
        assert_eq!(judge(&key.proof("POST", request.address, now()).mint()), Ok(()), "{algorithm}: before mutation");
        let table = proofs::all(&key, request);
        assert!(table.len() > 60, "{}", table.len());
        for (name, proof, refusal) in table {
            assert_eq!(judge(&proof), Err(refusal), "{algorithm} {name}");
        }
    }
}

#[test]
fn t31_what_the_rules_allow_is_accepted() {
    let key = TestIssuer::es256();
    let address = Address::parse(MOVIES).unwrap();
    let expected = Expected { method: "GET", address: &address, token: None, now: now() };
    let at = |seconds: i64| now().timestamp() + seconds;
    let good = || key.proof("GET", MOVIES, now());
    for proof in [
        good().claim("iat", at(-120)),
        good().claim("iat", at(5)),
        good().claim("exp", at(0)),
        good().claim("htu", "HTTP://127.0.0.1:8000/x/../movies?movie_id=1#top"),
        good().claim("jti", "a".repeat(256)),
        good().claim("nonce", "whatever").claim("unknown", 1).header("kid", "mine"),
    ] {
        let proof = Proof::parse(&proof.mint()).unwrap();
        assert_eq!(proof.check(&expected), Ok(()), "{proof:?}");
        assert_eq!(proof.key(), &key.thumbprint());
        assert!(proof.expires_at() >= now());
    }
}

#[tokio::test]
async fn t31_a_bound_token_opens_with_its_proof_once() {
    let house = House::both();
    let proof = house.proof();
    for scheme in ["DPoP", "dpop"] {
        assert_eq!(house.present(scheme, &house.token, &[&house.proof()]).await.status, 200, "{scheme}");
    }
    assert_eq!(house.present("DPoP", &house.token, &[&proof]).await.status, 200);
    let again = house.present("DPoP", &house.token, &[&proof]).await;
    assert_eq!(again.status, 401);
    assert_eq!(
        challenges(&again),
        [
            "DPoP realm=\"movies\", algs=\"ES256 EdDSA RS256\", error=\"invalid_dpop_proof\", error_description=\"The DPoP \
          proof is missing, malformed, too old, used before, or not for this request and token.\""
        ]
    );
    assert_json_snapshot!(again.json(), @r#"
    {
      "code": "dpop_proof_invalid",
      "detail": "The DPoP proof is missing, malformed, too old, used before, or not for this request and token.",
      "status": 401,
      "title": "The DPoP proof is not valid"
    }
    "#);
}

#[tokio::test]
async fn t31_every_bad_proof_has_one_answer() {
    let house = House::both();
    let reference = house.present("DPoP", &house.token, &[]).await;
    assert_eq!(reference.status, 401);
    let request = proofs::Request { method: "GET", address: MOVIES, now: now() };
    for (name, proof, _) in proofs::all(&house.key, request) {
        let proof = proof.replace('\n', "");
        assert_eq!(house.present("DPoP", &house.token, &[&proof]).await, reference, "{name}");
    }
    let good = |token: &str| house.key.proof("GET", MOVIES, now()).for_token(token);
    let bad = [
        ("no ath", house.key.proof("GET", MOVIES, now()).mint()),
        ("another token's", good("another").mint()),
        ("another path", good(&house.token).claim("htu", "http://127.0.0.1:8000/").mint()),
        ("what Host says", good(&house.token).claim("htu", "http://evil.example/movies").mint()),
    ];
    for (name, proof) in bad {
        assert_eq!(house.present("DPoP", &house.token, &[&proof]).await, reference, "{name}");
    }
    let (one, other) = (house.proof(), house.proof());
    assert_eq!(house.present("DPoP", &house.token, &[&one, &other]).await, reference, "two proofs");
    assert_eq!(house.present("DPoP", &house.token, &[&one]).await.status, 200, "a refused request uses no proof up");
}

#[tokio::test]
async fn t31_scheme_token_and_key_have_to_agree() {
    let house = House::both();
    let unbound = house.issuer.token(now()).mint();
    let stranger = TestIssuer::es256().proof("GET", MOVIES, now()).for_token(&house.token).mint();
    let fitting = house.key.proof("GET", MOVIES, now()).for_token(&unbound).mint();
    let text = "error=\"invalid_token\", error_description=\"The token is expired, revoked, malformed or not meant for \
                this service.\"";
    let bearer = format!("Bearer realm=\"movies\", {text}");
    let dpop = format!("DPoP realm=\"movies\", algs=\"ES256 EdDSA RS256\", {text}");
    let invitation = "DPoP realm=\"movies\", algs=\"ES256 EdDSA RS256\"";
    for (name, wire, expected) in [
        ("bound as bearer", house.present("Bearer", &house.token, &[]).await, vec![bearer.as_str(), invitation]),
        (
            "bound as bearer, with proof",
            house.present("Bearer", &house.token, &[&house.proof()]).await,
            vec![bearer.as_str(), invitation],
        ),
        ("unbound by DPoP", house.present("DPoP", &unbound, &[&fitting]).await, vec![dpop.as_str()]),
        ("unbound by DPoP, no proof", house.present("DPoP", &unbound, &[]).await, vec![dpop.as_str()]),
        ("another key", house.present("DPoP", &house.token, &[&stranger]).await, vec![dpop.as_str()]),
        ("no token of ours", house.present("DPoP", "abc", &[&house.proof()]).await, vec![dpop.as_str()]),
    ] {
        assert_eq!((wire.status, challenges(&wire)), (401, expected), "{name}");
        assert_eq!(wire.json()["code"], "token_invalid", "{name}");
    }
    assert_eq!(house.present("Bearer", &unbound, &[]).await.status, 200, "unbound tokens go on as before");
    let narrow = house.issuer.token(now()).scope("").bound_to(&house.key.thumbprint()).mint();
    let proof = house.key.proof("GET", MOVIES, now()).for_token(&narrow).mint();
    let wire = house.present("DPoP", &narrow, &[&proof]).await;
    assert_eq!(wire.status, 403);
    assert!(challenges(&wire)[0].starts_with("DPoP realm=\"movies\", algs="), "{:?}", challenges(&wire));
    assert_eq!(house.present("DPoP", "a b", &[]).await.status, 400);
}

#[tokio::test]
async fn t31_challenges_say_what_is_taken_and_where_that_is_written() {
    let proofs = || Proofs::new("http://127.0.0.1:8000").unwrap();
    let address = "http://127.0.0.1:8000/.well-known/oauth-protected-resource".parse().unwrap();
    let both = House::of(|gate| gate.with_proofs(proofs()).with_metadata(&address));
    let metadata = format!("resource_metadata=\"{address}\"");
    let bearer = format!("Bearer realm=\"movies\", {metadata}");
    let dpop = format!("DPoP realm=\"movies\", algs=\"ES256 EdDSA RS256\", {metadata}");
    let wire = both.present("Basic", "Og==", &[]).await;
    assert_eq!((wire.status, challenges(&wire)), (401, vec![bearer.as_str(), dpop.as_str()]));
    let bound = House::of(|gate| gate.with_metadata(&address).with_proofs_alone(proofs()));
    let wire = bound.present("Basic", "Og==", &[]).await;
    assert_eq!((wire.status, challenges(&wire)), (401, vec![dpop.as_str()]));
    let unbound = bound.issuer.token(now()).mint();
    assert_eq!(bound.present("Bearer", &unbound, &[]).await.status, 401, "bound tokens alone");
    assert_eq!(bound.present("DPoP", &bound.token, &[&bound.proof()]).await.status, 200);
    let without = House::of(|gate| gate);
    for scheme in ["Bearer", "DPoP"] {
        assert_eq!(without.present(scheme, &without.token, &[&without.proof()]).await.status, 401, "{scheme}");
    }
    assert!(Proofs::new("urn:movies").is_err());
}

#[tokio::test]
async fn t31_the_layer_asks_for_the_proof_too() {
    let (issuer, key) = (TestIssuer::es256(), TestIssuer::es256());
    let keys = Keys::fixed(issuer.key_set());
    let proofs = Proofs::new("https://api.example/prefix/").unwrap();
    let gate = Gate::new(verifier(&issuer, &keys), keys, "movies", Clock::manual(now())).with_proofs(proofs);
    let layer = RequireLayer::<MoviesRead>::new(Arc::new(gate));
    let router = Router::new().route("/movies", axum::routing::get(|| async { "in" })).layer(layer);
    let token = issuer.token(now()).bound_to(&key.thumbprint()).mint();
    let proof = key.proof("GET", "https://api.example/prefix/movies", now()).for_token(&token).mint();
    let authorization = format!("DPoP {token}");
    assert_eq!(ask(&router, "/movies?movie_id=1", &authorization, &[&proof]).await.body, "in");
    assert_eq!(ask(&router, "/movies", &authorization, &[]).await.status, 401);
    assert_eq!(ask(&router, "/movies", &format!("Bearer {token}"), &[]).await.status, 401);
}

#[tokio::test]
async fn t31_a_full_memory_forgets_the_oldest_and_refuses_nobody() {
    let (key, address) = (TestIssuer::es256(), Address::parse(MOVIES).unwrap());
    let replays = shared::token::dpop::Replays::new(4);
    let make = || Proof::parse(&key.proof("GET", MOVIES, now()).mint()).unwrap();
    let last = make();
    for proof in (0..50).map(|_| make()).chain([last.clone()]) {
        assert_eq!(replays.take(&proof), Ok(()));
    }
    assert_eq!(replays.take(&last), Err(ProofRefusal::Replayed));
    let expected =
        Expected { method: "GET", address: &address, token: None, now: last.expires_at() + TimeDelta::seconds(1) };
    assert!(matches!(last.check(&expected), Err(ProofRefusal::Stale { .. })), "what is forgotten by time is too old");
}
