//! What one login leaves in the log: lines that nobody can forge, that say enough, and no query.

use serde_json::Value;
use shared::db::Pool;

use super::binary::{Binary, Ended};
use super::wire::{Reply, get, post, token};
use crate::app::{CONFIDENTIAL, EMAIL, PASSWORD, PUBLIC, TestApp, basic, encode, login};

const FORGED: &str = "a\r\nlevel=INFO login ok";

/// The lines of this answer's request.
fn lines<'a>(log: &'a [Value], answer: &Reply) -> Vec<&'a Value> {
    log.iter().filter(|line| line["span"]["request.id"] == answer.request_id()).collect()
}

/// The one line of this answer's request with this message.
#[track_caller]
fn one<'a>(log: &'a [Value], answer: &Reply, message: &str) -> &'a Value {
    let found: Vec<_> = lines(log, answer).into_iter().filter(|line| line["message"] == message).collect();
    assert_eq!(found.len(), 1, "{message}: {:?}", lines(log, answer));
    found[0]
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o02_what_clients_send_makes_no_line_of_its_own(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let server = Binary::on(&pool).serve();
    let answers = [
        token(server.address, &login(FORGED, PASSWORD), &[]),
        token(server.address, &login(EMAIL, FORGED), &[]),
        token(server.address, &[("grant_type", FORGED), ("client_id", FORGED)], &[]),
        token(
            server.address,
            &[&login(EMAIL, PASSWORD)[2..], &[("grant_type", "password"), ("client_id", FORGED)]].concat(),
            &[],
        ),
        token(server.address, &login(EMAIL, PASSWORD), &[("Authorization", &basic(FORGED, FORGED))]),
        get(server.address, "/%0d%0alevel=INFO%20login%20ok"),
    ];
    assert_eq!(answers.each_ref().map(|answer| answer.status), [400, 400, 400, 401, 400, 404]);
    let ended = server.stop();
    let log = ended.log();
    for answer in &answers {
        one(&log, answer, "answered");
        assert!(lines(&log, answer).len() <= 2, "{:?}", lines(&log, answer));
    }
    assert!(!ended.stderr.contains("login ok"), "{}", ended.stderr);
    drop(app);
}

/// W3C Trace Context: each line tells to which trace its request belongs, if to any.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_trace_that_comes_in_is_on_every_line_of_its_request(pool: Pool) {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let app = TestApp::new(pool.clone()).await;
    let server = Binary::on(&pool).serve();
    let [good, bad] = ["00f067aa0ba902b7-01", "not-hex"].map(|rest| format!("00-{TRACE}-{rest}"));
    let traced = token(server.address, &login(EMAIL, PASSWORD), &[("traceparent", &good)]);
    let malformed = token(server.address, &login(EMAIL, PASSWORD), &[("traceparent", &bad)]);
    assert_eq!([traced.status, malformed.status], [200, 200]);
    let log = server.stop().log();
    assert!(!lines(&log, &traced).is_empty() && !lines(&log, &malformed).is_empty());
    assert!(lines(&log, &traced).iter().all(|line| line["span"]["trace.id"] == TRACE));
    assert!(lines(&log, &malformed).iter().all(|line| line["span"].get("trace.id").is_none()));
    drop(app);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o03_a_login_is_one_line_that_tells_who_whence_and_why(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let server = Binary::on(&pool).serve();
    let user = [("grant_type", "password"), ("username", EMAIL), ("password", PASSWORD)];
    let wrong_secret = [("Authorization", basic(CONFIDENTIAL, "no"))];
    let wrong_secret = wrong_secret.each_ref().map(|(name, value)| (*name, value.as_str()));
    let good = token(server.address, &login(EMAIL, PASSWORD), &[]);
    let refused = [
        (token(server.address, &login(EMAIL, "no"), &[]), "user: the login was refused: wrong password", true),
        (token(server.address, &login("x@y.org", "no"), &[]), "user: the login was refused: unknown user", false),
        (token(server.address, &user, &wrong_secret), "client: the client's secret is wrong", false),
    ];
    app.state.users.disable(&EMAIL.parse().unwrap()).await.unwrap();
    let disabled = token(server.address, &login(EMAIL, PASSWORD), &[]);
    let unknown = token(server.address, &[&user[..], &[("client_id", "nobody")]].concat(), &[]);
    let log = server.stop().log();
    let sub = app.user.sub.to_string();

    assert_eq!(good.status, 200, "{}", good.body);
    let line = one(&log, &good, "answered");
    assert_eq!((&line["span"]["token.grant"], &line["level"]), (&"password".into(), &"INFO".into()));
    assert_eq!((&line["span"]["client.id"], &line["span"]["user.id"]), (&PUBLIC.into(), &sub.as_str().into()));
    assert_eq!(line["span"]["client.address"], "127.0.0.1");
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
    assert_eq!((&line["http.status"], lines(&log, &good).len()), (&200.into(), 1));

    let disabled = (disabled, "user: the login was refused: disabled user", true);
    for (at, (answer, reason, is_known)) in refused.into_iter().chain([disabled]).enumerate() {
        let line = one(&log, &answer, "token request refused");
        assert_eq!(line["reason"], reason);
        assert_eq!(line["span"]["token.grant"], Value::Null, "nothing was given out");
        let client = if at == 2 { CONFIDENTIAL } else { PUBLIC };
        assert_eq!(
            (&line["span"]["client.id"], &line["span"]["client.address"]),
            (&client.into(), &"127.0.0.1".into())
        );
        assert_eq!(line["span"]["user.id"].as_str(), is_known.then_some(sub.as_str()), "{line}");
        assert_eq!(lines(&log, &answer).len(), 2);
    }
    let line = one(&log, &unknown, "token request refused");
    assert_eq!((&line["reason"], &line["span"]["client.id"]), (&"client: the client is unknown".into(), &Value::Null));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t02_the_line_of_a_request_has_its_path_and_no_query(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let server = Binary::on(&pool).serve();
    let query = encode(&login(EMAIL, PASSWORD));
    let refused = post(server.address, &format!("/token?{query}"), "", &[]);
    assert_eq!((refused.status, &refused.json()["error"]), (400, &"invalid_request".into()));
    let nowhere = get(server.address, "/nothing/here?access_token=abcdefgh");
    let ended: Ended = server.stop();
    let log = ended.log();
    let line = one(&log, &refused, "answered");
    assert_eq!((&line["span"]["http.route"], &line["http.status"]), (&"/token".into(), &400.into()));
    assert_eq!(one(&log, &nowhere, "answered")["span"]["http.route"], "(none)");
    for word in ["grant_type", "correct", "battery", "ann", "abcdefgh", "?"] {
        assert!(!ended.stderr.contains(word), "{word} in {}", ended.stderr);
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_request_id_stays_when_only_errors_are_logged(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let server = Binary::on(&pool).with("RUST_LOG", "error,auth_server::cli=info").serve();
    // A row that cannot be: the login fails with a server error.
    sqlx::query("drop table myapi.users cascade").execute(&pool).await.unwrap();
    let answer = token(server.address, &login(EMAIL, PASSWORD), &[]);
    assert_eq!(answer.status, 500, "{}", answer.body);
    let log = server.stop().log();
    assert_eq!(lines(&log, &answer).len(), 1, "{log:?}");
}
