//! What the server says about itself.

use http::StatusCode;
use serde_json::{Value, json};

use super::{all, that};
use crate::cli::selftest::report::{Outcome, Report};
use crate::cli::selftest::scene::{ELSEWHERE, Scene};
use crate::routes;

pub(super) async fn run(scene: &Scene, report: &mut Report) {
    let rule = ["metadata-issuer", "the metadata", "names the issuer of these settings", "RFC 8414 3.3"];
    report.add(rule, issuer(scene).await);
    let rule = ["metadata-endpoints", "every endpoint in it", "is below the issuer and is there", "RFC 8414 2"];
    report.add(rule, endpoints(scene).await);
    let rule = ["metadata-code-only", "response types and PKCE in it", "only `code`, only S256", "RFC 9700 2.1"];
    report.add(rule, code_only(scene).await);
    let rule = ["jwks-public", "the key set", "names each key and holds no private part", "RFC 7517 4, 9.3"];
    report.add(rule, keys(scene).await);
    let rule = ["headers", "answers", "nosniff; over https also HSTS", "RFC 6797 6.1"];
    report.add(rule, headers(scene).await);
    let rule =
        ["cors-foreign", "a page of a foreign origin", "reads neither tokens nor films", "RFC 6749 10.16, Fetch"];
    report.add(rule, foreign_origin(scene).await);
}

async fn document(scene: &Scene) -> Result<Value, String> {
    let answer = scene.http.get(&scene.well_known(routes::METADATA), &[]).await?;
    answer.is(StatusCode::OK)?;
    Ok(answer.json())
}

async fn issuer(scene: &Scene) -> Outcome {
    let found = document(scene).await?.get("issuer").cloned().unwrap_or_default();
    that(found == json!(scene.issuer), || format!("issuer {found}"))
}

async fn endpoints(scene: &Scene) -> Outcome {
    let document = document(scene).await?;
    let is_endpoint = |name: &str| name.ends_with("_endpoint") || name == "jwks_uri";
    let members = document.as_object().into_iter().flatten();
    let named = members.filter(|(name, _)| is_endpoint(name)).map(|(name, value)| (name, value.as_str()));
    let mut count = 0;
    for (name, url) in named {
        let path = url.and_then(|url| url.strip_prefix(&scene.issuer));
        let Some(path) = path else { return Err(format!("{name}: {url:?}")) };
        let answer = scene.get(path).await?;
        that(answer.status != 404 && answer.status < 500, || format!("{name}: {}", answer.told()))?;
        count += 1;
    }
    that(count > 4, || format!("{count} endpoints"))
}

async fn code_only(scene: &Scene) -> Outcome {
    let document = document(scene).await?;
    let is = |name: &str, expected: Value| {
        let found = document.get(name).cloned().unwrap_or_default();
        that(found == expected, || format!("{name}: {found}"))
    };
    all([is("response_types_supported", json!(["code"])), is("code_challenge_methods_supported", json!(["S256"]))])
}

async fn keys(scene: &Scene) -> Outcome {
    let answer = scene.get(routes::JWKS).await?;
    let json = answer.json();
    let keys = json.get("keys").and_then(Value::as_array).cloned().unwrap_or_default();
    that(!keys.is_empty(), || format!("{} without keys", answer.told()))?;
    for key in keys {
        let name = key.get("kid").and_then(Value::as_str).unwrap_or_default();
        that(!name.is_empty() && key.get("alg").is_some(), || "a key without kid or alg".to_owned())?;
        let private = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].into_iter().find(|part| key.get(part).is_some());
        that(private.is_none(), || format!("key {name} has the member {}", private.unwrap_or_default()))?;
    }
    Ok(())
}

async fn headers(scene: &Scene) -> Outcome {
    let answer = scene.get(routes::JWKS).await?;
    answer.says("x-content-type-options", "nosniff")?;
    if scene.is_https { answer.says("strict-transport-security", "max-age=") } else { Ok(()) }
}

async fn foreign_origin(scene: &Scene) -> Outcome {
    let origin = [("origin", ELSEWHERE)];
    let form = [("grant_type", "client_credentials")];
    let token = scene.http.post(&scene.at(routes::TOKEN), Some(&scene.web), &form, &origin).await?;
    let api = scene.api_without(&[], &origin).await?;
    for answer in [token, api] {
        let (allowed, credentials) =
            (answer.header("access-control-allow-origin"), answer.header("access-control-allow-credentials"));
        that(allowed != "*" && allowed != ELSEWHERE, || format!("Access-Control-Allow-Origin: {allowed}"))?;
        that(credentials.is_empty(), || "Access-Control-Allow-Credentials is there".to_owned())?;
    }
    Ok(())
}
