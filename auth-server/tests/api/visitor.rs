//! A browser without a screen: cookies, forms, redirects.

use std::collections::BTreeMap;

use auth_server::clients::{ApplicationType, ClientKind, NewClient};
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Request;
use sha2::{Digest as _, Sha256};
use url::Url;

use crate::app::{self, Answer, EMAIL, PASSWORD, TestApp, encode};

/// A confidential web client.
pub const WEB: &str = "web";
pub const WEB_URI: &str = "https://app.example.com/cb";
/// A public native client.
pub const NATIVE: &str = "native";
pub const NATIVE_URI: &str = "http://127.0.0.1/cb";
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

pub struct Visitor<'a> {
    pub app: &'a TestApp,
    pub cookies: BTreeMap<String, String>,
    pub headers: Vec<(&'static str, String)>,
}

/// The parameters of a request, to be changed one by one.
#[derive(Clone)]
pub struct Asking(pub Vec<(&'static str, String)>);

impl Asking {
    pub fn web() -> Self {
        Self::of(WEB, WEB_URI)
    }

    pub fn native() -> Self {
        Self::of(NATIVE, "http://127.0.0.1:51004/cb")
    }

    fn of(client: &str, redirect_uri: &str) -> Self {
        let all = [
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", redirect_uri),
            ("scope", "openid profile movies:read"),
            ("state", "s-1"),
            ("nonce", "n-1"),
            ("code_challenge", &s256(VERIFIER)),
            ("code_challenge_method", "S256"),
        ];
        Self(all.map(|(name, value)| (name, value.to_owned())).to_vec())
    }

    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value.to_owned()));
        self
    }

    pub fn without(mut self, name: &'static str) -> Self {
        self.0.retain(|(known, _)| *known != name);
        self
    }

    pub fn path(&self) -> String {
        format!("/authorize?{}", self.query())
    }

    pub fn query(&self) -> String {
        let pairs: Vec<_> = self.0.iter().map(|(name, value)| (*name, value.as_str())).collect();
        encode(&pairs)
    }
}

pub fn s256(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// Makes [`WEB`] and [`NATIVE`]; the secret of the first.
pub async fn clients(app: &TestApp) -> String {
    let secret = app.create_client(&web()).await.unwrap();
    app.create_client(&native()).await;
    secret
}

pub fn web() -> NewClient {
    NewClient {
        name: "Film Club".to_owned(),
        scopes: "openid movies:read movies:write profile email".parse().unwrap(),
        redirect_uris: vec![WEB_URI.to_owned()],
        post_logout_redirect_uris: vec!["https://app.example.com/bye".to_owned()],
        ..app::client(WEB, ClientKind::Confidential)
    }
}

pub fn native() -> NewClient {
    NewClient {
        name: "Film App".to_owned(),
        scopes: "openid movies:read profile email".parse().unwrap(),
        application_type: ApplicationType::Native,
        redirect_uris: vec![NATIVE_URI.to_owned(), "com.example.films:/cb".to_owned()],
        ..app::client(NATIVE, ClientKind::Public)
    }
}

impl<'a> Visitor<'a> {
    pub fn new(app: &'a TestApp) -> Self {
        Self { app, cookies: BTreeMap::new(), headers: Vec::new() }
    }

    pub async fn get(&mut self, path: &str) -> Answer {
        self.send(Request::get(path), Body::empty()).await
    }

    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        self.post_raw(path, &encode(fields)).await
    }

    pub async fn post_raw(&mut self, path: &str, body: &str) -> Answer {
        let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        self.send(request, Body::from(body.to_owned())).await
    }

    async fn send(&mut self, mut request: http::request::Builder, body: Body) -> Answer {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        for (name, value) in &self.headers {
            request = request.header(*name, value);
        }
        let answer = self.app.send(request.body(body).unwrap()).await;
        for cookie in answer.headers.get_all("set-cookie") {
            let (pair, attributes) = cookie.to_str().unwrap().split_once(';').unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        assert!(![307, 308].contains(&answer.status.as_u16()), "A14");
        answer
    }

    /// Signs in by the page at this address; the answer to the form.
    pub async fn sign_in(&mut self, page: &str) -> Answer {
        self.sign_in_as(page, EMAIL, PASSWORD).await
    }

    pub async fn sign_in_as(&mut self, page: &str, username: &str, password: &str) -> Answer {
        let page = self.get(page).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let mut fields = hidden(&page.body);
        fields.extend([("username".to_owned(), username.to_owned()), ("password".to_owned(), password.to_owned())]);
        self.post("/login", &pairs(&fields)).await
    }

    /// Answers the consent page at this address.
    pub async fn consent(&mut self, page: &str, decision: &str) -> Answer {
        let page = self.get(page).await;
        assert_eq!(page.status, 200, "{}", page.body);
        let mut fields = hidden(&page.body);
        fields.push(("decision".to_owned(), decision.to_owned()));
        self.post("/consent", &pairs(&fields)).await
    }

    /// Goes through the pages, saying yes to all, until the browser leaves; where to.
    pub async fn walk(&mut self, asking: &Asking) -> Url {
        let mut answer = self.get(&asking.path()).await;
        for _ in 0..4 {
            let location = location(&answer);
            answer = match location.split('?').next() {
                Some("/login") => self.sign_in(&location).await,
                Some("/consent") => self.consent(&location, "allow").await,
                _ => return Url::parse(&location).unwrap(),
            };
        }
        panic!("the pages lead nowhere: {answer:?}")
    }

    /// The code that the walk ends with.
    pub async fn code(&mut self, asking: &Asking) -> String {
        let url = self.walk(asking).await;
        parameter(&url, "code").unwrap_or_else(|| panic!("no code in {url}"))
    }
}

/// Where a 303 leads.
#[track_caller]
pub fn location(answer: &Answer) -> String {
    assert_eq!(answer.status, 303, "{}", answer.body);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    answer.header("location").unwrap().to_owned()
}

pub fn parameter(url: &Url, name: &str) -> Option<String> {
    let mut values = url.query_pairs().filter(|(known, _)| known == name).map(|(_, value)| value.into_owned());
    let value = values.next();
    assert_eq!(values.next(), None, "{name} stands twice");
    value
}

/// The hidden fields of a page.
pub fn hidden(html: &str) -> Vec<(String, String)> {
    let inputs = html.split("<input type=\"hidden\" name=\"").skip(1);
    let field = |text: &str| {
        let (name, rest) = text.split_once("\" value=\"").unwrap();
        (name.to_owned(), rest.split('"').next().unwrap().to_owned())
    };
    inputs.map(field).collect()
}

pub fn pairs(fields: &[(String, String)]) -> Vec<(&str, &str)> {
    fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

/// Redeems a code of the web client.
pub async fn redeem(app: &TestApp, secret: &str, code: &str) -> Answer {
    redeem_with(app, secret, &[("code", code)]).await
}

pub async fn redeem_with(app: &TestApp, secret: &str, more: &[(&str, &str)]) -> Answer {
    let good = [("grant_type", "authorization_code"), ("redirect_uri", WEB_URI), ("code_verifier", VERIFIER)];
    let kept = good.into_iter().filter(|(name, _)| more.iter().all(|(other, _)| other != name));
    let all: Vec<_> = kept.chain(more.iter().copied()).collect();
    app.token_basic(WEB, secret, &all).await
}
