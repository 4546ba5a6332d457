//! The checks that need the database: what was revoked, and whether user and client are who they were.

use chrono::{DateTime, Utc};
use shared::db::Conn;
use uuid::Uuid;

use super::super::Context;
use super::checks::Named;
use super::findings::{Findings, said};
use crate::clients::{Client, Clients};
use crate::keys;
use crate::resource_servers::ResourceServers;
use crate::revocations::{self, TokenIds};
use crate::users::Users;

/// Their names, where they are not made.
pub(super) const CHECKS: [&str; 4] = ["key state", "revocations", "client", "user"];

/// Makes them all.
pub(super) async fn check(
    context: &Context,
    named: &Named,
    now: DateTime<Utc>,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    check_key_state(context, named.kid.as_deref(), findings).await?;
    let mut conn = context.pool.acquire().await?;
    check_revocations(&mut conn, named, now, findings).await?;
    drop(conn);
    let resource_servers = ResourceServers::new(context.pool.clone(), context.clock.clone());
    let longest_refresh = context.config.refresh.absolute;
    let clients = Clients::new(context.pool.clone(), context.clock.clone(), resource_servers, longest_refresh);
    let mut conn = context.pool.acquire().await?;
    let client = match named.claims.client_id.parse() {
        Ok(client_id) => clients.find_in(&mut conn, &client_id).await?,
        Err(_) => None,
    };
    let client = client.as_deref();
    check_client(client, named, findings);
    check_user(context, &mut conn, client, named, findings).await
}

async fn check_key_state(context: &Context, kid: Option<&str>, findings: &mut Findings) -> anyhow::Result<()> {
    let keys = keys::list(&context.pool).await?;
    match keys.iter().find(|key| Some(key.kid.as_str()) == kid) {
        Some(key) => findings.ok("key state", format!("the key is {}", key.state.as_str())),
        None => findings.skip("key state", "not asked: the key is unknown"),
    }
    Ok(())
}

/// The feed is asked for each kind by itself, so that the answer says which.
async fn check_revocations(
    conn: &mut Conn,
    named: &Named,
    now: DateTime<Utc>,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let claims = &named.claims;
    let nothing = TokenIds { jti: "", sid: None, sub: "", ver: None, client_id: "", cver: None, kid: "" };
    let kinds = [
        ("the token", TokenIds { jti: &claims.jti, ..nothing }),
        ("its login", TokenIds { sid: claims.sid.as_deref(), ..nothing }),
        ("its user", TokenIds { sub: &claims.sub, ver: claims.ver, ..nothing }),
        ("its client", TokenIds { client_id: &claims.client_id, cver: claims.cver, ..nothing }),
        ("its key", TokenIds { kid: named.kid.as_deref().unwrap_or_default(), ..nothing }),
    ];
    let mut revoked = Vec::new();
    for (what, ids) in kinds {
        if revocations::is_revoked(conn, &ids, now).await? {
            revoked.push(what);
        }
    }
    let found = match revoked.is_empty() {
        true => "neither token, login, user, client nor key was revoked".to_owned(),
        false => format!("revoked: {}", revoked.join(", ")),
    };
    findings.judge("revocations", revoked.is_empty(), found);
    Ok(())
}

fn check_client(client: Option<&Client>, named: &Named, findings: &mut Findings) {
    let Some(client) = client else {
        findings.fail("client", format!("there is no client {}", said(&named.claims.client_id)));
        return;
    };
    if let Some(at) = client.disabled_at {
        findings.fail("client", format!("disabled since {}", at.format("%F %T UTC")));
        return;
    }
    let found = versions(named.claims.cver, client.client_version);
    findings.judge("client", named.claims.cver == Some(client.client_version), found);
}

async fn check_user(
    context: &Context,
    conn: &mut Conn,
    client: Option<&Client>,
    named: &Named,
    findings: &mut Findings,
) -> anyhow::Result<()> {
    let claims = &named.claims;
    let Ok(sub) = Uuid::parse_str(&claims.sub) else {
        let is_own = client.is_some_and(|client| client.subject() == claims.sub);
        let found =
            if is_own { "a client's own token: there is none" } else { "sub is neither a user's nor the client's own" };
        findings.judge("user", is_own, found);
        return Ok(());
    };
    let passwords = crate::passwords::Settings { lanes: 1, ..context.config.passwords.clone() };
    let scopes = context.config.user_scopes.clone();
    let users = Users::start(context.pool.clone(), context.clock.clone(), &passwords, scopes)?;
    match users.find_in(conn, sub).await? {
        None => findings.fail("user", "there is no such user"),
        Some(user) if !user.is_active() => findings.fail("user", "disabled"),
        Some(user) => {
            findings.judge("user", claims.ver == Some(user.token_version), versions(claims.ver, user.token_version));
        }
    }
    Ok(())
}

fn versions(token: Option<i64>, current: i64) -> String {
    match token {
        Some(token) if token == current => format!("enabled, version {current}"),
        Some(token) => format!("the token is of version {token}, now it is {current}: earlier tokens were ended"),
        None => format!("the token names no version, now it is {current}"),
    }
}
