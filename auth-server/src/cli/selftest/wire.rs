//! Plain HTTP: no redirects, no cookies of its own, bounded in time and size.

use std::collections::BTreeMap;
use std::time::Duration;

use http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{HeaderMap, StatusCode};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

use super::report::Outcome;

const TIMEOUT: Duration = Duration::from_secs(10);
const LIMIT: usize = 1024 * 1024;
const FORM: &str = "application/x-www-form-urlencoded";

/// What came back.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    headers: HeaderMap,
    body: String,
}

/// A client's id and secret.
#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) id: String,
    pub(super) secret: String,
}

/// Asks.
pub(super) struct Http(Client);

/// A browser as far as cookies go.
#[derive(Debug, Default)]
pub(super) struct Browser(BTreeMap<String, String>);

impl Http {
    pub(super) fn new() -> anyhow::Result<Self> {
        Ok(Self(Client::builder().timeout(TIMEOUT).redirect(Policy::none()).no_proxy().build()?))
    }

    pub(super) async fn get(&self, url: &str, headers: &[(&str, &str)]) -> Result<Answer, String> {
        send(with(self.0.get(url), headers)).await
    }

    /// A form, with or without a client's credentials.
    pub(super) async fn post(
        &self,
        url: &str,
        who: Option<&Credentials>,
        form: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Result<Answer, String> {
        let mut request = self.0.post(url).header(CONTENT_TYPE, FORM).body(encode(form));
        if let Some(Credentials { id, secret }) = who {
            let text = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            request = request.basic_auth(text(id), Some(text(secret)));
        }
        send(with(request, headers)).await
    }

    /// A page, as a browser asks for it.
    pub(super) async fn visit(&self, browser: &mut Browser, url: &str) -> Result<Answer, String> {
        let answer = send(self.0.get(url).header(COOKIE, browser.cookies())).await?;
        browser.keep(&answer);
        Ok(answer)
    }

    /// A page's form.
    pub(super) async fn submit(
        &self,
        browser: &mut Browser,
        url: &str,
        form: &[(&str, &str)],
    ) -> Result<Answer, String> {
        let request = self.0.post(url).header(CONTENT_TYPE, FORM).header(COOKIE, browser.cookies());
        let answer = send(request.body(encode(form))).await?;
        browser.keep(&answer);
        Ok(answer)
    }
}

fn with(request: RequestBuilder, headers: &[(&str, &str)]) -> RequestBuilder {
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

pub(super) fn encode(pairs: &[(&str, &str)]) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

async fn send(request: RequestBuilder) -> Result<Answer, String> {
    let unreached = |error: reqwest::Error| format!("no answer: {}", error.without_url());
    let mut response = request.send().await.map_err(unreached)?;
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreached)? {
        body.extend_from_slice(&chunk);
        if body.len() > LIMIT {
            return Err(format!("the answer is longer than {LIMIT} bytes"));
        }
    }
    Ok(Answer { status, headers, body: String::from_utf8_lossy(&body).into_owned() })
}

impl Browser {
    fn cookies(&self) -> String {
        let pairs: Vec<String> = self.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        pairs.join("; ")
    }

    fn keep(&mut self, answer: &Answer) {
        for cookie in answer.headers.get_all(SET_COOKIE) {
            let pair = cookie.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.0.insert(name.trim().to_owned(), value.to_owned());
            }
        }
    }
}

impl Answer {
    /// A header's value, empty where it is absent.
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    pub(super) fn body(&self) -> &str {
        &self.body
    }

    /// The JSON of the body, `null` where it is none.
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_default()
    }

    /// A member of the JSON that has to be there.
    pub(super) fn member(&self, name: &str) -> Result<String, String> {
        let found = self.json().get(name).and_then(Value::as_str).map(str::to_owned);
        found.ok_or_else(|| format!("{} without {name}", self.told()))
    }

    /// Status and error, for the report; never a token.
    pub(super) fn told(&self) -> String {
        let json = self.json();
        let error = json.get("error").or_else(|| json.get("code")).and_then(Value::as_str);
        error.map_or_else(|| self.status.to_string(), |error| format!("{} {error}", self.status))
    }

    /// Whether it is this status.
    pub(super) fn is(&self, status: StatusCode) -> Outcome {
        if self.status == status.as_u16() { Ok(()) } else { Err(self.told()) }
    }

    /// Whether it is this refusal of RFC 6749 section 5.2.
    pub(super) fn refuses(&self, status: StatusCode, error: &str) -> Outcome {
        let is_it = self.status == status.as_u16() && self.json().get("error").and_then(Value::as_str) == Some(error);
        if is_it { Ok(()) } else { Err(self.told()) }
    }

    /// Whether a header says this.
    pub(super) fn says(&self, name: &str, value: &str) -> Outcome {
        let found = self.header(name);
        if found.to_ascii_lowercase().contains(value) {
            Ok(())
        } else if found.is_empty() {
            Err(format!("there is no {name}"))
        } else {
            Err(format!("{name}: {found}"))
        }
    }

    /// The hidden fields of the page's form.
    pub(super) fn hidden(&self) -> Vec<(String, String)> {
        let attribute = |tag: &str, name: &str| {
            let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
            rest.split_once('"').map(|(value, _)| value.replace("&#38;", "&").replace("&amp;", "&"))
        };
        let inputs = self.body.split("<input type=\"hidden\"").skip(1);
        inputs.filter_map(|tag| Some((attribute(tag, "name")?, attribute(tag, "value")?))).collect()
    }
}
