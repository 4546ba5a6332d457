//! Making and changing users, through the service on a real Postgres.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use auth_server::passwords::{Leniency, Plain, PolicyError, Settings, Weakness};
use auth_server::users::{AuthenticateError, NewUser, Refusal, User, UserError, UserRef, Users};
use chrono::{DateTime, TimeDelta};
use shared::clock::Clock;
use shared::db::Pool;

pub const PASSWORD: &str = "nine purple plums ripen";

/// Hashing with one thread, as quick as it may be.
pub fn settings() -> Settings {
    Settings { lanes: 1, ..Settings::default() }
}

pub fn clock() -> Clock {
    Clock::manual(DateTime::from_timestamp(1_800_000_000, 0).unwrap())
}

pub fn users_with(pool: &Pool, settings: &Settings) -> Users {
    Users::start(pool.clone(), clock(), settings, "email movies:read".parse().unwrap()).unwrap()
}

pub fn users(pool: &Pool) -> Users {
    users_with(pool, &settings())
}

pub fn plain(text: &str) -> Plain {
    Plain::new(text.to_owned()).unwrap()
}

pub fn new_user(email: &str) -> NewUser {
    NewUser { email: email.parse().unwrap(), name: None, scopes: None }
}

pub async fn create(users: &Users, email: &str) -> User {
    users.create(&new_user(email), &plain(PASSWORD), Leniency::Strict).await.unwrap().user
}

pub fn who(text: &str) -> UserRef {
    text.parse().unwrap()
}

pub async fn stored_hash(pool: &Pool, email: &str) -> String {
    sqlx::query_scalar("select hashed_password from myapi.users where email = $1")
        .bind(email)
        .fetch_one(pool)
        .await
        .unwrap()
}

/// A row as the old application writes it.
pub async fn insert_old(pool: &Pool, email: &str, hashed_password: Option<&str>) {
    sqlx::query("insert into myapi.users (name, email, hashed_password) values ('Old', $1, $2)")
        .bind(email)
        .bind(hashed_password)
        .execute(pool)
        .await
        .unwrap();
}

pub fn refusal(result: Result<User, AuthenticateError>) -> Refusal {
    match result {
        Err(AuthenticateError::Refused(reason)) => reason,
        other => unreachable!("not refused: {other:?}"),
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_new_user_logs_in_and_has_the_scopes_of_the_settings(pool: Pool) {
    let users = users(&pool);
    let new = NewUser { name: Some("John Smith".parse().unwrap()), ..new_user("john@domain.com") };
    let made = users.create(&new, &plain(PASSWORD), Leniency::Strict).await.unwrap();
    assert_eq!(made.weakness, None);
    let user = users.authenticate("john@domain.com", &plain(PASSWORD)).await.unwrap();
    assert_eq!(user, made.user);
    assert_eq!((user.name.as_deref(), user.token_version, user.email_verified), (Some("John Smith"), 1, false));
    assert_eq!((user.created_at, user.password_changed_at), (clock().now(), Some(clock().now())));
    assert_eq!(users.scopes_of(&user).to_string(), "email movies:read");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn scopes_of_its_own_replace_those_of_the_settings_and_can_be_given_back(pool: Pool) {
    let users = users(&pool);
    create(&users, "john@domain.com").await;
    let john = who("john@domain.com");
    let user = users.set_scopes(&john, Some("movies:write".parse().unwrap())).await.unwrap();
    assert_eq!(users.scopes_of(&user).to_string(), "movies:write");
    let user = users.set_scopes(&john, Some("".parse().unwrap())).await.unwrap();
    assert!(users.scopes_of(&user).is_empty(), "no scope at all is not the default");
    let user = users.set_scopes(&john, None).await.unwrap();
    assert_eq!(users.scopes_of(&user).to_string(), "email movies:read");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn u06_making_a_user_twice_leaves_one_row(pool: Pool) {
    let users = users(&pool);
    let first = create(&users, "john@domain.com").await;
    let again = users.create(&new_user("john@domain.com"), &plain("another long password"), Leniency::Strict).await;
    assert!(matches!(again, Err(UserError::EmailTaken)), "{again:?}");
    assert_eq!(users.list(None, 10).await.unwrap(), [first]);
    users.authenticate("john@domain.com", &plain(PASSWORD)).await.unwrap();
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn u01_a_weak_password_makes_no_user_unless_allowed(pool: Pool) {
    let users = users(&pool);
    let weak = Weakness::Short { minimum: 15 };
    let new = new_user("john@domain.com");
    let refused = users.create(&new, &plain("qwerty123"), Leniency::Strict).await.unwrap_err();
    assert!(matches!(refused, UserError::Password(PolicyError::Weak(found)) if found == weak));
    let refused = users.create(&new, &plain("qwerty1"), Leniency::AllowWeak).await.unwrap_err();
    assert!(matches!(refused, UserError::Password(PolicyError::TooShort)));
    assert_eq!((users.list(None, 10).await.unwrap(), users.lane().counts().begun), (vec![], 0));
    let made = users.create(&new, &plain("qwerty123"), Leniency::AllowWeak).await.unwrap();
    assert_eq!(made.weakness, Some(weak));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn u02_a_common_password_or_one_of_the_users_own_words_makes_no_user(pool: Pool) {
    let strict = users(&pool);
    let settings = Settings { context_words: vec!["login.cinema.example".to_owned()], ..settings() };
    let hosted = users_with(&pool, &settings);
    let new = NewUser { name: Some("John Smithers".parse().unwrap()), ..new_user("johnny.s@acmecorp.com") };
    let cases = [
        (&strict, "1qaz2wsx3edc4rfv", Weakness::Common),
        (&strict, "Password12345678", Weakness::Common),
        (&strict, "moviesmovies123", Weakness::Guessable),
        (&strict, "smithers-smithers", Weakness::Guessable),
        (&strict, "johnny.s@acmecorp.com", Weakness::Guessable),
        (&strict, "acmecorp-123456", Weakness::Guessable),
        (&hosted, "cinema-login-2026", Weakness::Guessable),
    ];
    for (users, password, weak) in cases {
        let refused = users.create(&new, &plain(password), Leniency::Strict).await.unwrap_err();
        assert!(matches!(refused, UserError::Password(PolicyError::Weak(found)) if found == weak), "{password}");
    }
    assert_eq!((strict.list(None, 10).await.unwrap(), strict.lane().counts().begun), (vec![], 0));
    strict.create(&new, &plain("cinema-login-2026"), Leniency::Strict).await.unwrap();
    let (johnny, common) = (who("johnny.s@acmecorp.com"), plain("Password12345678"));
    let refused = strict.set_password(&johnny, &common, Leniency::Strict).await;
    assert!(matches!(refused, Err(UserError::Password(PolicyError::Weak(Weakness::Common)))));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn u03_no_rule_asks_for_digits_or_signs(pool: Pool) {
    let users = users(&pool);
    users.create(&new_user("a@x.org"), &plain("qpwoeirutyalskdjfhgm"), Leniency::Strict).await.unwrap();
    users.authenticate("a@x.org", &plain("qpwoeirutyalskdjfhgm")).await.unwrap();
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn u09_a_sub_is_never_given_out_again(pool: Pool) {
    let users = users(&pool);
    let first = create(&users, "john@domain.com").await;
    let gone = users.delete(&who("john@domain.com")).await.unwrap();
    assert_eq!(gone, first);
    assert!(matches!(users.delete(&who("john@domain.com")).await, Err(UserError::NotFound)));
    assert_eq!(refusal(users.authenticate("john@domain.com", &plain(PASSWORD)).await), Refusal::UnknownUser);
    let second = create(&users, "john@domain.com").await;
    assert_ne!(second.sub, first.sub);
    assert!(matches!(users.get(&UserRef::Sub(first.sub)).await, Err(UserError::NotFound)));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn disabling_kills_the_token_version_once(pool: Pool) {
    let clock = clock();
    let users = Users::start(pool.clone(), clock.clone(), &settings(), "movies:read".parse().unwrap()).unwrap();
    let user = create(&users, "john@domain.com").await;
    let john = UserRef::Sub(user.sub);
    let disabled = users.disable(&john).await.unwrap();
    assert_eq!((disabled.token_version, disabled.disabled_at), (2, Some(clock.now())));
    clock.advance(TimeDelta::hours(1));
    assert_eq!(users.disable(&john).await.unwrap(), disabled);
    let enabled = users.enable(&john).await.unwrap();
    assert_eq!((enabled.token_version, enabled.disabled_at), (2, None));
    users.authenticate("john@domain.com", &plain(PASSWORD)).await.unwrap();
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_new_password_kills_the_old_one_and_the_token_version(pool: Pool) {
    let users = users(&pool);
    create(&users, "john@domain.com").await;
    let other = "thirteen green pears fall";
    let changed = users.set_password(&who("JOHN@domain.com"), &plain(other), Leniency::Strict).await.unwrap().user;
    assert_eq!(changed.token_version, 2);
    assert_eq!(refusal(users.authenticate("john@domain.com", &plain(PASSWORD)).await), Refusal::WrongPassword);
    assert_eq!(users.authenticate("john@domain.com", &plain(other)).await.unwrap(), changed);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_list_comes_in_pages(pool: Pool) {
    let users = users(&pool);
    for letter in ["c", "a", "b"] {
        insert_old(&pool, &format!("{letter}@x.org"), None).await;
    }
    let emails = |page: Vec<User>| page.into_iter().map(|user| user.email).collect::<Vec<_>>();
    assert_eq!(emails(users.list(None, 2).await.unwrap()), ["a@x.org", "b@x.org"]);
    assert_eq!(emails(users.list(Some("b@x.org"), 2).await.unwrap()), ["c@x.org"]);
}
