//! Keys that are revoked: they are in no set, wherever it comes from.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Keys, lock};
use crate::token::keys::KeySet;

impl Keys {
    /// Takes revoked keys out of the set and off the disk at once, and leaves them out of every set that is read later.
    /// `kids` are all that are revoked now.
    pub fn refuse(&self, kids: HashSet<String>) {
        let mut refused = lock(&self.0.refused);
        if *refused == kids {
            return;
        }
        *refused = kids;
        let held = self.0.set.load_full();
        let left = KeySet::clone(&held).without(&refused);
        if left != *held {
            tracing::warn!(keys.held = ?held.kids(), keys.left = ?left.kids(), "a key is revoked and trusted no more");
            self.replace(left);
            self.0.was_read.notify_one();
        }
    }

    /// The lock on what is refused is held meanwhile, so that no set comes in beside it.
    pub(super) fn replace(&self, set: KeySet) {
        self.0.set.store(Arc::new(set));
        self.0.was_changed.send_replace(());
    }
}
