//! What runs beside the requests: keys are kept fresh, revocations followed, and what is held here is reported.

use shared::clock::Clock;
use shared::db::pooler::Sessions;
use shared::db::{self, Pool};
use shared::token::heartbeat::{Heartbeat, ReportUrl, Reports};
use shared::token::revocations::{Feed, Revocations, SignedFeed};
use shared::token::source::Keys;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::{BACKGROUND_CONNECTIONS, Config, ReportTarget, RevocationSource, START_TIMEOUT};

/// The tasks; they end when it is dropped.
pub(super) struct Background {
    tasks: JoinSet<()>,
    read: Option<oneshot::Receiver<()>>,
}

impl Background {
    /// Starts all of them, on a database that gives such sessions. What is revoked is known after
    /// [`Background::has_read`].
    ///
    /// # Errors
    /// When the URL of the revocations or of the reports cannot be used.
    pub(super) fn start(config: &Config, keys: &Keys, sessions: Sessions) -> anyhow::Result<(Self, Revocations)> {
        let direct = config.common.direct_database().options.clone();
        let pool = db::pool(direct, BACKGROUND_CONNECTIONS, "movies-api-background");
        let feed = match &config.revocations {
            RevocationSource::Off => None,
            RevocationSource::Database if sessions == Sessions::Shared => Some(Feed::Polled(pool.clone())),
            RevocationSource::Database => Some(Feed::Database(pool.clone())),
            RevocationSource::Url(url) => {
                let feed = SignedFeed::new(url.clone(), &config.issuer, keys.clone(), &config.key_options())?;
                Some(Feed::Url(feed))
            }
        };
        let mut background = Self { tasks: JoinSet::new(), read: None };
        background.tasks.spawn(keys.clone().keep_fresh());
        let revocations = match feed {
            None => Revocations::off(),
            Some(feed) => {
                let revocations = Revocations::new(Clock::system());
                let (sender, receiver) = oneshot::channel();
                let first = || {
                    // Nobody may be waiting any more.
                    let _ = sender.send(());
                };
                background.tasks.spawn(revocations.clone().follow(feed, keys.clone(), first));
                background.read = Some(receiver);
                revocations
            }
        };
        if let Some(reports) = reports(config, pool)? {
            background.tasks.spawn(Heartbeat::new(reports, keys.clone(), revocations.clone()).beat());
        }
        Ok((background, revocations))
    }

    /// Waits until the revocations were read for the first time, or could not be.
    pub(super) async fn has_read(&mut self) {
        if let Some(read) = self.read.take() {
            // Later is as good: until then they count as stale.
            let _ = timeout(START_TIMEOUT, read).await;
        }
    }

    /// Ends all of them.
    pub(super) async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

fn reports(config: &Config, pool: Pool) -> anyhow::Result<Option<Reports>> {
    Ok(match &config.reports {
        ReportTarget::Off => None,
        ReportTarget::Database => Some(Reports::Database(pool)),
        ReportTarget::Url { url, client_id, client_secret } => {
            let (url, id, secret) = (url.clone(), client_id.clone(), client_secret.clone());
            Some(Reports::Url(ReportUrl::new(url, id, secret, &config.key_options())?))
        }
    })
}
