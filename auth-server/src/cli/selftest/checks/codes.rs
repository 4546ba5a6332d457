//! Authorization codes: whose they are, what proves it, and how often.

use http::StatusCode;

use crate::cli::selftest::report::{Outcome, Report};
use crate::cli::selftest::scene::{ELSEWHERE, Scene};
use crate::cli::selftest::wire::Browser;

/// 43 characters that are not those of the request.
const OTHER_VERIFIER: &str = "selftest-other-0123456789-0123456789-abcdefg";

pub(super) async fn run(scene: &Scene, report: &mut Report) {
    let rule = ["code-good", "a code with all that belongs to it", "tokens", "RFC 6749 4.1.4"];
    let (mut browser, code) = match scene.sign_in().await {
        Ok(signed_in) => signed_in,
        Err(seen) => return report.add(rule, Err(seen)),
    };
    let redeemed = redeem(scene, &code).await;
    report.add(rule, redeemed.as_ref().map(|_| ()).map_err(Clone::clone));
    let rule = ["code-replay", "the same code again", "invalid_grant, and what it gave is dead", "RFC 6749 4.1.2"];
    report.add(rule, replay(scene, &code, redeemed).await);
    let browser = &mut browser;
    let rule = ["code-verifier", "another code_verifier", "invalid_grant", "RFC 7636 4.6"];
    report.add(rule, refused(scene, browser, &[("code_verifier", OTHER_VERIFIER)], "invalid_grant").await);
    let rule = ["pkce-downgrade", "no code_verifier", "refused", "RFC 9700 4.8.2, RFC 7636 4.6"];
    report.add(rule, refused(scene, browser, &[("code_verifier", "")], "invalid_request").await);
    let rule = ["code-redirect", "another redirect_uri", "invalid_grant", "RFC 6749 4.1.3"];
    report.add(rule, refused(scene, browser, &[("redirect_uri", ELSEWHERE)], "invalid_grant").await);
    let rule = ["code-client", "another client's code", "invalid_grant", "RFC 6749 4.1.3"];
    report.add(rule, others(scene, browser).await);
    let rule = ["code-made-up", "a code that nobody gave out", "invalid_grant", "RFC 6749 5.2"];
    report.add(rule, made_up(scene).await);
}

/// The refresh token that came.
async fn redeem(scene: &Scene, code: &str) -> Result<String, String> {
    let answer = scene.redeem(&scene.web, code, &[]).await?;
    answer.is(StatusCode::OK)?;
    answer.member("refresh_token")
}

async fn replay(scene: &Scene, code: &str, redeemed: Result<String, String>) -> Outcome {
    let refresh_token = redeemed?;
    scene.redeem(&scene.web, code, &[]).await?.refuses(StatusCode::BAD_REQUEST, "invalid_grant")?;
    let after = scene.refresh(&scene.web, &refresh_token, "").await?;
    after.refuses(StatusCode::BAD_REQUEST, "invalid_grant").map_err(|seen| format!("its refresh token: {seen}"))
}

/// Each time with a code of its own: a wrong attempt may burn it.
async fn refused(scene: &Scene, browser: &mut Browser, changes: &[(&str, &str)], error: &str) -> Outcome {
    let code = scene.code(browser).await?;
    scene.redeem(&scene.web, &code, changes).await?.refuses(StatusCode::BAD_REQUEST, error)
}

async fn others(scene: &Scene, browser: &mut Browser) -> Outcome {
    let code = scene.code(browser).await?;
    scene.redeem(&scene.stranger, &code, &[]).await?.refuses(StatusCode::BAD_REQUEST, "invalid_grant")
}

async fn made_up(scene: &Scene) -> Outcome {
    for code in ["selftest", "mac1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"] {
        scene.redeem(&scene.web, code, &[]).await?.refuses(StatusCode::BAD_REQUEST, "invalid_grant")?;
    }
    Ok(())
}
