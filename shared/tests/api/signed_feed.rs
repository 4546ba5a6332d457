//! The feed behind a URL: believed only when the issuer signed it, just now.

use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::Clock;
use shared::testing::{Answer, KeyServer, TestIssuer};
use shared::token::keys::Algorithm;
use shared::token::revocations::{Feed, FeedError, Freshness, Revocations, SignedFeed};
use shared::token::source::{Keys, KeysOptions};
use tokio::time::timeout;

use crate::support::now;

const FEED: &str = "6a1c8a0e-3e2f-4a5d-9c1b-000000000001";
const OTHER: &str = "6a1c8a0e-3e2f-4a5d-9c1b-000000000002";

struct Scene {
    issuer: TestIssuer,
    server: KeyServer,
    revocations: Revocations,
    feed: SignedFeed,
}

impl Scene {
    async fn new(issuer: TestIssuer) -> Self {
        let server = KeyServer::start(Answer::Status(500)).await;
        let revocations = Revocations::new(Clock::manual(now()));
        let feed = feed(&server, &issuer);
        Self { issuer, server, revocations, feed }
    }

    /// What the issuer would sign.
    fn sign(&self, payload: &Value) -> String {
        sign(&self.issuer, "revocations+jwt", payload)
    }

    /// One reading of this answer.
    async fn read(&mut self, answer: Answer) -> Result<(), FeedError> {
        self.server.set_answer(answer);
        self.feed.read(&self.revocations).await
    }

    async fn read_text(&mut self, jws: String) -> Result<(), FeedError> {
        self.read(Answer::Body(jws.into_bytes())).await
    }

    async fn read_good(&mut self, payload: &Value) {
        self.read_text(self.sign(payload)).await.unwrap();
    }

    fn seq(&self) -> i64 {
        self.revocations.position().seq
    }

    fn has(&self, jti: &str) -> bool {
        let mut claims = self.issuer.claims(now());
        claims.jti = jti.to_owned();
        self.revocations.find(&claims, "kid").is_some()
    }
}

fn feed(server: &KeyServer, issuer: &TestIssuer) -> SignedFeed {
    let keys = Keys::fixed(issuer.key_set());
    SignedFeed::new(server.url().clone(), issuer.issuer(), keys, &KeysOptions::default()).unwrap()
}

fn sign(issuer: &TestIssuer, typ: &str, payload: &Value) -> String {
    let key = issuer.public_key();
    let header = json!({ "typ": typ, "alg": key.algorithm().as_str(), "kid": key.kid() });
    issuer.mint_raw(&header.to_string(), &payload.to_string())
}

fn payload(seq: i64, complete: bool, jtis: &[&str]) -> Value {
    let exp = now().timestamp() + 720;
    let entry = |jti| json!({ "seq": seq, "kind": "token", "subject": jti, "version": null, "exp": exp });
    let entries: Vec<Value> = jtis.iter().map(entry).collect();
    let iss = "http://127.0.0.1:8001";
    json!({ "iss": iss, "iat": now().timestamp(), "feed_id": FEED, "seq": seq, "complete": complete, "entries": entries })
}

fn with(mut payload: Value, member: &str, value: Value) -> Value {
    payload[member] = value;
    payload
}

#[tokio::test]
async fn the_whole_feed_is_read_first_and_then_what_is_new() {
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        let mut scene = Scene::new(TestIssuer::new(algorithm)).await;
        assert_eq!(scene.revocations.freshness(), Freshness::Stale(None));
        scene.read_good(&payload(3, true, &["a", "b"])).await;
        assert!(scene.has("a") && scene.has("b"), "{algorithm}");
        assert_eq!(scene.revocations.freshness(), Freshness::Fresh(Duration::ZERO));
        scene.read_good(&payload(4, false, &["c"])).await;
        assert!(scene.has("a") && scene.has("b") && scene.has("c"));
        // Another replica of the issuer that has not seen the last entry yet: it stays revoked.
        scene.read_good(&payload(3, true, &["a", "b"])).await;
        assert!(scene.seq() == 3 && scene.has("c"));
        // Another feed: everything is another.
        scene.read_good(&with(payload(2, true, &["d"]), "feed_id", json!(OTHER))).await;
        assert!(scene.has("d") && !scene.has("a"));
    }
}

#[tokio::test]
async fn it_is_followed_for_ever() {
    let issuer = TestIssuer::es256();
    let server = KeyServer::start(Answer::Status(500)).await;
    let revocations = Revocations::new(Clock::manual(now()));
    let (feed, keys) = (feed(&server, &issuer), Keys::fixed(issuer.key_set()));
    let task = tokio::spawn(revocations.clone().follow(Feed::Url(feed), keys, || ()));
    for seq in [1, 2] {
        let jws = sign(&issuer, "revocations+jwt", &payload(seq, true, &["a"]));
        server.set_answer(Answer::Body(jws.into_bytes()));
        let mut watch = revocations.watch();
        timeout(Duration::from_secs(20), watch.wait_for(|position| position.seq == seq)).await.unwrap().unwrap();
    }
    task.abort();
}

#[tokio::test]
async fn what_the_issuer_did_not_sign_just_now_changes_nothing() {
    let mut scene = Scene::new(TestIssuer::es256()).await;
    scene.read_good(&payload(3, true, &["a"])).await;
    let forged = payload(9, true, &["x"]);
    let impostor = TestIssuer::es256().with_kid(scene.issuer.public_key().kid());
    let at = |seconds: i64| json!(now().timestamp() + seconds);
    let bad = [
        sign(&impostor, "revocations+jwt", &forged),
        sign(&TestIssuer::es256(), "revocations+jwt", &forged),
        sign(&scene.issuer, "at+jwt", &forged),
        sign(&scene.issuer, "JWT", &forged),
        scene.issuer.token(now()).mint(),
        scene.sign(&with(forged.clone(), "iss", json!("http://127.0.0.1:9"))),
        scene.sign(&with(forged.clone(), "iat", at(-61))),
        scene.sign(&with(forged.clone(), "iat", at(6))),
        scene.sign(&with(forged.clone(), "seq", json!("9"))),
        scene.sign(&with(forged.clone(), "entries", json!([{ "seq": 9, "kind": "device", "subject": "d", "exp": 1 }]))),
        scene.sign(&with(payload(9, false, &["x"]), "feed_id", json!(OTHER))),
        scene.sign(&payload(2, false, &["x"])),
        forged.to_string(),
        "<html>".to_owned(),
        String::new(),
    ];
    for (number, answer) in bad.into_iter().enumerate() {
        // In the middle of a feed that is followed, and after a failure.
        for _ in 0..2 {
            scene.read_text(answer.clone()).await.unwrap_err();
            assert!(scene.seq() == 3 && scene.has("a") && !scene.has("x"), "{number}");
        }
        scene.read_good(&payload(3, true, &["a"])).await;
    }
}

#[tokio::test]
async fn s09_fetching_revocations_is_bounded() {
    let mut scene = Scene::new(TestIssuer::es256()).await;
    scene.read_good(&payload(3, true, &["a"])).await;
    let bait = KeyServer::start(Answer::Body(scene.sign(&payload(9, true, &["x"])).into_bytes())).await;
    for answer in [
        Answer::Status(500),
        Answer::Redirect(bait.url().to_string()),
        Answer::Redirect("file:///etc/passwd".to_owned()),
        Answer::Endless(100 << 20),
        Answer::Drip,
    ] {
        let read = timeout(Duration::from_secs(20), scene.read(answer)).await;
        assert!(matches!(read.unwrap().unwrap_err(), FeedError::Fetch(_)));
    }
    assert_eq!((bait.hits(), scene.seq()), (0, 3));
    scene.read_good(&payload(5, true, &["b"])).await;
    assert!(scene.has("b"));
}

#[test]
fn a_feed_over_plain_http_from_elsewhere_is_refused() {
    let keys = Keys::fixed(TestIssuer::es256().key_set());
    let feed = |url: &str, allow_http| {
        let options = KeysOptions { allow_http, ..KeysOptions::default() };
        SignedFeed::new(url.parse().unwrap(), "https://a.example", keys.clone(), &options).is_ok()
    };
    assert!(feed("https://a.example/revocations", false));
    assert!(!feed("http://a.example/revocations", false) && feed("http://a.example/revocations", true));
    assert!(!feed("https://user:password@a.example/revocations", true));
}
