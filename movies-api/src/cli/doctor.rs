//! `movies-api doctor`.

use std::fs;
use std::path::Path;
use std::time::Duration;

use shared::cli::{Examination, fetch_json};
use shared::clock::Clock;
use shared::config::Sources;
use shared::db;
use shared::output::OutputFormat;
use shared::token::revocations::{Feed, Freshness, Revocations, SignedFeed};
use shared::token::source::{KeySource, Keys};
use tokio::sync::oneshot;

use crate::config::{BACKGROUND_CONNECTIONS, Config, RevocationSource};

/// What the serving role has to be allowed.
const RIGHTS: &[(&str, &str)] =
    &[("myapi.movies", "select"), ("myapi.revocations", "select"), ("myapi.revocation_feed", "select")];
/// What it should not be allowed.
const FOREIGN: [&str; 3] = ["myapi.users", "myapi.client_secrets", "myapi.signing_keys"];
/// How long the feed may take to be read.
const PATIENCE: Duration = Duration::from_secs(8);
/// What a key cache may need.
const CACHE_BYTES: usize = 256 * 1024;

/// Looks at everything that `serve` needs, and changes nothing.
pub(super) async fn run(sources: &Sources, output: OutputFormat) -> anyhow::Result<()> {
    let (config, settings) = Config::load(sources)?;
    let mut report = Examination::default();
    for notice in settings.notices() {
        report.note("settings", notice.as_str());
    }
    let conn = report.database(&config.common.database, "movies-api", RIGHTS, &Clock::system()).await;
    if let Some(mut conn) = conn {
        report.pooler(&config.common.database, config.common.direct.as_ref()).await;
        least_privilege(&mut report, &mut conn).await;
    }
    let keys = Keys::new(config.keys.clone(), config.key_options())?;
    key_set(&mut report, &keys).await;
    key_cache(&mut report, &config);
    issuer(&mut report, &config, &keys).await;
    feed(&mut report, &config, &keys).await;
    Ok(report.print(output)?)
}

async fn least_privilege(report: &mut Examination, conn: &mut db::Conn) {
    let mut readable = Vec::new();
    for table in FOREIGN {
        if db::has_right(conn, table, "select").await.unwrap_or(false) {
            readable.push(table);
        }
    }
    match readable.as_slice() {
        [] => report.ok("privileges", "users, secrets and keys cannot be read"),
        tables => report.note(
            "privileges",
            format!("{} can be read: a member of myapi_movies_read alone could not", tables.join(", ")),
        ),
    }
}

async fn key_set(report: &mut Examination, keys: &Keys) {
    let loaded = keys.load().await;
    let kids = keys.set().load().kids().len();
    match (loaded, keys.reason()) {
        (Err(error), _) => report.wrong("keys", format!("no token can be checked: {error}")),
        (Ok(()), Some(reason)) if kids > 0 => {
            report.wrong("keys", format!("{kids} from the key cache, for the source fails: {reason}"));
        }
        (Ok(()), _) if kids > 0 => report.ok("keys", format!("{kids} are held")),
        (Ok(()), reason) => {
            let reason = reason.unwrap_or_else(|| "the source has none".to_owned());
            report.wrong("keys", format!("none are held: {reason}"));
        }
    }
}

/// Whether a copy of the keys could be written; a file of its own is, and goes again.
fn key_cache(report: &mut Examination, config: &Config) {
    match (&config.keys, &config.key_cache) {
        (KeySource::JwksUrl(_), None) => report
            .note("key cache", "MYAPI_MOVIES__KEY_CACHE is not set: a start while the auth-server is down has no keys"),
        (KeySource::JwksUrl(_), Some(path)) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            let probe = folder.join(format!(".doctor-{}", std::process::id()));
            let written = fs::write(&probe, vec![0_u8; CACHE_BYTES]);
            // What could not be written whole goes as well.
            let _ = fs::remove_file(&probe);
            match written {
                Ok(()) => report.ok("key cache", format!("{} can be written", folder.display())),
                Err(error) => report.wrong(
                    "key cache",
                    format!(
                        "{} cannot be written ({error}): give this user the folder, or room on its disk",
                        folder.display()
                    ),
                ),
            }
        }
        (_, _) => report.ok("key cache", "not needed: the keys are in a file"),
    }
}

async fn issuer(report: &mut Examination, config: &Config, keys: &Keys) {
    if config.issuer.ends_with('/') {
        report.wrong(
            "issuer",
            "MYAPI_MOVIES__ISSUER ends with a slash, which no auth-server's does: every token is refused until it goes",
        );
        return;
    }
    let Ok(url) = url::Url::parse(&config.issuer) else { return };
    let well_known = "/.well-known/oauth-authorization-server";
    let url = format!("{}{well_known}{}", url.origin().ascii_serialization(), url.path().trim_end_matches('/'));
    let metadata = match fetch_json(&url).await {
        Ok(metadata) => metadata,
        // With keys in a file nobody has to reach it.
        Err(error) if keys.is_file() => {
            report.note("issuer", format!("{url}: {error}; keys come from a file, so tokens are checked all the same"));
            return;
        }
        Err(error) => {
            report.wrong(
                "issuer",
                format!("{url}: {error}; is auth-server running, and does MYAPI_MOVIES__ISSUER name it?"),
            );
            return;
        }
    };
    let found = metadata.get("issuer").and_then(|issuer| issuer.as_str()).unwrap_or_default();
    if found == config.issuer {
        report.ok("issuer", format!("{url} answers as {found}"));
    } else {
        report.wrong("issuer", format!("{url} answers as `{found}`: set MYAPI_MOVIES__ISSUER to exactly that"));
    }
}

async fn feed(report: &mut Examination, config: &Config, keys: &Keys) {
    let feed = match &config.revocations {
        RevocationSource::Off => {
            report.note("revocations", "MYAPI_MOVIES__REVOCATIONS is off: a revoked token is good until it ends");
            return;
        }
        RevocationSource::Database => Ok(Feed::Database(db::pool(
            config.common.direct_database().options.clone(),
            BACKGROUND_CONNECTIONS,
            "movies-api doctor",
        ))),
        RevocationSource::Url(url) => {
            SignedFeed::new(url.clone(), &config.issuer, keys.clone(), &config.key_options()).map(Feed::Url)
        }
    };
    let feed = match feed {
        Ok(feed) => feed,
        Err(error) => return report.wrong("revocations", error.to_string()),
    };
    let revocations = Revocations::new(Clock::system());
    let (sender, read) = oneshot::channel();
    let first = || {
        // Nobody may be waiting any more.
        let _ = sender.send(());
    };
    let following = tokio::spawn(revocations.clone().follow(feed, keys.clone(), first));
    let _ = tokio::time::timeout(PATIENCE, read).await;
    following.abort();
    match revocations.freshness() {
        Freshness::Fresh(_) => report.ok("revocations", format!("{} are in force", revocations.len())),
        Freshness::Off | Freshness::Stale(_) => report.wrong(
            "revocations",
            "the feed cannot be read: writes are refused after a minute without it; the log of `serve` has the reason",
        ),
    }
}
