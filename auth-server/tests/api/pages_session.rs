//! The browser's session behind the pages (checklist 1.7).

use chrono::TimeDelta;
use shared::db::Pool;
use url::Url;

use crate::app::{self, EMAIL, PASSWORD, TestApp, encode};
use crate::pages::{at_consent, at_login};
use crate::visitor::{Asking, Visitor, WEB_URI, clients, hidden, location, pairs, parameter, redeem};

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a18_consent_and_logout_are_bound_to_the_session(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    let (mut visitor, page) = at_consent(&app, &Asking::web()).await;
    let before = hidden(&visitor.get(&page).await.body);
    let logout = hidden(&visitor.get("/logout").await.body);
    // The same browser, signed in anew: what was open before is dead.
    let again = location(&visitor.get(&Asking::web().with("prompt", "login").path()).await);
    visitor.sign_in(&again).await;
    for (path, fields, decision) in [("/consent", &before, "allow"), ("/logout", &logout, "logout")] {
        let mut fields = fields.clone();
        fields.push(("decision".to_owned(), decision.to_owned()));
        assert_eq!(visitor.post(path, &pairs(&fields)).await.status, 403, "{path}");
    }
    let codes: i64 =
        sqlx::query_scalar("select count(*) from myapi.authorization_codes").fetch_one(&app.pool).await.unwrap();
    assert_eq!(codes, 0);
    assert_eq!(visitor.get("/login").await.status, 200);
    assert!(location(&visitor.consent(&page, "allow").await).starts_with(WEB_URI), "the page itself still works");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a19_the_cookies(pool: Pool) {
    let app = TestApp::with(pool, &[("MYAPI_AUTH__ISSUER", "https://login.example.com")]).await;
    clients(&app).await;
    let mut visitor = Visitor::new(&app);
    let first = visitor.get(&Asking::web().path()).await;
    let page = location(&first);
    let form = visitor.get(&page).await;
    let cookie = form.header("set-cookie").unwrap();
    assert!(cookie.starts_with("__Host-myapi-form=") && cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"));
    let answer = visitor.sign_in(&page).await;
    let mut cookies = answer.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap());
    let cookie = cookies.next().unwrap();
    assert!(cookie.starts_with("__Host-myapi-session=mss1_"), "{cookie}");
    assert!(cookies.next().unwrap().starts_with("__Host-myapi-device="));
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{cookie}");
    assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000"));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a20_the_session_changes_at_login(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    app.create_user("bob@example.com", PASSWORD).await;
    let mut visitor = Visitor::new(&app);
    // Somebody planted a cookie.
    visitor.cookies.insert("myapi-dev-session".to_owned(), "mss1_planted".to_owned());
    visitor.code(&Asking::web()).await;
    let first = visitor.cookies["myapi-dev-session"].clone();
    assert_ne!(first, "mss1_planted");
    for user in [EMAIL, "bob@example.com"] {
        let before = visitor.cookies["myapi-dev-session"].clone();
        let page = location(&visitor.get(&Asking::web().with("prompt", "login").path()).await);
        assert_eq!(visitor.sign_in_as(&page, user, PASSWORD).await.status, 303);
        assert_ne!(visitor.cookies["myapi-dev-session"], before);
        let mut thief = Visitor::new(&app);
        thief.cookies.insert("myapi-dev-session".to_owned(), before);
        assert!(location(&thief.get(&Asking::web().path()).await).starts_with("/login?"), "{user}");
    }
    let stored: Vec<Vec<u8>> =
        sqlx::query_scalar("select token_hash from myapi.sessions").fetch_all(&app.pool).await.unwrap();
    assert_eq!(stored.len(), 2, "hers went on under another secret, then his began");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a21_sessions_end_by_idleness_age_and_logout(pool: Pool) {
    let settings = [("MYAPI_AUTH__SESSION_IDLE_TTL", "600"), ("MYAPI_AUTH__SESSION_TTL", "1500")];
    let app = TestApp::with(pool, &settings).await;
    clients(&app).await;
    let mut visitor = Visitor::new(&app);
    visitor.code(&Asking::web()).await;
    for _ in 0..2 {
        app.clock.advance(TimeDelta::seconds(599));
        assert!(location(&visitor.get(&Asking::web().path()).await).starts_with(WEB_URI), "used in time");
    }
    app.clock.advance(TimeDelta::seconds(302));
    assert!(location(&visitor.get(&Asking::web().path()).await).starts_with("/login?"), "1,500 s old");
    visitor.code(&Asking::web()).await;
    app.clock.advance(TimeDelta::seconds(600));
    assert!(location(&visitor.get(&Asking::web().path()).await).starts_with("/login?"), "idle");
    visitor.code(&Asking::web()).await;
    let old = visitor.cookies.clone();
    let mut fields = hidden(&visitor.get("/logout").await.body);
    fields.push(("decision".to_owned(), "logout".to_owned()));
    assert_eq!(location(&visitor.post("/logout", &pairs(&fields)).await), "/logout");
    assert!(!visitor.cookies.contains_key("myapi-dev-session"));
    visitor.cookies = old;
    assert!(location(&visitor.get(&Asking::web().path()).await).starts_with("/login?"), "ended on the server");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a27_the_way_back_is_our_own(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    let (_, good) = at_login(&app, &Asking::web()).await;
    let sealed = good.split('=').nth(1).unwrap();
    for bad in
        ["//evil", "/\\evil", "https:evil", "https://evil.test/", "%2f%2fevil", "/\tevil", &sealed[..sealed.len() - 1]]
    {
        let mut visitor = Visitor::new(&app);
        let page = visitor.get(&format!("/login?{}", encode(&[("return_to", bad)]))).await;
        assert_eq!((page.status.as_u16(), page.header("location")), (400, None), "{bad}");
        let mut fields = hidden(&visitor.get("/login").await.body);
        fields.extend(
            [("username", EMAIL), ("password", PASSWORD), ("return_to", bad)]
                .map(|(n, v)| (n.to_owned(), v.to_owned())),
        );
        let answer = visitor.post("/login", &pairs(&fields)).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (400, None), "{bad}");
    }
    // A sealed value of another purpose is none.
    let (mut visitor, consent) = at_consent(&app, &Asking::web()).await;
    let other = consent.split('=').nth(1).unwrap();
    assert_eq!(visitor.get(&format!("/login?return_to={other}")).await.status, 400);
    // Without one the browser stays here.
    let mut visitor = Visitor::new(&app);
    assert_eq!(location(&visitor.sign_in("/login").await), "/login");
    assert!(visitor.get("/login").await.body.contains(&format!("as {EMAIL}")));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a30_the_page_and_the_grant_share_their_limits(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    let mut visitor = Visitor::new(&app);
    let mut last = 0;
    for _ in 0..40 {
        last = app.token(&app::login(EMAIL, "wrong")).await.status.as_u16();
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429);
    let answer = visitor.sign_in("/login").await;
    assert_eq!(answer.status, 429, "{}", answer.body);
    assert!(answer.header("retry-after").unwrap().parse::<u64>().unwrap() > 0);
    assert!(answer.body.contains("role=\"alert\">We cannot sign you in at the moment."));
}

/// A device from which the account was logged in to has a budget of its own, by its cookie, wherever it is.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a30_a_known_device_gets_in_while_strangers_are_slowed_down(pool: Pool) {
    let app = TestApp::with(pool, &[("MYAPI_AUTH__TRUSTED_PROXIES", "127.0.0.1")]).await;
    let at = |visitor: &mut Visitor<'_>, address: &str| visitor.headers = vec![("x-forwarded-for", address.to_owned())];
    let mut owner = Visitor::new(&app);
    at(&mut owner, "198.51.100.7");
    assert_eq!(owner.sign_in("/login").await.status, 303);
    let mut last = 0;
    for number in 0..250 {
        let address = format!("203.0.{number}.9");
        let answer = app.token_raw(&encode(&app::login(EMAIL, "wrong")), &[("x-forwarded-for", &address)]).await;
        last = answer.status.as_u16();
        if last == 429 {
            break;
        }
    }
    assert_eq!(last, 429, "the account is under attack");
    let mut stranger = Visitor::new(&app);
    at(&mut stranger, "192.0.2.77");
    assert_eq!(stranger.sign_in("/login").await.status, 429);
    owner.cookies.retain(|name, _| name == "myapi-dev-device");
    at(&mut owner, "192.0.2.78");
    assert_eq!(owner.sign_in("/login").await.status, 303);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a32_two_tabs_do_not_mix(pool: Pool) {
    let app = TestApp::new(pool).await;
    let secret = clients(&app).await;
    let one = Asking::web().with("state", "one").with("nonce", "n-one").with("scope", "openid profile");
    let two = Asking::web().with("state", "two").with("nonce", "n-two").with("scope", "openid email");
    let mut visitor = Visitor::new(&app);
    let (first, second) = (location(&visitor.get(&one.path()).await), location(&visitor.get(&two.path()).await));
    let page = visitor.get(&first).await;
    let mut fields = hidden(&page.body);
    fields.extend([("username", EMAIL), ("password", PASSWORD)].map(|(n, v)| (n.to_owned(), v.to_owned())));
    // The second tab signs in while the first one is still at its form; then the first one does.
    let second = location(&visitor.sign_in(&second).await);
    let first = location(&visitor.post("/login", &pairs(&fields)).await);
    let mut codes = Vec::new();
    for (page, state) in [(&second, "two"), (&first, "one")] {
        let back = Url::parse(&location(&visitor.consent(page, "allow").await)).unwrap();
        assert_eq!(parameter(&back, "state").as_deref(), Some(state));
        codes.push(parameter(&back, "code").unwrap());
    }
    for (code, nonce, scope) in [(&codes[0], "n-two", "email openid"), (&codes[1], "n-one", "openid profile")] {
        let answer = redeem(&app, &secret, code).await;
        assert_eq!(answer.json()["scope"], scope);
        assert_eq!(crate::oidc::claims(answer.json()["id_token"].as_str().unwrap())["nonce"], nonce);
    }
}
