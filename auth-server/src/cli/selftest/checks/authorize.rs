//! The authorization endpoint: where answers go, and what is not answered at all.

use super::that;
use crate::cli::selftest::report::{Outcome, Report};
use crate::cli::selftest::scene::{ELSEWHERE, REDIRECT, Scene, sent_back, sent_error, stays_here};
use crate::cli::selftest::wire::{Answer, Browser, encode};
use crate::routes;

/// With somebody signed in: a stranger is told on a page what would be sent to the client.
pub(super) async fn run(scene: &Scene, report: &mut Report) {
    let mut browser = scene.sign_in().await.map(|(browser, _)| browser).unwrap_or_default();
    let browser = &mut browser;
    let rule = ["redirect-exact", "addresses near the registered one", "a page, no redirect", "RFC 9700 2.1, 4.1.3"];
    report.add(rule, redirects(scene, browser).await);
    let rule = ["redirect-repeated", "two redirect_uri, two client_id", "a page, no redirect", "RFC 6749 3.1"];
    report.add(rule, repeated(scene).await);
    let rule = ["client-unknown", "a client that nobody registered", "a page, no redirect", "RFC 6749 4.1.2.1"];
    report.add(rule, unknown_client(scene, browser).await);
    let rule = ["pkce-missing", "no code_challenge", "invalid_request", "RFC 9700 2.1.1, RFC 7636 4.4.1"];
    report.add(
        rule,
        error(scene, browser, &[("code_challenge", ""), ("code_challenge_method", "")], "invalid_request").await,
    );
    let rule = ["pkce-plain", "code_challenge_method=plain, and none", "invalid_request", "RFC 9700 2.1.1"];
    report.add(rule, plain(scene, browser).await);
    let rule = ["no-implicit", "response_type=token and others", "unsupported_response_type", "RFC 9700 2.1.2"];
    report.add(rule, implicit(scene, browser).await);
    let rule =
        ["answer-issuer", "an error for the client", "says which issuer it is from, and the state", "RFC 9207 2"];
    report.add(rule, issuer(scene, browser).await);
    let rule = ["prompt-none", "prompt=none while nobody is signed in", "login_required", "OpenID Connect 3.1.2.6"];
    report.add(rule, silent(scene).await);
    let rule = ["page-headers", "the login page", "no frame, no referrer, no cache", "RFC 6749 10.13, RFC 9700 4.16"];
    report.add(rule, page(scene).await);
    let rule = ["login-csrf", "the login form without its proof", "refused, no session", "RFC 6749 10.12"];
    report.add(rule, forged(scene).await);
}

async fn ask(scene: &Scene, browser: &mut Browser, changes: &[(&str, &str)]) -> Result<Answer, String> {
    scene.http.visit(browser, &scene.authorize(changes)).await
}

async fn error(scene: &Scene, browser: &mut Browser, changes: &[(&str, &str)], expected: &str) -> Outcome {
    sent_error(&ask(scene, browser, changes).await?, expected)
}

async fn redirects(scene: &Scene, browser: &mut Browser) -> Outcome {
    let near = [
        ELSEWHERE.to_owned(),
        format!("{REDIRECT}/"),
        format!("{REDIRECT}/more"),
        format!("{REDIRECT}?more=1"),
        format!("{REDIRECT}#fragment"),
        format!("{REDIRECT}/../elsewhere"),
        REDIRECT.replace("https://", "http://"),
        REDIRECT.replace("https://", "https://user@"),
        REDIRECT.replace(".invalid/", ".invalid:444/"),
        REDIRECT.replace(".invalid/", ".invalid.elsewhere.example/"),
        REDIRECT.to_uppercase(),
        "javascript:alert(1)".to_owned(),
        "//client.selftest.invalid/callback".to_owned(),
    ];
    for uri in near {
        let answer = ask(scene, browser, &[("redirect_uri", &uri)]).await?;
        stays_here(&answer).map_err(|seen| format!("{seen} for {uri}"))?;
    }
    Ok(())
}

async fn repeated(scene: &Scene) -> Outcome {
    let url = scene.authorize(&[]);
    for more in [("redirect_uri", ELSEWHERE), ("redirect_uri", REDIRECT), ("client_id", &scene.stranger.id)] {
        let twice = format!("{url}&{}", encode(&[more]));
        stays_here(&scene.http.get(&twice, &[]).await?)?;
    }
    Ok(())
}

async fn unknown_client(scene: &Scene, browser: &mut Browser) -> Outcome {
    stays_here(&ask(scene, browser, &[("client_id", "selftest-nobody")]).await?)
}

async fn plain(scene: &Scene, browser: &mut Browser) -> Outcome {
    error(scene, browser, &[("code_challenge_method", "plain")], "invalid_request").await?;
    // Without a method it would be `plain` (RFC 7636 section 4.3).
    error(scene, browser, &[("code_challenge_method", "")], "invalid_request").await
}

async fn implicit(scene: &Scene, browser: &mut Browser) -> Outcome {
    for kind in ["token", "id_token", "code token", "none"] {
        let answer = ask(scene, browser, &[("response_type", kind)]).await?;
        sent_error(&answer, "unsupported_response_type").map_err(|seen| format!("{seen} for {kind}"))?;
    }
    Ok(())
}

async fn issuer(scene: &Scene, browser: &mut Browser) -> Outcome {
    let told = sent_back(&ask(scene, browser, &[("response_type", "token")]).await?)?;
    let (iss, state) = (told.get("iss"), told.get("state"));
    that(iss == Some(&scene.issuer) && state.is_some_and(|state| state == "selftest"), || {
        format!("iss {iss:?}, state {state:?}")
    })
}

async fn silent(scene: &Scene) -> Outcome {
    error(scene, &mut Browser::default(), &[("prompt", "none")], "login_required").await
}

async fn page(scene: &Scene) -> Outcome {
    let page = scene.get(routes::LOGIN).await?;
    page.says("content-security-policy", "frame-ancestors 'none'")?;
    page.says("x-frame-options", "deny")?;
    page.says("referrer-policy", "no-referrer")?;
    page.says("cache-control", "no-store")
}

async fn forged(scene: &Scene) -> Outcome {
    let mut browser = Browser::default();
    let url = scene.at(routes::LOGIN);
    scene.http.visit(&mut browser, &url).await?;
    let fields = [("username", "selftest"), ("password", "selftest"), ("csrf", "selftest")];
    let answer = scene.http.submit(&mut browser, &url, &fields).await?;
    that(answer.status == 403, || answer.told())
}
