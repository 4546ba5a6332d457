//! What has to hold of each parser, whatever the bytes: shared by the fuzz targets and by the ordinary tests, which replay
//! the corpora and try random bytes. A check panics where something does not hold.

// Each target uses one of them.
#![allow(dead_code, clippy::allow_attributes, reason = "the targets and a test include this file")]

use std::collections::BTreeSet;

use auth_server::clients::{
    ALGORITHMS, ApplicationType, Assertion, Authentication, Client, ClientKind, GrantType, Lifetimes, Proof,
};
use auth_server::devices::UserCode;
use auth_server::oauth::authorize::{
    Parameters, PromptNames, check, form_target, is_allowed, max_age, with_parameters,
};
use auth_server::oauth::pkce::{is_s256_challenge, is_verifier};
use auth_server::tokens::RefreshToken;
use auth_server::web::client_auth::{Posted, presented};
use auth_server::web::form;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use shared::token::dpop::{self, Address, Expected, PROOF_LIMIT};
use shared::token::keys::KeySet;
use shared::token::scope::ScopeSet;
use url::Url;

/// A form that is taken is what a lenient parser reads, keeps the rules, and can be written and read again.
pub fn form(data: &[u8]) {
    let Ok(parameters) = form::parse(data) else { return };
    assert!(parameters.len() <= form::MAX_PARAMETERS);
    let lenient: Vec<(String, String)> = form_urlencoded::parse(data).into_owned().collect();
    assert_eq!(parameters, lenient, "nothing was repaired or dropped");
    let mut names: Vec<&str> = parameters.iter().map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), parameters.len(), "no parameter stands twice");
    assert!(!parameters.iter().any(|(name, value)| name.contains('\0') || value.contains('\0')));
    let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(&parameters).finish();
    assert_eq!(form::parse(text.as_bytes()).as_ref(), Ok(&parameters));
}

/// Both as a header that came and as what stands encoded inside one.
pub fn basic(data: &[u8]) {
    if let Ok(header) = std::str::from_utf8(data) {
        credentials(header);
    }
    credentials(&format!("Basic {}", STANDARD.encode(data)));
}

/// Credentials that are taken name a possible client and mean the same when they are written anew.
fn credentials(header: &str) {
    let Ok(Some(found)) = presented(Some(header), Posted::default()) else { return };
    let id = found.client_id.as_str();
    assert!((1..=100).contains(&id.chars().count()) && !id.chars().any(char::is_control));
    let secret = exposed(&found.proof);
    assert!(matches!(found.proof, Proof::None) == secret.is_empty());
    assert!(!format!("{found:?}").contains("mcs1_") || id.contains("mcs1_"), "Debug tells no secret");
    let part = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let again = format!("Basic {}", STANDARD.encode(format!("{}:{}", part(id), part(secret))));
    let again = presented(Some(&again), Posted::default()).ok().flatten().unwrap();
    assert_eq!(again.client_id, found.client_id);
    assert_eq!(exposed(&again.proof), secret);
}

/// A secret; no header has an assertion in it.
fn exposed(proof: &Proof) -> &str {
    match proof {
        Proof::None => "",
        Proof::Secret(secret) => secret.expose_secret(),
        Proof::Assertion(_) => unreachable!("an assertion in a header"),
    }
}

/// An assertion that is read has one spelling, and is nobody's proof without a key.
pub fn assertion(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // A fuzzer finds no base64 of JSON by chance: three lines are header, claims and signature.
    let encoded: Vec<String> = text.splitn(3, '\n').map(|part| URL_SAFE_NO_PAD.encode(part)).collect();
    for text in [text, &encoded.join(".")] {
        let Ok(read) = Assertion::parse(text) else { continue };
        let segments: Vec<&str> = text.split('.').collect();
        assert_eq!(segments.len(), 3);
        for segment in &segments {
            assert_eq!(URL_SAFE_NO_PAD.encode(URL_SAFE_NO_PAD.decode(segment).unwrap()), *segment);
        }
        let json = |segment: &str| {
            serde_json::from_slice::<serde_json::Value>(&URL_SAFE_NO_PAD.decode(segment).unwrap()).unwrap()
        };
        let (header, claims) = (json(segments[0]), json(segments[1]));
        assert!(ALGORITHMS.contains(&header["alg"].as_str().unwrap()) && header.get("crit").is_none());
        assert_eq!(
            (claims["sub"].as_str(), header.get("kid").and_then(|kid| kid.as_str())),
            (Some(read.client_id().as_str()), read.kid())
        );
        let audiences = ["http://127.0.0.1:8001".to_owned()];
        assert!(read.check(&KeySet::default(), &audiences, DateTime::UNIX_EPOCH).is_err());
        assert!(read.check(&keys(), &audiences, DateTime::UNIX_EPOCH).is_err());
    }
}

/// A key that nobody here signs with.
fn keys() -> KeySet {
    let key = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo","kid":"k"}"#;
    KeySet::from_jwks(format!("{{\"keys\":[{key}]}}").as_bytes()).unwrap()
}

/// The grammar of RFC 6749 section 3.3, written once more; and what is taken here, the state machines' own type takes.
pub fn scope(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let is_token = |name: &str| !name.is_empty() && name.chars().all(|c| matches!(c, '!' | '#'..='[' | ']'..='~'));
    let is_scope = text.is_empty() || text.split(' ').all(is_token);
    let read: Result<ScopeSet, _> = text.parse();
    assert_eq!(read.is_ok(), is_scope);
    let Ok(set) = read else { return };
    let named: BTreeSet<&str> = text.split(' ').filter(|name| !name.is_empty()).collect();
    assert!(set.iter().eq(named), "each name once, sorted");
    assert_eq!(set.to_string().parse::<ScopeSet>(), Ok(set.clone()));
    let theirs: oxide_auth::primitives::scope::Scope = set.to_string().parse().unwrap();
    assert_eq!(ScopeSet::from_names(theirs.iter()), Ok(set));
}

/// A token has one spelling, of one length.
pub fn refresh_token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(token) = RefreshToken::parse(text) else { return };
    assert!(RefreshToken::looks_like(text) && text.len() == 53);
    assert_eq!(token.text(), text);
    assert!((0..=i64::from(u32::MAX)).contains(&token.expires_at().timestamp()));
    assert_eq!(format!("{token:?}"), "Opaque(refresh token, …)");
}

/// Two lines: what is registered, and what a request presents. Where an answer may go is the registered address byte for
/// byte, or for a native client the same loopback address with another port, as the URL standard reads both.
pub fn redirect(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (registered, presented) = text.split_once('\n').unwrap_or((text, text));
    for (application_type, is_native) in [(ApplicationType::Web, false), (ApplicationType::Native, true)] {
        let is_taken = is_allowed(&client(application_type, registered), presented);
        if registered != presented {
            assert!(!is_taken || (is_native && is_other_port(registered, presented)), "{registered:?} {presented:?}");
        }
        if is_taken {
            assert!(presented.bytes().all(|byte| byte.is_ascii_graphic()) && !presented.contains('#'));
            goes_there(presented);
        }
    }
}

/// Whether two addresses differ in the port alone, by another parser than the one that decides.
fn is_other_port(registered: &str, presented: &str) -> bool {
    let (Ok(one), Ok(other)) = (Url::parse(registered), Url::parse(presented)) else { return false };
    let is_loopback = matches!(other.host_str(), Some("127.0.0.1" | "[::1]")) && other.scheme() == "http";
    let is_plain = other.username().is_empty() && other.password().is_none() && other.port() != Some(0);
    let same = (one.scheme(), one.host_str(), one.path(), one.query(), one.fragment())
        == (other.scheme(), other.host_str(), other.path(), other.query(), other.fragment());
    is_loopback && is_plain && same
}

/// An answer at this address stays there, and the page before it lets a browser go nowhere else.
fn goes_there(uri: &str) {
    let location = with_parameters(uri, &[("code", "mac1_x"), ("state", "a b&c=d#e")]);
    assert!(location.starts_with(uri));
    let (Ok(before), Ok(after)) = (Url::parse(uri), Url::parse(&location)) else { return };
    assert_eq!(before.origin().ascii_serialization(), after.origin().ascii_serialization());
    assert_eq!((before.scheme(), before.host_str(), before.port()), (after.scheme(), after.host_str(), after.port()));
    let target = form_target(uri).unwrap();
    assert!(!target.contains([' ', ';', ',', '\'', '"', '*']), "{target}");
}

fn client(application_type: ApplicationType, registered: &str) -> Client {
    Client {
        client_id: "app".parse().unwrap(),
        name: "app".to_owned(),
        kind: ClientKind::Public,
        grants: vec![GrantType::AuthorizationCode],
        scopes: ScopeSet::default(),
        default_scopes: ScopeSet::default(),
        audience: "http://127.0.0.1:8000".to_owned(),
        audiences: Vec::new(),
        serves: None,
        application_type,
        redirect_uris: vec![registered.to_owned()],
        post_logout_redirect_uris: Vec::new(),
        skips_consent: false,
        require_pushed_authorization_requests: false,
        dpop_bound_access_tokens: false,
        authentication: Authentication::of_kind(ClientKind::Public),
        lifetimes: Lifetimes::default(),
        client_version: 1,
        created_at: DateTime::UNIX_EPOCH,
        disabled_at: None,
    }
}

/// A query of `/authorize` that is taken asks for nothing that this server does not do, and its PKCE is S256.
pub fn authorize(data: &[u8]) {
    let Ok(pairs) = form::parse(data) else { return };
    let read = Parameters(&pairs);
    if let Ok(prompt) = PromptNames::read(read) {
        assert!(!prompt.none || !(prompt.login || prompt.consent));
        let names = read.get("prompt").map_or(Vec::new(), |names| names.split(' ').collect());
        assert!(names.iter().all(|name| PromptNames::ALL.contains(name)));
        assert_eq!(prompt.none, names.contains(&"none"));
    }
    if let Ok(Some(seconds)) = max_age(read) {
        assert!((0..=9_999_999_999).contains(&seconds));
    }
    if check(read, &client(ApplicationType::Web, "https://app.example.com/cb")).is_err() {
        return;
    }
    assert_eq!(read.get("code_challenge_method"), Some("S256"));
    assert!(read.get("code_challenge").is_some_and(is_s256_challenge));
    assert!(matches!(read.get("response_mode"), None | Some("query")));
    assert!(["request", "request_uri", "registration"].into_iter().all(|name| read.get(name).is_none()));
    assert!(matches!(read.get("resource"), None | Some("http://127.0.0.1:8000")));
}

/// Two lines: a challenge and a verifier. Both grammars of RFC 7636, written once more; and a challenge has one spelling.
pub fn pkce(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (challenge, verifier) = text.split_once('\n').unwrap_or((text, text));
    let is_unreserved = |c: char| c.is_ascii_alphanumeric() || "-._~".contains(c);
    let length = verifier.chars().count();
    assert_eq!(is_verifier(verifier), verifier.chars().all(is_unreserved) && (43..=128).contains(&length));
    if is_s256_challenge(challenge) {
        assert_eq!(challenge.len(), 43);
        let bytes = URL_SAFE_NO_PAD.decode(challenge).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.encode(&bytes), challenge);
    }
    let fitting = URL_SAFE_NO_PAD.encode(Sha256::digest(verifier));
    assert!(is_s256_challenge(&fitting));
    let pkce = oxide_auth::code_grant::extensions::Pkce::required();
    let Ok(Some(value)) = pkce.challenge(Some("S256".into()), Some(challenge.into())) else { return };
    assert_eq!(pkce.verify(Some(value), Some(verifier.into())).is_ok(), challenge == fitting);
}

/// What is taken for a user code is eight of twenty letters with separators around them, and means the same however it is
/// written; Debug tells nothing of it.
pub fn user_code(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let read = text.parse::<UserCode>();
    let is_separator = |c: char| c.is_whitespace() || "-_.\u{2010}\u{2011}\u{2012}\u{2013}\u{2014}\u{2015}".contains(c);
    let letters: String = text.chars().filter(|c| !is_separator(*c)).collect();
    let is_code =
        letters.chars().count() == 8 && letters.chars().all(|c| "BCDFGHJKLMNPQRSTVWXZbcdfghjklmnpqrstvwxz".contains(c));
    assert_eq!(read.is_ok(), is_code && text.len() <= 64);
    let Ok(code) = read else { return };
    let shown = code.to_string();
    assert_eq!(shown.replace('-', ""), letters.to_ascii_uppercase());
    assert_eq!((shown.len(), shown.find('-')), (9, Some(4)));
    for same in [shown.clone(), shown.to_lowercase(), shown.replace('-', " "), letters] {
        assert_eq!(same.parse(), Ok(code));
    }
    assert_eq!(format!("{code:?}"), "UserCode(…)");
}

/// Two lines: an address and a DPoP proof. An address has one spelling, which means the same to another parser; a proof that
/// is read has one too, and is good for one method and one address.
pub fn dpop(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (address, proof) = text.split_once('\n').unwrap_or((text, text));
    let address = Address::parse(address).inspect(|read| same_place(address, read));
    let Ok(proof) = dpop::Proof::parse(proof) else { return };
    assert!(text.len() <= PROOF_LIMIT + 64 * 1024 && proof.key().as_str().len() == 43);
    let Some(address) = address else { return };
    let now = proof.expires_at() - TimeDelta::seconds(61);
    let judge = |method| proof.check(&Expected { method, address: &address, token: None, now });
    assert!(!(judge("GET").is_ok() && judge("POST").is_ok()), "one method");
    if judge("POST").is_ok() {
        let other = Address::below(address.as_str(), "/other").unwrap();
        assert!(proof.check(&Expected { method: "POST", address: &other, token: None, now }).is_err(), "one address");
        assert!(
            proof.check(&Expected { method: "POST", address: &address, token: Some("x"), now }).is_err(),
            "no token"
        );
        let late = proof.expires_at() + TimeDelta::seconds(1);
        assert!(proof.check(&Expected { method: "POST", address: &address, token: None, now: late }).is_err(), "once");
    }
}

fn same_place(text: &str, read: &Address) {
    assert_eq!(Address::parse(read.as_str()).as_ref(), Some(read));
    let (theirs, ours) = (Url::parse(text).unwrap(), Url::parse(read.as_str()).unwrap());
    assert_eq!(
        (theirs.scheme(), theirs.host_str(), theirs.port_or_known_default()),
        (ours.scheme(), ours.host_str(), ours.port_or_known_default())
    );
    assert!(ours.query().is_none() && ours.fragment().is_none() && ours.username().is_empty());
}
