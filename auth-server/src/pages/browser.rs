//! Who asks for a page.

use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use http::header::{ACCEPT_LANGUAGE, SET_COOKIE};
use shared::db::DbError;

use super::texts::{self, Texts};
use crate::sessions::Signed;
use crate::state::AppState;
use crate::web::cookies::Cookie;
use crate::web::csrf::{self, Bound, Form};
use crate::web::seal::Broken;

/// A browser: what its cookies say, and which language its person reads.
pub(crate) struct Browser {
    form: String,
    is_new: bool,
    is_https: bool,
    session: String,
    signed: Option<Signed>,
    /// The texts in the language of the request.
    pub(super) texts: &'static Texts,
}

impl Browser {
    /// Reads the cookies and looks for the session. `locales` is the parameter `ui_locales`.
    pub(crate) async fn read(state: &AppState, headers: &HeaderMap, locales: Option<&str>) -> Result<Self, DbError> {
        let mut browser = Self::stranger(state, headers, locales);
        if let Some(cookie) = Cookie::Session.find(headers, browser.is_https) {
            browser.signed = state.sessions.find(&cookie, state.clock.now()).await?;
            if browser.signed.is_some() {
                browser.session = cookie;
            }
        }
        Ok(browser)
    }

    /// The same without looking for a session: for an error that needs none.
    pub(super) fn stranger(state: &AppState, headers: &HeaderMap, locales: Option<&str>) -> Self {
        let is_https = state.config.issuer.is_https();
        let known = Cookie::Form.find(headers, is_https).filter(|value| is_form_cookie(value));
        let accepted = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        Self {
            is_new: known.is_none(),
            form: known.unwrap_or_else(new_form_cookie),
            is_https,
            session: String::new(),
            signed: None,
            texts: texts::choose(locales, accepted),
        }
    }

    /// The live session and its user.
    pub(crate) const fn signed(&self) -> Option<&Signed> {
        self.signed.as_ref()
    }

    /// The same browser once somebody has signed in, for the rest of this request.
    pub(super) fn signed_in(&self, signed: Signed) -> Self {
        Self { form: self.form.clone(), session: String::new(), signed: Some(signed), ..*self }
    }

    /// The hidden field that proves a form to be ours.
    pub(super) fn csrf(&self, state: &AppState, form: Form) -> String {
        csrf::token(&state.seals, form, self.bound(form), state.clock.now())
    }

    /// Whether a form that came is ours: changes nothing, so that a refusal has changed nothing.
    pub(super) fn check(
        &self,
        state: &AppState,
        form: Form,
        token: Option<&str>,
        headers: &HeaderMap,
    ) -> Result<(), Broken> {
        if self.is_new || csrf::is_foreign(headers, state.config.issuer.url()) {
            return Err(Broken);
        }
        csrf::check(&state.seals, form, self.bound(form), token.ok_or(Broken)?, state.clock.now())
    }

    fn bound(&self, form: Form) -> Bound<'_> {
        let session = match form {
            Form::Login => "",
            Form::Consent | Form::Device | Form::Logout => self.session.as_str(),
        };
        Bound { browser: &self.form, session }
    }

    /// Marks the browser where it is new: its next form is bound to the mark.
    pub(crate) fn finish(&self, mut response: Response) -> Response {
        if self.is_new
            && let Some(cookie) = Cookie::Form.set(&self.form, self.is_https)
        {
            response.headers_mut().append(SET_COOKIE, cookie);
        }
        response
    }
}

fn is_form_cookie(value: &str) -> bool {
    URL_SAFE_NO_PAD.decode(value).is_ok_and(|bytes| bytes.len() == 32)
}

/// Without randomness there is none, and forms are refused.
fn new_form_cookie() -> String {
    let mut bytes = [0_u8; 32];
    match getrandom::fill(&mut bytes) {
        Ok(()) => URL_SAFE_NO_PAD.encode(bytes),
        Err(error) => {
            tracing::error!(%error, "the system gives no randomness");
            String::new()
        }
    }
}
