//! Introspection and revocation: who learns what, and who ends what.

use http::StatusCode;

use super::that;
use crate::cli::selftest::report::{Outcome, Report};
use crate::cli::selftest::scene::Scene;
use crate::cli::selftest::wire::{Answer, Credentials};
use crate::routes;

const INACTIVE: &str = r#"{"active":false}"#;

pub(super) async fn run(scene: &Scene, report: &mut Report) {
    let rule = ["introspect-own", "one's own token", "active", "RFC 7662 2.2"];
    let token = own(scene).await;
    report.add(rule, token.as_ref().map(|_| ()).map_err(Clone::clone));
    let rule = ["introspect-stranger", "another client's token", "inactive and nothing more", "RFC 7662 2.2, 4"];
    report.add(rule, stranger(scene, &token).await);
    let rule = ["introspect-anonymous", "introspection without credentials", "401 invalid_client", "RFC 7662 2.1, 2.3"];
    report.add(rule, anonymous(scene, &token).await);
    let rule = ["introspect-garbage", "what is no token", "inactive and nothing more", "RFC 7662 2.2"];
    report.add(rule, garbage(scene).await);
    let rule = ["revoke-stranger", "another client's token revoked", "it stays good", "RFC 7009 2.1"];
    report.add(rule, revoked_by(scene, &scene.stranger, &token, true).await);
    let rule = ["revoke-own", "one's own token revoked", "inactive at once", "RFC 7009 2.1"];
    report.add(rule, revoked_by(scene, &scene.web, &token, false).await);
}

fn is_active(answer: &Answer) -> bool {
    answer.json().get("active").is_some_and(|active| active == true)
}

async fn own(scene: &Scene) -> Result<String, String> {
    let token = scene.own_token().await?;
    let answer = scene.introspect(&scene.web, &token).await?;
    if is_active(&answer) { Ok(token) } else { Err(answer.told()) }
}

fn inactive(answer: &Answer) -> Outcome {
    answer.is(StatusCode::OK)?;
    that(answer.body() == INACTIVE, || "it says more".to_owned())
}

async fn stranger(scene: &Scene, token: &Result<String, String>) -> Outcome {
    let token = token.as_ref().map_err(Clone::clone)?;
    inactive(&scene.introspect(&scene.stranger, token).await?)
}

async fn anonymous(scene: &Scene, token: &Result<String, String>) -> Outcome {
    let token = token.as_ref().map_err(Clone::clone)?;
    let answer = scene.post(routes::INTROSPECT, None, &[("token", token)]).await?;
    answer.refuses(StatusCode::UNAUTHORIZED, "invalid_client")
}

async fn garbage(scene: &Scene) -> Outcome {
    for token in ["selftest", "a.b.c", "mrt1_selftest"] {
        inactive(&scene.introspect(&scene.web, token).await?)?;
    }
    Ok(())
}

async fn revoked_by(scene: &Scene, who: &Credentials, token: &Result<String, String>, stays: bool) -> Outcome {
    let token = token.as_ref().map_err(Clone::clone)?;
    scene.post(routes::REVOKE, Some(who), &[("token", token)]).await?.is(StatusCode::OK)?;
    let active = is_active(&scene.introspect(&scene.web, token).await?);
    that(active == stays, || format!("active: {active}"))
}
