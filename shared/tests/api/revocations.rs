//! What is revoked is refused, whatever the cache says; and what happens while that is not known.

use std::sync::Arc;

use axum::http::Method;
use axum::routing::any;
use axum::{Extension, Router};
use chrono::{DateTime, TimeDelta, Utc};
use insta::assert_json_snapshot;
use shared::clock::Clock;
use shared::testing::TestIssuer;
use shared::token::bearer::{Authorized, Gate, Permission, RequireLayer, WhenStale};
use shared::token::revocations::{Entry, Freshness, Kind, Position, Revocations};
use shared::token::source::Keys;
use shared::token::verifier::Refusal;
use uuid::Uuid;

use crate::support::{MoviesRead, now, present, request, routes, verifier};

struct Scene {
    issuer: TestIssuer,
    clock: Clock,
    revocations: Revocations,
    gate: Arc<Gate>,
    router: Router,
}

impl Scene {
    fn new() -> Self {
        let issuer = TestIssuer::es256();
        let keys = Keys::fixed(issuer.key_set());
        let clock = Clock::manual(now());
        let revocations = Revocations::new(clock.clone());
        let verifier = verifier(&issuer, &keys).with_revocations(revocations.clone());
        let gate = Arc::new(Gate::new(verifier, keys, "movies", clock.clone()));
        let router = routes(Arc::clone(&gate));
        let scene = Self { issuer, clock, revocations, gate, router };
        scene.read(Vec::new());
        scene
    }

    /// The feed was read, and had these.
    fn read(&self, entries: Vec<Entry>) {
        self.revocations.add(entries, Position { feed_id: Some(Uuid::nil()), seq: 1 });
    }

    fn revoke(&self, kind: Kind, subject: &str, version: Option<i64>) {
        self.read(vec![entry(kind, subject, version, now() + TimeDelta::seconds(720))]);
    }
}

fn entry(kind: Kind, subject: &str, version: Option<i64>, expires_at: DateTime<Utc>) -> Entry {
    Entry { seq: 1, kind, subject: subject.to_owned(), version, expires_at }
}

#[tokio::test]
async fn s02_a_revoked_token_is_refused_like_every_bad_one_cached_or_not() {
    let bad = present(&Scene::new().router, "abc").await;
    for (kind, refusal) in [
        (Kind::Token, "revoked_token"),
        (Kind::Session, "revoked_session"),
        (Kind::User, "revoked_user"),
        (Kind::Client, "revoked_client"),
        (Kind::Key, "revoked_key"),
    ] {
        let scene = Scene::new();
        let cached = scene.issuer.token(now()).claim("sub", "ann").claim("sid", "s1").claim("jti", "j1");
        let (cached, fresh) = (cached.mint(), cached.claim("extra", 1).mint());
        assert_eq!(present(&scene.router, &cached).await.status, 200);
        let (subject, version) = match kind {
            Kind::Token => ("j1", None),
            Kind::Session => ("s1", None),
            Kind::User => ("ann", Some(1)),
            Kind::Client => ("test-client", Some(1)),
            Kind::Key => (scene.issuer.public_key().kid(), None),
        };
        scene.revoke(kind, subject, version);
        for token in [&cached, &fresh] {
            assert_eq!(present(&scene.router, token).await, bad, "{kind:?}");
            let verifier = verifier(&scene.issuer, &Keys::fixed(scene.issuer.key_set()))
                .with_revocations(scene.revocations.clone());
            let refused = verifier.verify(token, now()).unwrap_err();
            assert_eq!((&refused, refused.reason()), (&Refusal::Revoked(kind), refusal));
        }
        let other = scene.issuer.token(now()).claim("ver", 2).claim("cver", 2).mint();
        let status = present(&scene.router, &other).await.status;
        assert_eq!(status, if kind == Kind::Key { 401 } else { 200 }, "{kind:?}: what is not revoked is good");
    }
}

#[tokio::test]
async fn users_and_clients_are_revoked_by_version_and_never_by_time() {
    for (kind, claim, subject) in [(Kind::User, "ver", "ann"), (Kind::Client, "cver", "test-client")] {
        let scene = Scene::new();
        let token = |version: i64, iat: i64| {
            let token = scene.issuer.token(now()).claim("sub", "ann").claim(claim, version);
            token.claim("iat", now().timestamp() + iat).mint()
        };
        scene.revoke(kind, subject, Some(2));
        // A new login within the same second is good; an old version that was minted later is not.
        for (version, iat, status) in [(1, 0, 401), (2, 0, 401), (2, 5, 401), (3, 0, 200), (3, -60, 200), (9, 5, 200)] {
            assert_eq!(present(&scene.router, &token(version, iat)).await.status, status, "{claim} {version} {iat}");
        }
        let without = scene.issuer.token(now()).claim("sub", "ann").without_claim(claim).mint();
        assert_eq!(present(&scene.router, &without).await.status, 401, "it cannot show that it is newer");
    }
}

#[tokio::test]
async fn an_entry_is_kept_until_its_end_and_dropped_then() {
    let scene = Scene::new();
    let end = now() + TimeDelta::seconds(720);
    scene
        .read(vec![entry(Kind::Token, "j1", None, end), entry(Kind::Session, "s1", None, end + TimeDelta::seconds(1))]);
    scene.clock.advance(TimeDelta::seconds(719));
    scene.read(Vec::new());
    assert_eq!(scene.revocations.len(), 2);
    scene.clock.advance(TimeDelta::seconds(1));
    scene.read(Vec::new());
    assert_eq!(scene.revocations.len(), 1);
    scene.clock.advance(TimeDelta::seconds(1));
    scene.read(Vec::new());
    assert!(scene.revocations.is_empty());
}

#[tokio::test]
async fn while_the_feed_is_stale_reads_go_on_and_writes_are_503() {
    let scene = Scene::new();
    let token = scene.issuer.token(now()).mint();
    scene.clock.advance(TimeDelta::seconds(60));
    assert_eq!(request(&scene.router, Method::POST, &token).await.status, 200, "not stale yet");
    scene.clock.advance(TimeDelta::milliseconds(1));
    assert!(matches!(scene.revocations.freshness(), Freshness::Stale(Some(_))));
    assert_eq!(scene.gate.passed_while_stale(), 0);
    for method in [Method::GET, Method::HEAD] {
        assert_eq!(request(&scene.router, method, &token).await.status, 200);
    }
    assert_eq!(scene.gate.passed_while_stale(), 2, "counted, for a metric");
    let refused = request(&scene.router, Method::POST, &token).await;
    assert_eq!((refused.status, refused.header("retry-after"), refused.challenge()), (503, Some("5"), None));
    assert_eq!(refused.header("content-type"), Some("application/problem+json"));
    assert_json_snapshot!(refused.json(), @r#"
    {
      "code": "revocations_stale",
      "status": 503,
      "title": "It is not known at the moment which tokens were revoked"
    }
    "#);
    // A bad token is told so first, and what is known to be revoked stays refused.
    assert_eq!(request(&scene.router, Method::POST, "abc").await.status, 401);
    scene.read(Vec::new());
    assert_eq!(request(&scene.router, Method::POST, &token).await.status, 200);
}

#[tokio::test]
async fn before_the_first_reading_the_feed_is_stale() {
    let issuer = TestIssuer::es256();
    let keys = Keys::fixed(issuer.key_set());
    let revocations = Revocations::new(Clock::manual(now()));
    assert_eq!(revocations.freshness(), Freshness::Stale(None));
    let verifier = verifier(&issuer, &keys).with_revocations(revocations);
    let router = routes(Arc::new(Gate::new(verifier, keys, "movies", Clock::manual(now()))));
    let token = issuer.token(now()).mint();
    assert_eq!(request(&router, Method::GET, &token).await.status, 200);
    assert_eq!(request(&router, Method::POST, &token).await.status, 503);
}

struct Careful;
impl Permission for Careful {
    const SCOPE: &'static str = "movies:read";
    const WHEN_STALE: WhenStale = WhenStale::Refuse;
}
struct Careless;
impl Permission for Careless {
    const SCOPE: &'static str = "movies:read";
    const WHEN_STALE: WhenStale = WhenStale::GoOn;
}

#[tokio::test]
async fn a_route_may_choose_and_the_layer_is_the_same_check() {
    async fn sub<P: Permission>(Extension(caller): Extension<Authorized<P>>) -> String {
        caller.claims().sub.clone()
    }
    let scene = Scene::new();
    let behind = |gate: &Arc<Gate>| {
        let gate = || Arc::clone(gate);
        [
            Router::new().route("/movies", any(sub::<Careful>)).layer(RequireLayer::<Careful>::new(gate())),
            Router::new().route("/movies", any(sub::<Careless>)).layer(RequireLayer::<Careless>::new(gate())),
            Router::new().route("/movies", any(sub::<MoviesRead>)).layer(RequireLayer::<MoviesRead>::new(gate())),
        ]
    };
    let routers = behind(&scene.gate);
    let token = scene.issuer.token(now()).claim("sub", "ann").mint();
    let narrow = scene.issuer.token(now()).scope("profile").mint();
    for router in &routers {
        let answer = request(router, Method::POST, &token).await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ann"));
        assert_eq!(present(router, "abc").await, present(&scene.router, "abc").await);
        assert_eq!(present(router, &narrow).await, present(&scene.router, &narrow).await);
    }
    scene.clock.advance(TimeDelta::seconds(61));
    let mut statuses = Vec::new();
    for router in &routers {
        for method in [Method::GET, Method::POST] {
            statuses.push(request(router, method, &token).await.status);
        }
    }
    assert_eq!(statuses, [503, 503, 200, 200, 200, 503]);
}
