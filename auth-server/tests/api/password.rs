//! The password grant on the wire (checklist 1.2). What happens below it is tested in `users` and `passwords`.

use shared::db::Pool;

use crate::app::{EMAIL, PASSWORD, TestApp, login};

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_password_buys_a_token(pool: Pool) {
    let app = TestApp::new(pool).await;
    let answer = app.token(&login(EMAIL, PASSWORD)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let mut body = answer.json();
    body["access_token"] = "(jwt)".into();
    body["refresh_token"] = "(opaque)".into();
    insta::assert_json_snapshot!(body, @r#"
    {
      "access_token": "(jwt)",
      "expires_in": 600,
      "refresh_token": "(opaque)",
      "scope": "movies:read",
      "token_type": "Bearer"
    }
    "#);
}

/// What clients of the application that this one replaces send.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_name_and_a_password_alone_are_the_default_clients_login(pool: Pool) {
    let app = TestApp::new(pool).await;
    let old = [("username", EMAIL), ("password", PASSWORD)];
    assert_eq!(app.token(&old).await.claims()["client_id"], crate::app::PUBLIC);
    let wrong = [("username", EMAIL), ("password", "wrong")];
    app.token(&wrong).await.assert_error(400, "invalid_grant");
    // T07: whoever names a client names the grant as well.
    let named = [("client_id", crate::app::PUBLIC), ("username", EMAIL), ("password", PASSWORD)];
    app.token(&named).await.assert_error(400, "invalid_request");
    app.token(&[("username", EMAIL)]).await.assert_error(400, "invalid_request");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p02_p03_every_refusal_of_a_login_is_the_same_after_the_same_work(pool: Pool) {
    let app = TestApp::new(pool).await;
    app.create_user("off@example.com", PASSWORD).await;
    app.state.users.disable(&"off@example.com".parse().unwrap()).await.unwrap();
    sqlx::query("insert into myapi.users (email) values ('none@example.com')").execute(&app.pool).await.unwrap();
    sqlx::query("insert into myapi.users (email, hashed_password) values ('broken@example.com', '$argon2id$v=19$m=4194304,t=1,p=1$c2FsdHNhbHQ$aGFzaA')")
        .execute(&app.pool)
        .await
        .unwrap();
    let salted = "c2FsdHNhbHRzYWx0c2FsdA$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNoaGFzaGhhc2g";
    for (email, head) in [
        ("cheap@example.com", "$argon2id$v=19$m=64,t=1,p=1"),
        ("dear@example.com", "$argon2id$v=19$m=65536,t=2,p=1"),
        ("imported@example.com", "$pbkdf2-sha256$i=1000,l=32"),
    ] {
        crate::users::insert_old(&app.pool, email, Some(&format!("{head}${salted}"))).await;
    }
    let long = format!("{}@example.com", "x".repeat(8192));
    let cases = [
        (EMAIL, "a wrong password"),
        ("nobody@example.com", PASSWORD),
        ("off@example.com", PASSWORD),
        ("off@example.com", "a wrong password"),
        ("none@example.com", PASSWORD),
        ("broken@example.com", PASSWORD),
        ("cheap@example.com", PASSWORD),
        ("dear@example.com", PASSWORD),
        ("imported@example.com", PASSWORD),
        ("not an address", PASSWORD),
        (&long, PASSWORD),
    ];
    let mut answers = Vec::new();
    for (email, password) in cases {
        let before = app.state.users.lane().counts().begun;
        let mut answer = app.token(&login(email, password)).await;
        answer.assert_error(400, "invalid_grant");
        assert_eq!(app.state.users.lane().counts().begun, before + 1, "{email}: one piece of work, whoever it is");
        answer.headers.remove("x-request-id").unwrap();
        answers.push((answer.status, format!("{:?}", answer.headers), answer.body));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
    insta::assert_snapshot!(answers[0].2, @r#"{"error":"invalid_grant","error_description":"the user name or the password is wrong"}"#);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p04_only_the_exact_password_works(pool: Pool) {
    let app = TestApp::new(pool).await;
    let long = "x".repeat(128);
    let passwords = [format!("{}a", "y".repeat(72)), long, "  Spaces around it  ".to_owned()];
    for (number, password) in passwords.iter().enumerate() {
        let email = format!("p04-{number}@example.com");
        app.create_user(&email, password).await;
        assert_eq!(app.token(&login(&email, password)).await.status, 200);
        let others = [
            format!("{}b", password.get(..password.len() - 1).unwrap()),
            password.get(..password.len() - 1).unwrap().to_owned(),
            format!("{password} "),
            password.to_uppercase(),
            password.trim().to_owned(),
        ];
        for other in others.iter().filter(|other| *other != password) {
            app.token(&login(&email, other)).await.assert_error(400, "invalid_grant");
        }
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p05_any_characters_in_either_composition(pool: Pool) {
    let app = TestApp::new(pool).await;
    let passwords = [
        "🔐 pässwörter dürfen das 🔐",
        "كلمة السر الطويلة جدا جدا",
        "e\u{301}e\u{301}e\u{301} combining marks",
        &"ü".repeat(128),
    ];
    for (number, password) in passwords.iter().enumerate() {
        let email = format!("p05-{number}@example.com");
        app.create_user(&email, password).await;
        assert_eq!(app.token(&login(&email, password)).await.status, 200, "{password}");
    }
    let composed = "ééé combining marks";
    assert_eq!(app.token(&login("p05-2@example.com", composed)).await.status, 200, "documented: NFC on both sides");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p06_an_oversized_password_costs_no_hash(pool: Pool) {
    let app = TestApp::new(pool).await;
    let before = app.state.users.lane().counts();
    app.token(&login(EMAIL, &"x".repeat(4097))).await.assert_error(400, "invalid_request");
    app.token(&login(EMAIL, &"x".repeat(1024 * 1024))).await.assert_error(413, "invalid_request");
    assert_eq!(app.state.users.lane().counts(), before);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p15_any_spelling_of_an_address_is_the_same_user(pool: Pool) {
    let app = TestApp::new(pool).await;
    for spelling in [EMAIL, "ANN@example.com", "Ann@EXAMPLE.com", "ann@example.com."] {
        let answer = app.token(&login(spelling, PASSWORD)).await;
        assert_eq!(answer.claims()["sub"], app.user.sub.to_string(), "{spelling}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn what_the_user_lacks_is_left_out_of_the_scope(pool: Pool) {
    let app = TestApp::new(pool).await;
    let who = EMAIL.parse().unwrap();
    let asked = |scope| [login(EMAIL, PASSWORD), vec![("scope", scope)]].concat();
    let answer = app.token(&asked("movies:read movies:write")).await;
    assert_eq!(answer.json()["scope"], "movies:read", "users have the configured scopes by default");
    app.token(&asked("movies:write")).await.assert_error(400, "invalid_scope");
    app.state.users.set_scopes(&who, Some("movies:write".parse().unwrap())).await.unwrap();
    let answer = app.token(&asked("movies:read movies:write")).await;
    assert_eq!(answer.claims()["scope"], "movies:write");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_new_password_makes_tokens_of_a_new_version(pool: Pool) {
    let app = TestApp::new(pool).await;
    let version = |answer: &crate::app::Answer| answer.claims()["ver"].as_i64().unwrap();
    let before = version(&app.token(&login(EMAIL, PASSWORD)).await);
    let new = auth_server::passwords::Plain::new("another long password".to_owned()).unwrap();
    let strict = auth_server::passwords::Leniency::Strict;
    app.state.users.set_password(&EMAIL.parse().unwrap(), &new, strict).await.unwrap();
    app.token(&login(EMAIL, PASSWORD)).await.assert_error(400, "invalid_grant");
    assert_eq!(version(&app.token(&login(EMAIL, "another long password")).await), before + 1);
}
