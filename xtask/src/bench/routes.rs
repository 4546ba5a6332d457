//! Every route of the movies, with the demo data and with a million films: what grows with the table shows here.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use hyper::{Method, Request, StatusCode};
use serde::Serialize;
use shared::output;

use super::cores::Cores;
use super::database::Database;
use super::figures::rounded;
use super::load::{self, Accepts, Load};
use super::measured::Lengths;
use super::script::{Ask, Script};
use crate::interrupt::Interrupt;

/// Films of the larger table.
const MANY: i64 = 1_000_000;
/// Keys that are asked for, all over the table.
const KEYS: i64 = 1000;
/// Keys that nobody has, to be stored under and deleted.
const FREE: std::ops::Range<i32> = 2_000_000_000..2_000_002_000;

/// A route, measured at each size.
#[derive(Debug, Serialize)]
pub struct RouteFigures {
    /// The method and an address.
    pub route: &'static str,
    /// The smaller table first.
    pub sizes: Vec<AtSize>,
}

/// What was measured at one size.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct AtSize {
    /// Films in the table.
    pub movies: i64,
    /// Answers per second.
    pub per_second: f64,
    /// Half of the answers came sooner, in milliseconds.
    pub p50_ms: f64,
    /// All but one of a hundred came sooner, in milliseconds.
    pub p99_ms: f64,
}

/// What is measured, by whom.
pub struct Routes<'a> {
    /// movies-api, and how many ask at the same time.
    pub load: Load,
    /// Whoever may read and write.
    pub token: String,
    /// The database behind it.
    pub database: &'a Database,
    /// How long each route is asked.
    pub lengths: Lengths,
    /// Where to run.
    pub cores: &'a Cores,
}

/// What a route is asked.
struct Route {
    name: &'static str,
    accepts: Accepts,
    asks: Vec<Ask>,
}

impl Routes<'_> {
    /// Measures all routes, then fills the table, then measures them again.
    ///
    /// # Errors
    /// When a request is refused, or somebody interrupts.
    pub fn measure(&self, interrupt: &Interrupt) -> Result<Vec<RouteFigures>> {
        let mut figures: Vec<RouteFigures> = Vec::new();
        for size in [None, Some(MANY)] {
            if let Some(size) = size {
                self.database.grow(size)?;
            }
            let movies = self.database.count_movies()?;
            for route in self.all()? {
                interrupt.check()?;
                let name = route.name;
                let load =
                    Load { script: Script::Again(Arc::from(route.asks)), accepts: route.accepts, ..self.load.clone() };
                let at_size = AtSize::of(movies, &load::run(&load, self.lengths, self.cores, interrupt)?);
                push(&mut figures, name, at_size);
            }
            push(&mut figures, "GET /movies/export?format=csv", self.export(movies)?);
        }
        Ok(figures)
    }

    fn all(&self) -> Result<Vec<Route>> {
        let keys = self.database.random_movies(KEYS)?;
        let each = |ask: &dyn Fn(i64) -> Result<Ask>| keys.iter().map(|key| ask(*key)).collect::<Result<Vec<_>>>();
        let film = r#"{"title":"A film of the bench","released":2001,"rating":7.5}"#;
        let read: Accepts = |status| status == StatusCode::OK;
        let written: Accepts = |status| status.is_success();
        // Where another connection was faster, there is nothing left to delete.
        let deleted: Accepts = |status| status.is_success() || status == StatusCode::NOT_FOUND;
        let lists = [
            ("GET /movies", "/movies"),
            ("GET /movies?title=land", "/movies?title=land"),
            ("GET /movies?year_min=1990&sort=-rating", "/movies?year_min=1990&sort=-rating"),
            ("GET /movies/new?year=2000&rating=8", "/movies/new?year=2000&rating=8"),
            ("GET /movies/stats", "/movies/stats"),
        ];
        let mut routes = vec![
            Route {
                name: "GET /movies/?movie_id=",
                accepts: read,
                asks: each(&|key| self.get(&format!("/movies/?movie_id={key}")))?,
            },
            Route {
                name: "GET /movies/{movie_id}",
                accepts: read,
                asks: each(&|key| self.get(&format!("/movies/{key}")))?,
            },
        ];
        for (name, path) in lists {
            routes.push(Route { name, accepts: read, asks: vec![self.get(path)?] });
        }
        let json = "application/json";
        routes.push(Route {
            name: "PUT /movies/{movie_id}",
            accepts: written,
            asks: each(&|key| self.write(Method::PUT, &format!("/movies/{key}"), json, film))?,
        });
        let patch = r#"{"rating":7.6}"#;
        routes.push(Route {
            name: "PATCH /movies/{movie_id}",
            accepts: written,
            asks: each(&|key| {
                self.write(Method::PATCH, &format!("/movies/{key}"), "application/merge-patch+json", patch)
            })?,
        });
        let turns = FREE.map(|key| {
            let path = format!("/movies/{key}");
            Ok([self.write(Method::PUT, &path, json, film)?, self.write(Method::DELETE, &path, json, "")?])
        });
        routes.push(Route {
            name: "PUT and DELETE in turns",
            accepts: deleted,
            asks: turns.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect(),
        });
        let post = self.write(Method::POST, "/movies", json, film)?;
        routes.push(Route { name: "POST /movies", accepts: written, asks: vec![post] });
        Ok(routes)
    }

    /// The whole table, once: per second means films.
    #[expect(clippy::cast_precision_loss, reason = "a few millions")]
    fn export(&self, movies: i64) -> Result<AtSize> {
        let began = Instant::now();
        let answer = load::ask(self.load.address, self.get("/movies/export?format=csv")?)?;
        anyhow::ensure!(!answer.is_empty(), "the export is empty");
        let took: Duration = began.elapsed();
        let milliseconds = rounded(took.as_secs_f64() * 1e3, 10.0);
        let per_second = rounded(movies as f64 / took.as_secs_f64(), 1.0);
        Ok(AtSize { movies, per_second, p50_ms: milliseconds, p99_ms: milliseconds })
    }

    fn get(&self, path: &str) -> Result<Ask> {
        self.write(Method::GET, path, "application/json", "")
    }

    fn write(&self, method: Method, path: &str, content_type: &str, body: &str) -> Result<Ask> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, "localhost");
        request = request.header(AUTHORIZATION, format!("Bearer {}", self.token));
        if !body.is_empty() {
            request = request.header(CONTENT_TYPE, content_type);
        }
        request.body(Full::from(body.to_owned())).context("a request that is none")
    }
}

impl AtSize {
    #[expect(clippy::cast_precision_loss, reason = "counts and times far below 2^52")]
    fn of(movies: i64, measured: &super::measured::Measured) -> Self {
        let milliseconds = |percentile| measured.latencies.value_at_percentile(percentile) as f64 / 1e6;
        let per_second = measured.latencies.len() as f64 / measured.elapsed.as_secs_f64();
        Self {
            movies,
            per_second: rounded(per_second, 10.0),
            p50_ms: rounded(milliseconds(50.0), 1000.0),
            p99_ms: rounded(milliseconds(99.0), 1000.0),
        }
    }
}

fn push(figures: &mut Vec<RouteFigures>, route: &'static str, at_size: AtSize) {
    match figures.iter_mut().find(|known| known.route == route) {
        Some(known) => known.sizes.push(at_size),
        None => figures.push(RouteFigures { route, sizes: vec![at_size] }),
    }
}

/// A table of both sizes.
pub fn text(routes: &[RouteFigures]) -> String {
    let Some([few, many]) = routes.first().and_then(|route| route.sizes.first_chunk()) else { return String::new() };
    let [few, many] = [few, many].map(|size| format!("per second, {} films", size.movies));
    let mut table = output::table(["route", &few, "p50 ms", "p99 ms", &many, "p50 ms", "p99 ms"]);
    for RouteFigures { route, sizes } in routes {
        let mut row = vec![(*route).to_owned()];
        for AtSize { per_second, p50_ms, p99_ms, .. } in sizes {
            row.extend([format!("{per_second:>10.0}"), format!("{p50_ms:>7.2}"), format!("{p99_ms:>7.2}")]);
        }
        table.add_row(row);
    }
    let mut text = table.to_string();
    // Writing into a String cannot fail.
    let _ = writeln!(text, "\nThe export is asked for once, and its rate is of films.");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_stands_once_with_its_sizes() {
        let at = |movies| AtSize { movies, per_second: 1.0, p50_ms: 1.0, p99_ms: 2.0 };
        let mut figures = Vec::new();
        for (route, movies) in [("a", 3), ("b", 3), ("a", 9), ("b", 9)] {
            push(&mut figures, route, at(movies));
        }
        let sizes = |at: usize| figures[at].sizes.iter().map(|size| size.movies).collect::<Vec<_>>();
        assert_eq!((figures.len(), sizes(0), sizes(1)), (2, vec![3, 9], vec![3, 9]));
        assert!(text(&figures).contains("per second, 9 films"));
    }
}
