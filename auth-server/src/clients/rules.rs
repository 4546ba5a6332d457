//! The rules that every registration keeps, however it was made: by a command, by a file, or by a test.

use std::collections::HashSet;
use std::time::Duration;

use super::authentication::{AuthMethod, Authentication};
use super::error::Broken;
use super::model::{ClientKind, GrantType, NewClient};
use super::redirect;
use crate::resource_servers::Catalogue;

/// The most redirect URIs of one client.
const MOST_URIS: usize = 100;
const DAY: Duration = Duration::from_secs(86_400);
const SHORTEST: Duration = Duration::from_secs(3);
const LONGEST_WINDOW: Duration = Duration::from_secs(60);

/// The first rule that `new` breaks. `longest_refresh` is what partitions of refresh tokens are made ahead for.
pub(super) fn check(new: &NewClient, catalogue: &Catalogue, longest_refresh: Duration) -> Result<(), Broken> {
    check_name(&new.name)?;
    check_grants(new)?;
    check_scopes(new, catalogue)?;
    check_authentication(new)?;
    check_serves(new, catalogue)?;
    check_uris("redirect_uris", &new.redirect_uris, new)?;
    check_uris("post_logout_redirect_uris", &new.post_logout_redirect_uris, new)?;
    check_lifetimes(new, longest_refresh)
}

fn check_name(name: &str) -> Result<(), Broken> {
    let length = name.chars().count();
    if name.trim().is_empty() || length > 200 || name.chars().any(char::is_control) {
        return Err(Broken::new(
            "name",
            "the name of a client is not empty, has at most 200 characters and none of them is a control character",
        ));
    }
    Ok(())
}

fn check_grants(new: &NewClient) -> Result<(), Broken> {
    let broken = |reason| Err(Broken::new("grants", reason));
    let has = |grant| new.grants.contains(&grant);
    // "The client credentials grant type MUST only be used by confidential clients." (RFC 6749 section 4.4)
    if new.kind == ClientKind::Public && has(GrantType::ClientCredentials) {
        return broken("client_credentials is for confidential clients (RFC 6749 section 4.4), and this one is public");
    }
    if has(GrantType::AuthorizationCode) && new.redirect_uris.is_empty() {
        return broken(
            "authorization_code sends people back to the client, and there is no redirect URI to send them to: add one to redirect_uris",
        );
    }
    let begins = |grant: &GrantType| !matches!(grant, GrantType::RefreshToken | GrantType::ClientCredentials);
    if has(GrantType::RefreshToken) && !new.grants.iter().any(begins) {
        return broken(
            "refresh_token goes on with what another grant began, and there is none that gives refresh tokens: add one such as password",
        );
    }
    Ok(())
}

fn check_scopes(new: &NewClient, catalogue: &Catalogue) -> Result<(), Broken> {
    let mut known = Vec::new();
    for (field, audience) in
        [("audience", &new.audience)].into_iter().chain(new.audiences.iter().map(|a| ("audiences", a)))
    {
        known.push(catalogue.scopes_for(audience).ok_or_else(|| unknown_audience(field, audience))?);
    }
    let is_known = |scope: &str| known.iter().any(|scopes| scopes.contains(scope));
    let strangers: Vec<&str> = new.scopes.iter().filter(|scope| !is_known(scope)).collect();
    if !strangers.is_empty() {
        let audiences: Vec<_> = [&new.audience].into_iter().chain(&new.audiences).map(|a| format!("`{a}`")).collect();
        let (audiences, strangers) = (audiences.join(", "), strangers.join(" "));
        let reason = format!("not a scope of the audience {audiences} nor of users: {strangers}");
        return Err(Broken::new("scopes", reason));
    }
    if new.default_scopes.is_subset(&new.scopes) {
        return Ok(());
    }
    Err(Broken::new("default_scopes", "default scopes have to be among the client's scopes"))
}

fn check_authentication(new: &NewClient) -> Result<(), Broken> {
    const METHOD: &str = "token_endpoint_auth_method";
    let Authentication { method, jwks, jwks_uri } = &new.authentication;
    match (new.kind, method) {
        (ClientKind::Public, AuthMethod::None) | (ClientKind::Confidential, AuthMethod::Secret) => {
            let field = if jwks.is_some() { "jwks" } else { "jwks_uri" };
            match jwks.is_some() || jwks_uri.is_some() {
                true => {
                    Err(Broken::new(field, "keys are for a client whose token_endpoint_auth_method is private_key_jwt"))
                }
                false => Ok(()),
            }
        }
        (ClientKind::Confidential, AuthMethod::PrivateKeyJwt) => match (jwks, jwks_uri) {
            (Some(_), None) | (None, Some(_)) => Ok(()),
            (None, None) => {
                Err(Broken::new(METHOD, "private_key_jwt needs the client's public keys: jwks or jwks_uri"))
            }
            // "The jwks_uri and jwks parameters MUST NOT both be present in the same request or response." (RFC 7591
            // section 2)
            (Some(_), Some(_)) => Err(Broken::new("jwks_uri", "the keys are in jwks already: give one of the two")),
        },
        (ClientKind::Public, AuthMethod::Secret | AuthMethod::PrivateKeyJwt) => {
            Err(Broken::new(METHOD, "a public client cannot keep a secret or a key, so its method is none"))
        }
        (ClientKind::Confidential, AuthMethod::None) => {
            Err(Broken::new(METHOD, "a confidential client authenticates: register a public one for none"))
        }
    }
}

fn check_serves(new: &NewClient, catalogue: &Catalogue) -> Result<(), Broken> {
    let Some(serves) = &new.serves else { return Ok(()) };
    if new.kind == ClientKind::Public {
        return Err(Broken::new(
            "serves",
            "a public client has no secret to introspect tokens with (RFC 7662 section 2.1)",
        ));
    }
    catalogue.scopes_for(serves).map(|_| ()).ok_or_else(|| unknown_audience("serves", serves))
}

fn unknown_audience(field: &'static str, audience: &str) -> Broken {
    Broken::new(field, format!("no resource server has the audience `{audience}`: see `auth-server resource list`"))
}

fn check_uris(field: &'static str, uris: &[String], new: &NewClient) -> Result<(), Broken> {
    if uris.len() > MOST_URIS {
        return Err(Broken::new(field, format!("there are more than {MOST_URIS}")));
    }
    let mut seen = HashSet::new();
    for uri in uris {
        let checked = redirect::check(uri, new.application_type);
        checked.map_err(|reason| Broken::new(field, format!("`{}` {reason}", uri.escape_debug())))?;
        if !seen.insert(uri) {
            return Err(Broken::new(field, format!("`{uri}` stands twice")));
        }
    }
    Ok(())
}

fn check_lifetimes(new: &NewClient, longest_refresh: Duration) -> Result<(), Broken> {
    let lives = new.lifetimes;
    bounded("access_token_ttl", lives.access_token, SHORTEST, DAY, "")?;
    let setting = ", which MYAPI_AUTH__REFRESH_TOKEN_TTL sets: raise that first";
    bounded("refresh_token_ttl", lives.refresh_absolute, SHORTEST, longest_refresh, setting)?;
    let absolute = lives.refresh_absolute.unwrap_or(longest_refresh);
    let outlives = ": an unused token cannot outlive its login";
    bounded("refresh_token_idle_ttl", lives.refresh_idle, SHORTEST, absolute, outlives)?;
    bounded("refresh_retry_window", lives.retry_window, Duration::ZERO, LONGEST_WINDOW, "")
}

fn bounded(
    field: &'static str,
    life: Option<Duration>,
    least: Duration,
    most: Duration,
    why: &str,
) -> Result<(), Broken> {
    match life {
        Some(life) if life < least || life > most => {
            let (life, least, most) = (life.as_secs(), least.as_secs(), most.as_secs());
            Err(Broken::new(field, format!("{life} is not from {least} to {most} seconds{why}")))
        }
        _ => Ok(()),
    }
}
