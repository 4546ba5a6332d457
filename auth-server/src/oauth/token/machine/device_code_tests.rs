//! The machine by itself: every step in order, every standing its refusal, no step skipped.

use chrono::DateTime;
use oxide_auth::primitives::issuer::TokenType;

use super::*;

#[derive(Clone, Copy)]
struct Asked {
    grant_type: Option<&'static str>,
    device_code: Option<&'static str>,
    valid: bool,
}

const GOOD: Asked = Asked { grant_type: Some(GRANT_TYPE), device_code: Some("mdc1_x"), valid: true };

impl Request for Asked {
    fn valid(&self) -> bool {
        self.valid
    }
    fn grant_type(&self) -> Option<Cow<'_, str>> {
        self.grant_type.map(Cow::Borrowed)
    }
    fn client_id(&self) -> Option<Cow<'_, str>> {
        Some(Cow::Borrowed("tv"))
    }
    fn device_code(&self) -> Option<Cow<'_, str>> {
        self.device_code.map(Cow::Borrowed)
    }
}

fn grant(client: &str) -> Box<Grant> {
    Box::new(Grant {
        owner_id: "u1".to_owned(),
        client_id: client.to_owned(),
        scope: "movies:read".parse().unwrap(),
        redirect_uri: "http://127.0.0.1".parse().unwrap(),
        until: DateTime::UNIX_EPOCH,
        extensions: Extensions::new(),
    })
}

fn recovered(client: &str, standing: Standing) -> Input {
    Input::Recovered { client_id: client.to_owned(), standing }
}

fn token() -> IssuedToken {
    let until = DateTime::from_timestamp(600, 0).unwrap();
    IssuedToken { token: "signed".to_owned(), refresh: None, until, token_type: TokenType::Bearer }
}

/// The machine of a good request whose client is authenticated.
fn recovering() -> DeviceCodeGrant {
    let mut machine = DeviceCodeGrant::new(&GOOD);
    assert!(matches!(machine.advance(Input::None), Output::Authenticate { client: "tv" }));
    assert!(matches!(machine.advance(Input::Authenticated), Output::Recover { device_code: "mdc1_x" }));
    machine
}

#[test]
fn each_step_follows_the_one_before() {
    let mut machine = recovering();
    assert!(matches!(machine.advance(recovered("tv", Standing::Approved(grant("tv")))), Output::Extend));
    let asked = machine.advance(Input::Extended { extensions: Extensions::new() });
    assert!(matches!(asked, Output::Issue { grant } if grant.owner_id == "u1" && grant.client_id == "tv"));
    assert!(matches!(machine.advance(Input::Issued(token())), Output::Ok { token } if token.token == "signed"));
}

#[test]
fn every_standing_has_its_refusal_and_nothing_comes_after_it() {
    let cases = [
        (Standing::Spent, Refusal::Spent),
        (Standing::Expired, Refusal::Expired),
        (Standing::Denied, Refusal::Denied),
        (Standing::Pending { is_early: true }, Refusal::SlowDown),
        (Standing::Pending { is_early: false }, Refusal::Pending),
        (Standing::Approved(grant("other")), Refusal::OtherClient),
    ];
    for (standing, expected) in cases {
        let mut machine = recovering();
        assert!(matches!(machine.advance(recovered("tv", standing)), Output::Err(refusal) if refusal == expected));
        let again = machine.advance(recovered("tv", Standing::Approved(grant("tv"))));
        assert!(matches!(again, Output::Err(refusal) if refusal == expected));
    }
}

/// Another client does not even learn how it stands.
#[test]
fn d07_another_clients_code_is_refused_whatever_it_stands_for() {
    for standing in [Standing::Spent, Standing::Pending { is_early: true }, Standing::Approved(grant("tv"))] {
        let mut machine = recovering();
        assert!(matches!(machine.advance(recovered("other", standing)), Output::Err(Refusal::OtherClient)));
    }
}

#[test]
fn no_step_can_be_skipped() {
    for skip in [
        recovered("tv", Standing::Approved(grant("tv"))),
        Input::Extended { extensions: Extensions::new() },
        Input::Issued(token()),
    ] {
        let mut machine = DeviceCodeGrant::new(&GOOD);
        assert!(matches!(machine.advance(skip), Output::Err(Refusal::OutOfOrder)));
        assert!(matches!(machine.advance(Input::Authenticated), Output::Err(Refusal::OutOfOrder)));
    }
}

#[test]
fn what_the_request_lacks_is_named() {
    let cases = [
        (Asked { grant_type: None, ..GOOD }, Refusal::Missing("grant_type")),
        (Asked { grant_type: Some("device_code"), ..GOOD }, Refusal::GrantType),
        (Asked { device_code: None, ..GOOD }, Refusal::Missing("device_code")),
        (Asked { valid: false, ..GOOD }, Refusal::Request),
    ];
    for (request, expected) in cases {
        let mut machine = DeviceCodeGrant::new(&request);
        assert!(matches!(machine.advance(Input::None), Output::Err(refusal) if refusal == expected), "{expected:?}");
    }
}
