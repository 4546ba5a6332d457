//! What can be done with users.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use shared::clock::Clock;
use shared::db::relay::Lent;
use shared::db::{Conn, DbError, Relay};
use shared::token::scope::ScopeSet;
use sqlx::Postgres;
use uuid::Uuid;

use super::store::{self, OpenAddress};
use super::{Clash, Created, Email, NewUser, User, UserRef};
use crate::audit::{self, Event, Kind};
use crate::passwords::{Lane, LaneError, Leniency, Plain, Policy, PolicyError, Settings, StartError};
use crate::revocations::{self, Revoked};

/// Rows per statement when addresses are adopted.
const ADOPTED_AT_ONCE: usize = 1000;

/// The users. Clones share the pool and the password lane.
#[derive(Clone)]
pub struct Users {
    relay: Relay,
    clock: Clock,
    lane: Lane,
    policy: Policy,
    current_hash: Arc<str>,
    default_scopes: ScopeSet,
}

/// Why a change of users was not made.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    /// No user has this `sub` or address.
    #[error("there is no such user")]
    NotFound,
    /// Another user has this address, perhaps in another spelling.
    #[error("a user with this e-mail address exists already")]
    EmailTaken,
    /// The password may not be chosen.
    #[error(transparent)]
    Password(#[from] PolicyError),
    /// The password lane gave no answer.
    #[error(transparent)]
    Lane(#[from] LaneError),
    /// The database gave no answer.
    #[error(transparent)]
    Database(#[from] DbError),
}

impl Users {
    /// Starts the password lane. `default_scopes` are those of users without own ones.
    ///
    /// # Errors
    /// [`StartError`] when the settings are refused or there are no threads.
    pub fn start(
        relay: impl Into<Relay>,
        clock: Clock,
        passwords: &Settings,
        default_scopes: ScopeSet,
    ) -> Result<Self, StartError> {
        let current_hash = passwords.hash_beginning().into();
        Ok(Self {
            relay: relay.into(),
            clock,
            lane: Lane::start(passwords)?,
            policy: Policy::new(passwords),
            current_hash,
            default_scopes,
        })
    }

    /// How hashes that are not behind the settings begin.
    pub(super) fn current_hash(&self) -> &str {
        &self.current_hash
    }

    /// The password lane, for its counts.
    #[must_use]
    pub const fn lane(&self) -> &Lane {
        &self.lane
    }

    /// What `user` may be given at most.
    #[must_use]
    pub fn scopes_of<'a>(&'a self, user: &'a User) -> &'a ScopeSet {
        user.scopes.as_ref().unwrap_or(&self.default_scopes)
    }

    /// Makes a user with a password.
    ///
    /// # Errors
    /// [`UserError::EmailTaken`] when the canonical address is another user's, of several at once for all but one.
    pub async fn create(&self, new: &NewUser, plain: &Plain, leniency: Leniency) -> Result<Created, UserError> {
        let words = [new.email.as_str(), new.name.as_ref().map_or("", |name| name.as_str())];
        let weakness = self.policy.check(plain, &words, leniency)?;
        let hashed = self.lane.hash(plain).await?;
        let mut transaction = self.begin().await?;
        store::lock_addresses(&mut transaction).await?;
        // Rows that the old application wrote since the last time take part; those that clash have no canonical
        // address, so that the index alone would let a third spelling in.
        let clashes = adopt(&mut transaction).await?;
        if clashes.iter().any(|clash| clash.canonical == new.email.canonical()) {
            return Err(UserError::EmailTaken);
        }
        let sub = store::insert(&mut transaction, new, &hashed, self.clock.now()).await?;
        let sub = sub.ok_or(UserError::EmailTaken)?;
        let user = get_by_sub(&mut transaction, sub).await?;
        transaction.commit().await.map_err(DbError::from)?;
        audit::note(Event::ok(Kind::UserCreated).subject(user.sub));
        Ok(Created { user, weakness })
    }

    /// The user that is meant.
    ///
    /// # Errors
    /// [`UserError::NotFound`] when there is none.
    pub async fn get(&self, who: &UserRef) -> Result<User, UserError> {
        let found = match who {
            UserRef::Sub(sub) => store::find_by_sub(&mut *self.acquire().await?, *sub).await?,
            UserRef::Address(address) => self.find_by_address(address).await?,
        };
        found.map(|found| found.user).ok_or(UserError::NotFound)
    }

    /// Up to `limit` users in the order of their addresses, beginning behind `after`.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer.
    pub async fn list(&self, after: Option<&str>, limit: u32) -> Result<Vec<User>, DbError> {
        store::list(&mut *self.acquire().await?, after, i64::from(limit)).await
    }

    /// Ends all logins: the user is refused from now on, and tokens given out so far are of a dead version. A user
    /// that is disabled already stays as it is.
    ///
    /// # Errors
    /// [`UserError::NotFound`] when there is none.
    pub async fn disable(&self, who: &UserRef) -> Result<User, UserError> {
        let sub = self.get(who).await?.sub;
        let mut transaction = self.begin().await?;
        store::disable(&mut transaction, sub, self.clock.now()).await?;
        let user = self.finish_and_revoke(transaction, sub).await?;
        audit::note(Event::ok(Kind::UserDisabled).subject(sub));
        Ok(user)
    }

    /// Lets the user log in again; earlier tokens stay dead.
    ///
    /// # Errors
    /// [`UserError::NotFound`] when there is none.
    pub async fn enable(&self, who: &UserRef) -> Result<User, UserError> {
        let sub = self.get(who).await?.sub;
        let mut transaction = self.begin().await?;
        store::enable(&mut transaction, sub).await?;
        let user = self.finish(transaction, sub).await?;
        audit::note(Event::ok(Kind::UserEnabled).subject(sub));
        Ok(user)
    }

    /// Sets a password; tokens given out so far are of a dead version.
    ///
    /// # Errors
    /// [`UserError::Password`] when it may not be chosen, [`UserError::NotFound`] when there is no such user.
    pub async fn set_password(&self, who: &UserRef, plain: &Plain, leniency: Leniency) -> Result<Created, UserError> {
        let user = self.get(who).await?;
        let words = [user.email.as_str(), user.name.as_deref().unwrap_or_default()];
        let weakness = self.policy.check(plain, &words, leniency)?;
        let hashed = self.lane.hash(plain).await?;
        let mut transaction = self.begin().await?;
        store::update_password(&mut transaction, user.sub, &hashed, self.clock.now()).await?;
        let user = self.finish_and_revoke(transaction, user.sub).await?;
        audit::note(Event::ok(Kind::UserPassword).subject(user.sub));
        Ok(Created { user, weakness })
    }

    /// Gives the user scopes of its own, or with `None` those of the settings. Tokens given out keep theirs.
    ///
    /// # Errors
    /// [`UserError::NotFound`] when there is none.
    pub async fn set_scopes(&self, who: &UserRef, scopes: Option<ScopeSet>) -> Result<User, UserError> {
        let sub = self.get(who).await?.sub;
        let mut transaction = self.begin().await?;
        let detail = scopes.as_ref().map_or_else(|| "those of the settings".to_owned(), ToString::to_string);
        store::update_scopes(&mut transaction, sub, scopes).await?;
        let user = self.finish(transaction, sub).await?;
        audit::note(Event::ok(Kind::UserScopes).subject(sub).detail(detail));
        Ok(user)
    }

    /// Removes the user for good. The answer is the user as it was; its `token_version` is the last that was ever
    /// given out.
    ///
    /// # Errors
    /// [`UserError::NotFound`] when there is none.
    pub async fn delete(&self, who: &UserRef) -> Result<User, UserError> {
        let mut user = self.get(who).await?;
        let mut transaction = self.begin().await?;
        let version = store::delete(&mut transaction, user.sub).await?;
        user.token_version = version.ok_or(UserError::NotFound)?;
        let dead = Revoked::User { sub: user.sub, version: user.token_version };
        revocations::append(&mut transaction, &[dead], self.clock.now()).await?;
        transaction.commit().await.map_err(DbError::from)?;
        audit::note(Event::ok(Kind::UserDeleted).subject(user.sub));
        Ok(user)
    }

    /// Gives rows of the old application their canonical address. Returns the rows that cannot have one because
    /// others share it; they go on logging in by their exact spelling.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer.
    pub async fn adopt_addresses(&self) -> Result<Vec<Clash>, DbError> {
        adopt_addresses(&mut *self.acquire().await?).await
    }

    /// A user, on the caller's connection.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer.
    pub async fn find_in(&self, conn: &mut Conn, sub: Uuid) -> Result<Option<User>, DbError> {
        Ok(store::find_by_sub(conn, sub).await?.map(|found| found.user))
    }

    /// The same, and until the caller's transaction ends nobody changes the row.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer.
    pub async fn find_for_share(&self, conn: &mut Conn, sub: Uuid) -> Result<Option<User>, DbError> {
        Ok(store::find_for_share(conn, sub).await?.map(|found| found.user))
    }

    pub(super) async fn acquire(&self) -> Result<Lent, DbError> {
        self.relay.acquire().await
    }

    async fn begin(&self) -> Result<sqlx::Transaction<'static, Postgres>, DbError> {
        Ok(self.relay.pool().begin().await?)
    }

    /// Reads what was changed, tells resource servers that the versions before are dead, and commits.
    async fn finish_and_revoke(
        &self,
        mut transaction: sqlx::Transaction<'static, Postgres>,
        sub: Uuid,
    ) -> Result<User, UserError> {
        let user = get_by_sub(&mut transaction, sub).await?;
        let dead = Revoked::User { sub, version: user.token_version - 1 };
        revocations::append(&mut transaction, &[dead], self.clock.now()).await?;
        transaction.commit().await.map_err(DbError::from)?;
        Ok(user)
    }

    /// Reads what was changed, and commits.
    async fn finish(
        &self,
        mut transaction: sqlx::Transaction<'static, Postgres>,
        sub: Uuid,
    ) -> Result<User, UserError> {
        let user = get_by_sub(&mut transaction, sub).await?;
        transaction.commit().await.map_err(DbError::from)?;
        Ok(user)
    }
}

/// [`Users::adopt_addresses`] for `migrate`, which has a connection and needs no password lane.
///
/// # Errors
/// [`DbError`] when there is no answer.
pub async fn adopt_addresses(conn: &mut Conn) -> Result<Vec<Clash>, DbError> {
    use sqlx::Connection as _;
    let mut transaction = conn.begin().await?;
    store::lock_addresses(&mut transaction).await?;
    let clashes = adopt(&mut transaction).await?;
    transaction.commit().await?;
    Ok(clashes)
}

async fn get_by_sub(conn: &mut Conn, sub: Uuid) -> Result<User, UserError> {
    let found = store::find_by_sub(conn, sub).await?;
    found.map(|found| found.user).ok_or(UserError::NotFound)
}

/// Under [`store::lock_addresses`]: what is free when it is looked at stays free.
pub(super) async fn adopt(conn: &mut Conn) -> Result<Vec<Clash>, DbError> {
    let mut groups: BTreeMap<String, Vec<OpenAddress>> = BTreeMap::new();
    for open in store::list_open_addresses(conn).await? {
        // A text that is no address has no canonical form and stays as it is.
        if let Ok(email) = open.email.parse::<Email>() {
            groups.entry(email.canonical().to_owned()).or_default().push(open);
        }
    }
    let alone: Vec<(Uuid, String)> = groups
        .iter()
        .filter_map(|(canonical, rows)| match rows.as_slice() {
            [row] => Some((row.sub, canonical.clone())),
            _ => None,
        })
        .collect();
    let mut adopted: BTreeSet<Uuid> = BTreeSet::new();
    for chunk in alone.chunks(ADOPTED_AT_ONCE) {
        let (subs, canonicals): (Vec<Uuid>, Vec<String>) = chunk.iter().cloned().unzip();
        adopted.extend(store::adopt(conn, &subs, &canonicals).await?);
    }
    groups.retain(|_, rows| rows.iter().any(|row| !adopted.contains(&row.sub)));
    list_clashes(conn, groups).await
}

async fn list_clashes(conn: &mut Conn, groups: BTreeMap<String, Vec<OpenAddress>>) -> Result<Vec<Clash>, DbError> {
    if groups.is_empty() {
        return Ok(Vec::new());
    }
    let canonicals: Vec<String> = groups.keys().cloned().collect();
    let mut holders: BTreeMap<String, String> = store::list_holders(conn, &canonicals).await?.into_iter().collect();
    let clashes = groups.into_iter().map(|(canonical, rows)| {
        let held = holders.remove(&canonical);
        let mut addresses: Vec<String> = rows.into_iter().map(|row| row.email).chain(held).collect();
        addresses.sort();
        Clash { canonical, addresses }
    });
    Ok(clashes.collect())
}
