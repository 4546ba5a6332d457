//! What the token endpoints ask Postgres for: auth-server's own statements, to the letter (but for spaces).

/// `limits`: where the counters of a client's secret stand.
pub const SECRET_LIMITS: &str = "
    select (select free_at from myapi.throttle where kind = $1 and slot = $2) as here_free_at,
           (select free_at from myapi.throttle where kind = $3 and slot = $4) as anywhere_free_at,
           (select changed_at from myapi.throttle where kind = $5 and slot = $6) as known_at
";
/// `clients`: whether a client and its secrets are as they were when they were read.
pub const CLIENT_REVISION: &str = "
    select revision from myapi.clients where client_id = $1 and deleted_at is null
";
/// `users`: a user.
pub const USER: &str = r#"
    select sub, email as "email!", name, hashed_password, email_verified, scopes, token_version, disabled_at,
           created_at, password_changed_at
    from myapi.users
    where sub = $1 and email is not null
"#;
/// `tokens`: whose family a refresh token is of.
pub const FAMILY_ID: &str = "
    select family_id from myapi.refresh_tokens where token_hash = $1 and expires_at = $2
";
/// `tokens`: the family, locked.
pub const LOCKED_FAMILY: &str = "
    select family_id, sub, client_id, scope, audience, user_version, client_version, session_id, auth_time,
           access_ttl, created_at, expires_at, dpop_jkt, revoked_at
    from myapi.families
    where family_id = $1
    for update
";
/// `tokens`: a refresh token.
pub const REFRESH_TOKEN: &str = "
    select token_hash, expires_at, family_id, rotated_at, salt, kek_id, successor_hash, successor_expires_at,
           predecessor_hash, predecessor_expires_at
    from myapi.refresh_tokens
    where token_hash = $1 and expires_at = $2
";
/// `tokens`: a refresh token becomes spent.
pub const ROTATE: &str = r#"
    with successor as (
        insert into myapi.refresh_tokens
            (token_hash, expires_at, family_id, created_at, predecessor_hash, predecessor_expires_at)
        values ($1, $2, $3, $4, $5, $6)
    ), spent as (
        update myapi.refresh_tokens
        set rotated_at = $4, salt = $7, kek_id = $8, successor_hash = $1, successor_expires_at = $2
        where token_hash = $5 and expires_at = $6 and rotated_at is null
        returning 1
    ), forgotten as (
        update myapi.refresh_tokens set salt = null, kek_id = null where token_hash = $9 and expires_at = $10
    )
    select count(*) as "spent!" from spent
"#;
/// `codes`: what a code stands for.
pub const CODE: &str = "
    select expires_at, client_id, sub, user_version, session_id, redirect_uri, scope, nonce, code_challenge,
           dpop_jkt, auth_time, failures, consumed_at, audience
    from myapi.authorization_codes
    where code_hash = $1 and expires_at = $2
";
/// `codes`: a code is used up.
pub const CONSUME_CODE: &str = "
    update myapi.authorization_codes
    set consumed_at = $3
    where code_hash = $1 and expires_at = $2 and consumed_at is null and expires_at > $3 and failures < $4
    returning session_id
";
/// `codes`: what a code gave.
pub const GIVEN_BY_CODE: &str = "
    update myapi.authorization_codes set sid = $3, access_ttl = $4 where code_hash = $1 and expires_at = $2
";
/// `sessions`: the browser, held.
pub const HELD_SESSION: &str = "
    select session_id
    from myapi.sessions
    where session_id = $1 and ended_at is null and expires_at > $2
    for share
";
/// `users`: a user, held.
pub const LOCKED_USER: &str = r#"
    select sub, email as "email!", name, hashed_password, email_verified, scopes, token_version, disabled_at,
           created_at, password_changed_at
    from myapi.users
    where sub = $1 and email is not null
    for share
"#;
/// `tokens`: a family and its first refresh token.
pub const INSERT_FAMILY: &str = "
    with held as materialized (
        select sub
        from myapi.users
        where sub = $2 and token_version = $6 and disabled_at is null and email is not null
        for share
    ),
    family as (
        insert into myapi.families
            (family_id, sub, client_id, scope, audience, user_version, client_version, session_id, auth_time,
             access_ttl, created_at, expires_at, dpop_jkt)
        select $1, held.sub, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $15
        from held
        returning family_id
    )
    insert into myapi.refresh_tokens (token_hash, expires_at, family_id, created_at)
    select $13, $14, family_id, $11
    from family
";
/// `revocations`: whether a token is dead.
pub const IS_REVOKED: &str = r#"
    select exists (
        select from myapi.revocations
        where expires_at > $1
          and (
              (kind = 'token' and subject = $2)
              or (kind = 'session' and subject = $3)
              or (kind = 'user' and subject = $4 and version >= $5)
              or (kind = 'client' and subject = $6 and version >= $7)
              or (kind = 'key' and subject = $8)
          )
    ) as "is_revoked!"
"#;
/// `revocations`: an entry for the feed.
pub const REVOKE: &str = "
    select myapi.append_revocations($1, $2, $3::bigint[], $4, $5)
";
/// `audit`: what happened, many rows at once.
pub const AUDIT: &str = "
    insert into myapi.audit_events (writer, seq, at, event, outcome, reason, subject, client_id, address, request_id,
                                    actor, detail, prev_hash, hash)
    select r.writer, r.seq, r.at, r.event, r.outcome, r.reason, r.subject, r.client_id, r.address, r.request_id,
           r.actor, r.detail, r.prev_hash, r.hash
    from unnest($1::uuid[], $2::bigint[], $3::timestamptz[], $4::text[], $5::text[], $6::text[], $7::text[],
                $8::text[], $9::text[], $10::uuid[], $11::text[], $12::text[], $13::bytea[], $14::bytea[])
         as r (writer, seq, at, event, outcome, reason, subject, client_id, address, request_id, actor, detail,
               prev_hash, hash)
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_statements_are_those_of_auth_server() {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let limits = include_str!("../../../../auth-server/src/limits/store.rs");
        let clients = include_str!("../../../../auth-server/src/clients/store/mod.rs");
        let users = include_str!("../../../../auth-server/src/users/store.rs");
        let families = include_str!("../../../../auth-server/src/tokens/store/families.rs");
        let tokens = include_str!("../../../../auth-server/src/tokens/store/tokens.rs");
        let codes = include_str!("../../../../auth-server/src/codes/store.rs");
        let sessions = include_str!("../../../../auth-server/src/sessions/store.rs");
        let audit = include_str!("../../../../auth-server/src/audit/store.rs");
        let revocations = include_str!("../../../../auth-server/src/revocations/store.rs");
        for (store, statement) in [
            (limits, SECRET_LIMITS),
            (clients, CLIENT_REVISION),
            (users, USER),
            (tokens, FAMILY_ID),
            (families, LOCKED_FAMILY),
            (tokens, REFRESH_TOKEN),
            (tokens, ROTATE),
            (families, INSERT_FAMILY),
            (codes, CODE),
            (codes, CONSUME_CODE),
            (codes, GIVEN_BY_CODE),
            (sessions, HELD_SESSION),
            (users, LOCKED_USER),
            (revocations, IS_REVOKED),
            (revocations, REVOKE),
            (audit, AUDIT),
        ] {
            assert!(words(store).contains(&words(statement)), "{statement}");
        }
    }
}
