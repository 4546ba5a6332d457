//! The copy of a URL's keys on disk. S07, F25.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::Clock;
use shared::testing::{Answer, KeyServer, TestIssuer};
use shared::token::source::{KeySource, Keys, KeysOptions};
use tempfile::TempDir;

use crate::sources::{impatient, until};
use crate::support::{now, present, protect};

/// A folder for the copy, an issuer and its key endpoint.
struct Scene {
    folder: TempDir,
    issuer: TestIssuer,
    server: KeyServer,
}

impl Scene {
    async fn new() -> Self {
        let issuer = TestIssuer::es256();
        let server = KeyServer::start(Answer::Body(issuer.jwks())).await;
        Self { folder: tempfile::tempdir().unwrap(), issuer, server }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("keys.json")
    }

    /// Another start of the service.
    async fn start(&self) -> Keys {
        self.start_with(&self.path()).await
    }

    async fn start_with(&self, path: &Path) -> Keys {
        let options = KeysOptions { copy: Some(path.to_owned()), ..impatient() };
        let keys = Keys::new(KeySource::JwksUrl(self.server.url().clone()), options).unwrap();
        keys.load().await.unwrap();
        keys
    }

    /// A copy that is believed.
    fn good_copy(&self) -> Value {
        let mut copy: Value = serde_json::from_slice(&self.issuer.jwks()).unwrap();
        copy["url"] = self.server.url().as_str().into();
        copy["fetched_at"] = (Clock::system().now() - Duration::from_hours(50)).to_rfc3339().into();
        copy
    }

    fn kids_on_disk(&self) -> Vec<String> {
        let Ok(text) = fs::read(self.path()) else { return Vec::new() };
        let copy: Value = serde_json::from_slice(&text).unwrap();
        copy["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn s07_a_restart_without_the_issuer_goes_on_with_the_copy() {
    let scene = Scene::new().await;
    let running = tokio::spawn(scene.start().await.keep_fresh());
    until("a copy", || scene.path().exists()).await;
    running.abort();
    assert_eq!(fs::metadata(scene.path()).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(scene.folder.path()).unwrap().count(), 1, "no draft is left");

    scene.server.set_answer(Answer::Status(503));
    let keys = scene.start().await;
    assert!(keys.is_ready() && keys.age().is_some());
    assert!(keys.reason().unwrap().contains("503"), "it says that all is not well");
    let router = protect(&scene.issuer, &keys);
    assert_eq!(present(&router, &scene.issuer.token(now()).mint()).await.status, 200);
    assert_eq!(present(&router, &TestIssuer::es256().token(now()).mint()).await.status, 401);
}

#[tokio::test]
async fn the_copy_is_for_outages_only() {
    let scene = Scene::new().await;
    let old = TestIssuer::es256();
    let mut copy = scene.good_copy();
    copy["keys"] = serde_json::from_slice::<Value>(&old.jwks()).unwrap()["keys"].take();
    fs::write(scene.path(), copy.to_string()).unwrap();
    let keys = scene.start().await;
    assert_eq!(keys.set().load().kids(), [scene.issuer.public_key().kid()], "the source comes first");

    scene.server.set_answer(Answer::Silence);
    let keys = scene.start().await;
    assert_eq!(keys.set().load().kids(), [old.public_key().kid()]);
    assert!(keys.age().unwrap() >= Duration::from_hours(50), "{:?}", keys.age());
    let running = tokio::spawn(keys.clone().keep_fresh());
    scene.server.set_answer(Answer::Body(scene.issuer.jwks()));
    let kid = scene.issuer.public_key().kid();
    until("the source's set", || keys.set().load().kids() == [kid]).await;
    until("the new copy", || scene.kids_on_disk() == [kid]).await;
    assert!(keys.age().unwrap() < Duration::from_hours(1));
    running.abort();
}

#[tokio::test]
async fn a_key_that_is_published_no_more_leaves_the_disk() {
    let scene = Scene::new().await;
    let leaked = TestIssuer::es256();
    let both = json!({ "keys": [scene.good_copy()["keys"][0],
        serde_json::from_slice::<Value>(&leaked.jwks()).unwrap()["keys"][0]] });
    scene.server.set_answer(Answer::Cached(both.to_string().into_bytes(), "max-age=0"));
    let running = tokio::spawn(scene.start().await.keep_fresh());
    until("both", || scene.kids_on_disk().len() == 2).await;
    scene.server.set_answer(Answer::Cached(scene.issuer.jwks(), "max-age=0"));
    until("one", || scene.kids_on_disk() == [scene.issuer.public_key().kid()]).await;
    running.abort();
}

#[tokio::test]
async fn f25_a_copy_that_cannot_be_believed_is_no_copy() {
    let scene = Scene::new().await;
    scene.server.set_answer(Answer::Status(503));
    let good = scene.good_copy();
    fs::write(scene.path(), good.to_string()).unwrap();
    assert!(scene.start().await.is_ready());

    let changed = |member: &str, value: Value| {
        let mut copy = good.clone();
        copy[member] = value;
        copy.to_string()
    };
    let days_ago = |days: u64| (Clock::system().now() - Duration::from_hours(24 * days)).to_rfc3339();
    let mut private = good["keys"][0].clone();
    private["d"] = "AAAA".into();
    let text = good.to_string();
    for (name, copy) in [
        ("nothing", String::new()),
        ("half of it", text.split_at(text.len() / 2).0.to_owned()),
        ("trailing bytes", format!("{text}x")),
        ("a plain JWK Set", String::from_utf8(scene.issuer.jwks()).unwrap()),
        ("another URL", changed("url", "http://127.0.0.1:1/jwks.json".into())),
        ("no time", changed("fetched_at", "yesterday".into())),
        ("eight days old", changed("fetched_at", days_ago(8).into())),
        ("no keys", changed("keys", json!([]))),
        ("one key twice", changed("keys", json!([good["keys"][0], good["keys"][0]]))),
        ("a private key", changed("keys", json!([private]))),
        ("too large", format!("{text}{}", " ".repeat(256 * 1024))),
    ] {
        fs::write(scene.path(), copy).unwrap();
        let keys = scene.start().await;
        assert!(!keys.is_ready() && keys.age().is_none(), "{name}");
    }
    // A clock that was put back makes no difference.
    fs::write(scene.path(), changed("fetched_at", json!("2999-01-01T00:00:00Z"))).unwrap();
    assert_eq!(scene.start().await.age().map(|age| age.as_secs()), Some(0));
}

#[tokio::test]
async fn a_copy_that_others_may_have_written_is_no_copy() {
    let scene = Scene::new().await;
    scene.server.set_answer(Answer::Status(503));
    fs::write(scene.path(), scene.good_copy().to_string()).unwrap();
    for (mode, is_ready) in [(0o644, true), (0o664, false), (0o602, false), (0o600, true)] {
        fs::set_permissions(scene.path(), fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(scene.start().await.is_ready(), is_ready, "{mode:o}");
    }
    if std::os::unix::fs::chown(scene.path(), Some(65_534), None).is_ok() {
        assert!(!scene.start().await.is_ready(), "of a stranger");
    }
    let pipe = scene.folder.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(!scene.start_with(&pipe).await.is_ready());
}

#[tokio::test]
async fn a_place_that_cannot_be_written_keeps_nothing_from_going_on() {
    let scene = Scene::new().await;
    scene.server.set_answer(Answer::Cached(scene.issuer.jwks(), "max-age=0"));
    let keys = scene.start_with(&scene.folder.path().join("none/keys.json")).await;
    let running = tokio::spawn(keys.clone().keep_fresh());
    until("a few fetches", || scene.server.hits() > 3).await;
    assert!(keys.is_ready() && keys.reason().is_none());
    running.abort();
}
