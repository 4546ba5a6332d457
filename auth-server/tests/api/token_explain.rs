//! `auth-server token explain`: each check by itself, against the database or a key file.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use serde_json::{Value, json};
use shared::db::Pool;
use sqlx::AssertSqlSafe;

use crate::app::{AUDIENCE, CONFIDENTIAL, EMAIL, TestApp};
use crate::process::binary::Binary;

struct Explained {
    code: Option<i32>,
    report: Value,
    stderr: String,
}

impl Explained {
    /// Asks by standard input; what is printed never holds a part of the token.
    #[track_caller]
    fn of(binary: &Binary, token: &str, flags: &[&str]) -> Self {
        let arguments = [&["token", "explain", "-", "--output", "json"][..], flags].concat();
        let ended = binary.run_with(&arguments, &format!("{token}\n"));
        for part in token.split('.').filter(|part| part.len() > 20) {
            assert!(!ended.stdout.contains(part) && !ended.stderr.contains(part), "{}{}", ended.stdout, ended.stderr);
        }
        let report = serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {}", ended.stderr));
        Self { code: ended.code, report, stderr: ended.stderr }
    }

    fn with(&self, status: &str) -> Vec<&str> {
        let checks = self.report["checks"].as_array().unwrap().iter();
        checks.filter(|check| check["status"] == status).map(|check| check["check"].as_str().unwrap()).collect()
    }

    #[track_caller]
    fn detail(&self, name: &str) -> &str {
        let mut checks = self.report["checks"].as_array().unwrap().iter();
        checks.find(|check| check["check"] == name).unwrap_or_else(|| panic!("{name}"))["detail"].as_str().unwrap()
    }

    #[track_caller]
    fn assert_failed(&self, checks: &[&str]) {
        assert_eq!(self.with("failed"), checks, "{:#}", self.report);
        assert_eq!((self.code, &self.report["verdict"]), (Some(1), &json!("refused")));
        assert_eq!(self.stderr, format!("error: the token is refused: {}\n", checks.join(", ")));
    }
}

/// Real time: the command asks the system's clock.
async fn logged_in(pool: &Pool) -> (TestApp, Binary, String) {
    let app = TestApp::new(pool.clone()).await;
    let token = app.login().await.access_token();
    (app, Binary::on(pool), token)
}

fn changed(token: &str, at: usize, change: impl FnOnce(&mut Value)) -> String {
    let mut segments: Vec<String> = token.split('.').map(str::to_owned).collect();
    let mut json: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(&segments[at]).unwrap()).unwrap();
    change(&mut json);
    segments[at] = URL_SAFE_NO_PAD.encode(json.to_string());
    segments.join(".")
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_good_token_passes_every_check(pool: Pool) {
    let (app, binary, token) = logged_in(&pool).await;
    let explained = Explained::of(&binary, &token, &[]);
    assert_eq!((explained.code, &explained.report["verdict"]), (Some(0), &json!("good")), "{:#}", explained.report);
    assert_eq!(
        explained.with("ok"),
        [
            "size",
            "segments",
            "header",
            "typ",
            "alg",
            "header members",
            "kid",
            "payload",
            "claims",
            "iss",
            "aud",
            "exp",
            "iat",
            "lifetime",
            "key",
            "signature",
            "verifier",
            "second library",
            "key state",
            "revocations",
            "client",
            "user"
        ]
    );
    assert_eq!(explained.detail("key state"), "the key is active");
    let own = [("grant_type", "client_credentials")];
    let own = app.token_basic(CONFIDENTIAL, &app.secret, &own).await.access_token();
    assert_eq!(Explained::of(&binary, &own, &[]).detail("user"), "a client's own token: there is none");

    let jkt = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
    let bound = changed(&token, 1, |json| json["cnf"] = json!({ "jkt": jkt }));
    let detail = Explained::of(&binary, &bound, &[]).detail("cnf").to_owned();
    assert!(detail.starts_with(&format!("bound to the key {jkt}: ")), "{detail}");

    let people = binary.run_with(&["token", "explain", "-"], &token);
    assert!(people.stdout.ends_with("The token is good.\n"), "{}", people.stdout);
    let file = binary.write("token.txt", &token);
    assert_eq!(binary.run(&["token", "explain", "--file", &file]).code, Some(0));
    assert_eq!(binary.run(&["token", "explain", &token]).code, Some(0));
    assert_eq!(binary.run(&["token", "explain"]).code, Some(2));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn each_fault_is_found_by_its_own_check(pool: Pool) {
    let (_app, binary, token) = logged_in(&pool).await;
    // A changed segment breaks the signature as well, which both libraries say.
    let broken = |at, name: &str, value: Value| changed(&token, at, |json| json[name] = value);
    let signed = ["signature", "verifier", "second library"];
    let cases: [(String, &[&str]); 10] = [
        (broken(1, "iss", json!("https://other.example")), &["iss"]),
        (broken(1, "aud", json!("urn:x")), &["aud"]),
        (broken(1, "sub", json!(7)), &["claims"]),
        (broken(0, "typ", json!("JWT")), &["typ"]),
        (broken(0, "crit", json!(["x"])), &["header members"]),
        (broken(0, "jwk", json!({})), &["header members"]),
        (broken(1, "cnf", json!({})), &["claims"]),
        (broken(1, "cver", json!(7)), &["client"]),
        (broken(1, "ver", json!(7)), &["user"]),
        (broken(1, "client_id", json!("nobody")), &["client"]),
    ];
    for (token, names) in cases {
        let explained = Explained::of(&binary, &token, &[]);
        let failed = explained.with("failed");
        for name in names.iter().chain(&signed) {
            assert!(failed.contains(name), "{name}: {:#}", explained.report);
        }
        assert_eq!(failed.len(), names.len() + signed.len(), "nothing else: {:#}", explained.report);
    }
    let none = Explained::of(&binary, &broken(0, "alg", json!("none")), &[]);
    assert!(none.with("failed").starts_with(&["alg", "key"]), "{:#}", none.report);
    let unknown = Explained::of(&binary, &broken(0, "kid", json!("other\u{1b}[2J")), &[]);
    assert!(unknown.detail("key").starts_with("no key has this kid; known are `"), "{:#}", unknown.report);
    assert_eq!(unknown.with("failed"), ["key", "verifier"]);
    assert!(unknown.detail("kid").contains("\\u{1b}"), "no escape reaches the terminal");
    assert_eq!(unknown.with("skipped"), ["signature", "second library", "key state"]);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn what_is_no_token_is_refused_without_a_panic(pool: Pool) {
    let binary = Binary::on(&pool);
    for text in ["x", "a.b", "a.b.c", "a.b.c.d.e", "..", "é.é.é", "e30.e30.", "e30.e30.AA", &"a".repeat(9000)] {
        let explained = Explained::of(&binary, text, &[]);
        assert_eq!(explained.code, Some(1), "{text}");
        assert!(explained.with("skipped").contains(&"revocations"), "{text}: {:#}", explained.report);
    }
    let twice = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES256","alg":"none"}"#);
    let explained = Explained::of(&binary, &format!("{twice}.e30.AA"), &[]);
    assert_eq!(explained.detail("header"), "a JSON member appears twice");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn clocks_are_compared_in_seconds(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let binary = Binary::on(&pool);
    app.clock.advance(TimeDelta::seconds(-1000));
    let old = Explained::of(&binary, &app.login().await.access_token(), &[]);
    old.assert_failed(&["exp", "verifier", "second library"]);
    let detail = old.detail("exp");
    assert!(detail.starts_with("ended 40") && detail.ends_with(" s ago, 5 s are forgiven"), "{detail}");
    app.clock.advance(TimeDelta::seconds(1300));
    let early = Explained::of(&binary, &app.login().await.access_token(), &[]);
    early.assert_failed(&["iat", "verifier", "second library"]);
    let detail = early.detail("iat");
    assert!(detail.starts_with("is issued in ") && detail.contains("this clock is behind"), "{detail}");
    let forgiven = Explained::of(&binary, &app.login().await.access_token(), &["--leeway", "300"]);
    assert_eq!(forgiven.code, Some(0), "{:#}", forgiven.report);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn what_was_ended_is_told_with_what_ended_it(pool: Pool) {
    let (app, binary, token) = logged_in(&pool).await;
    let run = async |text: &str| {
        sqlx::query(AssertSqlSafe(text.to_owned())).execute(&app.pool).await.unwrap();
    };
    app.state.users.disable(&EMAIL.parse().unwrap()).await.unwrap();
    let explained = Explained::of(&binary, &token, &[]);
    assert!(explained.with("failed").contains(&"user"), "{:#}", explained.report);
    assert_eq!(explained.detail("user"), "disabled");
    app.state.users.enable(&EMAIL.parse().unwrap()).await.unwrap();
    let detail = Explained::of(&binary, &token, &[]).detail("user").to_owned();
    assert_eq!(detail, "the token is of version 1, now it is 2: earlier tokens were ended");

    let token = app.login().await.access_token();
    app.state.clients.disable(&CONFIDENTIAL.parse().unwrap()).await.unwrap();
    let explained = Explained::of(&binary, &token, &[]);
    explained.assert_failed(&["revocations", "client"]);
    assert_eq!(explained.detail("revocations"), "revoked: its client");
    assert!(explained.detail("client").starts_with("disabled since "));
    run("update myapi.clients set deleted_at = now() where client_id = 'backend'").await;
    assert_eq!(Explained::of(&binary, &token, &[]).detail("client"), "there is no client `backend`");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_key_file_is_enough(pool: Pool) {
    let (_app, online, token) = logged_in(&pool).await;
    let jwks = online.run(&["key", "export", "--format", "jwks"]).stdout;
    let pem = online.run(&["key", "export"]).stdout;
    // Neither a database nor a key encryption key.
    let binary = Binary::bare();
    for (name, text) in [("jwks.json", &jwks), ("public.pem", &pem)] {
        let path = binary.write(name, text);
        let explained = Explained::of(&binary, &token, &["--key-file", &path]);
        assert_eq!(explained.code, Some(0), "{name}: {:#}", explained.report);
        assert_eq!(explained.with("skipped"), ["key state", "revocations", "client", "user"]);
        let flags = ["--key-file", &path, "--audience", "urn:other", "--issuer", "https://other.example"];
        Explained::of(&binary, &token, &flags).assert_failed(&["iss", "aud", "verifier", "second library"]);
        Explained::of(&binary, &token, &["--key-file", &path, "--audience", AUDIENCE]);
    }
    let other = jwt_simple::prelude::ES256KeyPair::generate().public_key().to_pem().unwrap();
    let other = binary.write("other.pem", &other);
    let explained = Explained::of(&binary, &token, &["--key-file", &other]);
    explained.assert_failed(&["key", "verifier"]);
    let missing = binary.run_with(&["token", "explain", "-", "--key-file", "none.pem"], &token);
    assert!(missing.stderr.starts_with("error: cannot use the keys of none.pem: "), "{}", missing.stderr);
}
