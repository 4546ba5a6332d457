//! The request's parameters, each check a small function, run in a visible list.

use std::borrow::Cow;

use oxide_auth::code_grant::authorization;
use shared::token::dpop::Thumbprint;

use super::refused::Reason;
use crate::clients::Client;
use crate::oauth::pkce;

/// The parameters in their order, each once. "Parameters sent without a value MUST be treated as if they were omitted"
/// (RFC 6749 section 3.1); unknown ones are ignored.
#[derive(Clone, Copy, Debug)]
pub struct Parameters<'a>(pub &'a [(String, String)]);

impl<'a> Parameters<'a> {
    /// A parameter; `None` where it is absent or empty.
    #[must_use]
    pub fn get(self, name: &str) -> Option<&'a str> {
        let found = self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
        found.filter(|value| !value.is_empty())
    }

    /// The scope without its runs of spaces.
    fn scope_text(self) -> Option<String> {
        let scope = self.get("scope")?.split(' ').filter(|name| !name.is_empty()).collect::<Vec<_>>().join(" ");
        Some(scope).filter(|scope| !scope.is_empty())
    }
}

/// What oxide-auth's machine sees.
impl authorization::Request for Parameters<'_> {
    fn valid(&self) -> bool {
        true
    }

    fn client_id(&self) -> Option<Cow<'_, str>> {
        self.get("client_id").map(Cow::Borrowed)
    }

    fn scope(&self) -> Option<Cow<'_, str>> {
        self.scope_text().map(Cow::Owned)
    }

    fn redirect_uri(&self) -> Option<Cow<'_, str>> {
        self.get("redirect_uri").map(Cow::Borrowed)
    }

    fn state(&self) -> Option<Cow<'_, str>> {
        self.get("state").map(Cow::Borrowed)
    }

    fn response_type(&self) -> Option<Cow<'_, str>> {
        self.get("response_type").map(Cow::Borrowed)
    }

    fn extension(&self, key: &str) -> Option<Cow<'_, str>> {
        self.get(key).map(Cow::Borrowed)
    }
}

/// Which pages the client wants shown (OpenID Connect core section 3.1.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PromptNames {
    /// No page at all.
    pub none: bool,
    /// The login page, even for a person who is signed in.
    pub login: bool,
    /// The consent page, even where the consent is remembered.
    pub consent: bool,
}

impl PromptNames {
    /// The values that it may have; what metadata lists.
    pub const ALL: [&'static str; 3] = ["none", "login", "consent"];

    /// Reads the parameter.
    ///
    /// # Errors
    /// [`Reason::Prompt`] for a value that is not listed, and for `none` beside others.
    pub fn read(parameters: Parameters<'_>) -> Result<Self, Reason> {
        let mut prompt = Self::default();
        for name in parameters.get("prompt").into_iter().flat_map(|names| names.split(' ')) {
            match name {
                "none" => prompt.none = true,
                "login" => prompt.login = true,
                "consent" => prompt.consent = true,
                _ => return Err(Reason::Prompt),
            }
        }
        if prompt.none && (prompt.login || prompt.consent) { Err(Reason::Prompt) } else { Ok(prompt) }
    }
}

/// Whether a request asks for no page; asked before anything else of it is believed.
pub(super) fn is_silent(parameters: Parameters<'_>) -> bool {
    PromptNames::read(parameters).is_ok_and(|prompt| prompt.none)
}

/// What is checked of a request whose client and `redirect_uri` are proven, beside what the state machine checks.
///
/// # Errors
/// The first [`Reason`] against it.
pub fn check(parameters: Parameters<'_>, client: &Client) -> Result<(), Reason> {
    check_unsupported(parameters)?;
    check_response_mode(parameters)?;
    check_pkce(parameters)?;
    dpop_jkt(parameters)?;
    check_target(parameters, client)
}

fn check_unsupported(parameters: Parameters<'_>) -> Result<(), Reason> {
    let reasons = [
        ("request", Reason::RequestObject),
        ("request_uri", Reason::RequestUri),
        ("registration", Reason::Registration),
    ];
    let found = reasons.into_iter().find(|(name, _)| parameters.get(name).is_some());
    found.map_or(Ok(()), |(_, reason)| Err(reason))
}

fn check_response_mode(parameters: Parameters<'_>) -> Result<(), Reason> {
    match parameters.get("response_mode") {
        None | Some("query") => Ok(()),
        Some(_) => Err(Reason::ResponseMode),
    }
}

fn check_pkce(parameters: Parameters<'_>) -> Result<(), Reason> {
    let challenge = parameters.get("code_challenge").ok_or(Reason::ChallengeMissing)?;
    if parameters.get("code_challenge_method") != Some("S256") {
        return Err(Reason::ChallengeMethod);
    }
    if pkce::is_s256_challenge(challenge) { Ok(()) } else { Err(Reason::Challenge) }
}

fn check_target(parameters: Parameters<'_>, client: &Client) -> Result<(), Reason> {
    match parameters.get("resource") {
        Some(resource) if !client.may_target(resource) => Err(Reason::Target),
        _ => Ok(()),
    }
}

/// The key that the code will be bound to (RFC 9449 section 10).
///
/// # Errors
/// [`Reason::Thumbprint`] for anything but one.
pub fn dpop_jkt(parameters: Parameters<'_>) -> Result<Option<Thumbprint>, Reason> {
    parameters.get("dpop_jkt").map(|text| text.parse().map_err(|_| Reason::Thumbprint)).transpose()
}

/// Seconds since the login that are not too many.
///
/// # Errors
/// [`Reason::MaxAge`] for anything but a whole number of at most ten digits.
pub fn max_age(parameters: Parameters<'_>) -> Result<Option<i64>, Reason> {
    let Some(text) = parameters.get("max_age") else { return Ok(None) };
    let is_number = text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number).map(Some).ok_or(Reason::MaxAge)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::web::form;

    fn parameters(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn prompt_and_max_age_are_read_strictly() {
        let prompt = |text| PromptNames::read(Parameters(&parameters(&[("prompt", text)])));
        assert_eq!(prompt(""), Ok(PromptNames::default()));
        assert_eq!(prompt("consent login"), Ok(PromptNames { none: false, login: true, consent: true }));
        for bad in ["none login", "create", "select_account", "Login", "login  consent", " login"] {
            assert_eq!(prompt(bad), Err(Reason::Prompt), "{bad}");
        }
        let age = |text| max_age(Parameters(&parameters(&[("max_age", text)])));
        assert_eq!((age(""), age("0"), age("9999999999")), (Ok(None), Ok(Some(0)), Ok(Some(9_999_999_999))));
        for bad in ["-1", "+1", "1.5", "1e3", "x", "99999999999"] {
            assert_eq!(age(bad), Err(Reason::MaxAge), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn no_query_makes_it_panic_and_every_pkce_that_passes_is_s256(query in "\\PC{0,80}|([a-z_]{1,12}=[^&]{0,50}&){0,6}") {
            if let Ok(pairs) = form::parse(query.as_bytes()) {
                let read = Parameters(&pairs);
                let _ = (PromptNames::read(read), max_age(read), read.scope_text());
                if check_pkce(read).is_ok() {
                    prop_assert_eq!(read.get("code_challenge_method"), Some("S256"));
                }
            }
        }
    }
}
