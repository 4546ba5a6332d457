//! The token endpoint, before any grant is looked at.

use http::StatusCode;

use super::{all, that};
use crate::cli::selftest::report::{Outcome, Report};
use crate::cli::selftest::scene::Scene;
use crate::cli::selftest::wire::{Credentials, encode};
use crate::routes;

const CLIENT_CREDENTIALS: (&str, &str) = ("grant_type", "client_credentials");

pub(super) async fn run(scene: &Scene, report: &mut Report) {
    let rule = ["token-post", "GET at the token endpoint", "405", "RFC 6749 3.2"];
    report.add(rule, get(scene).await);
    let rule = ["token-cache", "tokens and refusals", "Cache-Control: no-store", "RFC 6749 5.1"];
    report.add(rule, cache(scene).await);
    let rule = ["token-query", "credentials in the address", "invalid_request", "RFC 6749 2.3.1"];
    report.add(rule, query(scene).await);
    let rule = ["token-repeated", "a parameter twice", "invalid_request", "RFC 6749 3.2"];
    report.add(rule, refused(scene, &[CLIENT_CREDENTIALS, CLIENT_CREDENTIALS], "invalid_request").await);
    let rule = ["client-secret", "a wrong secret, and none", "401 invalid_client with a challenge", "RFC 6749 5.2"];
    report.add(rule, wrong_secrets(scene).await);
    let rule = ["client-two-ways", "Basic and a secret in the body", "invalid_request", "RFC 6749 2.3"];
    report.add(rule, two_ways(scene).await);
    let rule = ["grant-unregistered", "a grant that the client does not have", "unauthorized_client", "RFC 6749 5.2"];
    report.add(rule, unregistered(scene).await);
    let rule = ["grant-unknown", "a grant that nobody has", "unsupported_grant_type", "RFC 6749 5.2"];
    report.add(rule, refused(scene, &[("grant_type", "selftest")], "unsupported_grant_type").await);
    let rule = ["scope-escalation", "a scope beyond the client's", "invalid_scope", "RFC 6749 3.3"];
    report.add(rule, escalation(scene).await);
}

async fn refused(scene: &Scene, form: &[(&str, &str)], error: &str) -> Outcome {
    scene.token(&scene.web, form).await?.refuses(StatusCode::BAD_REQUEST, error)
}

async fn get(scene: &Scene) -> Outcome {
    scene.get(routes::TOKEN).await?.is(StatusCode::METHOD_NOT_ALLOWED)
}

async fn cache(scene: &Scene) -> Outcome {
    let good = scene.token(&scene.web, &[CLIENT_CREDENTIALS]).await?;
    good.is(StatusCode::OK)?;
    let bad = scene.token(&scene.web, &[("grant_type", "selftest")]).await?;
    all([good.says("cache-control", "no-store"), bad.says("cache-control", "no-store")])
}

async fn query(scene: &Scene) -> Outcome {
    let Credentials { id, secret } = &scene.web;
    let pairs = [("client_id", id.as_str()), ("client_secret", secret)];
    let path = format!("{}?{}", routes::TOKEN, encode(&pairs));
    scene.post(&path, None, &[CLIENT_CREDENTIALS]).await?.refuses(StatusCode::BAD_REQUEST, "invalid_request")
}

async fn wrong_secrets(scene: &Scene) -> Outcome {
    let wrong = Credentials { id: scene.web.id.clone(), secret: "selftest".to_owned() };
    for answer in [
        scene.token(&wrong, &[CLIENT_CREDENTIALS]).await?,
        scene.post(routes::TOKEN, None, &[CLIENT_CREDENTIALS, ("client_id", &scene.web.id)]).await?,
    ] {
        answer.refuses(StatusCode::UNAUTHORIZED, "invalid_client")?;
        answer.says("www-authenticate", "basic")?;
    }
    Ok(())
}

async fn two_ways(scene: &Scene) -> Outcome {
    let Credentials { id, secret } = &scene.web;
    refused(scene, &[CLIENT_CREDENTIALS, ("client_id", id), ("client_secret", secret)], "invalid_request").await
}

async fn unregistered(scene: &Scene) -> Outcome {
    let answer = scene.token(&scene.stranger, &[CLIENT_CREDENTIALS]).await?;
    answer.refuses(StatusCode::BAD_REQUEST, "unauthorized_client")
}

/// The scope may be one that there is: what counts is that this client has no right to it.
async fn escalation(scene: &Scene) -> Outcome {
    for scope in ["selftest:everything", &format!("{} selftest:everything", scene.scope), "movies:write"] {
        if scope == scene.scope {
            continue;
        }
        let answer = scene.token(&scene.web, &[CLIENT_CREDENTIALS, ("scope", scope)]).await?;
        that(answer.refuses(StatusCode::BAD_REQUEST, "invalid_scope").is_ok(), || {
            format!("{} for `{scope}`", answer.told())
        })?;
    }
    Ok(())
}
