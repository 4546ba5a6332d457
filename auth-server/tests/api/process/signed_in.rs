//! `auth-server session` and `auth-server consent`, through the real binary, of people who signed in with a browser (U07).

use serde_json::json;
use shared::db::Pool;
use uuid::Uuid;

use super::binary::Binary;
use crate::app::{Answer, EMAIL, PASSWORD, TestApp, login};
use crate::visitor::{Asking, Visitor, WEB, clients, location, redeem};

/// A browser that is signed in, the secret of its client, and the tokens that came of it.
async fn signed_in(app: &TestApp) -> (Visitor<'_>, String, Answer) {
    let secret = clients(app).await;
    let mut visitor = Visitor::new(app);
    let code = visitor.code(&Asking::web()).await;
    let answer = redeem(app, &secret, &code).await;
    (visitor, secret, answer)
}

async fn assert_dead(app: &TestApp, secret: &str, refresh_token: &str) {
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
    app.token_basic(WEB, secret, &form).await.assert_error(400, "invalid_grant");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn u07_session_lists_browsers_and_signs_one_out(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let (mut visitor, secret, answer) = signed_in(&app).await;
    let binary = Binary::on(&pool);
    let listed = binary.json(&["session", "list"]);
    assert_eq!(listed, binary.json(&["session", "list", "--user", EMAIL]));
    let session = &listed[0];
    assert_eq!((listed.as_array().unwrap().len(), &session["email"]), (1, &json!(EMAIL)));
    assert_eq!(session["sub"], json!(app.user.sub));
    assert!(session.get("token_hash").is_none(), "nothing that opens anything: {session}");
    let session_id = session["session_id"].as_str().unwrap();
    let people = binary.run(&["session", "list"]);
    assert!(people.stdout.contains(session_id) && people.stdout.contains(EMAIL), "{}", people.stdout);

    let revoked = binary.json(&["session", "revoke", session_id]);
    assert_eq!(revoked, json!({ "session_id": session_id, "done": "revoked" }));
    assert_eq!(binary.json(&["session", "list"]), json!([]));
    assert!(location(&visitor.get(&Asking::web().path()).await).starts_with("/login?"));
    assert_dead(&app, &secret, &answer.refresh_token()).await;
    // Once is enough, and what never was is no other answer.
    for id in [session_id.to_owned(), Uuid::nil().to_string()] {
        let again = binary.run(&["session", "revoke", &id]);
        assert_eq!(again.code, Some(1), "{again:?}");
        assert!(again.stderr.contains(&format!("there is no live session `{id}`")), "{}", again.stderr);
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn u07_session_revoke_signs_a_user_out_everywhere(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let (mut visitor, secret, answer) = signed_in(&app).await;
    assert_eq!(app.token(&login(EMAIL, PASSWORD)).await.status, 200);
    let binary = Binary::on(&pool);
    let revoked = binary.json(&["session", "revoke", "--user", EMAIL]);
    assert_eq!(revoked, json!({ "sub": app.user.sub, "sessions": 1, "families": 2, "done": "revoked" }));
    assert!(location(&visitor.get(&Asking::web().path()).await).starts_with("/login?"));
    assert_dead(&app, &secret, &answer.refresh_token()).await;
    let nobody = binary.run(&["session", "revoke", "--user", "nobody@example.com"]);
    assert_eq!((nobody.code, nobody.stdout.as_str()), (Some(1), ""), "{nobody:?}");
    // Either a session or a user, and one of them.
    for wrong in [&["session", "revoke"][..], &["session", "revoke", &Uuid::nil().to_string(), "--user", EMAIL]] {
        assert_eq!(binary.run(wrong).code, Some(2), "{wrong:?}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn u07_consent_lists_and_withdraws_what_was_allowed(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let (mut visitor, secret, answer) = signed_in(&app).await;
    let binary = Binary::on(&pool);
    let listed = binary.json(&["consent", "list", "--user", EMAIL]);
    assert_eq!(listed, binary.json(&["consent", "list"]));
    assert_eq!((listed.as_array().unwrap().len(), &listed[0]["client_id"]), (1, &json!(WEB)));
    let people = binary.run(&["consent", "list"]);
    for words in [EMAIL, WEB, "movies:read openid profile"] {
        assert!(people.stdout.contains(words), "{words} in {}", people.stdout);
    }

    let other = binary.json(&["consent", "revoke", EMAIL, "--client", "native"]);
    assert_eq!((&other["consents"], &other["families"]), (&json!(0), &json!(0)), "another client's stay");
    let revoked = binary.json(&["consent", "revoke", EMAIL, "--client", WEB]);
    assert_eq!(revoked, json!({ "sub": app.user.sub, "consents": 1, "families": 1, "done": "revoked" }));
    assert_eq!(binary.json(&["consent", "list"]), json!([]));
    assert_dead(&app, &secret, &answer.refresh_token()).await;
    assert!(location(&visitor.get(&Asking::web().path()).await).starts_with("/consent?"), "asked again");
    let none = binary.run(&["consent", "revoke", EMAIL]);
    assert!(none.code == Some(0) && none.stdout.contains("0 consents withdrawn"), "{none:?}");
    assert_eq!(binary.run(&["consent", "revoke", "nobody@example.com"]).code, Some(1));
}
