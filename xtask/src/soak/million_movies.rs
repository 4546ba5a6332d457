//! `million-movies`: each route of movies-api with 3,000 movies and with a million, `import` beside a bare `COPY`, and what an
//! export takes of memory.
//!
//! The movies are made up by arithmetic, the same each time: words of titles are as unevenly frequent as words are. `--times`
//! makes it so many instead of a million.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use http_body_util::Full;
use hyper::Request;
use hyper::header::{AUTHORIZATION, HOST};
use shared::db;
use sqlx::postgres::{PgConnectOptions, PgPoolCopyExt as _, PgPoolOptions};
use sqlx::{Connection as _, PgConnection};
use tokio::runtime::{Builder, Runtime};

use super::client::{Client, login};
use super::cost::{self, Cost};
use super::figures::Figure;
use super::table::Place;
use crate::bench::cpu::Process;
use crate::bench::rig::free_addresses;
use crate::interrupt::Interrupt;
use crate::process::once;
use crate::progress::say;
use crate::up::addresses::Addresses;
use crate::up::build::{AUTH, MOVIES};
use crate::up::provision::{self, USER};
use crate::up::serve::Service;
use crate::up::services::Services;

/// What a list by offset, and figures that are added up at each request, would do.
pub const BESIDE: &str = "the words searched for in every title, years added up at each request: seconds for a million";

const FEW: u32 = 3000;
const MANY: u32 = 1_000_000;
/// Requests of each route; the middle one counts.
const ASKED: usize = 101;
/// What an export may take beside what the process had, in MiB.
const EXPORT_MIB: f64 = 32.0;
const LIMITS: [(&str, &str); 2] = [("MYAPI_MOVIES__LIMIT_SUBJECT", "off"), ("MYAPI_MOVIES__LIMIT_CLIENT", "off")];

/// What is asked of movies-api, and what it has to keep.
const ROUTES: [(&str, &str, Keeps); 21] = [
    ("one movie", "/movies/1500", Keeps::ThreeTimes),
    ("new movies", "/movies/new?year=2000&rating=7", Keeps::ThreeTimes),
    ("new movies, the best", "/movies/new?year=1960&rating=8.8", Keeps::ThreeTimes),
    ("list", "/movies", Keeps::ThreeTimes),
    ("list by title", "/movies?sort=title", Keeps::ThreeTimes),
    ("list by rating", "/movies?sort=-rating", Keeps::ThreeTimes),
    ("list by year", "/movies?sort=-released", Keeps::ThreeTimes),
    ("years by rating", "/movies?year_min=1990&year_max=1999&sort=-rating", Keeps::ThreeTimes),
    ("one year by rating", "/movies?year_min=1999&year_max=1999&sort=-rating", Keeps::ThreeTimes),
    ("ratings by year", "/movies?rating_min=7.5&sort=released", Keeps::ThreeTimes),
    ("ratings by key", "/movies?rating_max=4", Keeps::ThreeTimes),
    ("years and ratings by year", "/movies?year_min=1980&rating_min=7&sort=-released", Keeps::ThreeTimes),
    ("common word", "/movies?title=the", Keeps::ThreeTimes),
    ("common word by rating", "/movies?title=the&sort=-rating", Keeps::ThreeTimes),
    ("common word by year", "/movies?title=the&sort=-released", Keeps::ThreeTimes),
    ("figures of all years", "/movies/stats", Keeps::ThreeTimes),
    ("figures of some years", "/movies/stats?year_min=1990&year_max=1999", Keeps::ThreeTimes),
    // What no index serves: see the README.
    ("own word by rating", "/movies?title=x7&sort=-rating", Keeps::Milliseconds(40.0)),
    ("two words by title", "/movies?title=bado+x3&sort=title", Keeps::Milliseconds(150.0)),
    ("middling word by rating", "/movies?title=fuba&sort=-rating", Keeps::Milliseconds(250.0)),
    ("common word, late in the order", "/movies?title=the&sort=title", Keeps::Milliseconds(2500.0)),
];

/// What the time with a million has to keep.
#[derive(Clone, Copy)]
enum Keeps {
    /// Of the time with 3,000.
    ThreeTimes,
    /// By itself.
    Milliseconds(f64),
}

/// One round.
///
/// # Errors
/// When a server does not start or does not answer, or a film cannot be stored.
pub fn run(place: &Place<'_>, interrupt: &Interrupt) -> Result<Vec<Figure>> {
    let [auth, movies] = free_addresses()?;
    let Place { checkout, programs, environment, home, database, .. } = place;
    let services = Services::new(programs.clone(), environment, Addresses { auth, movies }, database.url.clone(), home);
    let made = provision::provision(checkout, services, true, interrupt)?;
    let password = made.password.context("the demo user was there before")?;
    let scene =
        Scene { place, services: &made.services, password, options: db::connect_options(&database.url)?, interrupt };
    scene.play()
}

struct Scene<'a> {
    place: &'a Place<'a>,
    services: &'a Services,
    password: String,
    options: PgConnectOptions,
    interrupt: &'a Interrupt,
}

/// The middle of the times of each route, in the order of [`ROUTES`], and what an export took.
struct Measured {
    routes: Vec<Duration>,
    export: Duration,
    export_mib: Option<f64>,
}

impl Scene<'_> {
    fn play(&self) -> Result<Vec<Figure>> {
        let Addresses { auth, movies } = self.services.addresses;
        let many = self.place.times.unwrap_or(MANY);
        let (few_file, many_file) = (self.place.home.join("few.csv"), self.place.home.join("many.csv"));
        write_movies(&few_file, FEW)?;
        write_movies(&many_file, many)?;
        let mut auth_server =
            Service::start(AUTH, &self.services.auth(&["serve"]), auth, self.place.home, self.interrupt)?;

        self.import(&few_file)?;
        let few = self.measure(movies)?;
        let copied = self.copy(&many_file)?;
        let imported = self.import(&many_file)?;
        let lot = self.measure(movies)?;
        auth_server.check()?;

        let mut figures = vec![
            Figure::new("import", "bare COPY, s", copied.elapsed.as_secs_f64()),
            Figure::new("import", "import, s", imported.elapsed.as_secs_f64()),
            Figure::new("import", "rows a second", f64::from(many) / imported.elapsed.as_secs_f64()),
        ];
        figures.extend(times_a_copy(imported, copied));
        for ((name, _, keeps), (few, lot)) in ROUTES.iter().zip(few.routes.iter().zip(&lot.routes)) {
            let milliseconds = |duration: &Duration| duration.as_secs_f64() * 1000.0;
            figures.push(Figure::new(name, "with 3,000, ms", milliseconds(few)));
            let figure = Figure::new(name, "with many, ms", milliseconds(lot));
            let times = Figure::new(name, "times", lot.as_secs_f64() / few.as_secs_f64());
            figures.extend(match keeps {
                Keeps::ThreeTimes => [figure, times.at_most(3.0)],
                Keeps::Milliseconds(bound) => [figure.at_most(*bound), times],
            });
        }
        let each = |measured: &Measured, rows: u32| measured.export.as_secs_f64() * 1e6 / f64::from(rows);
        let times = each(&lot, many) / each(&few, FEW);
        figures.push(Figure::new("export", "each film, \u{b5}s", each(&lot, many)));
        figures.push(Figure::new("export", "times", times).at_most(3.0));
        if let Some(mib) = lot.export_mib {
            figures.push(Figure::new("export", "memory above that before, MiB", mib).at_most(EXPORT_MIB));
        }
        Ok(figures)
    }

    /// Into an empty table.
    fn import(&self, file: &Path) -> Result<Cost> {
        self.execute("truncate myapi.movies cascade")?;
        let file = file.to_str().context("a path that is not UTF-8")?;
        let import = || once::must(&self.services.movies(&["import", file]), None, "", self.interrupt).map(drop);
        let took = cost::of(&self.options, self.interrupt, import)?;
        say(&format!("     Imported {file} in {:.1} s", took.elapsed.as_secs_f64()));
        // What autovacuum does within a minute or two.
        self.execute("vacuum analyze myapi.movies")?;
        Ok(took)
    }

    /// The same rows into the same table with the same indexes and triggers, as fast as Postgres takes them.
    fn copy(&self, file: &Path) -> Result<Cost> {
        self.execute("truncate myapi.movies cascade")?;
        let copy = async {
            let pool = PgPoolOptions::new().max_connections(1).connect_with(self.options.clone()).await?;
            let statement =
                "copy myapi.movies (movie_id, title, released, rating) from stdin (format csv, header true)";
            let mut copy = pool.copy_in_raw(statement).await?;
            copy.read_from(tokio::fs::File::open(file).await?).await?;
            copy.finish().await?;
            pool.close().await;
            Ok(())
        };
        let runtime = runtime()?;
        cost::of(&self.options, self.interrupt, || runtime.block_on(copy))
    }

    fn execute(&self, statement: &'static str) -> Result<()> {
        runtime()?.block_on(async {
            let mut connection = PgConnection::connect_with(&self.options).await?;
            sqlx::query(statement).execute(&mut connection).await?;
            Ok(connection.close().await?)
        })
    }

    fn measure(&self, movies: SocketAddr) -> Result<Measured> {
        let mut command = self.services.movies(&["serve"]);
        command.envs(LIMITS);
        let mut server = Service::start(MOVIES, &command, movies, self.place.home, self.interrupt)?;
        let process = Process::guarded_by(server.guard());
        let peak = || process.and_then(|process| process.memory_mib("VmHWM"));
        let measured = runtime()?.block_on(async {
            let token = token(self.services.addresses.auth, &self.password).await?;
            let mut client = Client::connect(Ipv4Addr::LOCALHOST, movies).await?;
            let mut routes = Vec::new();
            for (name, target, _) in ROUTES {
                let middle = middle(&mut client, target, &token).await.with_context(|| name.to_owned())?;
                self.interrupt.check()?;
                routes.push(middle);
            }
            let before = peak();
            let export = ask(&mut client, "/movies/export?format=ndjson", &token).await?;
            let export_mib = peak().zip(before).map(|(peak, before)| peak - before);
            Ok::<_, anyhow::Error>(Measured { routes, export, export_mib })
        })?;
        server.check()?;
        Ok(measured)
    }
}

/// By the processor's time where that is known: by the clock others count as well.
fn times_a_copy(imported: Cost, copied: Cost) -> Vec<Figure> {
    let by_the_clock = imported.elapsed.as_secs_f64() / copied.elapsed.as_secs_f64();
    let by_the_clock = Figure::new("import", "times a COPY", by_the_clock);
    match imported.cpu.zip(copied.cpu) {
        Some((imported, copied)) => {
            let times = imported.as_secs_f64() / copied.as_secs_f64();
            vec![by_the_clock, Figure::new("import", "times a COPY, by the processor's time", times).at_most(2.0)]
        }
        None => vec![by_the_clock.at_most(2.0)],
    }
}

/// Of many requests the one in the middle; of a slow route fewer are made.
async fn middle(client: &mut Client, target: &str, token: &str) -> Result<Duration> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let begun = Instant::now();
    let mut times = Vec::with_capacity(ASKED);
    // The first ones warm caches.
    for turn in 0..ASKED + 10 {
        let took = ask(client, target, token).await?;
        if turn >= 10 || begun.elapsed() > PATIENCE {
            times.push(took);
        }
        if begun.elapsed() > PATIENCE && times.len() >= 3 {
            break;
        }
    }
    times.sort_unstable();
    times.get(times.len() / 2).copied().context("nothing was asked")
}

async fn ask(client: &mut Client, target: &str, token: &str) -> Result<Duration> {
    let request = Request::get(target).header(HOST, "localhost").header(AUTHORIZATION, format!("Bearer {token}"));
    let request = request.body(Full::default())?;
    let begun = Instant::now();
    let (status, body) = client.ask(request).await?;
    ensure!(status == 200 && !body.is_empty(), "{target} is answered {status}: {}", String::from_utf8_lossy(&body));
    Ok(begun.elapsed())
}

async fn token(auth: SocketAddr, password: &str) -> Result<String> {
    let (_, body) = Client::connect(Ipv4Addr::LOCALHOST, auth).await?.ask(login(USER, password)?).await?;
    let answer: serde_json::Value = serde_json::from_slice(&body)?;
    let token = answer.get("access_token").and_then(|token| token.as_str());
    token.map(str::to_owned).context("auth-server answers without access_token")
}

fn runtime() -> Result<Runtime> {
    Builder::new_current_thread().enable_all().build().context("cannot start a runtime")
}

fn write_movies(file: &Path, count: u32) -> Result<()> {
    let opened = File::create(file).with_context(|| format!("cannot write {}", file.display()))?;
    let mut to = BufWriter::new(opened);
    writeln!(to, "movie_id,title,released,rating")?;
    for number in 1..=count {
        writeln!(to, "{}", movie(number))?;
    }
    to.flush()?;
    Ok(fs::File::sync_all(to.get_ref())?)
}

/// One line of CSV.
fn movie(number: u32) -> String {
    let the = if draw(number, 1) < 0.3 { "The " } else { "" };
    // Low numbers are frequent: the first words in a fifth of all titles, the last ones in a thousandth.
    let [first, second] = [(2, 3), (3, 2)].map(|(salt, power)| word(pick(draw(number, salt).powi(power), 400)));
    let year = 1920 + pick(draw(number, 4).sqrt(), 100);
    // A bell between 2.0 and 9.4.
    let tenths = 20 + pick((draw(number, 5) + draw(number, 6) + draw(number, 7)) / 3.0, 75);
    let own = number.wrapping_mul(7919) % 100_003;
    format!("{number},{the}{first} {second} X{own:x},{year},{}.{}", tenths / 10, tenths % 10)
}

/// The number below `of` that stands at this share of the way.
fn pick(share: f64, of: u32) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a small number")]
    let number = (share * f64::from(of)) as u32;
    number.min(of - 1)
}

/// Two to three syllables.
fn word(number: u32) -> String {
    const SYLLABLES: [&str; 8] = ["ba", "do", "fu", "ke", "li", "mo", "ra", "su"];
    let syllable = |at: u32| usize::try_from(at % 8).ok().and_then(|at| SYLLABLES.get(at).copied()).unwrap_or_default();
    let third = if number >= 64 { syllable(number / 64) } else { "" };
    format!("{}{}{third}", syllable(number), syllable(number / 8))
}

/// From 0 to 1, well mixed, and the same each time.
fn draw(number: u32, salt: u32) -> f64 {
    let seeds = [(number, 0x9e37_79b9_7f4a_7c15_u64), (salt, 0xd1b5_4a32_d192_ed03)];
    let mut mixed = seeds.iter().fold(0, |mixed, (seed, factor)| mixed ^ u64::from(*seed).wrapping_mul(*factor));
    for shift in [30, 27] {
        mixed = (mixed ^ (mixed >> shift)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    }
    f64::from(u32::try_from(mixed >> 32).unwrap_or_default()) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn movies_are_the_same_each_time_and_differ() {
        assert_eq!(movie(1), movie(1));
        let lines: std::collections::BTreeSet<String> = (1..=1000).map(movie).collect();
        assert_eq!(lines.len(), 1000);
        let the = lines.iter().filter(|line| line.contains(",The ")).count();
        assert!((200..400).contains(&the), "{the}");
        for line in &lines {
            let fields: Vec<&str> = line.split(',').collect();
            let (year, rating): (u32, f64) = (fields[2].parse().unwrap(), fields[3].parse().unwrap());
            assert!(fields.len() == 4 && (1920..=2020).contains(&year) && (2.0..=9.5).contains(&rating), "{line}");
        }
    }
}
