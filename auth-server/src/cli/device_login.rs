//! `auth-server device-login`: a client of a server like this one that has no browser (RFC 8628), for trying it out.
//!
//! 1. The metadata says where everything is (RFC 8414), and has to be the issuer's own.
//! 2. The server is asked for a device code; the person is shown the user code, the link, and the link as a QR code.
//! 3. The token endpoint is polled no faster than it says, five seconds slower after each `slow_down`, twice as slow after
//!    each time that nobody answers (section 3.5), until it gives tokens or refuses.
//!
//! Only the tokens go to stdout.

use std::io::Write as _;
use std::time::Duration;

use anyhow::{Context as _, bail};
use qrcode::QrCode;
use qrcode::render::unicode::Dense1x2;
use serde::Deserialize;
use serde_json::Value;
use shared::cli::fetch_json;
use shared::config::Settings;
use shared::output::{OutputFormat, print_json, print_line};
use url::{Host, Url};

use super::user::printable;
use crate::clients::GrantType;
use crate::config::Issuer;
use crate::routes;

const EXAMPLES: &str = "\
Examples:
  auth-server device-login
  auth-server device-login --client-id tv --scope movies:read
  auth-server device-login --issuer https://login.example.com --client-id tv --output json | jq -r .access_token

The client has to be a public one with the grant device_code.";

/// How long one answer may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Bytes of an answer that are read at most.
const LIMIT: usize = 64 * 1024;
/// Where the server says none (RFC 8628 section 3.2), and by how much each `slow_down` lengthens it (section 3.5).
const INTERVAL: Duration = Duration::from_secs(5);
/// Nobody waits longer between two polls.
const LONGEST: Duration = Duration::from_secs(60);

/// Flags of `device-login`.
#[derive(clap::Args)]
#[command(after_long_help = EXAMPLES)]
pub(super) struct DeviceLogin {
    /// The server to sign in at; without it the one of the settings
    #[arg(long, value_name = "URL")]
    issuer: Option<Issuer>,
    /// Which client this terminal is; without it the default client of the settings
    #[arg(long, value_name = "ID")]
    client_id: Option<String>,
    /// A scope to ask for; repeat for more, none asks for the client's default
    #[arg(long = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// No QR code, the link alone
    #[arg(long)]
    no_qr: bool,
}

/// What the server says that it is (RFC 8414 section 2).
#[derive(Deserialize)]
struct Metadata {
    issuer: String,
    token_endpoint: Url,
    device_authorization_endpoint: Option<Url>,
}

/// What it says to a device that starts (RFC 8628 section 3.2).
#[derive(Deserialize)]
struct Started {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
    interval: Option<u64>,
}

/// What a poll came to.
enum Step {
    Done(Value),
    Wait(Duration),
}

impl DeviceLogin {
    pub(super) async fn run(self, settings: &Settings, output: OutputFormat) -> anyhow::Result<()> {
        let issuer: Issuer = match self.issuer {
            Some(issuer) => issuer,
            None => settings.get("MYAPI_AUTH__ISSUER")?,
        };
        let client_id: Option<String> = match self.client_id {
            Some(client_id) => Some(client_id),
            None => settings.find("MYAPI_AUTH__DEFAULT_CLIENT")?,
        };
        let client_id = client_id.context("there is no default client: say --client-id")?;
        check_transport(issuer.url())?;
        let metadata = discover(&issuer).await?;
        let scope = self.scopes.join(" ");
        let http = Http::new()?;
        let started = start(&http, &metadata, &client_id, &scope).await?;
        show(&started, !self.no_qr)?;
        let tokens = wait(&http, &metadata, &client_id, &started).await?;
        match output {
            OutputFormat::Json => Ok(print_json(&tokens)?),
            OutputFormat::Table => print_tokens(&tokens),
        }
    }
}

/// Tokens do not travel in the clear beyond this machine.
fn check_transport(url: &Url) -> anyhow::Result<()> {
    let is_loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if url.scheme() == "https" || is_loopback {
        return Ok(());
    }
    bail!("{url} is plain http beyond this machine: tokens would travel in the clear")
}

async fn discover(issuer: &Issuer) -> anyhow::Result<Metadata> {
    let mut url = issuer.url().clone();
    url.set_path(&format!("{}{}", routes::METADATA, issuer.path()));
    let document = fetch_json(url.as_str()).await.map_err(|reason| anyhow::anyhow!("{url}: {reason}"))?;
    let metadata: Metadata = serde_json::from_value(document).with_context(|| format!("{url} is no metadata"))?;
    // "The issuer value returned MUST be identical" (RFC 8414 section 3.3).
    if metadata.issuer != issuer.as_str() {
        bail!("{url} is the metadata of another issuer, {}", printable(&metadata.issuer));
    }
    for endpoint in std::iter::once(&metadata.token_endpoint).chain(&metadata.device_authorization_endpoint) {
        check_transport(endpoint)?;
    }
    Ok(metadata)
}

async fn start(http: &Http, metadata: &Metadata, client_id: &str, scope: &str) -> anyhow::Result<Started> {
    let endpoint = metadata.device_authorization_endpoint.as_ref();
    let endpoint = endpoint.with_context(|| format!("{} lets no devices sign in", metadata.issuer))?;
    let mut form = vec![("client_id", client_id)];
    form.extend(Some(("scope", scope)).filter(|(_, scope)| !scope.is_empty()));
    match http.post(endpoint, &form).await? {
        (200, body) => serde_json::from_value(body).context("the server's answer lacks a code"),
        (status, body) => bail!("the server refuses to start: {}", refusal(status, &body)),
    }
}

/// What a person needs, on stderr.
fn show(started: &Started, has_qr: bool) -> anyhow::Result<()> {
    let mut text = String::new();
    let complete = started.verification_uri_complete.as_deref();
    if let Some(code) = complete.filter(|_| has_qr).and_then(|link| QrCode::new(link).ok()) {
        // Light on dark, as most terminals are; cameras read it either way.
        let code = code.render::<Dense1x2>().dark_color(Dense1x2::Light).light_color(Dense1x2::Dark).build();
        text.push_str(&format!("{code}\n\n"));
    }
    text.push_str(&format!("Go to   {}\n", printable(&started.verification_uri)));
    text.push_str(&format!("enter   {}\n", printable(&started.user_code)));
    if let Some(link) = complete {
        text.push_str(&format!("or open {}\n", printable(link)));
    }
    text.push_str("Waiting for your approval; Ctrl-C gives up.\n");
    Ok(std::io::stderr().write_all(text.as_bytes())?)
}

/// Polls until there is an end.
async fn wait(http: &Http, metadata: &Metadata, client_id: &str, started: &Started) -> anyhow::Result<Value> {
    let form = [
        ("grant_type", GrantType::DeviceCode.as_str()),
        ("device_code", started.device_code.as_str()),
        ("client_id", client_id),
    ];
    let mut interval = started.interval.map_or(INTERVAL, Duration::from_secs);
    let mut left = Duration::from_secs(started.expires_in);
    loop {
        tokio::time::sleep(interval).await;
        left = left.saturating_sub(interval);
        interval = match poll(http.post(&metadata.token_endpoint, &form).await, interval)? {
            Step::Done(tokens) => return Ok(tokens),
            Step::Wait(interval) => interval,
        };
        if left.is_zero() {
            bail!("nobody approved in time: start again");
        }
    }
}

/// What comes after one poll.
fn poll(answer: anyhow::Result<(u16, Value)>, interval: Duration) -> anyhow::Result<Step> {
    let (status, body) = match answer {
        Ok(answer) => answer,
        // "the client MUST unilaterally reduce their polling frequency" (RFC 8628 section 3.5).
        Err(_) => return Ok(Step::Wait((interval * 2).min(LONGEST))),
    };
    match (status, body.get("error").and_then(Value::as_str)) {
        (200, _) if body.get("access_token").is_some() => Ok(Step::Done(body)),
        (400, Some("authorization_pending")) => Ok(Step::Wait(interval)),
        (400, Some("slow_down")) => Ok(Step::Wait((interval + INTERVAL).min(LONGEST))),
        (429 | 503, _) => Ok(Step::Wait((interval * 2).min(LONGEST))),
        (400, Some("access_denied")) => bail!("the request was denied"),
        (400, Some("expired_token")) => bail!("nobody approved in time: start again"),
        _ => bail!("the server refuses: {}", refusal(status, &body)),
    }
}

/// A refusal in the server's words.
fn refusal(status: u16, body: &Value) -> String {
    let text = |name| body.get(name).and_then(Value::as_str).map(printable);
    match (text("error"), text("error_description")) {
        (Some(error), Some(description)) => format!("{error}: {description}"),
        (Some(error), None) => error,
        (None, _) => format!("it answered {status}"),
    }
}

fn print_tokens(tokens: &Value) -> anyhow::Result<()> {
    for name in ["access_token", "token_type", "expires_in", "scope", "refresh_token", "id_token"] {
        match tokens.get(name) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => print_line(format_args!("{name:<13} {}", printable(text)))?,
            Some(other) => print_line(format_args!("{name:<13} {other}"))?,
        }
    }
    Ok(())
}

/// Forms to a server and JSON from it: bounded in time and size, no redirects.
struct Http(reqwest::Client);

impl Http {
    fn new() -> anyhow::Result<Self> {
        let client = reqwest::Client::builder().timeout(TIMEOUT).redirect(reqwest::redirect::Policy::none()).build();
        Ok(Self(client.context("there is no HTTP client")?))
    }

    /// The status, and the body where it is JSON.
    async fn post(&self, url: &Url, form: &[(&str, &str)]) -> anyhow::Result<(u16, Value)> {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = self.0.post(url.clone()).header("content-type", "application/x-www-form-urlencoded").body(body);
        let no_answer = || format!("no answer from {url}");
        let mut response = request.send().await.map_err(reqwest::Error::without_url).with_context(no_answer)?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url).with_context(no_answer)? {
            body.extend_from_slice(&chunk);
            if body.len() > LIMIT {
                bail!("the answer of {url} is longer than {LIMIT} bytes");
            }
        }
        Ok((status, serde_json::from_slice(&body).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(status: u16, body: Value) -> Result<Option<u64>, String> {
        match poll(Ok((status, body)), INTERVAL) {
            Ok(Step::Done(_)) => Ok(None),
            Ok(Step::Wait(interval)) => Ok(Some(interval.as_secs())),
            Err(error) => Err(error.to_string()),
        }
    }

    #[test]
    fn d03_it_waits_longer_when_it_is_told_to_and_ends_when_it_is_refused() {
        let error = |code: &str| serde_json::json!({ "error": code });
        assert_eq!(next(200, serde_json::json!({ "access_token": "x" })), Ok(None));
        assert_eq!(next(400, error("authorization_pending")), Ok(Some(5)));
        assert_eq!(next(400, error("slow_down")), Ok(Some(10)));
        assert_eq!(next(503, error("temporarily_unavailable")), Ok(Some(10)));
        assert_eq!(next(400, error("access_denied")), Err("the request was denied".to_owned()));
        assert_eq!(next(400, error("expired_token")), Err("nobody approved in time: start again".to_owned()));
        assert_eq!(next(400, error("invalid_grant")), Err("the server refuses: invalid_grant".to_owned()));
        assert_eq!(next(500, Value::Null), Err("the server refuses: it answered 500".to_owned()));
        let unanswered = poll(Err(anyhow::anyhow!("no answer")), Duration::from_secs(40)).unwrap();
        assert!(matches!(unanswered, Step::Wait(LONGEST)));
    }

    #[test]
    fn plain_http_is_for_this_machine_alone() {
        for good in ["http://127.0.0.1:8001", "http://[::1]", "http://localhost", "https://login.example.com"] {
            assert!(check_transport(&good.parse().unwrap()).is_ok(), "{good}");
        }
        assert!(check_transport(&"http://login.example.com".parse().unwrap()).is_err());
    }
}
