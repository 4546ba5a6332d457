//! `/logout` (OpenID Connect RP-initiated logout), and the operator's `session` and `consent` (U07).

use shared::db::Pool;

use crate::app::{self, EMAIL, PASSWORD, TestApp, encode};
use crate::visitor::{Asking, Visitor, WEB, WEB_URI, clients, hidden, location, pairs, redeem};

const BYE: &str = "https://app.example.com/bye";

async fn signed_in(app: &TestApp) -> (Visitor<'_>, String, app::Answer) {
    let secret = clients(app).await;
    let mut visitor = Visitor::new(app);
    let code = visitor.code(&Asking::web()).await;
    let answer = redeem(app, &secret, &code).await;
    (visitor, secret, answer)
}

fn path(parameters: &[(&str, &str)]) -> String {
    format!("/logout?{}", encode(parameters))
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a21_a_client_with_an_id_token_signs_its_person_out(pool: Pool) {
    let app = TestApp::new(pool).await;
    let (mut visitor, secret, answer) = signed_in(&app).await;
    let hint = answer.json()["id_token"].as_str().unwrap().to_owned();
    let before = visitor.cookies.clone();
    app.clock.advance(chrono::TimeDelta::hours(1));
    let request = path(&[("id_token_hint", &hint), ("post_logout_redirect_uri", BYE), ("state", "a b+c")]);
    assert_eq!(location(&visitor.get(&request).await), format!("{BYE}?state=a+b%2Bc"), "an old hint is good enough");
    visitor.cookies = before;
    assert!(location(&visitor.get(&Asking::web().path()).await).starts_with("/login?"));
    let form = [("grant_type", "refresh_token"), ("refresh_token", &answer.refresh_token())];
    app.token_basic(WEB, &secret, &form).await.assert_error(400, "invalid_grant");
    // Again: nobody is signed in, and the client is its own.
    assert_eq!(location(&visitor.get(&request).await), format!("{BYE}?state=a+b%2Bc"));
    // By a form, as OpenID Connect allows.
    let posted = visitor.post("/logout", &[("id_token_hint", &hint), ("post_logout_redirect_uri", BYE)]).await;
    assert!(location(&posted).starts_with("/logout?id_token_hint="));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn without_a_hint_a_person_is_asked(pool: Pool) {
    let app = TestApp::new(pool).await;
    let (mut visitor, _, answer) = signed_in(&app).await;
    app.create_user("bob@example.com", PASSWORD).await;
    let access_token = answer.json()["access_token"].as_str().unwrap().to_owned();
    for request in [
        path(&[]),
        path(&[("client_id", WEB), ("post_logout_redirect_uri", BYE)]),
        path(&[("id_token_hint", "x.y.z")]),
        path(&[("id_token_hint", &access_token)]),
    ] {
        let page = visitor.get(&request).await;
        assert_eq!(page.status, 200, "{request}");
        assert!(page.body.contains(EMAIL) && page.body.contains("name=\"csrf\""), "{}", page.body);
        assert_eq!(visitor.get(&Asking::web().path()).await.status, 303);
        assert!(location(&visitor.get(&Asking::web().path()).await).starts_with(WEB_URI), "still signed in");
    }
    let mut fields = hidden(&visitor.get(&path(&[("client_id", WEB), ("post_logout_redirect_uri", BYE)])).await.body);
    fields.push(("decision".to_owned(), "logout".to_owned()));
    assert_eq!(location(&visitor.post("/logout", &pairs(&fields)).await), BYE);
    assert!(location(&visitor.get(&Asking::web().path()).await).starts_with("/login?"));
    // Her id_token in his browser asks him.
    let hint = answer.json()["id_token"].as_str().unwrap().to_owned();
    let mut bob = Visitor::new(&app);
    bob.sign_in_as("/login", "bob@example.com", PASSWORD).await;
    let page = bob.get(&path(&[("id_token_hint", &hint)])).await;
    assert!(page.body.contains("bob@example.com"), "{}", page.body);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_way_back_is_a_registered_one(pool: Pool) {
    let app = TestApp::new(pool).await;
    let (mut visitor, _, answer) = signed_in(&app).await;
    let hint = answer.json()["id_token"].as_str().unwrap().to_owned();
    for uri in [
        "https://evil.test/",
        "https://app.example.com/bye/",
        "https://app.example.com/bye?x",
        "//app.example.com/bye",
        WEB_URI,
    ] {
        for request in [
            path(&[("id_token_hint", &hint), ("post_logout_redirect_uri", uri)]),
            path(&[("client_id", WEB), ("post_logout_redirect_uri", uri)]),
            path(&[("post_logout_redirect_uri", uri)]),
        ] {
            let page = visitor.get(&request).await;
            assert_eq!((page.status.as_u16(), page.header("location")), (400, None), "{request}");
        }
    }
    let other = path(&[("id_token_hint", &hint), ("client_id", "native")]);
    assert_eq!(visitor.get(&other).await.status, 400);
    assert_eq!(visitor.get("/logout?state=a&state=b").await.status, 400);
    assert!(location(&visitor.get(&Asking::web().path()).await).starts_with(WEB_URI), "still signed in");
    // With nobody signed in a stranger's link leads to a page, not on.
    let page = Visitor::new(&app).get(&path(&[("client_id", WEB), ("post_logout_redirect_uri", BYE)])).await;
    assert_eq!((page.status.as_u16(), page.header("location")), (200, None));
    assert!(page.body.contains(&format!("href=\"{BYE}\"")), "{}", page.body);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn u07_an_operator_ends_a_users_sessions_and_logins(pool: Pool) {
    let app = TestApp::new(pool).await;
    let (mut visitor, secret, answer) = signed_in(&app).await;
    let password = app.token(&app::login(EMAIL, PASSWORD)).await;
    let (sub, now) = (app.user.sub, app.clock.now());
    let listed = app.state.sessions.list(Some(sub), 10, now).await.unwrap();
    assert_eq!((listed.len(), listed[0].email.as_str()), (1, EMAIL));
    assert_eq!(app.state.sessions.end_all(sub, now).await.unwrap(), (1, 2));
    assert!(location(&visitor.get(&Asking::web().path()).await).starts_with("/login?"));
    let form = |token: &str| {
        [("grant_type".to_owned(), "refresh_token".to_owned()), ("refresh_token".to_owned(), token.to_owned())]
    };
    let web = form(&answer.refresh_token());
    app.token_basic(WEB, &secret, &pairs(&web)).await.assert_error(400, "invalid_grant");
    let public = form(&password.refresh_token());
    app.token(&[pairs(&public), vec![("client_id", app::PUBLIC)]].concat()).await.assert_error(400, "invalid_grant");
    assert_eq!(app.state.sessions.list(None, 10, now).await.unwrap().len(), 0);
    let feed: i64 = sqlx::query_scalar("select count(*) from myapi.revocations where kind = 'session'")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    assert_eq!(feed, 2, "resource servers hear of both");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_withdrawn_consent_is_asked_for_again_and_its_tokens_are_dead(pool: Pool) {
    let app = TestApp::new(pool).await;
    let (mut visitor, secret, answer) = signed_in(&app).await;
    let (sub, now) = (app.user.sub, app.clock.now());
    let listed = app.state.consents.list(Some(sub), 10).await.unwrap();
    assert_eq!(listed[0].scope.to_string(), "movies:read openid profile");
    assert_eq!(app.state.consents.withdraw(sub, Some(&WEB.parse().unwrap()), now).await.unwrap(), (1, 1));
    let form = [("grant_type", "refresh_token"), ("refresh_token", &answer.refresh_token())];
    app.token_basic(WEB, &secret, &form).await.assert_error(400, "invalid_grant");
    assert!(location(&visitor.get(&Asking::web().path()).await).starts_with("/consent?"));
    assert_eq!(app.state.consents.withdraw(sub, None, now).await.unwrap(), (0, 0));
}
