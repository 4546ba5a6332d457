//! Templates, and the headers that every page has.

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_SECURITY_POLICY, REFERRER_POLICY, VARY, X_FRAME_OPTIONS};
use http::{HeaderName, HeaderValue, StatusCode};

use super::browser::Browser;
use super::style;
use super::texts::Texts;
use crate::state::AppState;

/// What every page has.
pub(super) struct Frame {
    pub t: &'static Texts,
    pub title: String,
    pub style: String,
}

impl Frame {
    pub(super) fn new(state: &AppState, browser: &Browser, title: &str) -> Self {
        Self { t: browser.texts, title: title.to_owned(), style: style::address(state) }
    }
}

/// Who a page speaks of.
pub(super) struct Party {
    pub name: String,
    /// Where the person will be taken.
    pub host: String,
}

#[derive(Template)]
#[template(path = "login.html")]
pub(super) struct LoginPage<'a> {
    pub frame: Frame,
    pub client: Option<Party>,
    /// What the login is for, where no client asked for it.
    pub purpose: Option<&'a str>,
    pub action: String,
    pub csrf: String,
    pub return_to: &'a str,
    pub username: &'a str,
    /// Beside the form: wrong, or not now.
    pub problem: Option<&'a str>,
    pub username_problem: Option<&'a str>,
    pub password_problem: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "signed_in.html")]
pub(super) struct SignedInPage {
    pub frame: Frame,
    pub who: String,
    pub logout: String,
}

#[derive(Template)]
#[template(path = "consent.html")]
pub(super) struct ConsentPage {
    pub frame: Frame,
    pub client: Party,
    pub action: String,
    pub csrf: String,
    pub request: String,
    pub scopes: Vec<String>,
    pub email: String,
    pub lifetime: String,
    pub switch: String,
}

#[derive(Template)]
#[template(path = "device.html")]
pub(super) struct DevicePage<'a> {
    pub frame: Frame,
    pub action: String,
    /// As it was typed.
    pub user_code: &'a str,
    pub problem: Option<&'a str>,
    pub who: String,
}

#[derive(Template)]
#[template(path = "device_approve.html")]
pub(super) struct DeviceApprovePage {
    pub frame: Frame,
    pub client: String,
    pub user_code: String,
    pub action: String,
    pub csrf: String,
    pub request: String,
    pub scopes: Vec<String>,
    pub email: String,
    pub lifetime: String,
    pub switch: String,
}

#[derive(Template)]
#[template(path = "logout.html")]
pub(super) struct LogoutPage {
    pub frame: Frame,
    pub question: String,
    pub action: String,
    pub csrf: String,
    pub request: String,
}

#[derive(Template)]
#[template(path = "message.html")]
pub(super) struct MessagePage<'a> {
    pub frame: Frame,
    pub client: Option<Party>,
    pub text: &'a str,
    pub more: Option<&'a str>,
    /// For those who run the application.
    pub details: Option<String>,
    /// Text and address.
    pub link: Option<(String, String)>,
}

/// Renders; `form_target` is where a form may end besides here, proven for this request.
pub(super) fn render(page: &impl Template, texts: &Texts, status: StatusCode, form_target: Option<&str>) -> Response {
    let html = match page.render() {
        Ok(html) => html,
        Err(error) => {
            tracing::error!(%error, "a page could not be rendered");
            return StatusCode::INTERNAL_SERVER_ERROR.into_response();
        }
    };
    let target = form_target.map(|target| format!(" {target}")).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; style-src 'self'; form-action 'self'{target}; base-uri 'none'; object-src 'none'; \
         frame-ancestors 'none'"
    );
    let headers: [(HeaderName, &str); 6] = [
        (CONTENT_SECURITY_POLICY, &policy),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_LANGUAGE, &texts.lang),
        (VARY, "Accept-Language, Cookie"),
    ];
    let mut response = (status, Html(html)).into_response();
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
