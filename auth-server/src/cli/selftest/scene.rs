//! Where everything is, and the ways that the attempts begin with.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};
use url::Url;

use super::report::Outcome;
use super::subjects::Kit;
use super::wire::{Answer, Browser, Credentials, Http, encode};
use crate::cli::Context;
use crate::routes;

/// Where codes go: a host that nobody can have (RFC 6761 section 6.4).
pub(super) const REDIRECT: &str = "https://client.selftest.invalid/callback";
/// A page of somebody else.
pub(super) const ELSEWHERE: &str = "https://elsewhere.selftest.invalid";
/// 43 to 128 characters (RFC 7636 section 4.1).
const VERIFIER: &str = "selftest-0123456789-0123456789-0123456789-abcdef";

/// A running pair, and who attacks it.
pub(super) struct Scene {
    pub(super) http: Http,
    pub(super) issuer: String,
    pub(super) is_https: bool,
    pub(super) web: Credentials,
    pub(super) stranger: Credentials,
    pub(super) scope: String,
    email: String,
    password: String,
    auth: String,
    api: Url,
}

impl Scene {
    pub(super) fn new(context: &Context, auth: String, api: Url, kit: Kit) -> anyhow::Result<Self> {
        let (Some(web), Some(stranger)) = (kit.web, kit.stranger) else { anyhow::bail!("no client was made") };
        Ok(Self {
            http: Http::new()?,
            issuer: context.config.issuer.as_str().to_owned(),
            is_https: auth.starts_with("https://"),
            web,
            stranger,
            scope: kit.scope,
            email: kit.email,
            password: kit.password,
            auth,
            api,
        })
    }

    /// An address of the auth-server.
    pub(super) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.auth)
    }

    /// RFC 8414 section 3.1: the well-known path stands between the host and the issuer's own path.
    pub(super) fn well_known(&self, path: &str) -> String {
        match Url::parse(&self.auth) {
            Ok(url) => format!("{}{path}{}", url.origin().ascii_serialization(), url.path().trim_end_matches('/')),
            Err(_) => self.at(path),
        }
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer, String> {
        self.http.get(&self.at(path), &[]).await
    }

    pub(super) async fn post(
        &self,
        path: &str,
        who: Option<&Credentials>,
        form: &[(&str, &str)],
    ) -> Result<Answer, String> {
        self.http.post(&self.at(path), who, form, &[]).await
    }

    pub(super) async fn token(&self, who: &Credentials, form: &[(&str, &str)]) -> Result<Answer, String> {
        self.post(routes::TOKEN, Some(who), form).await
    }

    /// What the API answers to this token.
    pub(super) async fn api(&self, token: &str) -> Result<Answer, String> {
        self.http.get(self.api.as_str(), &[("authorization", &format!("Bearer {token}"))]).await
    }

    /// The API without a token in the header, with more in the query.
    pub(super) async fn api_without(&self, query: &[(&str, &str)], headers: &[(&str, &str)]) -> Result<Answer, String> {
        let mut url = self.api.clone();
        url.query_pairs_mut().extend_pairs(query);
        self.http.get(url.as_str(), headers).await
    }

    /// Whether the API takes this token; a movie need not be there.
    pub(super) async fn accepted(&self, token: &str) -> Outcome {
        let answer = self.api(token).await?;
        if [200, 404].contains(&answer.status) { Ok(()) } else { Err(answer.told()) }
    }

    /// Whether the API refuses this token as RFC 6750 section 3.1 asks.
    pub(super) async fn refused(&self, token: &str) -> Outcome {
        let answer = self.api(token).await?;
        if answer.status != 401 {
            return Err(answer.told());
        }
        answer.says("www-authenticate", "bearer")?;
        answer.says("www-authenticate", "invalid_token")
    }

    /// An access token of the client's own.
    pub(super) async fn own_token(&self) -> Result<String, String> {
        self.token(&self.web, &[("grant_type", "client_credentials")]).await?.member("access_token")
    }

    /// A request for a code; what is given replaces what is usual, an empty value takes it away.
    pub(super) fn authorize(&self, changes: &[(&str, &str)]) -> String {
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
        let scope = format!("openid {}", self.scope);
        let usual = [
            ("response_type", "code"),
            ("client_id", &self.web.id),
            ("redirect_uri", REDIRECT),
            ("scope", &scope),
            ("state", "selftest"),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        let is_changed = |name: &str| changes.iter().any(|(changed, _)| *changed == name);
        let usual = usual.into_iter().filter(|(name, _)| !is_changed(name));
        let all: Vec<_> = usual.chain(changes.iter().copied()).filter(|(_, value)| !value.is_empty()).collect();
        format!("{}?{}", self.at(routes::AUTHORIZE), encode(&all))
    }

    /// Signs the user in; the browser and the first code.
    pub(super) async fn sign_in(&self) -> Result<(Browser, String), String> {
        let mut browser = Browser::default();
        let asked = self.http.visit(&mut browser, &self.authorize(&[])).await?;
        let page = self.resolve(asked.header("location"))?;
        let page_answer = self.http.visit(&mut browser, &page).await?;
        let mut fields = page_answer.hidden();
        fields.extend([("username".to_owned(), self.email.clone()), ("password".to_owned(), self.password.clone())]);
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let answer = self.http.submit(&mut browser, &self.at(routes::LOGIN), &fields).await?;
        let code = sent_back(&answer)?.remove("code").ok_or("the login gave no code")?;
        Ok((browser, code))
    }

    /// Another code for a browser that is signed in.
    pub(super) async fn code(&self, browser: &mut Browser) -> Result<String, String> {
        let answer = self.http.visit(browser, &self.authorize(&[])).await?;
        sent_back(&answer)?.remove("code").ok_or_else(|| answer.told())
    }

    /// Redeems a code; changes as for [`Scene::authorize`].
    pub(super) async fn redeem(
        &self,
        who: &Credentials,
        code: &str,
        changes: &[(&str, &str)],
    ) -> Result<Answer, String> {
        let usual = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ];
        let is_changed = |name: &str| changes.iter().any(|(changed, _)| *changed == name);
        let usual = usual.into_iter().filter(|(name, _)| !is_changed(name));
        let all: Vec<_> = usual.chain(changes.iter().copied()).filter(|(_, value)| !value.is_empty()).collect();
        self.token(who, &all).await
    }

    pub(super) async fn refresh(&self, who: &Credentials, token: &str, scope: &str) -> Result<Answer, String> {
        let mut form = vec![("grant_type", "refresh_token"), ("refresh_token", token)];
        form.extend((!scope.is_empty()).then_some(("scope", scope)));
        self.token(who, &form).await
    }

    /// What introspection tells `who` of a token.
    pub(super) async fn introspect(&self, who: &Credentials, token: &str) -> Result<Answer, String> {
        self.post(routes::INTROSPECT, Some(who), &[("token", token)]).await
    }

    fn resolve(&self, location: &str) -> Result<String, String> {
        if location.is_empty() {
            return Err("the authorization endpoint did not lead to a login page".to_owned());
        }
        let base = Url::parse(&self.auth).map_err(|error| error.to_string())?;
        base.join(location).map(Into::into).map_err(|error| error.to_string())
    }
}

/// What the client is told at its own address.
pub(super) fn sent_back(answer: &Answer) -> Result<HashMap<String, String>, String> {
    let location = answer.header("location");
    if !location.starts_with(REDIRECT) {
        return Err(format!("{}, and nothing was sent to the client", answer.told()));
    }
    let url = Url::parse(location).map_err(|error| error.to_string())?;
    Ok(url.query_pairs().into_owned().collect())
}

/// Whether the client is told this error, and by which issuer (RFC 9207).
pub(super) fn sent_error(answer: &Answer, error: &str) -> Outcome {
    let told = sent_back(answer)?;
    match told.get("error") {
        Some(found) if found == error => Ok(()),
        Some(found) => Err(format!("error={found}")),
        None => Err("a code was given out".to_owned()),
    }
}

/// Not sent anywhere, but told on a page.
pub(super) fn stays_here(answer: &Answer) -> Outcome {
    if answer.header("location").is_empty() && (400..500).contains(&answer.status) {
        Ok(())
    } else {
        Err(format!("{} to `{}`", answer.status, answer.header("location")))
    }
}
