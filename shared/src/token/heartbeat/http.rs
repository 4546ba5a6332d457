//! The report over HTTP, for a process that has no database of the auth-server's.

use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use url::Url;
use uuid::Uuid;

use crate::token::source::{Fetcher, KeysOptions, SourceError};

/// Where a client reports, and by which credentials.
pub struct ReportUrl {
    fetcher: Fetcher,
    client_id: String,
    client_secret: SecretString,
}

/// What this process holds, as the auth-server reads it.
#[derive(Serialize)]
pub(super) struct Report<'a> {
    pub(super) instance: Uuid,
    pub(super) kids: &'a [String],
    pub(super) feed_seq: i64,
    pub(super) source: &'static str,
}

impl ReportUrl {
    /// The auth-server's `/resource_server_report` at `url`, as this confidential client, which serves a resource server.
    /// Time, redirects and plain `http` are bounded by `options` as they are for keys.
    ///
    /// # Errors
    ///
    /// [`SourceError::Url`] and [`SourceError::Client`].
    pub fn new(
        url: Url,
        client_id: String,
        client_secret: SecretString,
        options: &KeysOptions,
    ) -> Result<Self, SourceError> {
        Ok(Self { fetcher: Fetcher::new(url, options)?, client_id, client_secret })
    }

    pub(super) async fn report(&self, report: &Report<'_>) -> Result<(), SourceError> {
        self.fetcher.post_json(report, &self.client_id, self.client_secret.expose_secret()).await
    }
}
