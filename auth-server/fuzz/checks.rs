//! What has to hold of each parser, whatever the bytes: shared by the fuzz targets and by the ordinary tests, which replay
//! the corpora and try random bytes. A check panics where something does not hold.

// Each target uses one of them.
#![allow(dead_code, clippy::allow_attributes, reason = "four targets and a test include this file")]

use std::collections::BTreeSet;

use auth_server::tokens::RefreshToken;
use auth_server::web::client_auth::presented;
use auth_server::web::form;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::ExposeSecret as _;
use shared::token::scope::ScopeSet;

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
    let Ok(Some(found)) = presented(Some(header), None, None) else { return };
    let id = found.client_id.as_str();
    assert!((1..=100).contains(&id.chars().count()) && !id.chars().any(char::is_control));
    let secret = found.secret.as_ref().map_or("", |secret| secret.expose_secret());
    assert!(found.secret.is_none() || !secret.is_empty());
    assert!(!format!("{found:?}").contains("mcs1_") || id.contains("mcs1_"), "Debug tells no secret");
    let part = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let again = format!("Basic {}", STANDARD.encode(format!("{}:{}", part(id), part(secret))));
    let again = presented(Some(&again), None, None).ok().flatten().unwrap();
    assert_eq!(again.client_id, found.client_id);
    assert_eq!(again.secret.as_ref().map_or("", |secret| secret.expose_secret()), secret);
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
    assert_eq!(format!("{token:?}"), "RefreshToken(…)");
}
