//! Who asks meanwhile: people who log in and refresh, a service, somebody who writes films, and browsers' codes.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Result;
use http_body_util::Full;
use hyper::Request;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::super::client::Ask;
use super::replica::Doors;
use super::seen::{Answer, Fault, Seen};
use crate::up::addresses::Addresses;

/// Between two steps of one of them.
const PACE: Duration = Duration::from_millis(20);
/// Refreshes of one login.
const REFRESHES: u32 = 8;
const FORM: &str = "application/x-www-form-urlencoded";

/// What they all know.
pub struct World {
    /// What they meet.
    pub seen: Seen,
    /// The addresses that everybody asks.
    pub front: Addresses,
    /// Who is behind them.
    pub doors: Doors,
    /// The form of a login, which asks for both scopes.
    pub login: String,
    /// The public client's id.
    pub client: &'static str,
    /// `client_id` and `client_secret` of the service, as a form.
    pub service: String,
    /// Forms that redeem a code each.
    pub codes: Vec<String>,
    /// The next of them.
    pub next_code: AtomicUsize,
}

impl World {
    fn goes_on(&self) -> bool {
        !self.seen.is_over.load(Ordering::Relaxed)
    }

    async fn post(&self, path: &str, form: &str) -> Result<Option<Answer>> {
        Ok(self.seen.ask(self.front.auth, post(path, form)?).await)
    }

    /// Logs in, refreshes for a while, revokes; over and over.
    ///
    /// # Errors
    /// Never: its requests are fixed.
    pub async fn person(&self) -> Result<()> {
        while self.goes_on() {
            let Some(answer) = self.post("/token", &self.login).await? else { continue };
            if !self.seen.expect("login", &answer, 200, Fault::Wrong) {
                continue;
            }
            let mut refresh = text(&answer.body, "refresh_token");
            self.present_everywhere(&text(&answer.body, "access_token"), "/movies/1").await?;
            for _ in 0..REFRESHES {
                match self.rotate(&refresh).await? {
                    Some(answer) => {
                        refresh = text(&answer.body, "refresh_token");
                        self.present_everywhere(&text(&answer.body, "access_token"), "/movies/new?year=1990&rating=7")
                            .await?;
                    }
                    None => break,
                }
                sleep(PACE).await;
            }
            self.revoke(&refresh).await?;
        }
        Ok(())
    }

    /// The same refresh token at two replicas at once, and at some replica once more: one successor.
    async fn rotate(&self, refresh: &str) -> Result<Option<Answer>> {
        let form = format!("grant_type=refresh_token&client_id={}&refresh_token={refresh}", self.client);
        let [one, two] = self.two_replicas();
        let (one, two) = tokio::join!(
            self.seen.ask_replica(one, post("/token", &form)?),
            self.seen.ask_replica(two, post("/token", &form)?)
        );
        let again = self.post("/token", &form).await?;
        let mut first: Option<Answer> = None;
        for answer in [one, two, again].into_iter().flatten() {
            if !self.seen.expect("refresh", &answer, 200, Fault::Forked) {
                return Ok(None);
            }
            match &first {
                Some(first) if text(&first.body, "refresh_token") != text(&answer.body, "refresh_token") => {
                    return Ok(self.seen.fault(Fault::Forked, "a refresh token has two successors"));
                }
                Some(_) => {}
                None => first = Some(answer),
            }
        }
        Ok(first)
    }

    async fn revoke(&self, refresh: &str) -> Result<()> {
        let client = self.client;
        let Some(answer) = self.post("/revoke", &format!("client_id={client}&token={refresh}")).await? else {
            return Ok(());
        };
        self.seen.expect("revoke", &answer, 200, Fault::Wrong);
        let form = format!("grant_type=refresh_token&client_id={client}&refresh_token={refresh}");
        if let Some(answer) = self.post("/token", &form).await? {
            self.seen.expect("a revoked refresh token", &answer, 400, Fault::Wrong);
        }
        Ok(())
    }

    /// A token of its own, which every auth-server knows and every movies-api takes.
    ///
    /// # Errors
    /// Never: its requests are fixed.
    pub async fn service(&self) -> Result<()> {
        while self.goes_on() {
            sleep(PACE).await;
            let form = format!("grant_type=client_credentials&{}", self.service);
            let Some(answer) = self.post("/token", &form).await? else { continue };
            if !self.seen.expect("client credentials", &answer, 200, Fault::Wrong) {
                continue;
            }
            let token = text(&answer.body, "access_token");
            for replica in self.doors.auth.in_turn() {
                let request = post("/introspect", &format!("{}&token={token}", self.service))?;
                if let Some(answer) = self.seen.ask_replica(replica, request).await {
                    let is_active = answer.body.get("active") == Some(&Value::Bool(true));
                    if self.seen.expect("introspect", &answer, 200, Fault::Wrong) && !is_active {
                        self.seen.fault::<()>(Fault::TokenRefused, &format!("introspect: {}", answer.body));
                    }
                }
            }
            self.present_everywhere(&token, "/movies?title=the&sort=-rating").await?;
        }
        Ok(())
    }

    /// Writes a film of its own, reads it at every movies-api, and deletes it.
    ///
    /// # Errors
    /// Never: its requests are fixed.
    pub async fn writer(&self, movie_id: u32) -> Result<()> {
        let path = format!("/movies/{movie_id}");
        while self.goes_on() {
            let Some(answer) = self.post("/token", &self.login).await? else { continue };
            let token = text(&answer.body, "access_token");
            for year in 1990..2000 {
                let film = json!({"title": "The Two Versions", "released": year, "rating": 7.5});
                let put = request("PUT", &path, &token, Some(&film))?;
                if let Some(answer) = self.seen.ask(self.front.movies, put).await
                    && answer.status != 201
                {
                    self.seen.expect("put", &answer, 200, Fault::Wrong);
                }
                for replica in self.doors.movies.in_turn() {
                    let get = request("GET", &path, &token, None)?;
                    if let Some(answer) = self.seen.ask_replica(replica, get).await
                        && self.seen.expect("read what was written", &answer, 200, Fault::Wrong)
                        && answer.body.get("released") != Some(&Value::from(year))
                    {
                        self.seen.fault::<()>(Fault::Wrong, &format!("written: {film}, read: {}", answer.body));
                    }
                }
                let delete = request("DELETE", &path, &token, None)?;
                if let Some(answer) = self.seen.ask(self.front.movies, delete).await {
                    self.seen.expect("delete", &answer, 204, Fault::Wrong);
                }
                sleep(PACE).await;
            }
        }
        Ok(())
    }

    /// Each code at two replicas at once: good at one of them.
    ///
    /// # Errors
    /// Never: its requests are fixed.
    pub async fn codes(&self) -> Result<()> {
        while self.goes_on() {
            sleep(PACE).await;
            let Some(form) = self.codes.get(self.next_code.fetch_add(1, Ordering::Relaxed)) else { break };
            let [one, two] = self.two_replicas();
            let (one, two) = tokio::join!(
                self.seen.ask_replica(one, post("/token", form)?),
                self.seen.ask_replica(two, post("/token", form)?)
            );
            let answers: Vec<Answer> = [one, two].into_iter().flatten().collect();
            let good = answers.iter().filter(|answer| answer.status == 200).count();
            let refused = answers.iter().filter(|answer| answer.status == 400).count();
            // Both may have closed their door a moment ago.
            if !answers.is_empty() && (good != 1 || good + refused != answers.len()) {
                let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
                self.seen.fault::<()>(Fault::Forked, &format!("a code at two replicas: {statuses:?}"));
            }
        }
        Ok(())
    }

    /// At every movies-api, whichever version's.
    async fn present_everywhere(&self, token: &str, path: &str) -> Result<()> {
        for replica in self.doors.movies.in_turn() {
            if let Some(answer) = self.seen.ask_replica(replica, request("GET", path, token, None)?).await {
                self.seen.expect(path, &answer, 200, Fault::TokenRefused);
            }
        }
        if let Some(answer) = self.seen.ask(self.front.movies, request("GET", path, token, None)?).await {
            self.seen.expect(path, &answer, 200, Fault::TokenRefused);
        }
        Ok(())
    }

    /// Two different ones where there are two.
    fn two_replicas(&self) -> [SocketAddr; 2] {
        match *self.doors.auth.in_turn() {
            [] => [self.front.auth; 2],
            [one] => [one; 2],
            [one, two, ..] => [one, two],
        }
    }
}

/// A member that is text; empty where there is none.
fn text(body: &Value, member: &str) -> String {
    body.get(member).and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn post(path: &str, form: &str) -> Result<Ask> {
    let request = Request::post(path).header(HOST, "localhost").header(CONTENT_TYPE, FORM);
    Ok(request.body(Full::from(form.to_owned()))?)
}

fn request(method: &str, path: &str, token: &str, body: Option<&Value>) -> Result<Ask> {
    let request = Request::builder().method(method).uri(path).header(HOST, "localhost");
    let request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    Ok(match body {
        Some(body) => request.header(CONTENT_TYPE, "application/json").body(Full::from(body.to_string()))?,
        None => request.body(Full::default())?,
    })
}
