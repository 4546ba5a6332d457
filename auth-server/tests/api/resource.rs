//! `resource` at every endpoint that takes it (RFC 8707): one token, one audience, and the scopes of that.

use auth_server::clients::{ClientKind, NewClient};
use auth_server::resource_servers::NewScope;
use axum::body::Body;
use http::Request;
use serde_json::Value;
use shared::db::Pool;

use crate::app::{self, AUDIENCE, Answer, CONFIDENTIAL, EMAIL, PASSWORD_GRANT, TestApp};
use crate::visitor::{self, Asking, Visitor, WEB, location, redeem_with};

const REVIEWS: &str = "https://reviews.example.com";

struct Two {
    app: TestApp,
    secret: String,
}

impl Two {
    /// A client of two resource servers.
    async fn new(pool: Pool) -> Self {
        let app = TestApp::new(pool).await;
        let scope = NewScope { scope: "reviews:read".to_owned(), description: "Read reviews".to_owned() };
        app.state.resource_servers.create(REVIEWS, "reviews", &[scope]).await.unwrap();
        let everything = Some("movies:read reviews:read profile email".parse().unwrap());
        app.state.users.set_scopes(&EMAIL.parse().unwrap(), everything).await.unwrap();
        let client = NewClient {
            audiences: vec![REVIEWS.to_owned()],
            scopes: "openid movies:read reviews:read profile email".parse().unwrap(),
            ..visitor::web()
        };
        let secret = app.create_client(&client).await.unwrap();
        Self { app, secret }
    }

    async fn token(&self, parameters: &[(&str, &str)]) -> Answer {
        self.app.token_basic(WEB, &self.secret, parameters).await
    }

    async fn refresh(&self, token: &str, more: &[(&str, &str)]) -> Answer {
        self.token(&[&[("grant_type", "refresh_token"), ("refresh_token", token)], more].concat()).await
    }

    async fn code(&self, asking: &Asking) -> String {
        Visitor::new(&self.app).code(asking).await
    }
}

fn asking() -> Asking {
    Asking::web().with("scope", "openid profile movies:read reviews:read")
}

/// What the token is for and carries; the answer says the same.
#[track_caller]
pub(crate) fn given(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, 200, "{}", answer.body);
    let claims = answer.claims();
    assert_eq!(answer.json()["scope"], claims["scope"]);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    (text(&claims["aud"]), text(&claims["scope"]))
}

pub(crate) fn is(audience: &str, scope: &str) -> (String, String) {
    (audience.to_owned(), scope.to_owned())
}

const OWN: (&str, &str) = ("grant_type", "client_credentials");

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t24_a_client_asks_for_itself_by_resource(pool: Pool) {
    let two = Two::new(pool).await;
    assert_eq!(given(&two.token(&[OWN]).await), is(AUDIENCE, "movies:read"));
    let both = ("scope", "movies:read reviews:read");
    assert_eq!(given(&two.token(&[OWN, both]).await), is(AUDIENCE, "movies:read"), "scopes belong to resource servers");
    let reviews = ("resource", REVIEWS);
    assert_eq!(given(&two.token(&[OWN, both, reviews]).await), is(REVIEWS, "reviews:read"));
    assert_eq!(given(&two.token(&[OWN, both, ("audience", REVIEWS)]).await), is(REVIEWS, "reviews:read"));
    assert_eq!(given(&two.token(&[OWN, both, reviews, ("audience", REVIEWS)]).await), is(REVIEWS, "reviews:read"));

    for (name, target) in [
        ("resource", "urn:nobody"),
        ("resource", "https://reviews.example.com/"),
        ("resource", "https://reviews.example.com#x"),
        ("resource", "HTTPS://reviews.example.com"),
        ("resource", "reviews"),
        ("audience", "urn:nobody"),
    ] {
        two.token(&[OWN, both, (name, target)]).await.assert_error(400, "invalid_target");
    }
    let apart = two.token(&[OWN, both, reviews, ("audience", AUDIENCE)]).await;
    apart.assert_error(400, "invalid_target");
    // A client of one resource server gets nothing for another.
    let other = two.app.token_basic(CONFIDENTIAL, &two.app.secret, &[OWN, reviews]).await;
    other.assert_error(400, "invalid_target");
    // What is asked for is all of another one's.
    for (scope, target) in [("movies:read", REVIEWS), ("reviews:read", AUDIENCE)] {
        let none = two.token(&[OWN, ("scope", scope), ("resource", target)]).await;
        assert!(["invalid_target", "invalid_scope"].contains(&none.json()["error"].as_str().unwrap()), "{}", none.body);
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn two_resources_in_one_request_are_refused_by_their_name(pool: Pool) {
    let two = Two::new(pool).await;
    let body = format!("grant_type=client_credentials&resource={AUDIENCE}&resource={REVIEWS}");
    for path in ["/token", "/par"] {
        let request = Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("authorization", app::basic(WEB, &two.secret));
        let answer = two.app.send(request.body(Body::from(body.clone())).unwrap()).await;
        answer.assert_error(400, "invalid_target");
        assert_eq!(answer.json()["error_description"], "one token has one audience: name one resource");
    }
    let twice = format!("{}&resource={AUDIENCE}&resource={REVIEWS}", asking().path());
    let page = two.app.get(&twice).await;
    assert_eq!((page.status.as_u16(), page.header("location")), (400, None));
    assert!(page.body.contains("one token has one audience"), "{}", page.body);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn who_names_none_at_first_chooses_later_and_the_choice_does_not_stick(pool: Pool) {
    let two = Two::new(pool).await;
    let code = two.code(&asking()).await;
    let first = redeem_with(&two.app, &two.secret, &[("code", &code)]).await;
    assert_eq!(given(&first), is(AUDIENCE, "movies:read openid profile"));
    assert!(first.json()["id_token"].is_string());
    let second = two.refresh(&first.refresh_token(), &[("resource", REVIEWS)]).await;
    assert_eq!(given(&second), is(REVIEWS, "openid profile reviews:read"));
    let narrow = [("resource", REVIEWS), ("scope", "reviews:read")];
    let third = two.refresh(&second.refresh_token(), &narrow).await;
    assert_eq!(given(&third), is(REVIEWS, "reviews:read"));
    let fourth = two.refresh(&third.refresh_token(), &[]).await;
    assert_eq!(given(&fourth), is(AUDIENCE, "movies:read openid profile"), "R06");

    // Both kinds of token are worth something where this server is asked.
    for token in [second.access_token(), fourth.access_token()] {
        let request = Request::get("/userinfo").header("authorization", format!("Bearer {token}"));
        let answer = two.app.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!((answer.status.as_u16(), answer.json()["sub"].as_str().is_some()), (200, true), "{}", answer.body);
    }
    let serves = NewClient { serves: Some(REVIEWS.to_owned()), ..app::client("reviews-api", ClientKind::Confidential) };
    let secret = two.app.create_client(&serves).await.unwrap();
    for (token, is_active) in [(second.access_token(), true), (fourth.access_token(), false)] {
        let form = [("token", token.as_str())];
        let answer = two.app.post_as("/introspect", Some(("reviews-api", &secret)), &form).await.json();
        assert_eq!((&answer["active"], answer["aud"] == REVIEWS), (&is_active.into(), is_active), "{answer}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn who_names_one_at_first_gets_that_one_alone(pool: Pool) {
    let two = Two::new(pool).await;
    let code = two.code(&asking().with("resource", REVIEWS)).await;
    let elsewhere = redeem_with(&two.app, &two.secret, &[("code", &code), ("resource", AUDIENCE)]).await;
    elsewhere.assert_error(400, "invalid_target");
    // A wrong name did not burn the code.
    let first = redeem_with(&two.app, &two.secret, &[("code", &code)]).await;
    assert_eq!(given(&first), is(REVIEWS, "openid profile reviews:read"));
    two.refresh(&first.refresh_token(), &[("resource", AUDIENCE)]).await.assert_error(400, "invalid_target");
    two.refresh(&first.refresh_token(), &[("scope", "movies:read")]).await.assert_error(400, "invalid_scope");
    let second = two.refresh(&first.refresh_token(), &[]).await;
    assert_eq!(given(&second), is(REVIEWS, "openid profile reviews:read"));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn authorize_refuses_a_resource_that_is_not_the_clients(pool: Pool) {
    let two = Two::new(pool).await;
    let mut visitor = Visitor::new(&two.app);
    for (asking, error) in [
        (asking().with("resource", "urn:nobody"), "invalid_target"),
        (asking().with("resource", REVIEWS).with("scope", "movies:read"), "invalid_scope"),
    ] {
        let refused = location(&visitor.get(&asking.with("prompt", "none").path()).await);
        assert!(refused.contains(&format!("error={error}")), "{refused}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_password_grant_knows_resources_too(pool: Pool) {
    let two = Two::new(pool).await;
    let scope = ("scope", "movies:read reviews:read");
    let all = two.token(&[&PASSWORD_GRANT[..], &[scope]].concat()).await;
    assert_eq!(given(&all), is(AUDIENCE, "movies:read"));
    let later = two.refresh(&all.refresh_token(), &[("resource", REVIEWS)]).await;
    assert_eq!(given(&later), is(REVIEWS, "reviews:read"));
    let one = two.token(&[&PASSWORD_GRANT[..], &[scope, ("resource", REVIEWS)]].concat()).await;
    assert_eq!(given(&one), is(REVIEWS, "reviews:read"));
    two.refresh(&one.refresh_token(), &[("resource", AUDIENCE)]).await.assert_error(400, "invalid_target");
    let unknown = two.token(&[&PASSWORD_GRANT[..], &[("resource", "urn:nobody")]].concat()).await;
    unknown.assert_error(400, "invalid_target");
}

/// A client that lost a resource server gets no more tokens for it; its logins go on where it is.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_client_that_lost_a_resource_server_goes_on_without(pool: Pool) {
    let two = Two::new(pool).await;
    let scope = ("scope", "movies:read reviews:read");
    let login = two.token(&[&PASSWORD_GRANT[..], &[scope]].concat()).await;
    let narrow = |is: NewClient| NewClient {
        audiences: Vec::new(),
        scopes: "openid movies:read profile email".parse().unwrap(),
        ..is
    };
    two.app.state.clients.update(&WEB.parse().unwrap(), narrow).await.unwrap();
    two.refresh(&login.refresh_token(), &[("resource", REVIEWS)]).await.assert_error(400, "invalid_target");
    assert_eq!(given(&two.refresh(&login.refresh_token(), &[]).await), is(AUDIENCE, "movies:read"));
}
