//! The token endpoints and their floors: who asks, and what is sent.
//!
//! They are asked by one confidential client, which sends its secret as HTTP Basic. auth-server runs a second time for
//! them, on the core of the other servers: the first one has all cores, for its hashes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use shared::clock::Clock;

use super::cases::Case;
use super::cores::Cores;
use super::database::{Code, Database, GivenFor};
use super::load::{self, Load};
use super::measured::Lengths;
use super::script::{Ask, Deck, Make, Script};
use super::server::{self, Issued, Samples};
use crate::interrupt::Interrupt;
use crate::process::once;
use crate::up::provision::USER;
use crate::up::services::Services;

/// The client's id.
const CLIENT: &str = "bench";
/// What it may do, and what a request without scope gets.
const SCOPE: &str = "movies:read";

/// Where the client's codes are carried.
const REDIRECT_URI: &str = "https://bench.example.com/callback";
/// The example of RFC 7636, appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// Codes that are made ahead for each second: more than are redeemed.
const CODES_PER_SECOND: f64 = 4000.0;

/// auth-server's endpoints.
const TOKEN: &str = "/token";
const INTROSPECT: &str = "/introspect";
const REVOKE: &str = "/revoke";
const JWKS: &str = "/.well-known/jwks.json";

/// Who asks.
#[derive(Clone)]
pub struct Tokens {
    /// The `Authorization` of the client.
    basic: String,
    /// The password of the demo user.
    password: String,
    /// Where people log in: an auth-server that has all cores.
    logins: SocketAddr,
    /// How many ask at the same time.
    connections: usize,
    /// Where codes are put that no browser was given.
    database: Database,
}

impl Tokens {
    /// Makes the client.
    ///
    /// # Errors
    /// When auth-server does not.
    pub fn provision(
        services: &Services,
        database: &Database,
        password: &str,
        connections: usize,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let mut create = services.auth(&["client", "create", CLIENT, "--scope", SCOPE, "--output", "json"]);
        for grant in ["authorization_code", "client_credentials", "password", "refresh_token"] {
            create.args(["--grant", grant]);
        }
        create.args(["--redirect-uri", REDIRECT_URI]);
        let made: serde_json::Value = serde_json::from_str(&once::must(&create, None, "", interrupt)?)?;
        let secret = made.get("client_secret").and_then(|secret| secret.as_str()).context("a client without secret")?;
        // Neither holds a character that the form's encoding would change.
        let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{secret}")));
        let (password, logins) = (password.to_owned(), services.addresses.auth);
        Ok(Self { basic, password, logins, connections, database: database.clone() })
    }

    /// Real answers, for the floors.
    ///
    /// # Errors
    /// When there are none.
    pub fn samples(&self) -> Result<Samples> {
        let text = |path: &str, form: &str| -> Result<String> {
            Ok(String::from_utf8(load::ask(self.logins, self.post(path, form)?)?.to_vec())?)
        };
        let login = self.log_in()?;
        let introspect = text(INTROSPECT, &format!("token={}", Issued::read(&login)?.access_token))?;
        let jwks = load::ask(self.logins, Request::get(JWKS).header(HOST, "localhost").body(Full::default())?)?;
        Ok(Samples {
            client: text(TOKEN, "grant_type=client_credentials")?,
            secret_slot: self.database.secret_slot()?,
            refresh: String::from_utf8(login.to_vec())?,
            introspect,
            jwks: String::from_utf8(jwks.to_vec())?,
            client_id: CLIENT.to_owned(),
        })
    }

    /// What is sent to `load`'s server for `case`, which is one of the token endpoints or of their floors. What is spent
    /// is made ahead, in as much time as the case has: making it is the lighter work.
    ///
    /// # Errors
    /// When auth-server gives no tokens, or somebody interrupts.
    pub fn script(
        &self,
        case: Case,
        auth: &Load,
        lengths: Lengths,
        cores: &Cores,
        interrupt: &Interrupt,
    ) -> Result<Script> {
        let is_floor = matches!(
            case,
            Case::ClientFloor | Case::RefreshFloor | Case::CodeFloor | Case::IntrospectFloor | Case::RevokeFloor
        );
        let path = |floor, ours| if is_floor { floor } else { ours };
        match case {
            Case::ClientFloor | Case::Client => {
                Ok(Script::Again(Arc::new([self.credentials(path(server::CLIENT, TOKEN))?])))
            }
            Case::RefreshFloor | Case::Refresh => {
                let logins = (0..self.connections).map(|_| self.log_in()).collect::<Result<Vec<Bytes>>>()?;
                Ok(Script::Follow(logins.into(), self.refreshing(path(server::REFRESH, TOKEN))))
            }
            Case::CodeFloor | Case::Code => {
                let codes = self.codes(lengths.warm_up + lengths.counted)?;
                Ok(Script::Once(Arc::new(Deck::new(codes)), self.redeeming(path(server::CODE, TOKEN))))
            }
            Case::IntrospectFloor | Case::Introspect => {
                let token = Issued::read(&self.log_in()?)?.access_token;
                let request = self.post(path(server::INTROSPECT, INTROSPECT), &format!("token={token}"))?;
                Ok(Script::Again(Arc::new([request])))
            }
            _ => {
                let minting = Load { script: Script::Again(Arc::new([self.credentials(TOKEN)?])), ..auth.clone() };
                let deck = Deck::new(load::collect(&minting, lengths, cores, interrupt)?);
                Ok(Script::Once(Arc::new(deck), self.revoking(path(server::REVOKE, REVOKE))))
            }
        }
    }

    /// A comparison of different work would be none: the floors answer as much as auth-server, and what was revoked is.
    ///
    /// # Errors
    /// When that is not so.
    pub fn compare(&self, auth: SocketAddr, floor: SocketAddr) -> Result<()> {
        let both = |ours: Ask, least: Ask| -> Result<(Bytes, Bytes)> {
            let (ours, least) = (load::ask(auth, ours)?, load::ask(floor, least)?);
            ensure!(ours.len() == least.len(), "the servers answer differently: {ours:?}, {least:?}");
            Ok((ours, least))
        };
        let (issued, _) = both(self.credentials(TOKEN)?, self.credentials(server::CLIENT)?)?;
        both(self.refreshing(TOKEN)(&self.log_in()?)?, self.refreshing(server::REFRESH)(&self.log_in()?)?)?;
        let redeem = |path| self.redeeming(path)(self.codes(Duration::ZERO)?.first().context("no code was made")?);
        both(redeem(TOKEN)?, redeem(server::CODE)?)?;
        let active = format!("token={}", Issued::read(&self.log_in()?)?.access_token);
        both(self.post(INTROSPECT, &active)?, self.post(server::INTROSPECT, &active)?)?;
        both(self.revoking(REVOKE)(&issued)?, self.revoking(server::REVOKE)(&issued)?)?;
        let revoked = format!("token={}", Issued::read(&issued)?.access_token);
        let said = load::ask(auth, self.post(INTROSPECT, &revoked)?)?;
        ensure!(said.as_ref() == br#"{"active":false}"#, "a revoked token is still good: {said:?}");
        Ok(())
    }

    fn credentials(&self, path: &str) -> Result<Ask> {
        self.post(path, "grant_type=client_credentials")
    }

    /// From an answer with a refresh token to the next refresh.
    fn refreshing(&self, path: &'static str) -> Make {
        let this = self.clone();
        Arc::new(move |answer| {
            let token = Issued::read(answer)?.refresh_token.context("an answer without refresh token")?;
            this.post(path, &format!("grant_type=refresh_token&refresh_token={token}"))
        })
    }

    /// From a code to its redemption.
    fn redeeming(&self, path: &'static str) -> Make {
        let this = self.clone();
        Arc::new(move |code| {
            let redirect_uri = REDIRECT_URI.replace(':', "%3A").replace('/', "%2F");
            let code = std::str::from_utf8(code)?;
            this.post(
                path,
                &format!(
                    "grant_type=authorization_code&redirect_uri={redirect_uri}&code_verifier={VERIFIER}&code={code}"
                ),
            )
        })
    }

    /// Codes for as long, and one more.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few thousand")]
    fn codes(&self, seconds: Duration) -> Result<Vec<Bytes>> {
        let count = (seconds.as_secs_f64() * CODES_PER_SECOND) as usize + 1;
        let now = u32::try_from(Clock::system().now().timestamp())?;
        let codes = (0..count).map(|_| Code::generate(now)).collect::<Result<Vec<_>>>()?;
        let given =
            GivenFor { client_id: CLIENT, redirect_uri: REDIRECT_URI, scope: SCOPE, email: USER, challenge: CHALLENGE };
        self.database.insert_codes(&codes, &given)?;
        Ok(codes.iter().map(|code| Bytes::from(code.text())).collect())
    }

    /// From an answer with an access token to its revocation.
    fn revoking(&self, path: &'static str) -> Make {
        let this = self.clone();
        Arc::new(move |answer| this.post(path, &format!("token={}", Issued::read(answer)?.access_token)))
    }

    fn log_in(&self) -> Result<Bytes> {
        let user = USER.replace('@', "%40");
        let form = format!("grant_type=password&username={user}&password={}", self.password);
        load::ask(self.logins, self.post(TOKEN, &form)?)
    }

    fn post(&self, path: &str, form: &str) -> Result<Ask> {
        let request = Request::post(path)
            .header(HOST, "localhost")
            .header(AUTHORIZATION, &self.basic)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form.to_owned()))?;
        Ok(request)
    }
}
