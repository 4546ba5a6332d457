//! Signing keys at rest and in use: T26, M06, U05, F24.

use auth_server::keys::{self, KekRing, KeyEncryptionKey, KeyState, KeysError, NewKey, SealError, SigningKeys};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};
use shared::db::Pool;
use shared::token::keys::{Algorithm, VerifyingKey};

pub(crate) fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).unwrap()
}

pub(crate) fn kek() -> KeyEncryptionKey {
    KeyEncryptionKey::from_base64(&keys::new_secret().unwrap()).unwrap()
}

pub(crate) fn ring() -> KekRing {
    KekRing::new(kek(), Vec::new())
}

async fn generate(pool: &Pool, keks: &KekRing, algorithm: Algorithm, activate: bool, minute: i64) -> String {
    let options = NewKey { kid: None, activate };
    let made = keys::generate(pool, keks, algorithm, &options, now() + TimeDelta::minutes(minute)).await.unwrap();
    made.key.kid
}

async fn load_error(pool: &Pool, keks: &KekRing) -> KeysError {
    SigningKeys::load(pool.clone(), keks.clone()).await.err().unwrap()
}

fn published(keys: &SigningKeys) -> Vec<Value> {
    let document: Value = serde_json::from_slice(&keys.jwks().body).unwrap();
    document["keys"].as_array().unwrap().clone()
}

fn kids(keys: &SigningKeys) -> Vec<String> {
    published(keys).iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

/// What `key generate --if-none` does at every start of a deployment, by several at once.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn u05_a_first_key_is_made_once(pool: Pool) {
    let keks = ring();
    let options = NewKey { kid: None, activate: false };
    let first = || keys::generate_first(&pool, &keks, Algorithm::Es256, &options, now());
    let (one, two) = tokio::join!(first(), first());
    let made = [one.unwrap(), two.unwrap(), first().await.unwrap()];
    assert_eq!(made.iter().flatten().count(), 1);
    assert_eq!(keys::list(&pool).await.unwrap().len(), 1);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t26_published_keys_are_asymmetric_and_strong(pool: Pool) {
    let keks = ring();
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        generate(&pool, &keks, algorithm, false, 0).await;
    }
    let keys = SigningKeys::load(pool, keks).await.unwrap();
    for key in published(&keys) {
        let bytes = |member: &str| URL_SAFE_NO_PAD.decode(key[member].as_str().unwrap()).unwrap();
        match key["alg"].as_str().unwrap() {
            "ES256" => assert_eq!((key["crv"].as_str(), bytes("x").len(), bytes("y").len()), (Some("P-256"), 32, 32)),
            "EdDSA" => assert_eq!((key["crv"].as_str(), bytes("x").len()), (Some("Ed25519"), 32)),
            "RS256" => assert_eq!((bytes("n").len() * 8, bytes("e")), (3072, vec![1, 0, 1])),
            other => panic!("{other} is published"),
        }
    }
    let mut algorithms = keys.algorithms();
    algorithms.sort_by_key(|algorithm| algorithm.as_str());
    assert_eq!(algorithms, [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256]);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn m06_the_document_has_public_members_only(pool: Pool) {
    let keks = ring();
    for algorithm in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256] {
        generate(&pool, &keks, algorithm, false, 0).await;
    }
    let keys = SigningKeys::load(pool, keks).await.unwrap();
    for key in published(&keys) {
        let mut members: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
        members.sort_unstable();
        let expected: &[&str] = match key["kty"].as_str().unwrap() {
            "EC" => &["alg", "crv", "kid", "kty", "use", "x", "y"],
            "OKP" => &["alg", "crv", "kid", "kty", "use", "x"],
            _ => &["alg", "e", "kid", "kty", "n", "use"],
        };
        assert_eq!(members, expected);
        assert_eq!(key["use"], "sig");
        let read = VerifyingKey::from_jwk(key.to_string().as_bytes()).unwrap();
        assert_eq!(read.kid(), read.thumbprint(), "RFC 7638");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn m06_the_order_is_active_next_retired_and_stable(pool: Pool) {
    let keks = ring();
    let first = generate(&pool, &keks, Algorithm::Es256, false, 0).await;
    let second = generate(&pool, &keks, Algorithm::Es256, true, 1).await;
    let third = generate(&pool, &keks, Algorithm::Es256, true, 2).await;
    let fourth = generate(&pool, &keks, Algorithm::EdDsa, false, 3).await;
    let fifth = generate(&pool, &keks, Algorithm::Es256, false, 4).await;

    let keys = SigningKeys::load(pool.clone(), keks.clone()).await.unwrap();
    assert_eq!(kids(&keys), [&third, &fourth, &fifth, &first, &second].map(String::as_str));
    assert_eq!(keys.algorithms(), [Algorithm::Es256, Algorithm::EdDsa]);
    let before = keys.jwks();
    keys.reload().await.unwrap();
    assert_eq!(keys.jwks(), before);

    generate(&pool, &keks, Algorithm::Es256, false, 5).await;
    keys.reload().await.unwrap();
    assert_ne!(keys.jwks().etag, before.etag);
    assert_eq!(*keys::export_jwks(&pool).await.unwrap().body, *keys.jwks().body);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn u05_nothing_signs_without_a_key_that_somebody_made(pool: Pool) {
    let refused = load_error(&pool, &ring()).await;
    assert!(matches!(refused, KeysError::NoKey));
    assert!(refused.to_string().contains("`auth-server key generate`"), "{refused}");
    assert_eq!(keys::list(&pool).await.unwrap(), []);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f24_a_key_under_another_kek_stops_the_start_and_is_named(pool: Pool) {
    let (keks, strange) = (ring(), ring());
    let kid = generate(&pool, &keks, Algorithm::Es256, false, 0).await;
    let refused = load_error(&pool, &strange).await.to_string();
    assert!(refused.contains(&kid) && refused.contains(keks.current().id()), "{refused}");
    assert_eq!(keys::list(&pool).await.unwrap().len(), 1, "no key is made silently");

    // A next key would stop a later rotation, so it stops the start too; a retired one needs its public half only.
    let next = generate(&pool, &strange, Algorithm::Es256, false, 1).await;
    assert!(load_error(&pool, &keks).await.to_string().contains(&next));
    sqlx::query(
        "update myapi.signing_keys set state = 'retired', activated_at = now(), retired_at = now() where kid = $1",
    )
    .bind(&next)
    .execute(&pool)
    .await
    .unwrap();
    assert_eq!(kids(&SigningKeys::load(pool, keks).await.unwrap()), [kid, next]);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f24_no_active_key_stops_the_start(pool: Pool) {
    let keks = ring();
    generate(&pool, &keks, Algorithm::Es256, false, 0).await;
    let retire = "update myapi.signing_keys set state = 'retired', retired_at = now()";
    sqlx::query(retire).execute(&pool).await.unwrap();
    assert!(matches!(load_error(&pool, &keks).await, KeysError::NoActiveKey));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f24_rows_whose_ciphertext_was_swapped_are_refused(pool: Pool) {
    let keks = ring();
    let first = generate(&pool, &keks, Algorithm::Es256, false, 0).await;
    generate(&pool, &keks, Algorithm::Es256, false, 1).await;
    let swap = "update myapi.signing_keys k set private_key = o.private_key, private_key_nonce = o.private_key_nonce
                from myapi.signing_keys o where o.kid <> k.kid";
    assert_eq!(sqlx::query(swap).execute(&pool).await.unwrap().rows_affected(), 2);
    match load_error(&pool, &keks).await {
        KeysError::CannotOpen { kid, source: SealError::Broken(kek) } => {
            assert_eq!((kid.as_str(), kek.as_str()), (first.as_str(), keks.current().id()));
        }
        other => panic!("{other}"),
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f24_a_public_half_of_another_key_is_refused(pool: Pool) {
    let keks = ring();
    let first = generate(&pool, &keks, Algorithm::Es256, false, 0).await;
    generate(&pool, &keks, Algorithm::Es256, false, 1).await;
    let forge = "update myapi.signing_keys k set public_jwk = o.public_jwk || jsonb_build_object('kid', k.kid)
                 from myapi.signing_keys o where o.kid <> k.kid";
    sqlx::query(forge).execute(&pool).await.unwrap();
    match load_error(&pool, &keks).await {
        KeysError::BrokenKey { kid, .. } => assert_eq!(kid, first),
        other => panic!("{other}"),
    }
    let rename = "update myapi.signing_keys set public_jwk = public_jwk || '{\"kid\": \"other\"}' where kid = $1";
    sqlx::query(rename).bind(&first).execute(&pool).await.unwrap();
    let impossible = load_error(&pool, &keks).await.to_string();
    assert!(impossible.contains(&first) && impossible.contains("myapi.signing_keys"), "{impossible}");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn no_part_of_a_private_key_is_in_its_row(pool: Pool) {
    let simple = jwt_simple::prelude::ES256KeyPair::generate();
    let keks = ring();
    keys::import(&pool, &keks, &simple.to_pem().unwrap(), &NewKey::default(), now()).await.unwrap();
    let row: Vec<u8> = sqlx::query_scalar("select convert_to(k::text, 'UTF8') from myapi.signing_keys k")
        .fetch_one(&pool)
        .await
        .unwrap();
    let sealed: Vec<u8> =
        sqlx::query_scalar("select private_key from myapi.signing_keys").fetch_one(&pool).await.unwrap();
    let secret = simple.to_bytes();
    let hexadecimal: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    for piece in secret.windows(4) {
        assert!(!sealed.windows(4).any(|window| window == piece));
    }
    let text = String::from_utf8(row).unwrap();
    assert!(!text.contains(&hexadecimal[..16]));
    assert!(!text.contains(&URL_SAFE_NO_PAD.encode(&secret)[..12]));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn several_first_keys_at_once_leave_exactly_one_active(pool: Pool) {
    let keks = ring();
    let made = tokio::join!(
        generate(&pool, &keks, Algorithm::Es256, false, 0),
        generate(&pool, &keks, Algorithm::EdDsa, false, 0),
        generate(&pool, &keks, Algorithm::Es256, true, 0),
        generate(&pool, &keks, Algorithm::Es256, true, 0),
    );
    let states: Vec<KeyState> = keys::list(&pool).await.unwrap().iter().map(|key| key.state).collect();
    assert_eq!(states.len(), 4, "{made:?}");
    assert_eq!(states.iter().filter(|state| **state == KeyState::Active).count(), 1, "{states:?}");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_next_key_is_activated_and_replicas_follow_without_a_restart(pool: Pool) {
    let keks = ring();
    let first = generate(&pool, &keks, Algorithm::Es256, false, 0).await;
    let keys = SigningKeys::load(pool.clone(), keks.clone()).await.unwrap();
    let second = generate(&pool, &keks, Algorithm::Es256, false, 1).await;
    let reloading = keys.spawn_reload(std::time::Duration::from_millis(5));
    let changed = keys::activate(&pool, &keks, &second, now() + TimeDelta::minutes(2)).await.unwrap();
    assert_eq!((changed.key.state, changed.retired_kid.as_deref()), (KeyState::Active, Some(first.as_str())));
    let followed = async {
        while keys.active_kid() != second {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), followed).await.unwrap();
    reloading.abort();
    assert_eq!(header(&keys.sign(&json!({})).unwrap())["kid"], json!(second));
    assert_eq!(kids(&keys), [second.clone(), first.clone()], "the retired key stays published");

    let again = keys::activate(&pool, &keks, &second, now()).await.unwrap();
    assert_eq!((again.key, again.retired_kid), (changed.key, None));
    assert!(matches!(keys::activate(&pool, &keks, &first, now()).await, Err(KeysError::Retired(_))));
    assert!(matches!(keys::activate(&pool, &keks, "k9", now()).await, Err(KeysError::NotFound(_))));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_failed_reload_leaves_the_keys_in_use(pool: Pool) {
    let keks = ring();
    generate(&pool, &keks, Algorithm::Es256, false, 0).await;
    let keys = SigningKeys::load(pool.clone(), keks).await.unwrap();
    let before = keys.jwks();
    generate(&pool, &ring(), Algorithm::Es256, false, 1).await;
    assert!(matches!(keys.reload().await, Err(KeysError::CannotOpen { .. })));
    sqlx::query("delete from myapi.signing_keys").execute(&pool).await.unwrap();
    assert!(matches!(keys.reload().await, Err(KeysError::NoKey)));
    pool.close().await;
    match keys.reload().await {
        Err(KeysError::Db(error)) => assert!(error.is_unavailable()),
        other => panic!("{other:?}"),
    }
    assert_eq!(keys.jwks(), before);
    keys.sign(&json!({})).unwrap();
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn reencrypt_moves_every_key_to_the_current_kek(pool: Pool) {
    let old = kek();
    let before = KekRing::new(old.clone(), Vec::new());
    let kid = generate(&pool, &before, Algorithm::Es256, false, 0).await;
    let rsa = generate(&pool, &before, Algorithm::Rs256, false, 1).await;
    let both = KekRing::new(kek(), vec![old]);
    let current = KekRing::new(both.current().clone(), Vec::new());

    assert!(matches!(keys::reencrypt(&pool, &current).await, Err(KeysError::CannotOpen { .. })));
    assert_eq!(keys::reencrypt(&pool, &both).await.unwrap().moved, [kid.clone(), rsa]);
    assert_eq!(keys::reencrypt(&pool, &both).await.unwrap(), keys::Reencrypted::default());
    let keys = SigningKeys::load(pool.clone(), current).await.unwrap();
    assert_eq!(keys.active_kid(), kid);
    assert!(matches!(load_error(&pool, &before).await, KeysError::CannotOpen { .. }));
}

pub(crate) fn header(token: &str) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').next().unwrap()).unwrap()).unwrap()
}
