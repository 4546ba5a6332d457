//! Where keys come from, and what happens when that place misbehaves. S08, S09, F25.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use shared::testing::{Answer, KeyServer, TestIssuer};
use shared::token::keys::{KeyError, KeySet};
use shared::token::source::{KeySource, Keys, KeysOptions, SourceError};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::support::{now, present, protect};

/// Far beyond what anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Bounds that do not keep a test waiting.
pub fn impatient() -> KeysOptions {
    KeysOptions {
        cooldown: Duration::ZERO,
        fetch_timeout: Duration::from_millis(300),
        shortest_age: Duration::from_millis(50),
        first_retry: Duration::from_millis(10),
        longest_retry: Duration::from_millis(50),
        ..KeysOptions::default()
    }
}

async fn from_url(server: &KeyServer, options: KeysOptions) -> Keys {
    let keys = Keys::new(KeySource::JwksUrl(server.url().clone()), options).unwrap();
    keys.load().await.unwrap();
    keys
}

fn jwks_of(issuers: &[&TestIssuer]) -> Vec<u8> {
    let keys = KeySet::new(issuers.iter().map(|issuer| issuer.public_key().clone())).unwrap();
    serde_json::to_vec(&keys.to_jwks()).unwrap()
}

/// Comes back when the condition holds.
pub async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| unreachable!("still waiting: {what}"));
}

#[tokio::test]
async fn s08_a_thousand_unknown_kids_cause_one_fetch() {
    let issuer = TestIssuer::es256();
    let server = KeyServer::start(Answer::Body(issuer.jwks())).await;
    let keys = from_url(&server, KeysOptions::default()).await;
    let router = protect(&issuer, &keys);
    let mut requests = JoinSet::new();
    for number in 0..1000 {
        let token = issuer.token(now()).header("kid", format!("random-{number}")).mint();
        let router = router.clone();
        requests.spawn(async move { present(&router, &token).await.status });
    }
    while let Some(status) = requests.join_next().await {
        assert_eq!(status.unwrap(), 401);
    }
    assert_eq!(server.hits(), 2, "one at start, one for all of them");
    assert_eq!(present(&router, &issuer.token(now()).mint()).await.status, 200);
}

#[tokio::test]
async fn s08_a_new_key_is_found_by_all_with_one_fetch() {
    let (old, new) = (TestIssuer::es256(), TestIssuer::es256());
    let server = KeyServer::start(Answer::Body(old.jwks())).await;
    let router = protect(&old, &from_url(&server, KeysOptions::default()).await);
    server.set_answer(Answer::Body(jwks_of(&[&old, &new])));
    let mut requests = JoinSet::new();
    for _ in 0..50 {
        let (router, token) = (router.clone(), new.token(now()).mint());
        requests.spawn(async move { present(&router, &token).await.status });
    }
    while let Some(status) = requests.join_next().await {
        assert_eq!(status.unwrap(), 200);
    }
    assert_eq!(server.hits(), 2);
    assert_eq!(present(&router, &old.token(now()).mint()).await.status, 200);
}

#[tokio::test]
async fn s08_a_request_waits_for_a_slow_fetch_only_so_long() {
    let issuer = TestIssuer::es256();
    let server = KeyServer::start(Answer::Body(issuer.jwks())).await;
    let options = KeysOptions { wait: Duration::from_millis(50), fetch_timeout: PATIENCE, ..impatient() };
    let keys = from_url(&server, options).await;
    server.set_answer(Answer::Silence);
    let waited = timeout(PATIENCE / 2, async { (keys.seek("a").await, keys.seek("b").await) }).await;
    assert_eq!(waited, Ok((false, false)));
    assert_eq!(server.hits(), 2, "the second joined the first one's fetch, which goes on");
}

fn hostile_sets(issuer: &TestIssuer) -> Vec<(&'static str, Answer)> {
    let good: Value = serde_json::from_slice(&issuer.jwks()).unwrap();
    let changed = |member: &str, value: Value| {
        let mut set = good.clone();
        set["keys"][0][member] = value;
        Answer::Body(set.to_string().into_bytes())
    };
    let key = good["keys"][0].clone();
    let mut large = issuer.jwks();
    large.resize(256 * 1024 + 1, b' ');
    vec![
        ("100 MB", Answer::Endless(100_000_000)),
        ("one byte too many", Answer::Body(large)),
        ("slow drip", Answer::Drip),
        ("silence", Answer::Silence),
        ("500", Answer::Status(500)),
        ("404", Answer::Status(404)),
        ("204", Answer::Status(204)),
        ("redirect to a file", Answer::Redirect("file:///etc/passwd".to_owned())),
        ("redirect to metadata", Answer::Redirect("http://169.254.169.254/latest/meta-data".to_owned())),
        ("HTML", Answer::Body(b"<!doctype html><title>Sign in</title>".to_vec())),
        ("nothing", Answer::Body(Vec::new())),
        ("no keys", Answer::Body(br#"{"keys":[]}"#.to_vec())),
        ("duplicate kids", Answer::Body(json!({ "keys": [key, key] }).to_string().into_bytes())),
        ("private member", changed("d", json!("AAAA"))),
        ("symmetric", changed("kty", json!("oct"))),
        ("off the curve", changed("y", key["x"].clone())),
    ]
}

#[tokio::test]
async fn s09_whatever_the_endpoint_does_the_last_good_set_stays() {
    let issuer = TestIssuer::es256();
    let server = KeyServer::start(Answer::Body(issuer.jwks())).await;
    let keys = from_url(&server, impatient()).await;
    let router = protect(&issuer, &keys);
    for (name, answer) in hostile_sets(&issuer) {
        server.set_answer(answer);
        let before = server.hits();
        assert!(!timeout(PATIENCE, keys.seek("unknown")).await.unwrap(), "{name}");
        assert_eq!(server.hits(), before + 1, "{name}");
        assert!(keys.is_ready() && keys.reason().is_some(), "{name}");
        assert_eq!(present(&router, &issuer.token(now()).mint()).await.status, 200, "{name}");
    }
    server.set_answer(Answer::Body(issuer.jwks()));
    keys.seek("unknown").await;
    assert_eq!(keys.reason(), None, "and all is well again");
    assert!(keys.age().is_some());
}

#[tokio::test]
async fn s09_redirects_are_not_followed() {
    let (issuer, attacker) = (TestIssuer::es256(), TestIssuer::es256());
    let trap = KeyServer::start(Answer::Body(attacker.jwks())).await;
    let server = KeyServer::start(Answer::Body(issuer.jwks())).await;
    let keys = from_url(&server, impatient()).await;
    server.set_answer(Answer::Redirect(trap.url().to_string()));
    assert!(!keys.seek(attacker.public_key().kid()).await);
    assert_eq!((trap.hits(), server.hits()), (0, 2));
}

#[tokio::test]
async fn f25_a_cold_start_without_the_issuer_goes_on_trying() {
    let issuer = TestIssuer::es256();
    let server = KeyServer::start(Answer::Status(503)).await;
    let keys = Keys::new(KeySource::JwksUrl(server.url().clone()), impatient()).unwrap();
    assert_eq!(keys.reason().as_deref(), Some("the keys have not been read yet"));
    keys.load().await.unwrap();
    assert!(!keys.is_ready() && keys.age().is_none());
    assert!(keys.reason().unwrap().contains("503"));
    let refresher = tokio::spawn(keys.clone().keep_fresh());
    until("a few tries", || server.hits() > 3).await;
    server.set_answer(Answer::Body(issuer.jwks()));
    until("ready", || keys.is_ready()).await;
    assert_eq!(keys.reason(), None);
    refresher.abort();
}

#[tokio::test]
async fn an_address_where_nobody_listens_is_not_an_error() {
    let server = KeyServer::start(Answer::Silence).await;
    let url = server.url().clone();
    drop(server);
    let keys = Keys::new(KeySource::JwksUrl(url), impatient()).unwrap();
    timeout(PATIENCE, keys.load()).await.unwrap().unwrap();
    assert!(!keys.is_ready() && keys.reason().is_some());
}

#[tokio::test]
async fn the_set_is_read_again_ahead_of_its_age() {
    let (old, new) = (TestIssuer::es256(), TestIssuer::es256());
    let server = KeyServer::start(Answer::Cached(old.jwks(), "public, max-age=0")).await;
    let keys = from_url(&server, impatient()).await;
    let refresher = tokio::spawn(keys.clone().keep_fresh());
    until("refreshed", || server.hits() > 2).await;
    server.set_answer(Answer::Cached(new.jwks(), "no-cache"));
    until("the new set", || keys.set().load().find(new.public_key().kid()).is_some()).await;
    assert!(keys.set().load().find(old.public_key().kid()).is_none(), "what is not published any more is gone");
    refresher.abort();
}

#[rstest]
#[case("http://keys.example/jwks.json")]
#[case("ftp://127.0.0.1/jwks.json")]
#[case("https://user:secret@keys.example/")]
fn addresses_that_anyone_could_answer_for_are_refused(#[case] url: &str) {
    let source = KeySource::JwksUrl(url.parse().unwrap());
    let error = Keys::new(source, KeysOptions::default()).err().unwrap();
    assert!(matches!(error, SourceError::Url(_)));
    assert!(!error.to_string().contains("secret"));
}

#[tokio::test]
async fn files_are_read_at_start_and_again_when_changed() {
    let (old, new) = (TestIssuer::es256(), TestIssuer::es256());
    let folder = tempfile::tempdir().unwrap();
    for pem in [true, false] {
        let path = folder.path().join("keys");
        let (first, both) = if pem {
            (old.public_pem().into_bytes(), format!("{}{}", old.public_pem(), new.public_pem()).into_bytes())
        } else {
            (old.jwks(), jwks_of(&[&old, &new]))
        };
        std::fs::write(&path, first).unwrap();
        let source = if pem { KeySource::Pem(path.clone()) } else { KeySource::JwksFile(path.clone()) };
        let keys = Keys::new(source, impatient()).unwrap();
        keys.load().await.unwrap();
        assert!(keys.is_ready());
        let kid = new.public_key().kid();
        assert!(!keys.seek(kid).await);
        std::fs::write(&path, "-").unwrap();
        assert!(!keys.seek(kid).await);
        assert!(keys.is_ready() && keys.reason().is_some(), "a broken file keeps the last good set");
        std::fs::write(&path, both).unwrap();
        assert!(keys.seek(kid).await);
        assert_eq!((keys.set().load().len(), keys.reason()), (2, None));
    }
}

#[tokio::test]
async fn a_file_that_cannot_be_used_stops_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key.pem");
    let load = |source| async { Keys::new(source, KeysOptions::default()).unwrap().load().await.unwrap_err() };
    let missing = load(KeySource::Pem(path.clone())).await;
    assert!(matches!(missing, SourceError::File { .. }) && missing.to_string().contains("key.pem"));
    std::fs::write(&path, TestIssuer::es256().private_pem()).unwrap();
    let private = load(KeySource::Pem(path.clone())).await;
    assert!(matches!(private, SourceError::Keys(KeyError::Private)));
    std::fs::write(&path, vec![b' '; 256 * 1024 + 1]).unwrap();
    assert!(matches!(load(KeySource::JwksFile(path)).await, SourceError::TooLarge(_)));
}
