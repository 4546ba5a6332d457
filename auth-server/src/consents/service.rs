//! Remembering, asking and withdrawing.

use chrono::{DateTime, Utc};
use shared::db::{DbError, Pool};
use shared::token::scope::ScopeSet;
use uuid::Uuid;

use super::model::Consent;
use super::store;
use crate::audit::{self, Event, Kind};
use crate::clients::{Client, ClientId, ClientKind};
use crate::tokens::Tokens;

/// The consents. Cheap to clone.
#[derive(Clone)]
pub struct Consents {
    pool: Pool,
    tokens: Tokens,
}

impl Consents {
    /// A service over this pool.
    #[must_use]
    pub const fn new(pool: Pool, tokens: Tokens) -> Self {
        Self { pool, tokens }
    }

    /// Whether a person has allowed this client all of this before.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer.
    pub async fn covers(&self, sub: Uuid, client: &Client, scope: &ScopeSet) -> Result<bool, DbError> {
        if client.kind == ClientKind::Public {
            return Ok(false);
        }
        let mut conn = self.pool.acquire().await?;
        let allowed = store::find_scope(&mut conn, sub, &client.client_id).await?;
        Ok(allowed.is_some_and(|allowed| scope.is_subset(&allowed)))
    }

    /// Remembers what was allowed, beside what was allowed before; nothing for a public client.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer.
    pub async fn remember(
        &self,
        sub: Uuid,
        client: &Client,
        scope: &ScopeSet,
        now: DateTime<Utc>,
    ) -> Result<(), DbError> {
        if client.kind == ClientKind::Public {
            return Ok(());
        }
        let mut conn = self.pool.acquire().await?;
        store::upsert(&mut conn, sub, &client.client_id, scope, now).await
    }

    /// The consents, of one person or of all.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer.
    pub async fn list(&self, sub: Option<Uuid>, limit: u32) -> Result<Vec<Consent>, DbError> {
        let mut conn = self.pool.acquire().await?;
        store::list(&mut conn, sub, limit.into()).await
    }

    /// Withdraws what a person allowed one client, or all, and ends the refresh tokens that came of it: those of one
    /// client whether remembered or not, else those of the clients that were. Tells how many consents and families.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer; then nothing was withdrawn, or the answer was lost.
    pub async fn withdraw(
        &self,
        sub: Uuid,
        client_id: Option<&ClientId>,
        now: DateTime<Utc>,
    ) -> Result<(usize, u64), DbError> {
        let mut transaction = self.pool.begin().await?;
        let withdrawn = store::delete(&mut transaction, sub, client_id).await?;
        let ended = client_id.map_or_else(|| withdrawn.clone(), |client_id| vec![client_id.clone()]);
        let families = self.tokens.revoke_user(&mut transaction, sub, Some(&ended), now).await?;
        transaction.commit().await?;
        let count = withdrawn.len();
        let event = Event::ok(Kind::ConsentWithdrawn).subject(sub);
        let event = event.detail(format_args!("{count} consents, {families} logins with refresh tokens"));
        audit::note(match client_id {
            Some(client_id) => event.client(client_id),
            None => event,
        });
        Ok((count, families))
    }
}
