//! Clients as they were read last, so that a request asks for a client's revision and not for the whole of it.
//!
//! Nothing here is ever believed by itself: what was read before is good only while the database still has its revision,
//! which every change of the client or its secrets replaces in the same transaction, whoever makes it. So a secret that
//! was changed or a client that was disabled, by another process or by hand, counts at the next request, as without all
//! this. Secrets end by the clock: each is held with its end.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use moka::sync::Cache;
use shared::db::{Conn, DbError};
use uuid::Uuid;

use super::model::{Client, ClientId};
use super::secret::SecretHash;
use super::store;

/// The most that is held, in bytes or nearly: thousands of usual clients.
const MOST_BYTES: u64 = 8 * 1024 * 1024;
/// What an entry takes however little its client says.
const ENTRY: usize = 1024;

/// A client and its secrets, as they were at one revision.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) client: Arc<Client>,
    pub(super) secrets: Vec<HeldSecret>,
    pub(super) revision: Uuid,
}

/// A secret that may have ended.
#[derive(Debug)]
pub(super) struct HeldSecret {
    pub(super) hash: SecretHash,
    pub(super) expires_at: Option<DateTime<Utc>>,
}

impl Known {
    /// The hashes of the secrets that are good at that time.
    pub(super) fn secrets_at(&self, now: DateTime<Utc>) -> impl Iterator<Item = &SecretHash> {
        let is_good = move |secret: &&HeldSecret| secret.expires_at.is_none_or(|expires_at| expires_at > now);
        self.secrets.iter().filter(is_good).map(|secret| &secret.hash)
    }

    /// About as much memory as it takes.
    fn bytes(&self) -> usize {
        let client = &self.client;
        let uris = client.redirect_uris.iter().chain(&client.post_logout_redirect_uris).chain(&client.audiences);
        let scopes = client.scopes.iter().chain(client.default_scopes.iter());
        let texts = uris.map(String::as_str).chain(scopes).chain([client.name.as_str(), client.audience.as_str()]);
        let keys = client.authentication.jwks.as_ref().map_or(0, |keys| keys.set().len());
        ENTRY + texts.map(|text| text.len() + 64).sum::<usize>() + keys * 4096
    }
}

/// Clients that were asked for lately. Clones share them.
#[derive(Clone, Debug)]
pub(super) struct KnownClients(Cache<ClientId, Arc<Known>>);

impl KnownClients {
    pub(super) fn new() -> Self {
        Self::holding(MOST_BYTES)
    }

    fn holding(most_bytes: u64) -> Self {
        let weigh = |_: &ClientId, known: &Arc<Known>| u32::try_from(known.bytes()).unwrap_or(u32::MAX);
        Self(Cache::builder().max_capacity(most_bytes).weigher(weigh).build())
    }

    /// The client as it is now; `None` where there is none, or none any more. Ids of nobody are not held, so that
    /// strangers fill nothing.
    pub(super) async fn find(&self, conn: &mut Conn, client_id: &ClientId) -> Result<Option<Arc<Known>>, DbError> {
        if let Some(held) = self.0.get(client_id) {
            match store::find_revision(conn, client_id).await? {
                Some(revision) if revision == held.revision => return Ok(Some(held)),
                Some(_) => {}
                None => {
                    self.0.invalidate(client_id);
                    return Ok(None);
                }
            }
        }
        let Some(found) = store::find_known(conn, client_id).await?.map(Arc::new) else { return Ok(None) };
        // One that was read at the same time and later may be replaced by this one: then the next request reads it again.
        self.0.insert(client_id.clone(), Arc::clone(&found));
        Ok(Some(found))
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;
    use crate::clients::{ApplicationType, Authentication, ClientKind, Lifetimes};

    fn known(name: &str, secrets: Vec<HeldSecret>) -> Arc<Known> {
        let client = Client {
            client_id: name.parse().unwrap(),
            name: name.to_owned(),
            kind: ClientKind::Confidential,
            grants: Vec::new(),
            scopes: "a b".parse().unwrap(),
            default_scopes: "a".parse().unwrap(),
            audience: "urn:a".to_owned(),
            audiences: Vec::new(),
            serves: None,
            application_type: ApplicationType::Web,
            redirect_uris: vec!["https://a.example/".repeat(100); 100],
            post_logout_redirect_uris: Vec::new(),
            skips_consent: false,
            require_pushed_authorization_requests: false,
            dpop_bound_access_tokens: false,
            authentication: Authentication::of_kind(ClientKind::Confidential),
            lifetimes: Lifetimes::default(),
            client_version: 1,
            created_at: DateTime::UNIX_EPOCH,
            disabled_at: None,
        };
        Arc::new(Known { client: Arc::new(client), secrets, revision: Uuid::nil() })
    }

    #[test]
    fn a_secret_that_is_held_ends_when_it_ends() {
        let end = DateTime::UNIX_EPOCH + TimeDelta::days(1);
        let [older, newer] = ["older", "newer"].map(SecretHash::of);
        let secrets =
            vec![HeldSecret { hash: older, expires_at: Some(end) }, HeldSecret { hash: newer, expires_at: None }];
        let known = known("x", secrets);
        let good = |now| known.secrets_at(now).copied().collect::<Vec<_>>();
        assert_eq!(good(end - TimeDelta::microseconds(1)), [older, newer]);
        assert_eq!(good(end), [newer]);
    }

    #[test]
    fn however_many_clients_ask_what_is_held_stays_bounded() {
        let clients = KnownClients::holding(2 * 1024 * 1024);
        for number in 0..200 {
            let known = known(&format!("client-{number}"), Vec::new());
            assert!(known.bytes() > 180_000, "100 addresses of 1800 bytes");
            clients.0.insert(known.client.client_id.clone(), known);
        }
        clients.0.run_pending_tasks();
        assert!((1..=11).contains(&clients.0.entry_count()), "{}", clients.0.entry_count());
        assert!(clients.0.weighted_size() <= 2 * 1024 * 1024, "{}", clients.0.weighted_size());
    }
}
