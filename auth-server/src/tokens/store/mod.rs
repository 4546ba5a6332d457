//! The tables `families` and `refresh_tokens`. Every look at a token carries its end, so that it touches one partition.

mod ended;
mod families;
mod tokens;

pub(super) use ended::{Ended, revoke_all, revoke_family, revoke_session, revoke_user};
pub(super) use families::{bind, find_family, insert_family, lock_family, update_access_ttl};
pub(super) use tokens::{Rotation, TokenRow, find_family_id, find_token, is_unspent, rotate};
