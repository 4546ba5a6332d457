//! What happens in browsers is recorded as everything else is: who, whence, why, and under which request id.

use auth_server::audit::Row;
use shared::db::Pool;

use crate::app::{EMAIL, PASSWORD, TestApp};
use crate::audit::rows;
use crate::process::binary::Binary;
use crate::visitor::{Asking, Visitor, WEB, clients, location, redeem};

const BYE: &str = "https://app.example.com/bye";

/// Without tokens, which have tests of their own.
async fn browsing(app: &TestApp) -> Vec<Row> {
    let is_wanted = |row: &Row| row.event.starts_with("session") || row.event.starts_with("consent");
    rows(app).await.into_iter().filter(is_wanted).collect()
}

fn told(row: &Row) -> (&str, &str, Option<&str>, Option<&str>) {
    (&row.event, &row.outcome, row.client_id.as_deref(), row.detail.as_deref())
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o03_sign_in_consent_and_sign_out_are_recorded(pool: Pool) {
    let app = TestApp::new(pool).await;
    let secret = clients(&app).await;
    let mut visitor = Visitor::new(&app);
    let to_login = location(&visitor.get(&Asking::web().path()).await);
    let signed_in = visitor.sign_in(&to_login).await;
    let to_consent = location(&signed_in);
    let denied = visitor.consent(&to_consent, "deny").await;
    assert!(location(&denied).contains("error=access_denied"));
    let to_consent = location(&visitor.get(&Asking::web().path()).await);
    let allowed = visitor.consent(&to_consent, "allow").await;
    let code = location(&allowed);
    let code = url::Url::parse(&code).unwrap();
    let code = crate::visitor::parameter(&code, "code").unwrap();
    let hint = redeem(&app, &secret, &code).await.json()["id_token"].as_str().unwrap().to_owned();
    let logout = form_urlencoded::Serializer::new("/logout?".to_owned())
        .append_pair("id_token_hint", &hint)
        .append_pair("post_logout_redirect_uri", BYE)
        .finish();
    let signed_out = visitor.get(&logout).await;
    assert_eq!(location(&signed_out), BYE);

    let rows = browsing(&app).await;
    let session = rows[0].detail.clone();
    assert!(session.as_deref().unwrap().starts_with("session "), "{rows:?}");
    let scope = Some("movies:read openid profile");
    assert_eq!(
        rows.iter().map(told).collect::<Vec<_>>(),
        [
            ("session_started", "ok", Some(WEB), session.as_deref()),
            ("consent", "refused", Some(WEB), scope),
            ("consent", "ok", Some(WEB), scope),
            ("session_ended", "ok", Some(WEB), session.as_deref()),
        ]
    );
    assert_eq!(rows[1].reason.as_deref(), Some("the person said no"));
    for (row, answer) in rows.iter().zip([&signed_in, &denied, &allowed, &signed_out]) {
        assert_eq!(row.request_id.map(|id| id.to_string()).as_deref(), answer.header("x-request-id"), "{row:?}");
        assert_eq!((row.actor.as_str(), row.address.as_deref()), ("client", Some("127.0.0.1")), "{row:?}");
        assert_eq!(row.subject, Some(app.user.sub.to_string()), "{row:?}");
    }
    let all = serde_json::to_string(&rows).unwrap();
    assert!(!all.contains(EMAIL) && !all.contains(&hint) && !all.contains(&code), "{all}");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o03_another_user_in_the_same_browser_ends_the_session_before(pool: Pool) {
    let app = TestApp::new(pool).await;
    let bob = app.create_user("bob@example.com", PASSWORD).await;
    clients(&app).await;
    let mut visitor = Visitor::new(&app);
    let page = location(&visitor.get(&Asking::web().path()).await);
    visitor.sign_in(&page).await;
    visitor.sign_in_as(&page, "bob@example.com", PASSWORD).await;
    let rows = browsing(&app).await;
    let seen: Vec<_> = rows.iter().map(|row| (row.event.as_str(), row.subject.clone().unwrap())).collect();
    let (ann, bob) = (app.user.sub.to_string(), bob.sub.to_string());
    let expected = [("session_started", ann.clone()), ("session_ended", ann), ("session_started", bob)];
    assert_eq!(seen, expected);
    assert!(rows[1].detail.as_deref().unwrap().ends_with("another user signed in"), "{rows:?}");
}

/// What an operator ends is recorded under the operator's name.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o03_what_an_operator_ends_is_recorded(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    clients(&app).await;
    let mut visitor = Visitor::new(&app);
    visitor.walk(&Asking::web()).await;
    let session = app.state.sessions.list(None, 10, app.clock.now()).await.unwrap()[0].session_id;
    let binary = Binary::on(&pool);
    for line in [
        &format!("session revoke {session}"),
        "session revoke --user ann@example.com",
        "consent revoke ann@example.com",
    ] {
        let ended = binary.run(&line.split(' ').collect::<Vec<_>>());
        assert_eq!(ended.code, Some(0), "{line}: {}", ended.stderr);
    }
    assert_ne!(binary.run(&["session", "revoke", &session.to_string()]).code, Some(0), "it has ended");
    let listed = binary.json(&["audit", "list", "--since", "1h"]);
    let mut listed: Vec<_> = listed.as_array().unwrap().iter().filter(|row| row["actor"] != "client").collect();
    listed.reverse();
    let seen: Vec<_> =
        listed.iter().map(|row| (row["event"].as_str().unwrap(), row["detail"].as_str().unwrap())).collect();
    assert_eq!(
        seen,
        [
            ("session_ended", format!("session {session}").as_str()),
            ("session_ended", "0 sessions, 0 logins with refresh tokens"),
            ("consent_withdrawn", "1 consents, 0 logins with refresh tokens"),
        ]
    );
    for row in listed {
        assert!(row["actor"].as_str().unwrap().starts_with("cli:"), "{row}");
        assert_eq!(row["subject"], app.user.sub.to_string(), "{row}");
    }
}
