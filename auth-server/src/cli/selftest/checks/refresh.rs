//! Refresh tokens: each is used once, by its own client, for no more than it was given for.

use http::StatusCode;

use super::that;
use crate::cli::selftest::report::{Outcome, Report};
use crate::cli::selftest::scene::Scene;

pub(super) async fn run(scene: &Scene, report: &mut Report) {
    let rule = ["refresh-rotates", "a refresh", "another refresh token", "RFC 9700 4.14.2"];
    let tokens = rotate(scene).await;
    report.add(rule, tokens.as_ref().map(|_| ()).map_err(Clone::clone));
    let rule = ["refresh-scope", "a wider scope than was granted", "invalid_scope", "RFC 6749 6"];
    report.add(rule, wider(scene, &tokens).await);
    let rule = ["refresh-client", "another client's refresh token", "refused, and it stays good", "RFC 6749 10.4"];
    report.add(rule, stolen(scene, &tokens).await);
    let rule =
        ["refresh-replay", "a spent refresh token", "invalid_grant, and its successors are dead", "RFC 9700 4.14.2"];
    report.add(rule, replay(scene, tokens).await);
}

/// Three generations, the oldest first.
type Generations = Result<[String; 3], String>;

async fn rotate(scene: &Scene) -> Generations {
    let (_, code) = scene.sign_in().await?;
    let first = scene.redeem(&scene.web, &code, &[]).await?.member("refresh_token")?;
    let second = scene.refresh(&scene.web, &first, "").await?.member("refresh_token")?;
    let third = scene.refresh(&scene.web, &second, "").await?.member("refresh_token")?;
    that(first != second && second != third, || "the same token came back".to_owned())?;
    Ok([first, second, third])
}

async fn wider(scene: &Scene, tokens: &Generations) -> Outcome {
    let [.., newest] = tokens.as_ref().map_err(Clone::clone)?;
    let scope = format!("{} selftest:everything", scene.scope);
    scene.refresh(&scene.web, newest, &scope).await?.refuses(StatusCode::BAD_REQUEST, "invalid_scope")
}

/// The stranger may not refresh at all; that is a refusal as good as any.
async fn stolen(scene: &Scene, tokens: &Generations) -> Outcome {
    let [.., newest] = tokens.as_ref().map_err(Clone::clone)?;
    let answer = scene.refresh(&scene.stranger, newest, "").await?;
    that(answer.status == 400, || answer.told())?;
    let own = scene.introspect(&scene.web, newest).await?;
    that(own.json().get("active").is_some_and(|active| active == true), || "it is dead for its own client".to_owned())
}

/// The grandparent: no window for lost answers covers it.
async fn replay(scene: &Scene, tokens: Generations) -> Outcome {
    let [first, _, third] = tokens?;
    scene.refresh(&scene.web, &first, "").await?.refuses(StatusCode::BAD_REQUEST, "invalid_grant")?;
    let after = scene.refresh(&scene.web, &third, "").await?;
    after.refuses(StatusCode::BAD_REQUEST, "invalid_grant").map_err(|seen| format!("the newest token: {seen}"))
}
