//! Checking a name and a password, with one answer for every refusal.

use std::time::Duration;

use shared::db::DbError;
use tokio::time::{Instant, sleep_until};
use uuid::Uuid;

use super::service::Users;
use super::{Email, User, store};
use crate::audit;
use crate::passwords::{Caller, HashError, Hashed, LaneError, Plain, Verdict};

/// No stored address is longer, whoever wrote it; what is longer is not looked up.
const LONGEST_ADDRESS: usize = 1024;

/// What weighing may delay the start of a server by. Kinds of hash that are left are weighed at their first login.
const LONGEST_WEIGHING: Duration = Duration::from_secs(10);

/// Why nobody was logged in.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    /// The one refusal; to the client all reasons are the same, in words, in status and in time.
    #[error("the login was refused: {0}")]
    Refused(Refusal),
    /// The password lane gave no answer; [`LaneError::Busy`] is worth a retry.
    #[error(transparent)]
    Lane(#[from] LaneError),
    /// The database gave no answer.
    #[error(transparent)]
    Database(#[from] DbError),
}

/// The reason of a refusal, for the log alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No user has this address.
    #[error("unknown user")]
    UnknownUser,
    /// The password is another one.
    #[error("wrong password")]
    WrongPassword,
    /// The user is disabled, whatever the password.
    #[error("disabled user")]
    Disabled,
    /// The user has no password.
    #[error("user without a password")]
    NoPassword,
    /// The stored hash cannot be checked; somebody must set a new password.
    #[error("unusable password hash")]
    BrokenHash,
}

/// What stands under the name that somebody typed: perhaps nothing. Only [`Users::authenticate_candidate`] tells more.
pub struct Candidate(Option<store::Found>);

impl Candidate {
    /// The user whose password is to be checked, for counting; the world must not see whether there is one.
    #[must_use]
    pub fn sub(&self) -> Option<Uuid> {
        self.0.as_ref().map(|found| found.user.sub)
    }
}

impl Users {
    /// Logs a user in by address and password, both exactly as they came. Counts nothing and refuses nobody: whatever
    /// answers strangers goes through [`crate::logins`].
    ///
    /// # Errors
    /// As [`Users::authenticate_candidate`].
    pub async fn authenticate(&self, username: &str, plain: &Plain) -> Result<User, AuthenticateError> {
        let candidate = self.find_candidate(username).await?;
        self.authenticate_candidate(candidate, plain, &Caller::local()).await
    }

    /// Looks a name up, exactly as it came. The log's lines of this request name the user from here on.
    ///
    /// # Errors
    /// [`DbError`] when there is no answer.
    pub async fn find_candidate(&self, username: &str) -> Result<Candidate, DbError> {
        // The connection is given back before the hashing.
        let found = self.find_by_address(username).await?;
        if let Some(found) = &found {
            // The log tells whose login it was, refused or not.
            tracing::Span::current().record("user.id", tracing::field::display(found.user.sub));
            audit::note_subject(found.user.sub);
        }
        Ok(Candidate(found))
    }

    /// Checks the password of whoever was found.
    ///
    /// # Errors
    /// [`AuthenticateError::Refused`] alike for an unknown address, a wrong password and a disabled user, after the
    /// same work; the others when there is no answer.
    pub async fn authenticate_candidate(
        &self,
        candidate: Candidate,
        plain: &Plain,
        caller: &Caller,
    ) -> Result<User, AuthenticateError> {
        let begun = Instant::now();
        let result = self.check(candidate, plain, caller).await;
        if matches!(result, Err(AuthenticateError::Refused(_))) {
            // A bcrypt or imported hash takes longer than the one that is burnt for an unknown user. Waiting hides that
            // at no cost; burning as much for everybody would be a lever for floods.
            sleep_until(begun + self.lane().floor()).await;
        }
        result
    }

    /// Learns how long hashes of other costs and of other applications take, so that the first refusals do not tell
    /// either. For the start of a server; costs one hash of each kind that there is, for Argon2 some dozens, or none.
    ///
    /// # Errors
    /// [`AuthenticateError`] when there is no answer; logging in works all the same.
    pub async fn warm_up(&self) -> Result<(), AuthenticateError> {
        let kinds = store::list_kinds_of_hash(&mut *self.acquire().await?, self.current_hash()).await?;
        if kinds.is_empty() {
            return Ok(());
        }
        let nobodys = crate::passwords::generate().map_err(|error: HashError| LaneError::Hash(error))?;
        let begun = Instant::now();
        for stored in kinds {
            self.lane().learn(&stored, &nobodys, begun.elapsed() < LONGEST_WEIGHING).await?;
        }
        Ok(())
    }

    async fn check(&self, candidate: Candidate, plain: &Plain, caller: &Caller) -> Result<User, AuthenticateError> {
        let refused = |reason| Err(AuthenticateError::Refused(reason));
        let Candidate(Some(found)) = candidate else {
            self.lane().burn(caller, plain).await?;
            return refused(Refusal::UnknownUser);
        };
        let (user, Some(stored)) = (found.user, found.hashed_password) else {
            self.lane().burn(caller, plain).await?;
            return refused(Refusal::NoPassword);
        };
        if !user.is_active() {
            // Not even the right password may change anything: the upgrade of an old hash would take its time.
            self.lane().burn(caller, plain).await?;
            return refused(Refusal::Disabled);
        }
        match self.lane().verify(caller, &stored, plain).await? {
            Verdict::Differs => refused(Refusal::WrongPassword),
            Verdict::Unusable(reason) => {
                tracing::error!(user.id = %user.sub, %reason, "stored password hash cannot be used: set a new password");
                refused(Refusal::BrokenHash)
            }
            Verdict::Matches { rehashed: None } => Ok(user),
            Verdict::Matches { rehashed: Some(new) } => {
                self.upgrade(user.sub, &stored, &new).await;
                Ok(user)
            }
        }
    }

    pub(super) async fn find_by_address(&self, address: &str) -> Result<Option<store::Found>, DbError> {
        if address.len() > LONGEST_ADDRESS || address.contains('\0') {
            return Ok(None);
        }
        let canonical = address.parse::<Email>().ok();
        let canonical = canonical.as_ref().map(Email::canonical);
        let mut conn = self.acquire().await?;
        let found = store::find_by_address(&mut conn, address, canonical).await?;
        conn.hand_on();
        // The old application may have changed an address without its canonical form: the old one is nobody's then.
        Ok(found.filter(|found| {
            let email = &found.user.email;
            email == address || email.parse::<Email>().is_ok_and(|email| Some(email.canonical()) == canonical)
        }))
    }

    /// Stores a better hash of the same password. The next login tries again where this fails.
    async fn upgrade(&self, sub: Uuid, old: &str, new: &Hashed) {
        let done = async { store::update_hash(&mut *self.acquire().await?, sub, old, new).await };
        if let Err(error) = done.await {
            tracing::warn!(user.id = %sub, %error, "password hash was not upgraded at login");
        }
    }
}
