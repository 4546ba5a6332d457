//! The machine by itself: every step in order, no step skipped, nothing after a refusal.

use oxide_auth::primitives::issuer::TokenType;
use oxide_auth::primitives::registrar::RegisteredUrl;

use super::*;

#[derive(Clone, Copy)]
struct Asked {
    grant_type: Option<&'static str>,
    username: Option<&'static str>,
    password: Option<&'static str>,
    scope: Option<&'static str>,
}

const GOOD: Asked = Asked {
    grant_type: Some("password"),
    username: Some("ann"),
    password: Some("correct horse"),
    scope: Some("movies:read"),
};

impl Request for Asked {
    fn valid(&self) -> bool {
        true
    }
    fn grant_type(&self) -> Option<Cow<'_, str>> {
        self.grant_type.map(Cow::Borrowed)
    }
    fn client_id(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed("app"))
    }
    fn username(&self) -> Option<Cow<'_, str>> {
        self.username.map(Cow::Borrowed)
    }
    fn password(&self) -> Option<Cow<'_, str>> {
        self.password.map(Cow::Borrowed)
    }
    fn scope(&self) -> Option<Cow<'_, str>> {
        self.scope.map(Cow::Borrowed)
    }
}

fn url() -> RegisteredUrl {
    RegisteredUrl::Semantic("http://127.0.0.1".parse().unwrap())
}

fn bound(client: &str) -> Input {
    Input::Bound { bound_client: BoundClient { client_id: client.to_owned().into(), redirect_uri: Cow::Owned(url()) } }
}

fn negotiated(client: &str) -> Input {
    let scope = "movies:read".parse().unwrap();
    Input::Negotiated { pre_grant: PreGrant { client_id: client.to_owned(), redirect_uri: url(), scope } }
}

fn token() -> IssuedToken {
    let until = DateTime::from_timestamp(600, 0).unwrap();
    IssuedToken { token: "signed".to_owned(), refresh: None, until, token_type: TokenType::Bearer }
}

#[test]
fn each_step_follows_the_one_before() {
    let mut machine = PasswordGrant::new(&GOOD);
    assert!(matches!(machine.advance(Input::None), Output::Authenticate { client: "app" }));
    assert!(matches!(machine.advance(Input::Authenticated), Output::Bind { client_id: "app" }));
    let asked = machine.advance(bound("app"));
    assert!(matches!(asked, Output::Verify { username: "ann", password: "correct horse" }));
    assert!(matches!(machine.advance(Input::Verified { owner_id: "u1".to_owned() }), Output::Extend));
    let asked = machine.advance(Input::Extended { extensions: Extensions::new() });
    assert!(matches!(asked, Output::Negotiate { scope: Some(scope), .. } if scope.to_string() == "movies:read"));
    let asked = machine.advance(negotiated("app"));
    assert!(matches!(asked, Output::Issue { grant } if grant.owner_id == "u1" && grant.client_id == "app"));
    assert!(matches!(machine.advance(Input::Issued(token())), Output::Ok { token, .. } if token.token == "signed"));
}

#[test]
fn no_step_can_be_skipped() {
    for skip in [
        bound("app"),
        Input::Verified { owner_id: "u1".to_owned() },
        Input::Extended { extensions: Extensions::new() },
        negotiated("app"),
        Input::Issued(token()),
    ] {
        let mut machine = PasswordGrant::new(&GOOD);
        assert!(matches!(machine.advance(skip), Output::Err(Refusal::OutOfOrder)));
        assert!(matches!(machine.advance(Input::Authenticated), Output::Err(Refusal::OutOfOrder)));
    }
}

#[test]
fn another_client_can_neither_be_bound_nor_negotiated_for() {
    let mut machine = PasswordGrant::new(&GOOD);
    machine.advance(Input::Authenticated);
    assert!(matches!(machine.advance(bound("other")), Output::Err(Refusal::OutOfOrder)));

    let mut machine = PasswordGrant::new(&GOOD);
    machine.advance(Input::Authenticated);
    machine.advance(bound("app"));
    machine.advance(Input::Verified { owner_id: "u1".to_owned() });
    machine.advance(Input::Extended { extensions: Extensions::new() });
    assert!(matches!(machine.advance(negotiated("other")), Output::Err(Refusal::OutOfOrder)));
}

#[test]
fn what_the_request_lacks_is_named() {
    let cases = [
        (Asked { grant_type: None, ..GOOD }, Refusal::Missing("grant_type")),
        (Asked { grant_type: Some("refresh_token"), ..GOOD }, Refusal::GrantType),
        (Asked { username: None, ..GOOD }, Refusal::Missing("username")),
        (Asked { password: None, ..GOOD }, Refusal::Missing("password")),
        (Asked { scope: Some("a\"b"), ..GOOD }, Refusal::Scope),
    ];
    for (request, expected) in cases {
        let mut machine = PasswordGrant::new(&request);
        assert!(matches!(machine.advance(Input::None), Output::Err(refusal) if refusal == expected), "{expected:?}");
    }
}
