//! Which addresses are one user (CHECKLIST P15), and how rows of the old application take part.

use auth_server::passwords::Leniency;
use auth_server::users::{Clash, Refusal, UserError};
use shared::db::Pool;

use crate::users::{PASSWORD, create, insert_old, new_user, plain, refusal, users};

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p15_other_spellings_log_in_and_make_no_second_account(pool: Pool) {
    let users = users(&pool);
    let alice = create(&users, "Alice@Example.org").await;
    for spelling in ["Alice@Example.org", "alice@example.org", "ALICE@EXAMPLE.ORG.", "ａlice@example.org"] {
        assert_eq!(users.authenticate(spelling, &plain(PASSWORD)).await.unwrap().sub, alice.sub, "{spelling}");
        let second = users.create(&new_user(spelling), &plain(PASSWORD), Leniency::Strict).await;
        assert!(matches!(second, Err(UserError::EmailTaken)), "{spelling}: {second:?}");
    }
    for other in [" alice@example.org", "alice@example.org ", "alice@example.org\n", "аlice@example.org"] {
        assert_eq!(refusal(users.authenticate(other, &plain(PASSWORD)).await), Refusal::UnknownUser, "{other:?}");
    }
    // The Cyrillic letter is another letter, and so another user.
    create(&users, "аlice@example.org").await;
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p15_of_many_at_once_one_gets_the_address(pool: Pool) {
    let users = users(&pool);
    let mut makers = tokio::task::JoinSet::new();
    for spelling in ["bob@x.org", "Bob@x.org", "BOB@x.org", "bob@X.org", "bob@x.org.", "boB@x.org"] {
        let users = users.clone();
        makers.spawn(async move { users.create(&new_user(spelling), &plain(PASSWORD), Leniency::Strict).await });
    }
    let mut made = 0;
    while let Some(result) = makers.join_next().await {
        match result.unwrap() {
            Ok(_) => made += 1,
            Err(UserError::EmailTaken) => {}
            Err(other) => unreachable!("{other}"),
        }
    }
    assert_eq!((made, users.list(None, 10).await.unwrap().len()), (1, 1));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p15_rows_of_the_old_application_are_adopted_unless_they_clash(pool: Pool) {
    let users = users(&pool);
    let (bob, other) = (bcrypt::hash("password of bob", 4).unwrap(), bcrypt::hash("another password", 4).unwrap());
    insert_old(&pool, "Ann@x.org", Some(&bob)).await;
    insert_old(&pool, "Bob@x.org", Some(&bob)).await;
    insert_old(&pool, "bob@x.org", Some(&other)).await;
    insert_old(&pool, "not an address", Some(&bob)).await;
    let clash = Clash { canonical: "bob@x.org".to_owned(), addresses: vec!["Bob@x.org".into(), "bob@x.org".into()] };
    let clashes = users.adopt_addresses().await.unwrap();
    assert_eq!(clashes, [clash]);
    assert_eq!(users.adopt_addresses().await.unwrap(), clashes, "again changes nothing");

    users.authenticate("ann@X.ORG", &plain("password of bob")).await.unwrap();
    users.authenticate("not an address", &plain("password of bob")).await.unwrap();
    // Those that clash are found by their exact spelling only, and no third joins them.
    users.authenticate("Bob@x.org", &plain("password of bob")).await.unwrap();
    users.authenticate("bob@x.org", &plain("another password")).await.unwrap();
    assert_eq!(refusal(users.authenticate("bob@x.org", &plain("password of bob")).await), Refusal::WrongPassword);
    assert_eq!(refusal(users.authenticate("BOB@x.org", &plain("password of bob")).await), Refusal::UnknownUser);
    let third = users.create(&new_user("BOB@x.org"), &plain(PASSWORD), Leniency::Strict).await;
    assert!(matches!(third, Err(UserError::EmailTaken)), "{third:?}");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p15_a_row_that_comes_later_does_not_take_over(pool: Pool) {
    let users = users(&pool);
    let first = create(&users, "carol@x.org").await;
    // The old application goes on inserting; it knows nothing of canonical forms.
    insert_old(&pool, "Carol@x.org", Some(&bcrypt::hash("another password", 4).unwrap())).await;
    insert_old(&pool, "Dave@x.org", None).await;
    let taken = users.create(&new_user("dave@x.org"), &plain(PASSWORD), Leniency::Strict).await;
    assert!(matches!(taken, Err(UserError::EmailTaken)), "not adopted before, yet taken: {taken:?}");
    let addresses = vec!["Carol@x.org".to_owned(), "carol@x.org".to_owned()];
    assert_eq!(users.adopt_addresses().await.unwrap(), [Clash { canonical: "carol@x.org".to_owned(), addresses }]);
    assert_eq!(users.authenticate("CAROL@x.org", &plain(PASSWORD)).await.unwrap().sub, first.sub);
    let later = users.authenticate("Carol@x.org", &plain("another password")).await.unwrap();
    assert_ne!(later.sub, first.sub);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p15_an_address_that_the_old_application_changed_is_nobodys(pool: Pool) {
    let users = users(&pool);
    create(&users, "erin@x.org").await;
    sqlx::query("update myapi.users set email = 'new@x.org'").execute(&pool).await.unwrap();
    users.authenticate("new@x.org", &plain(PASSWORD)).await.unwrap();
    assert_eq!(refusal(users.authenticate("erin@x.org", &plain(PASSWORD)).await), Refusal::UnknownUser);
}
