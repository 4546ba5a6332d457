//! `/authorize` (checklist 1.7).

use auth_server::clients::{GrantType, NewClient};
use axum::body::Body;
use chrono::TimeDelta;
use http::{Method, Request};
use shared::db::Pool;
use url::Url;

use crate::app::{self, EMAIL, ISSUER, PASSWORD, TestApp};
use crate::visitor::{self, Asking, NATIVE, Visitor, WEB_URI, clients, location, parameter, s256};

/// The error that a signed-in visitor's browser carries back, with what every answer has.
#[track_caller]
fn error(answer: &app::Answer) -> String {
    let url = Url::parse(&location(answer)).unwrap();
    assert!(url.as_str().starts_with(WEB_URI), "{url}");
    assert_eq!(parameter(&url, "state").as_deref(), Some("s-1"));
    assert_eq!(parameter(&url, "iss").as_deref(), Some(ISSUER));
    assert_eq!(parameter(&url, "code"), None);
    let description = parameter(&url, "error_description").unwrap();
    assert!(description.bytes().all(|b| matches!(b, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)), "{description}");
    parameter(&url, "error").unwrap()
}

#[track_caller]
fn assert_page(answer: &app::Answer) {
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert_eq!(answer.header("location"), None);
    assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
}

async fn signed_in(app: &TestApp) -> Visitor<'_> {
    let mut visitor = Visitor::new(app);
    visitor.code(&Asking::web()).await;
    visitor
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a01_a02_until_client_and_address_are_proven_there_is_a_page(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    for mut visitor in [Visitor::new(&app), signed_in(&app).await] {
        let script = "<svg onload=alert(1)>";
        for asking in [
            Asking::web().with("client_id", "stranger"),
            Asking::web().with("client_id", script),
            Asking::web().without("client_id"),
            Asking::web().without("redirect_uri"),
            Asking::web().with("redirect_uri", ""),
            Asking::web().with("redirect_uri", "https://evil.test/cb"),
            Asking::web().with("redirect_uri", script),
            Asking::web().with("redirect_uri", "https://app.example.com/cb/"),
            Asking::web().with("redirect_uri", "https://app.example.com:443/cb"),
            Asking::web().with("redirect_uri", "https://app.example.com/cb#x"),
            Asking::web().with("redirect_uri", "https://app.example.com/cb\t"),
            Asking::web().with("redirect_uri", "javascript:alert(1)"),
            Asking::web().with("client_id", NATIVE),
            // Not even for a client that wants no page.
            Asking::web().with("redirect_uri", "https://evil.test/cb").with("prompt", "none"),
        ] {
            let answer = visitor.get(&asking.path()).await;
            assert_page(&answer);
            assert!(!answer.body.contains("<svg") && !answer.body.contains("evil.test"), "{}", answer.body);
        }
        let nul = Asking::web().path().replace("app.example.com", "app.example.com%00");
        assert_page(&visitor.get(&nul).await);
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a01_a_disabled_client_is_unknown(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    app.state.clients.disable(&visitor::WEB.parse().unwrap()).await.unwrap();
    assert_page(&Visitor::new(&app).get(&Asking::web().path()).await);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a03_a_native_client_has_any_loopback_port(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    let mut visitor = Visitor::new(&app);
    for uri in ["http://127.0.0.1:51004/cb", "http://127.0.0.1/cb", "com.example.films:/cb"] {
        let url = visitor.walk(&Asking::native().with("redirect_uri", uri)).await;
        assert!(url.as_str().starts_with(&format!("{uri}?code=")), "{url}");
    }
    for uri in ["http://[::1]:51004/cb", "http://127.0.0.1:51004/other", "http://127.0.0.1.evil.test:1/cb"] {
        assert_page(&visitor.get(&Asking::native().with("redirect_uri", uri).path()).await);
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a06_a_repeated_parameter_is_refused(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    let mut visitor = signed_in(&app).await;
    for (name, value) in Asking::web().0 {
        let again = app::encode(&[(name, &value)]);
        assert_page(&visitor.get(&format!("{}&{again}", Asking::web().path())).await);
        assert_page(&visitor.post_raw("/authorize", &format!("{}&{again}", Asking::web().query())).await);
    }
    for bad in ["&x=%ZZ", "&x=%ff", "&x=%00"] {
        assert_page(&visitor.get(&format!("{}{bad}", Asking::web().path())).await);
    }
    let long = format!("{}&x={}", Asking::web().path(), "x".repeat(11_000));
    assert_eq!(visitor.get(&long).await.status, 413);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a07_unknown_is_ignored_empty_is_absent_and_post_works(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    let mut visitor = Visitor::new(&app);
    let asking = Asking::web().with("foo", "bar").with("nonce", "").with("prompt", "").with("max_age", "");
    assert!(location(&visitor.get(&asking.path()).await).starts_with("/login?return_to="));
    let posted = visitor.post_raw("/authorize", &asking.query()).await;
    let path = location(&posted);
    assert_eq!(path.split_once('?').unwrap().1, asking.query());
    assert!(location(&visitor.get(&path).await).starts_with("/login?return_to="));
    let in_address = visitor.post_raw(&asking.path(), "").await;
    assert_page(&in_address);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a08_a11_a12_a13_a29_what_is_wrong_with_a_proven_request_goes_back(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    let mut visitor = signed_in(&app).await;
    let good = s256(visitor::VERIFIER);
    let cases = [
        (Asking::web().without("response_type"), "invalid_request"),
        (Asking::web().with("response_type", "token"), "unsupported_response_type"),
        (Asking::web().with("response_type", "id_token"), "unsupported_response_type"),
        (Asking::web().with("response_type", "code token"), "unsupported_response_type"),
        (Asking::web().with("response_mode", "fragment"), "invalid_request"),
        (Asking::web().with("response_mode", "form_post"), "invalid_request"),
        (Asking::web().without("code_challenge"), "invalid_request"),
        (Asking::web().without("code_challenge_method"), "invalid_request"),
        (Asking::web().with("code_challenge_method", "plain"), "invalid_request"),
        (Asking::web().with("code_challenge_method", "s256"), "invalid_request"),
        (Asking::web().with("code_challenge_method", "none"), "invalid_request"),
        (Asking::web().with("code_challenge", &good[..42]), "invalid_request"),
        (Asking::web().with("code_challenge", &format!("{good}=")), "invalid_request"),
        (Asking::web().with("code_challenge", &"a".repeat(129)), "invalid_request"),
        (Asking::web().with("code_challenge", &format!("{}+", &good[..42])), "invalid_request"),
        (Asking::web().with("scope", "movies:fly"), "invalid_scope"),
        (Asking::web().with("scope", "movies:\"read"), "invalid_scope"),
        (Asking::web().with("prompt", "none login"), "invalid_request"),
        (Asking::web().with("prompt", "create"), "invalid_request"),
        (Asking::web().with("max_age", "-1"), "invalid_request"),
        (Asking::web().with("request", "eyJ"), "request_not_supported"),
        (Asking::web().with("request_uri", "https://a/r"), "request_uri_not_supported"),
        (Asking::web().with("registration", "{}"), "registration_not_supported"),
        (Asking::web().with("resource", "https://other.example.com"), "invalid_target"),
        (Asking::web().with("id_token_hint", "x.y.z"), "invalid_request"),
    ];
    for (asking, expected) in cases {
        assert_eq!(error(&visitor.get(&asking.path()).await), expected, "{:?}", asking.0);
        // A29: with nobody signed in a link leads to a page that names the client, never on.
        let mut stranger = Visitor::new(&app);
        let page = stranger.get(&asking.path()).await;
        assert_page(&page);
        assert!(page.body.contains("Film Club") && page.body.contains("app.example.com"), "{}", page.body);
        assert!(page.body.contains(&format!("error={expected}")), "{}", page.body);
    }
    assert_eq!(visitor.get(&Asking::web().with("resource", app::AUDIENCE).path()).await.status, 303);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a11_public_clients_need_pkce_too_and_the_grant_has_to_be_theirs(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    let mut visitor = signed_in(&app).await;
    let answer = visitor.get(&Asking::native().without("code_challenge").path()).await;
    assert!(location(&answer).starts_with("http://127.0.0.1:51004/cb?error=invalid_request&"));
    let other = NewClient { grants: vec![GrantType::Password], client_id: "other".parse().unwrap(), ..visitor::web() };
    app.create_client(&other).await;
    assert_eq!(error(&visitor.get(&Asking::web().with("client_id", "other").path()).await), "unauthorized_client");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a09_a10_state_comes_back_byte_for_byte_and_iss_with_it(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    let mut visitor = Visitor::new(&app);
    let long = "ü+%2B &=#?/\\\"'<>~".repeat(110);
    for state in ["x", "a+b%2Bc d", "%00x", &"s".repeat(512), &"s".repeat(2000), &long] {
        let asking = Asking::web().with("state", state);
        let url = visitor.walk(&asking).await;
        assert_eq!(
            (parameter(&url, "state").as_deref(), parameter(&url, "iss").as_deref()),
            (Some(state), Some(ISSUER))
        );
        let refused = visitor.get(&asking.without("response_type").path()).await;
        let url = Url::parse(&location(&refused)).unwrap();
        assert_eq!(
            (parameter(&url, "state").as_deref(), parameter(&url, "iss").as_deref()),
            (Some(state), Some(ISSUER))
        );
    }
    let url = visitor.walk(&Asking::web().without("state")).await;
    assert_eq!(parameter(&url, "state"), None);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a17_authorize_has_no_cors(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    let mut visitor = Visitor::new(&app);
    visitor.headers.push(("origin", app::AUDIENCE.to_owned()));
    for path in [Asking::web().path(), "/login".to_owned(), "/authorize".to_owned()] {
        assert_eq!(visitor.get(&path).await.header("access-control-allow-origin"), None, "{path}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a31_other_methods_are_405(pool: Pool) {
    let app = TestApp::new(pool).await;
    for path in ["/authorize", "/login", "/consent", "/logout", "/userinfo"] {
        for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::TRACE, "FOO".parse().unwrap()] {
            let request = Request::builder().method(&method).uri(path).body(Body::empty()).unwrap();
            assert_eq!(app.send(request).await.status, 405, "{method} {path}");
        }
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn prompt_none_shows_no_page(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    let mut visitor = Visitor::new(&app);
    let silent = Asking::web().with("prompt", "none");
    assert_eq!(error(&visitor.get(&silent.path()).await), "login_required");
    // A29: a client that wants no page gets its error without one (OpenID Connect core section 3.1.2.6).
    assert_eq!(error(&visitor.get(&silent.clone().with("scope", "movies:fly").path()).await), "invalid_scope");
    let page = location(&visitor.get(&Asking::web().path()).await);
    visitor.sign_in(&page).await;
    assert_eq!(error(&visitor.get(&silent.path()).await), "consent_required");
    visitor.code(&Asking::web()).await;
    let url = Url::parse(&location(&visitor.get(&silent.path()).await)).unwrap();
    assert!(parameter(&url, "code").is_some(), "signed in and remembered: {url}");
    assert_eq!(error(&visitor.get(&silent.clone().with("scope", "openid email").path()).await), "consent_required");
    app.clock.advance(TimeDelta::seconds(61));
    assert_eq!(error(&visitor.get(&silent.with("max_age", "60").path()).await), "login_required");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn prompt_login_and_max_age_ask_again_once(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    let mut visitor = signed_in(&app).await;
    app.clock.advance(TimeDelta::seconds(100));
    for asking in
        [Asking::web().with("prompt", "login"), Asking::web().with("max_age", "99"), Asking::web().with("max_age", "0")]
    {
        app.clock.advance(TimeDelta::seconds(100));
        let page = location(&visitor.get(&asking.path()).await);
        assert!(page.starts_with("/login?"), "{page}");
        let back = location(&visitor.sign_in(&page).await);
        assert!(back.starts_with(WEB_URI) && back.contains("code="), "{back}");
    }
    let recent = Asking::web().with("max_age", "100");
    assert!(location(&visitor.get(&recent.path()).await).starts_with(WEB_URI));
    let both = Asking::web().with("prompt", "login consent");
    let page = location(&visitor.get(&both.path()).await);
    let page = location(&visitor.sign_in(&page).await);
    assert!(page.starts_with("/consent?"), "{page}");
    // The person takes a while: the login is still the one that was asked for.
    app.clock.advance(TimeDelta::seconds(60));
    assert!(location(&visitor.consent(&page, "allow").await).starts_with(WEB_URI));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_hinted_user_is_the_only_one_who_will_do(pool: Pool) {
    let app = TestApp::new(pool).await;
    let secret = clients(&app).await;
    app.create_user("bob@example.com", PASSWORD).await;
    let mut visitor = Visitor::new(&app);
    let code = visitor.code(&Asking::web()).await;
    let hint = visitor::redeem(&app, &secret, &code).await.json()["id_token"].as_str().unwrap().to_owned();
    let hinted = Asking::web().with("id_token_hint", &hint);
    assert!(location(&visitor.get(&hinted.path()).await).starts_with(WEB_URI));
    let mut bob = Visitor::new(&app);
    let page = location(&bob.get(&hinted.path()).await);
    let answer = bob.sign_in_as(&page, "bob@example.com", PASSWORD).await;
    assert_eq!(error(&answer), "login_required");
    let page = location(&bob.get(&hinted.path()).await);
    assert!(page.starts_with("/login?"), "he may sign in as her: {page}");
    assert!(!location(&bob.sign_in_as(&page, EMAIL, PASSWORD).await).contains("error="));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_user_without_any_of_the_scopes_gets_no_code(pool: Pool) {
    let app = TestApp::new(pool).await;
    clients(&app).await;
    let mut visitor = signed_in(&app).await;
    assert_eq!(error(&visitor.get(&Asking::web().with("scope", "movies:write").path()).await), "invalid_scope");
    // `openid` is everybody's; what the user lacks is left out, and the page shows what is left.
    let page = location(
        &visitor.get(&Asking::web().with("scope", "openid movies:write").with("prompt", "consent").path()).await,
    );
    let page = visitor.get(&page).await;
    assert!(page.body.contains("Know that it is you") && !page.body.contains("movies:write"), "{}", page.body);
}
