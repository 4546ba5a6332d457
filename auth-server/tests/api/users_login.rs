//! Logging in, through the service on a real Postgres (CHECKLIST P02 to P14).

use std::time::{Duration, Instant};

use auth_server::passwords::{LaneError, Leniency, Settings};
use auth_server::users::{AuthenticateError, Refusal};
use shared::db::Pool;

use crate::users::{
    PASSWORD, create, insert_old, new_user, plain, refusal, settings, stored_hash, users, users_with, who,
};

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p02_every_refusal_is_one_error_after_one_piece_of_work(pool: Pool) {
    let users = users(&pool);
    create(&users, "john@domain.com").await;
    create(&users, "gone@domain.com").await;
    users.disable(&who("gone@domain.com")).await.unwrap();
    insert_old(&pool, "without@domain.com", None).await;
    insert_old(&pool, "broken@domain.com", Some("not a hash")).await;
    // Cheap and dear hashes of every kind that an import brings.
    let salted = "c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
    for (kind, stored) in [
        ("argon2", format!("$argon2id$v=19$m=64,t=1,p=1${salted}")),
        ("dear", format!("$argon2id$v=19$m=32768,t=2,p=1${salted}")),
        ("bcrypt", bcrypt::hash(PASSWORD, 4).unwrap()),
        ("pbkdf2", format!("$pbkdf2-sha256$i=10,l=32${salted}")),
        ("scrypt", format!("$scrypt$ln=4,r=8,p=1${salted}")),
    ] {
        insert_old(&pool, &format!("{kind}@domain.com"), Some(&stored)).await;
    }
    let cases = [
        ("argon2@domain.com", PASSWORD, Refusal::WrongPassword),
        ("dear@domain.com", PASSWORD, Refusal::WrongPassword),
        ("bcrypt@domain.com", "a wrong password", Refusal::WrongPassword),
        ("pbkdf2@domain.com", PASSWORD, Refusal::WrongPassword),
        ("scrypt@domain.com", PASSWORD, Refusal::WrongPassword),
        ("john@domain.com", "a wrong password", Refusal::WrongPassword),
        ("nobody@domain.com", PASSWORD, Refusal::UnknownUser),
        ("gone@domain.com", PASSWORD, Refusal::Disabled),
        ("gone@domain.com", "a wrong password", Refusal::Disabled),
        ("without@domain.com", PASSWORD, Refusal::NoPassword),
        ("broken@domain.com", PASSWORD, Refusal::BrokenHash),
        ("nul\0@domain.com", PASSWORD, Refusal::UnknownUser),
        (&"x".repeat(1 << 20), PASSWORD, Refusal::UnknownUser),
        ("", "", Refusal::UnknownUser),
    ];
    for (username, password, reason) in cases {
        let before = users.lane().counts().begun;
        assert_eq!(refusal(users.authenticate(username, &plain(password)).await), reason);
        assert_eq!(users.lane().counts().begun, before + 1, "{reason}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p03_a_dearer_hash_of_the_old_application_does_not_show_in_the_time(pool: Pool) {
    insert_old(&pool, "old@domain.com", Some(&bcrypt::hash(PASSWORD, 11).unwrap())).await;
    let users = users(&pool);
    assert_eq!(users.lane().floor(), Duration::ZERO);
    users.warm_up().await.unwrap();
    let floor = users.lane().floor();
    assert!(floor > Duration::ZERO);
    for username in ["old@domain.com", "nobody@domain.com"] {
        let begun = Instant::now();
        refusal(users.authenticate(username, &plain("a wrong password")).await);
        assert!(begun.elapsed() >= floor, "{username}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p03_a_dearer_hash_of_an_import_does_not_show_in_the_time(pool: Pool) {
    let salted = "c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
    for (number, head) in ["$pbkdf2-sha512$i=100000,l=32", "$scrypt$ln=14,r=8,p=1", "$argon2id$v=19$m=65536,t=3,p=4"]
        .into_iter()
        .enumerate()
    {
        sqlx::query("delete from myapi.users").execute(&pool).await.unwrap();
        let email = format!("imported{number}@domain.com");
        insert_old(&pool, &email, Some(&format!("{head}${salted}"))).await;
        insert_old(&pool, "another@domain.com", Some(&format!("{head}${salted}"))).await;
        let users = users(&pool);
        create(&users, "john@domain.com").await;
        let before = users.lane().counts().begun;
        users.warm_up().await.unwrap();
        assert_eq!(users.lane().counts().begun, before + 1, "{head}: one hash of each kind, and none of our own");
        let floor = users.lane().floor();
        assert!(floor > Duration::ZERO, "{head}");
        for username in [email.as_str(), "nobody@domain.com", "john@domain.com"] {
            let begun = Instant::now();
            refusal(users.authenticate(username, &plain("a wrong password")).await);
            assert!(begun.elapsed() >= floor, "{head} {username}");
        }
    }
}

/// The upgrade would be a second hash, and tell that the password is right.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p03_the_old_hash_of_a_disabled_user_is_not_upgraded(pool: Pool) {
    let users = users(&pool);
    let old = bcrypt::hash(PASSWORD, 4).unwrap();
    insert_old(&pool, "gone@domain.com", Some(&old)).await;
    users.disable(&who("gone@domain.com")).await.unwrap();
    assert_eq!(refusal(users.authenticate("gone@domain.com", &plain(PASSWORD)).await), Refusal::Disabled);
    assert_eq!(stored_hash(&pool, "gone@domain.com").await, old);
    assert_eq!((users.lane().counts().begun, users.lane().floor()), (1, Duration::ZERO), "nothing but a burn");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p04_only_the_exact_password_logs_in(pool: Pool) {
    let users = users(&pool);
    let long = "0a9b8c7d6e5f4g3h".repeat(8);
    users.create(&new_user("long@x.org"), &plain(&long), Leniency::Strict).await.unwrap();
    users.authenticate("long@x.org", &plain(&long)).await.unwrap();
    let cut = &long[..127];
    for wrong in [cut, &long[..72], &format!("{cut}x"), &long.to_uppercase(), &format!(" {long}"), &format!("{long} ")]
    {
        assert_eq!(refusal(users.authenticate("long@x.org", &plain(wrong)).await), Refusal::WrongPassword, "{wrong}");
    }
    // The bcrypt trap: the old application hashed 72 bytes of these 73.
    let trap = "y".repeat(73);
    insert_old(&pool, "trap@x.org", Some(&bcrypt::hash(&trap, 4).unwrap())).await;
    for password in [trap.clone(), format!("{}z", &trap[..72])] {
        assert_eq!(refusal(users.authenticate("trap@x.org", &plain(&password)).await), Refusal::WrongPassword);
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p05_long_passwords_of_any_script_log_in(pool: Pool) {
    let users = users(&pool);
    let passwords = [
        "🦀🐚🪸🌊🦑🐟🐠🐬".repeat(8),
        "👩‍🚀 flies far above us 🌍".repeat(4),
        "مرحبا بالعالم ".repeat(9),
        "e\u{301}a\u{300}o\u{302}u\u{308}i\u{303}n\u{303}c\u{327}s\u{30c}".repeat(12),
        "plum and pear, ".repeat(8),
    ];
    for (number, password) in passwords.iter().enumerate() {
        let email = format!("{number}@x.org");
        users.create(&new_user(&email), &plain(password), Leniency::Strict).await.unwrap();
        users.authenticate(&email, &plain(password)).await.unwrap();
    }
    // Composed and decomposed are one password (NFC on both sides).
    users
        .authenticate("3@x.org", &plain(&"\u{e9}\u{e0}\u{f4}\u{fc}\u{129}\u{f1}\u{e7}\u{161}".repeat(12)))
        .await
        .unwrap();
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p11_sixty_four_logins_never_hash_more_at_once_than_there_are_lanes(pool: Pool) {
    let patient = Settings { lanes: 1, queue: 64, max_wait: Duration::from_secs(120), ..Settings::default() };
    let users = users_with(&pool, &patient);
    create(&users, "john@domain.com").await;
    let mut logins = tokio::task::JoinSet::new();
    for _ in 0..64 {
        let users = users.clone();
        logins.spawn(async move { users.authenticate("john@domain.com", &plain(PASSWORD)).await });
    }
    while let Some(login) = logins.join_next().await {
        login.unwrap().unwrap();
    }
    let counts = users.lane().counts();
    assert_eq!((counts.peak, counts.begun, counts.waiting), (1, 65, 0));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p11_what_has_no_place_in_the_queue_is_busy_and_not_refused(pool: Pool) {
    let short = Settings { lanes: 1, queue: 1, max_wait: Duration::from_secs(120), ..Settings::default() };
    let users = users_with(&pool, &short);
    let mut logins = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let users = users.clone();
        logins.spawn(async move { users.authenticate("nobody@domain.com", &plain(PASSWORD)).await });
    }
    let mut busy = 0;
    while let Some(login) = logins.join_next().await {
        match login.unwrap().unwrap_err() {
            AuthenticateError::Lane(LaneError::Busy { retry_after }) => {
                assert_eq!(retry_after, Duration::from_secs(120));
                busy += 1;
            }
            AuthenticateError::Refused(Refusal::UnknownUser) => {}
            other => unreachable!("{other:?}"),
        }
    }
    assert_eq!(users.lane().counts().begun + busy, 16);
    assert!(busy > 0);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p12_a_bcrypt_hash_becomes_argon2id_at_login(pool: Pool) {
    let users = users(&pool);
    let old = bcrypt::hash("qwerty123", 4).unwrap();
    insert_old(&pool, "old@domain.com", Some(&old)).await;
    assert_eq!(refusal(users.authenticate("old@domain.com", &plain("qwerty124")).await), Refusal::WrongPassword);
    assert_eq!(stored_hash(&pool, "old@domain.com").await, old);
    let user = users.authenticate("old@domain.com", &plain("qwerty123")).await.unwrap();
    assert!(stored_hash(&pool, "old@domain.com").await.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
    // It is the same password: nothing that was given out has to die.
    assert_eq!(users.authenticate("old@domain.com", &plain("qwerty123")).await.unwrap(), user);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p12_keep_bcrypt_leaves_it_to_the_old_application(pool: Pool) {
    let users = users_with(&pool, &Settings { keep_bcrypt: true, ..settings() });
    let old = bcrypt::hash("qwerty123", 4).unwrap();
    insert_old(&pool, "old@domain.com", Some(&old)).await;
    users.authenticate("old@domain.com", &plain("qwerty123")).await.unwrap();
    assert_eq!(stored_hash(&pool, "old@domain.com").await, old);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p12_cheaper_argon2id_is_upgraded_at_login(pool: Pool) {
    let cheaper = users_with(&pool, &Settings { memory_kib: 12_288, iterations: 3, ..settings() });
    create(&cheaper, "john@domain.com").await;
    assert!(stored_hash(&pool, "john@domain.com").await.contains("$m=12288,t=3,p=1$"));
    users(&pool).authenticate("john@domain.com", &plain(PASSWORD)).await.unwrap();
    assert!(stored_hash(&pool, "john@domain.com").await.contains("$m=19456,t=2,p=1$"));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p13_the_same_password_is_stored_differently_each_time(pool: Pool) {
    let users = users(&pool);
    create(&users, "a@x.org").await;
    create(&users, "b@x.org").await;
    let (first, second) = (stored_hash(&pool, "a@x.org").await, stored_hash(&pool, "b@x.org").await);
    let salt = |hash: &str| hash.split('$').nth(4).unwrap().to_owned();
    assert!(first.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && second.starts_with("$argon2id$v=19$"));
    assert_ne!(salt(&first), salt(&second));
    assert!(salt(&first).len() >= 22, "16 bytes in base64");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p14_hostile_hashes_are_refused_soon(pool: Pool) {
    let users = users(&pool);
    let tail = "c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
    let hostile = [
        format!("$argon2id$v=19$m=4194304,t=2,p=1${tail}"),
        format!("$argon2id$v=19$m=19456,t=4294967295,p=1${tail}"),
        "$2b$31$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u".to_owned(),
        "bcrypt_sha256$$2b$31$L6Bc/AlTQHyd9liGgGEZyOFLPHNgyxeEPfgYfBCVxJ7JIlwxyVU3u".to_owned(),
        format!("$pbkdf2-sha256$i=4294967295,l=32${tail}"),
        format!("$scrypt$ln=40,r=8,p=1${tail}"),
        format!("$scrypt$ln=1,r=4294967295,p=4294967295${tail}"),
        "garbage".to_owned(),
        String::new(),
    ];
    for (number, hash) in hostile.iter().enumerate() {
        let email = format!("{number}@x.org");
        insert_old(&pool, &email, Some(hash)).await;
        let begun = Instant::now();
        assert_eq!(refusal(users.authenticate(&email, &plain(PASSWORD)).await), Refusal::BrokenHash);
        assert!(begun.elapsed() < Duration::from_secs(5), "{hash}");
        assert_eq!(&stored_hash(&pool, &email).await, hash);
    }
}
