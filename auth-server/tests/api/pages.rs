//! The login and consent pages, and what keeps browsers safe (checklist 1.7).

use auth_server::clients::NewClient;
use axum::body::Body;
use chrono::TimeDelta;
use http::Request;
use shared::db::Pool;
use url::Url;

use crate::app::{Answer, EMAIL, PASSWORD, TestApp};
use crate::visitor::{self, Asking, NATIVE, Visitor, WEB_URI, clients, hidden, location, pairs, parameter, redeem};

/// What every page has: A15, A16.
#[track_caller]
fn assert_safe(answer: &Answer, form_target: &str) {
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(
        answer.header("content-security-policy").unwrap(),
        format!(
            "default-src 'none'; style-src 'self'; form-action 'self'{form_target}; base-uri 'none'; object-src 'none'; \
             frame-ancestors 'none'"
        )
    );
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-language"), Some("en"));
    assert!(!answer.body.contains("<script") && !answer.body.contains(" style=") && !answer.body.contains("<style"));
    for attribute in ["href=\"", "src=\"", "action=\""] {
        for address in answer.body.split(attribute).skip(1) {
            let address = address.split('"').next().unwrap();
            let is_back = answer.status == 400 && address.starts_with("https://app.example.com/");
            assert!((address.starts_with('/') && !address.starts_with("//")) || is_back, "{address}");
        }
    }
}

pub(crate) async fn at_login<'a>(app: &'a TestApp, asking: &Asking) -> (Visitor<'a>, String) {
    let mut visitor = Visitor::new(app);
    let page = location(&visitor.get(&asking.path()).await);
    assert!(page.starts_with("/login?return_to="), "{page}");
    (visitor, page)
}

pub(crate) async fn at_consent<'a>(app: &'a TestApp, asking: &Asking) -> (Visitor<'a>, String) {
    let (mut visitor, page) = at_login(app, asking).await;
    let page = location(&visitor.sign_in(&page).await);
    assert!(page.starts_with("/consent?request="), "{page}");
    (visitor, page)
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a14_a15_a16_every_page_is_safe_and_every_form_is_answered_by_303(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    let (mut visitor, page) = at_login(&app, &Asking::web()).await;
    assert_safe(&visitor.get(&page).await, " https://app.example.com");
    let wrong = visitor.sign_in_as(&page, EMAIL, "wrong").await;
    assert_eq!(wrong.status, 422);
    assert_safe(&wrong, " https://app.example.com");
    let page = location(&visitor.sign_in(&page).await);
    assert_safe(&visitor.get(&page).await, " https://app.example.com");
    assert!(location(&visitor.consent(&page, "allow").await).starts_with(WEB_URI));
    assert_safe(&visitor.get("/login").await, "");
    assert_safe(&visitor.get("/logout").await, "");
    assert_safe(&Visitor::new(&app).get("/login").await, "");
    assert_safe(&Visitor::new(&app).get("/logout").await, "");
    assert_safe(&visitor.get("/authorize").await, "");
    assert_safe(&visitor.get("/consent?request=x").await, "");
    assert_safe(&Visitor::new(&app).get(&Asking::web().with("scope", "x").path()).await, "");
    // A native client's answer goes to its own scheme, or to a loopback port.
    for (uri, target) in
        [("com.example.films:/cb", " com.example.films:"), ("http://127.0.0.1:9/cb", " http://127.0.0.1:9")]
    {
        let (mut visitor, page) = at_login(&app, &Asking::native().with("redirect_uri", uri)).await;
        assert_safe(&visitor.get(&page).await, target);
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_stylesheet_has_an_address_of_its_content(pool: Pool) {
    let app = TestApp::new(pool).await;
    let page = app.get("/login").await;
    let address = page.body.split("stylesheet\" href=\"").nth(1).unwrap().split('"').next().unwrap();
    assert!(address.starts_with("/pages.css?v=") && address.len() == 29, "{address}");
    let style = app.get(address).await;
    assert_eq!((style.status.as_u16(), style.header("content-type")), (200, Some("text/css; charset=utf-8")));
    assert_eq!(style.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(app.get("/pages.css?v=other").await.header("cache-control"), Some("no-cache"));
    assert!(!style.body.contains("url(") && !style.body.contains("@import"));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a18_a_form_that_is_not_ours_changes_nothing(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    let (mut visitor, page) = at_login(&app, &Asking::web()).await;
    let fields = hidden(&visitor.get(&page).await.body);
    let with = |csrf: Option<&str>| {
        let mut fields = fields.clone();
        fields.retain(|(name, _)| name != "csrf");
        fields.extend(csrf.map(|csrf| ("csrf".to_owned(), csrf.to_owned())));
        fields.extend([("username".to_owned(), EMAIL.to_owned()), ("password".to_owned(), PASSWORD.to_owned())]);
        fields
    };
    let own = fields.iter().find(|(name, _)| name == "csrf").unwrap().1.clone();
    let (mut other, other_page) = at_login(&app, &Asking::web()).await;
    let foreign = hidden(&other.get(&other_page).await.body)[0].1.clone();
    for csrf in [None, Some(""), Some("x.1.y"), Some(foreign.as_str())] {
        let answer = visitor.post("/login", &pairs(&with(csrf))).await;
        assert_eq!((answer.status.as_u16(), answer.header("set-cookie")), (403, None), "{csrf:?}");
        assert_safe(&answer, "");
    }
    // Another site, by what the browser says of it; or the very token, but without this browser's cookie.
    for (name, value) in
        [("sec-fetch-site", "cross-site"), ("sec-fetch-site", "same-site"), ("origin", "https://evil.test")]
    {
        visitor.headers = vec![(name, value.to_owned())];
        assert_eq!(visitor.post("/login", &pairs(&with(Some(&own)))).await.status, 403, "{name}: {value}");
    }
    visitor.headers.clear();
    let mut stranger = Visitor::new(&app);
    assert_eq!(stranger.post("/login", &pairs(&with(Some(&own)))).await.status, 403);
    app.clock.advance(TimeDelta::seconds(3601));
    let old = visitor.post("/login", &pairs(&with(Some(&own)))).await;
    assert_eq!(old.status, 403, "an old one");
    let sessions: i64 = sqlx::query_scalar("select count(*) from myapi.sessions").fetch_one(&app.pool).await.unwrap();
    assert_eq!(sessions, 0);
    // The browser's own says `null` where a page sends no referrer.
    visitor.headers = vec![("origin", "null".to_owned()), ("sec-fetch-site", "same-origin".to_owned())];
    let page = location(&visitor.get(&Asking::web().path()).await);
    assert_eq!(visitor.sign_in(&page).await.status, 303);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a22_whatever_is_shown_back_is_escaped(pool: Pool) {
    let app = TestApp::new(pool).await;
    let evil = "<svg onload=alert(1)>{{7777*7777}}\"'";
    app.create_client(&NewClient { name: evil.to_owned(), ..visitor::web() }).await;
    let asking = Asking::web().with("login_hint", evil).with("state", evil).with("ui_locales", evil);
    let (mut visitor, page) = at_login(&app, &asking).await;
    let shown = visitor.get(&page).await;
    let wrong = visitor.sign_in_as(&page, evil, "x").await;
    let consent = location(&visitor.sign_in(&page).await);
    let consent = visitor.get(&consent).await;
    let refused = Visitor::new(&app).get(&asking.with("scope", "x y").path()).await;
    for (answer, times) in [(shown, 2), (wrong, 2), (consent, 1), (refused, 1)] {
        assert!(!answer.body.contains("<svg") && !answer.body.contains("60481729"), "{}", answer.body);
        assert_eq!(
            answer.body.matches("&#60;svg onload=alert(1)&#62;{{7777*7777}}&#34;&#39;").count(),
            times,
            "{}",
            answer.body
        );
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a23_consent_says_who_asks_for_what_where_and_for_how_long(pool: Pool) {
    let app = TestApp::new(pool).await;
    // A Cyrillic letter: the host beside the name gives it away.
    app.create_client(&NewClient { name: "Fi\u{43b}m Club".to_owned(), ..visitor::web() }).await;
    let (mut visitor, page) = at_consent(&app, &Asking::web()).await;
    let page = visitor.get(&page).await;
    for text in ["Fi\u{43b}m Club", "app.example.com", "See your name", "movies:read", EMAIL, "90\u{a0}days at most"] {
        assert!(page.body.contains(text), "{text} is missing in {}", page.body);
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a24_public_clients_are_asked_about_each_time_and_confidential_ones_once(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    let mut visitor = Visitor::new(&app);
    visitor.code(&Asking::native()).await;
    for _ in 0..2 {
        assert!(location(&visitor.get(&Asking::native().path()).await).starts_with("/consent?"));
        let silent = location(&visitor.get(&Asking::native().with("prompt", "none").path()).await);
        assert!(silent.contains("error=consent_required"), "{silent}");
    }
    visitor.code(&Asking::web()).await;
    assert!(location(&visitor.get(&Asking::web().path()).await).starts_with(WEB_URI));
    let less = Asking::web().with("scope", "openid");
    assert!(location(&visitor.get(&less.path()).await).starts_with(WEB_URI), "less than was allowed");
    let more = Asking::web().with("scope", "openid email");
    assert!(location(&visitor.get(&more.path()).await).starts_with("/consent?"), "more than was allowed");
    assert!(location(&visitor.get(&Asking::web().with("prompt", "consent").path()).await).starts_with("/consent?"));
    let trusted = NewClient { client_id: "own".parse().unwrap(), skips_consent: true, ..visitor::native() };
    app.create_client(&trusted).await;
    let own = Asking::native().with("client_id", "own");
    assert!(location(&visitor.get(&own.path()).await).starts_with("http://127.0.0.1:51004/cb?code="));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a25_what_was_shown_is_what_is_granted(pool: Pool) {
    let app = TestApp::new(pool).await;
    let secret = clients(&app).await;
    let (mut visitor, page) = at_consent(&app, &Asking::web().with("scope", "openid")).await;
    let fields = hidden(&visitor.get(&page).await.body);
    let with = |name: &str, value: &str| {
        let mut fields: Vec<_> = fields.iter().filter(|(known, _)| known != name).cloned().collect();
        fields.extend([(name.to_owned(), value.to_owned()), ("decision".to_owned(), "allow".to_owned())]);
        fields
    };
    for (name, value) in [("scope", "movies:read"), ("client_id", NATIVE), ("redirect_uri", "https://evil.test")] {
        let answer = visitor.post("/consent", &pairs(&with(name, value))).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (400, None), "{name}");
    }
    let (mut other, other_page) = at_consent(&app, &Asking::web()).await;
    let others = hidden(&other.get(&other_page).await.body);
    let sealed = &others.iter().find(|(name, _)| name == "request").unwrap().1;
    let own = &fields.iter().find(|(name, _)| name == "request").unwrap().1;
    assert_eq!(visitor.post("/consent", &pairs(&with("request", sealed))).await.status, 403, "another session's page");
    for broken in [
        own[..own.len() - 2].to_owned(),
        own.replacen('e', "f", 1),
        page.split('=').nth(1).unwrap().to_owned(),
        String::new(),
    ] {
        assert_eq!(visitor.post("/consent", &pairs(&with("request", &broken))).await.status, 400, "{broken}");
    }
    let mut doubled = pairs(&fields);
    doubled.extend([("decision", "allow"), ("decision", "deny")]);
    assert_eq!(visitor.post("/consent", &doubled).await.status, 400);
    assert_eq!(visitor.consent(&page, "perhaps").await.status, 400);
    // The user's scopes grow while the page is open: it granted what it showed.
    let back = Url::parse(&location(&visitor.consent(&page, "allow").await)).unwrap();
    let answer = redeem(&app, &secret, &parameter(&back, "code").unwrap()).await;
    assert_eq!(answer.json()["scope"], "openid");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a26_a_denial_goes_back_without_a_code(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    let (mut visitor, page) = at_consent(&app, &Asking::web()).await;
    let back = location(&visitor.consent(&page, "deny").await);
    assert_eq!(
        back,
        format!(
            "{WEB_URI}?error=access_denied&error_description=the+user+denied+the+request&state=s-1&iss=http%3A%2F%2F127.0.0.1%3A8001"
        )
    );
    let codes: i64 =
        sqlx::query_scalar("select count(*) from myapi.authorization_codes").fetch_one(&app.pool).await.unwrap();
    assert_eq!(codes, 0);
    assert!(location(&visitor.get(&Asking::web().path()).await).starts_with("/consent?"), "nothing is remembered");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a28_the_fields_let_password_managers_and_screen_readers_work(pool: Pool) {
    let app = TestApp::new(pool).await;
    let mut visitor = Visitor::new(&app);
    let page = visitor.get("/login").await.body;
    let input = |page: &str, id: &str| {
        let from = page.split(&format!("<input id=\"{id}\"")).nth(1).unwrap().to_owned();
        from.split('>').next().unwrap().to_owned()
    };
    let password = input(&page, "password");
    assert!(password.contains("type=\"password\"") && password.contains("autocomplete=\"current-password\""));
    assert!(!page.contains("onpaste") && !page.contains("autocomplete=\"off\""));
    assert!(input(&page, "username").contains("autocomplete=\"username\""));
    assert!(page.contains("<html lang=\"en\">") && page.contains("<label for=\"username\">"));
    // An error stands beside its field and is announced with it.
    let missing = visitor.sign_in_as("/login", "", PASSWORD).await;
    assert_eq!(missing.status, 422);
    let username = input(&missing.body, "username");
    assert!(username.contains("aria-invalid=\"true\" aria-describedby=\"username-problem\""), "{username}");
    assert!(missing.body.contains("id=\"username-problem\">Enter your e-mail address."));
    let missing = visitor.sign_in_as("/login", EMAIL, "").await;
    assert!(input(&missing.body, "password").contains("aria-describedby=\"password-problem\""));
    assert!(!missing.body.contains(PASSWORD));
    let wrong = visitor.sign_in_as("/login", EMAIL, "wrong").await;
    assert!(wrong.body.contains("role=\"alert\">The e-mail address or the password is not right."));
    let unknown = visitor.sign_in_as("/login", "nobody@example.com", "wrong").await;
    assert!(unknown.body.contains("role=\"alert\">The e-mail address or the password is not right."));
    let long = visitor.sign_in_as("/login", EMAIL, &"x".repeat(5000)).await;
    assert_eq!((wrong.status, unknown.status, long.status.as_u16()), (unknown.status, wrong.status, 422));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_language_is_the_one_that_is_read(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    let mut visitor = Visitor::new(&app);
    visitor.headers.push(("accept-language", "de-AT,en;q=0.5".to_owned()));
    let page = visitor.get("/login").await;
    assert_eq!(page.header("content-language"), Some("de"));
    assert!(page.body.contains("<html lang=\"de\">") && page.body.contains(">Anmelden</button>"));
    let (mut english, page) = at_login(&app, &Asking::web().with("ui_locales", "fr de")).await;
    assert!(english.get(&page).await.body.contains(">Anmelden</button>"), "the client's wish");
    let consent = location(&english.sign_in(&page).await);
    assert!(english.get(&consent).await.body.contains("Ihren Namen sehen"));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn below_an_issuers_path_pages_stay_there(pool: Pool) {
    let app = TestApp::with(pool, &[("MYAPI_AUTH__ISSUER", "https://example.com/tenant/a")]).await;
    clients(&app).await;
    let answer = app.get(&Asking::web().path()).await;
    let page = location(&answer);
    assert!(page.starts_with("/tenant/a/login?return_to="), "{page}");
    let page = app.get(page.strip_prefix("/tenant/a").unwrap()).await;
    assert!(page.body.contains("action=\"/tenant/a/login\"") && page.body.contains("href=\"/tenant/a/pages.css?v="));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn without_the_database_there_is_a_page(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    app.pool.close().await;
    let request = Request::get(Asking::web().path()).body(Body::empty()).unwrap();
    let answer = app.send(request).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("1")));
    assert_safe(&answer, "");
}
