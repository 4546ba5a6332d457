//! Every refusal of `/token` has one line with a precise reason and its request's id, and an answer that stays the same
//! for reasons that nobody outside may tell apart.

use auth_server::clients::{ASSERTION_TYPE, ClientKind, GrantType, NewClient};
use serde_json::Value;
use shared::db::Pool;

use super::binary::Binary;
use super::wire::{Reply, get, post, token};
use crate::app::{CONFIDENTIAL, EMAIL, PASSWORD, PUBLIC, TestApp, basic, client, login};

type Parameters<'a> = Vec<(&'a str, &'a str)>;

/// The refusal's line: exactly one with this request's id.
#[track_caller]
fn reason(log: &[Value], reply: &Reply) -> String {
    let of_this = |line: &&Value| line["span"]["request.id"] == reply.request_id();
    let found: Vec<_> = log.iter().filter(of_this).filter(|line| !line["reason"].is_null()).collect();
    let [line] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(line["error"], reply.json()["error"], "{line}");
    line["reason"].as_str().unwrap().to_owned()
}

/// Wherever it is refused: the line of the request has the code that its client was given, beside the request's id.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o03_the_line_of_each_refusal_has_its_code_and_the_clients_request_id(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let server = Binary::on(&pool).serve();
    let address = server.address;
    let public = format!("client_id={PUBLIC}&token=x");
    let refused = [
        (token(address, &[("client_id", PUBLIC)], &[]), "invalid_request"),
        (post(address, "/introspect", &public, &[]), "invalid_client"),
        (post(address, "/revoke", "client_id=nobody&token=x", &[]), "invalid_client"),
        (post(address, "/resource_server_report", "", &[]), "invalid_client"),
        (post(address, "/revocations", "", &[]), "invalid_request"),
        (get(address, "/revocations?since=x"), "invalid_request"),
        (get(address, "/token"), "invalid_request"),
        (get(address, "/nothing"), "not_found"),
    ];
    let log = server.stop().log();
    for (reply, code) in refused {
        assert_eq!(reply.json()["error"], code, "{}", reply.body);
        let is_it = |line: &&Value| line["span"]["request.id"] == reply.request_id() && line["message"] == "answered";
        let lines: Vec<_> = log.iter().filter(is_it).collect();
        let [line] = lines.as_slice() else { panic!("{lines:?}") };
        assert_eq!((&line["span"]["error.code"], &line["http.status"]), (&code.into(), &reply.status.into()), "{line}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o03_every_refusal_has_its_reason_in_the_log_and_a_stable_text_outside(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let narrow = NewClient {
        grants: vec![GrantType::Password, GrantType::RefreshToken],
        scopes: "movies:read".parse().unwrap(),
        ..client("narrow", ClientKind::Public)
    };
    app.create_client(&narrow).await;
    app.create_client(&NewClient { grants: Vec::new(), ..client("idle", ClientKind::Public) }).await;
    app.create_client(&client("gone", ClientKind::Public)).await;
    app.state.clients.disable(&"gone".parse().unwrap()).await.unwrap();
    let server = Binary::on(&pool).serve();
    let address = server.address;
    let good = token(address, &login(EMAIL, PASSWORD), &[]).json();
    let mine = good["refresh_token"].as_str().unwrap();
    let with = |more: &[(&'static str, &'static str)]| [&login(EMAIL, PASSWORD)[..], more].concat();
    let user: Parameters<'_> = vec![("grant_type", "password"), ("username", EMAIL), ("password", PASSWORD)];
    let own = |id: &'static str| -> Parameters<'_> { vec![("grant_type", "client_credentials"), ("client_id", id)] };
    let named = |id: &'static str| [&user[..], &[("client_id", id)]].concat();
    fn refresh<'a>(id: &'a str, token: &'a str) -> Parameters<'a> {
        vec![("grant_type", "refresh_token"), ("client_id", id), ("refresh_token", token)]
    }
    let secret = |secret: &str| basic(CONFIDENTIAL, secret);
    let (wrong, missing, bearer) = (secret("wrong"), secret(""), "Bearer x".to_owned());
    let cases: Vec<(Parameters<'_>, Option<&String>, &str)> = vec![
        (with(&[("scope", "a\"b")]), None, "the scope is malformed"),
        (with(&[("scope", "no:such")]), None, "the scope is unknown or wider than what the client may have"),
        (
            [&named("narrow")[..], &[("scope", "movies:write")]].concat(),
            None,
            "the scope is unknown or wider than what the client may have",
        ),
        (with(&[("scope", "movies:write")]), None, "the user has none of the scopes"),
        (
            with(&[("resource", "urn:x")]),
            None,
            "the resource is unknown, not one for the client, or none that the grant is for",
        ),
        (with(&[("grant_type", "password")]), None, "form: a parameter stands more than once"),
        (vec![("client_id", PUBLIC)], None, "the parameter grant_type is missing"),
        (vec![("grant_type", "password"), ("client_id", PUBLIC)], None, "the parameter username is missing"),
        (vec![("grant_type", "refresh_token"), ("client_id", PUBLIC)], None, "the parameter refresh_token is missing"),
        (vec![("grant_type", "urn:x"), ("client_id", PUBLIC)], None, "the grant type is not one of this server"),
        (named("idle"), None, "the client may not use this grant"),
        (own(PUBLIC), None, "the client may not use this grant"),
        (vec![("grant_type", "client_credentials")], None, "no client was named"),
        (named("nobody"), None, "client: the client is unknown"),
        (named("gone"), None, "client: the client is disabled"),
        (named(CONFIDENTIAL), None, "client: the client sent no secret, but has one"),
        (user.clone(), Some(&missing), "client: the client sent no secret, but has one"),
        (user.clone(), Some(&wrong), "client: the client's secret is wrong"),
        (
            [&named(PUBLIC)[..], &[("client_secret", "x")]].concat(),
            None,
            "client: the client sent a secret, but is public",
        ),
        (
            [&user[..], &[("client_secret", "x")]].concat(),
            None,
            "client credentials: client_secret came without client_id",
        ),
        (
            named(CONFIDENTIAL),
            Some(&bearer),
            "client credentials: the Authorization header cannot be read as Basic credentials",
        ),
        (
            [&named("other")[..], &[("client_secret", "x")]].concat(),
            Some(&wrong),
            "client credentials: the client used more than one way to authenticate",
        ),
        (
            [&user[..], &[("client_assertion_type", ASSERTION_TYPE), ("client_assertion", "a.b.c")]].concat(),
            None,
            "client credentials: the client's assertion cannot be read: it is no compact JWT",
        ),
        (
            [&user[..], &[("client_assertion_type", "urn:x"), ("client_assertion", "a.b.c")]].concat(),
            None,
            "client credentials: client_assertion and client_assertion_type do not belong together",
        ),
        (login(EMAIL, "wrong"), None, "user: the login was refused: wrong password"),
        (login("nobody@example.com", "wrong"), None, "user: the login was refused: unknown user"),
        (refresh(PUBLIC, "mrt1_x"), None, "refresh token: the text is no refresh token of this server"),
        (
            refresh(PUBLIC, "mrt1_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            None,
            "refresh token: no such refresh token is known",
        ),
        (refresh("narrow", mine), None, "refresh token: the refresh token is another client's"),
        (
            [&refresh(PUBLIC, mine)[..], &[("scope", "movies:write")]].concat(),
            None,
            "the scope is unknown or wider than what the login was granted",
        ),
        ([&refresh(PUBLIC, mine)[..], &[("scope", "a\\b")]].concat(), None, "the scope is malformed"),
    ];
    let replies: Vec<(Reply, &str)> = cases
        .iter()
        .map(|(parameters, header, expected)| {
            let headers: Vec<_> = header.iter().map(|header| ("Authorization", header.as_str())).collect();
            (token(address, parameters, &headers), *expected)
        })
        .collect();
    let in_uri = post(address, "/token?a=b", "", &[]);
    let ended = server.stop();
    let log = ended.log();
    let mut told = std::collections::BTreeMap::new();
    for (reply, expected) in &replies {
        assert_eq!(reason(&log, reply), *expected, "{}", reply.body);
        told.entry((reply.status, reply.body.clone())).or_insert_with(Vec::new).push(*expected);
    }
    assert_eq!(reason(&log, &in_uri), "form: parameters belong into the body, not into the address");
    // Few texts for many reasons: who may not know the reason is told the same.
    let of = |reason: &str| told.values().find(|reasons| reasons.contains(&reason)).unwrap();
    assert_eq!(of("client: the client is unknown").len(), 11 - 1, "{told:?}");
    assert_eq!(of("user: the login was refused: wrong password").len(), 2);
    assert_eq!(of("refresh token: the refresh token is another client's").len(), 3);
    assert_eq!(of("the scope is malformed").len(), 5);
}
