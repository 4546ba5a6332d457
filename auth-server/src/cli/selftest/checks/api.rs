//! The resource server: which tokens it takes.

use std::time::Duration;

use http::StatusCode;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::that;
use crate::cli::selftest::crafted::{Good, OwnKey};
use crate::cli::selftest::report::{Outcome, Report};
use crate::cli::selftest::scene::Scene;
use crate::routes;

/// How long a revocation may take to arrive; usually it is a fraction of a second.
const REVOKED_WITHIN: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);

pub(super) async fn run(scene: &Scene, report: &mut Report) {
    let rule = ["api-good", "a good token", "taken", "RFC 6750 2.1"];
    let token = good(scene).await;
    report.add(rule, token.as_ref().map(|_| ()).map_err(Clone::clone));
    let rule = ["api-no-token", "no token", "401 and a challenge without an error", "RFC 6750 3.1"];
    report.add(rule, none(scene).await);
    let rule = ["api-query", "a token in the address", "401", "RFC 9700 4.3.2, RFC 6750 2.3"];
    report.add(rule, in_query(scene, &token).await);
    for (rule, craft) in CRAFTED {
        report.add(rule, crafted(scene, &token, craft).await);
    }
    let rule = ["api-id-token", "an id_token as access token", "401", "RFC 9068 4, RFC 8725 3.11"];
    report.add(rule, id_token(scene).await);
    let rule = ["api-cache", "a film, and a refusal", "nobody may share the answer", "RFC 6750 5.3"];
    report.add(rule, cache(scene, &token).await);
    let rule = ["api-revoked", "a token that was revoked", "401 within 10 s", "RFC 7009 2, 3"];
    report.add(rule, revoked(scene, &token).await);
}

type Craft = fn(&Good, &Value) -> Result<Vec<String>, String>;

/// Tokens that are made from a good one, and refused.
const CRAFTED: [([&str; 4], Craft); 6] = [
    (["api-alg-none", "alg `none` in several spellings", "401", "RFC 8725 3.1, RFC 7518 3.6"], |good, _| {
        Ok(good.unsigned())
    }),
    (["api-alg-hs256", "HS256 under the public key", "401", "RFC 8725 2.1, 3.1"], |good, jwk| {
        Ok(good.under_public_key(jwk))
    }),
    (["api-kid", "another key under real and made-up kids", "401", "RFC 7515 4.1.4, RFC 8725 3.10"], |good, _| {
        OwnKey::generate()?.under_kids(good)
    }),
    (["api-embedded-key", "a key in `jwk`, or behind `jku` and `x5u`", "401", "RFC 8725 3.10"], |good, _| {
        OwnKey::generate()?.embedded(good)
    }),
    (["api-claims", "other claims under the same signature", "401", "RFC 7515 5.2"], |good, _| Ok(good.changed())),
    (["api-signature", "the signature cut, empty, or of zeros", "401", "RFC 7515 5.2, RFC 8725 3.2"], |good, _| {
        Ok(good.damaged())
    }),
];

async fn good(scene: &Scene) -> Result<String, String> {
    let token = scene.own_token().await?;
    scene.accepted(&token).await?;
    Ok(token)
}

async fn none(scene: &Scene) -> Outcome {
    let answer = scene.api_without(&[], &[]).await?;
    answer.is(StatusCode::UNAUTHORIZED)?;
    answer.says("www-authenticate", "bearer")?;
    that(!answer.header("www-authenticate").contains("error="), || "the challenge names an error".to_owned())
}

async fn in_query(scene: &Scene, token: &Result<String, String>) -> Outcome {
    let token = token.as_ref().map_err(Clone::clone)?;
    let answer = scene.api_without(&[("access_token", token)], &[]).await?;
    that([400, 401].contains(&answer.status), || answer.told())
}

async fn crafted(scene: &Scene, token: &Result<String, String>, craft: Craft) -> Outcome {
    let good = Good::read(token.as_ref().map_err(Clone::clone)?)?;
    let set = scene.get(routes::JWKS).await?.json();
    let keys = set.get("keys").and_then(Value::as_array).into_iter().flatten();
    let jwk = keys.into_iter().find(|key| key.get("kid").and_then(Value::as_str) == Some(&good.kid));
    let jwk = jwk.ok_or("the key set lacks the key of the token")?;
    let tokens = craft(&good, jwk)?;
    that(!tokens.is_empty(), || "no token could be made".to_owned())?;
    for (number, token) in tokens.iter().enumerate() {
        scene.refused(token).await.map_err(|seen| format!("number {number}: {seen}"))?;
    }
    Ok(())
}

async fn id_token(scene: &Scene) -> Outcome {
    let (_, code) = scene.sign_in().await?;
    let id_token = scene.redeem(&scene.web, &code, &[]).await?.member("id_token")?;
    scene.refused(&id_token).await
}

async fn cache(scene: &Scene, token: &Result<String, String>) -> Outcome {
    let token = token.as_ref().map_err(Clone::clone)?;
    for answer in [scene.api(token).await?, scene.api("selftest").await?] {
        let said = answer.header("cache-control");
        that(said.contains("no-store") || said.contains("private"), || format!("Cache-Control: {said}"))?;
    }
    Ok(())
}

async fn revoked(scene: &Scene, token: &Result<String, String>) -> Outcome {
    let token = token.as_ref().map_err(Clone::clone)?;
    scene.post(routes::REVOKE, Some(&scene.web), &[("token", token)]).await?.is(StatusCode::OK)?;
    let deadline = Instant::now() + REVOKED_WITHIN;
    loop {
        match scene.refused(token).await {
            Ok(()) => return Ok(()),
            Err(seen) if Instant::now() >= deadline => return Err(seen),
            Err(_) => sleep(POLL).await,
        }
    }
}
