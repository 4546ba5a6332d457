//! What a person needs to know once everything runs.

use std::fmt::Write;

use super::addresses::{self, Addresses};
use super::provision::{CLIENT, SERVICE, USER};

/// What the banner says.
pub struct Facts<'a> {
    /// Where the services listen.
    pub addresses: Addresses,
    /// The demo user's password, if it is known.
    pub password: Option<&'a str>,
    /// The confidential demo client's secret, if there is one.
    pub secret: Option<&'a str>,
    /// Whether there is a demo client.
    pub has_demo: bool,
    /// The folder of secrets and logs, as it would be typed.
    pub home: &'a str,
    /// The database, if it is this program's own.
    pub private: Option<Private<'a>>,
}

/// A database of this program's own.
pub struct Private<'a> {
    /// Its URL.
    pub url: &'a str,
    /// The folder of its files, as it would be typed.
    pub data: &'a str,
    /// Whether that folder outlives this run.
    pub is_kept: bool,
}

/// The text, ready to print.
pub fn banner(facts: &Facts<'_>) -> String {
    let (auth, movies) = (addresses::url(facts.addresses.auth), addresses::url(facts.addresses.movies));
    let mut text = String::new();
    let mut line = |line: &str| {
        // Writing into a String cannot fail.
        let _ = writeln!(text, "{line}");
    };
    line("");
    line(&format!("  auth-server  {auth}"));
    line(&format!("  movies-api   {movies}"));
    line(&format!("  docs         {movies}/docs and {auth}/docs"));
    if facts.has_demo {
        line(&format!("  user         {USER} (client {CLIENT})"));
        line(&format!("  password     {}", facts.password.unwrap_or("not made here")));
        if let Some(secret) = facts.secret {
            line(&format!("  service      client {SERVICE}, secret {secret}"));
        }
        curl(&mut line, &auth, &movies, facts);
    }
    if let Some(private) = &facts.private {
        let fate = if private.is_kept { "kept; --reset starts over" } else { "removed at the end" };
        line(&format!("  database     psql '{}'", private.url));
        line(&format!("  data         {} ({fate})", private.data));
    }
    line(&format!("  logs, keys   {}", facts.home));
    line("");
    line("Ctrl-C stops everything. Warnings of the services show here.");
    text
}

/// Lines to paste, one after the other.
fn curl(line: &mut impl FnMut(&str), auth: &str, movies: &str, facts: &Facts<'_>) {
    let password = facts.password.unwrap_or("PASSWORD");
    let ask =
        format!("curl -s -d grant_type=password -d username={USER} --data-urlencode password={password} {auth}/token");
    line("");
    line("Paste these to try it:");
    line("");
    line(&ask);
    line(&format!(r#"TOKEN=$({ask} | sed -n 's/.*"access_token" *: *"\([^"]*\)".*/\1/p')"#));
    line(&format!("curl -s -H \"Authorization: Bearer $TOKEN\" '{movies}/movies/?movie_id=1'"));
    line(&format!("curl -s -H \"Authorization: Bearer $TOKEN\" '{movies}/movies/new?year=2000&rating=8'"));
    if let Some(secret) = facts.secret {
        let client = format!("-u {SERVICE}:{secret}");
        line(&format!("curl -s {client} -d grant_type=client_credentials {auth}/token"));
        line(&format!("curl -s {client} -d token=$TOKEN {auth}/introspect"));
        line(&format!("curl -s -d client_id={CLIENT} -d token=$TOKEN {auth}/revoke"));
        line(&format!("cargo run -q -p auth-server -- device-login --issuer {auth} --client-id {CLIENT}"));
    }
    line("");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;

    fn facts(has_demo: bool) -> String {
        banner(&Facts {
            addresses: Addresses::read(&Environment::of(&[])).unwrap(),
            password: Some("abc-def"),
            secret: has_demo.then_some("mcs1_abc"),
            has_demo,
            home: "target/xtask/up",
            private: has_demo.then_some(Private {
                url: "postgres://d",
                data: "target/xtask/up/postgres/data",
                is_kept: true,
            }),
        })
    }

    #[test]
    fn the_lines_can_be_pasted() {
        let text = facts(true);
        for expected in [
            "curl -s -d grant_type=password -d username=demo@example.com --data-urlencode password=abc-def http://127.0.0.1:8001/token\n",
            "curl -s -H \"Authorization: Bearer $TOKEN\" 'http://127.0.0.1:8000/movies/?movie_id=1'\n",
            "curl -s -H \"Authorization: Bearer $TOKEN\" 'http://127.0.0.1:8000/movies/new?year=2000&rating=8'\n",
            "curl -s -u demo-service:mcs1_abc -d token=$TOKEN http://127.0.0.1:8001/introspect\n",
            "  data         target/xtask/up/postgres/data (kept; --reset starts over)\n",
        ] {
            assert!(text.contains(expected), "{expected}\nis not in\n{text}");
        }
    }

    #[test]
    fn without_demo_data_there_is_nothing_to_paste() {
        assert!(!facts(false).contains("curl"));
    }
}
