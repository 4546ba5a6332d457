//! What holds at `/token` for every grant (checklist 1.1). A new grant joins by one row in [`grants`].

use auth_server::clients::{ClientKind, GrantType};
use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{Method, Request};
use shared::db::Pool;
use sqlx::AssertSqlSafe;

use crate::app::{self, CONFIDENTIAL, PUBLIC, TestApp, encode};

const FORM: &str = "application/x-www-form-urlencoded";

/// A good request of one grant: its own parameters, without the client's.
pub(crate) struct Grant {
    pub(crate) grant: GrantType,
    parameters: Vec<(&'static str, String)>,
    /// Its parameters that hold free text, for hostile values.
    texts: &'static [&'static str],
    may_be_public: bool,
}

impl Grant {
    pub(crate) fn with<'a>(&'a self, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let own = self.parameters.iter().map(|(name, value)| (*name, value.as_str()));
        own.filter(|(name, _)| more.iter().all(|(other, _)| other != name)).chain(more.iter().copied()).collect()
    }
}

/// With what the confidential client needs.
pub(crate) async fn grants(app: &TestApp) -> Vec<Grant> {
    grants_of(app, (CONFIDENTIAL, &app.secret), "movies:read profile email").await
}

/// With what a client needs; a login that comes before is for `scope`.
pub(crate) async fn grants_of(app: &TestApp, (id, secret): (&str, &str), scope: &str) -> Vec<Grant> {
    let password = Grant {
        grant: GrantType::Password,
        parameters: app::PASSWORD_GRANT.map(|(name, value)| (name, value.to_owned())).to_vec(),
        texts: &["username", "password"],
        may_be_public: true,
    };
    let login = app.token_basic(id, secret, &password.with(&[("scope", scope)])).await;
    let refresh_token = Grant {
        grant: GrantType::RefreshToken,
        parameters: vec![("grant_type", "refresh_token".to_owned()), ("refresh_token", login.refresh_token())],
        texts: &["refresh_token"],
        may_be_public: true,
    };
    let client_credentials = Grant {
        grant: GrantType::ClientCredentials,
        parameters: vec![("grant_type", "client_credentials".to_owned())],
        texts: &[],
        may_be_public: false,
    };
    vec![password, refresh_token, client_credentials]
}

pub(crate) async fn good(app: &TestApp, grant: &Grant, more: &[(&str, &str)]) -> app::Answer {
    app.token_basic(CONFIDENTIAL, &app.secret, &grant.with(more)).await
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn every_grant_has_a_row_here(pool: Pool) {
    let app = TestApp::new(pool).await;
    let rows: Vec<_> = grants(&app).await.into_iter().map(|row| row.grant).collect();
    // A code is good once, so that nothing here could send it twice: such grants have files of their own, `code.rs` and
    // `device.rs`.
    let once = [GrantType::AuthorizationCode, GrantType::DeviceCode];
    let with_rows = GrantType::ALL.into_iter().filter(|grant| !once.contains(grant));
    assert_eq!(rows, with_rows.collect::<Vec<_>>());
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t01_only_post(pool: Pool) {
    let app = TestApp::new(pool).await;
    for grant in grants(&app).await {
        let uri = format!("/token?{}", encode(&grant.with(&[("client_id", PUBLIC)])));
        for method in [Method::GET, Method::PUT, Method::DELETE, Method::PATCH] {
            let answer = app.send(Request::builder().method(&method).uri(&uri).body(Body::empty()).unwrap()).await;
            answer.assert_error(405, "invalid_request");
            assert_eq!(answer.header("allow"), Some("POST"), "{method}");
        }
        let head = app.send(Request::head(&uri).body(Body::empty()).unwrap()).await;
        assert_eq!((head.status.as_u16(), head.header("allow")), (405, Some("POST")));
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t02_nothing_is_read_from_the_address(pool: Pool) {
    let app = TestApp::new(pool).await;
    for grant in grants(&app).await {
        let all = grant.with(&[("client_id", PUBLIC)]);
        for (query, body) in [(all.clone(), vec![]), (vec![("client_secret", "x")], all.clone()), (all.clone(), all)] {
            let request = Request::post(format!("/token?{}", encode(&query))).header("content-type", FORM);
            app.send(request.body(Body::from(encode(&body))).unwrap()).await.assert_error(400, "invalid_request");
        }
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t05_a_repeated_parameter_is_refused(pool: Pool) {
    let app = TestApp::new(pool).await;
    for grant in grants(&app).await {
        let all = grant.with(&[("client_id", PUBLIC), ("scope", "movies:read")]);
        for repeated in &all {
            let body = format!("{}&{}", encode(&all), encode(&[*repeated]));
            app.token_raw(&body, &[]).await.assert_error(400, "invalid_request");
        }
        let two_grants = format!("{}&grant_type=client_credentials", encode(&all));
        app.token_raw(&two_grants, &[]).await.assert_error(400, "invalid_request");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t06_empty_is_absent_and_unknown_is_ignored(pool: Pool) {
    let app = TestApp::new(pool).await;
    for grant in grants(&app).await {
        // Without its type it is no request of any grant; without another parameter it is an incomplete one.
        for (name, _) in &grant.parameters {
            good(&app, &grant, &[(name, "")]).await.assert_error(400, "invalid_request");
        }
        let answer = good(&app, &grant, &[("foo", "bar"), ("scope", ""), ("resource", "")]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let whole = if grant.grant == GrantType::RefreshToken { "email movies:read profile" } else { "movies:read" };
        assert_eq!(answer.json()["scope"], whole, "an empty scope is the default");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t07_an_unknown_grant_type_has_its_own_error(pool: Pool) {
    let app = TestApp::new(pool).await;
    for unknown in ["urn:x:y", "Password", "implicit", "password "] {
        let answer = app.token(&[("grant_type", unknown), ("client_id", PUBLIC)]).await;
        answer.assert_error(400, "unsupported_grant_type");
    }
    app.token(&[("client_id", PUBLIC)]).await.assert_error(400, "invalid_request");
    app.token(&[]).await.assert_error(400, "invalid_request");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t08_t09_the_body_is_a_form(pool: Pool) {
    let app = TestApp::new(pool).await;
    for grant in grants(&app).await {
        let body = encode(&grant.with(&[("client_id", CONFIDENTIAL), ("client_secret", &app.secret)]));
        for fine in [FORM, "application/x-www-form-urlencoded; charset=UTF-8", "Application/X-WWW-Form-Urlencoded"] {
            let answer = app.token_raw(&body, &[("content-type", fine)]).await;
            assert_eq!(answer.status, 200, "{fine}: {}", answer.body);
        }
        for other in ["application/json", "text/plain", "multipart/form-data; boundary=x", "", "a"] {
            app.token_raw(&body, &[("content-type", other)]).await.assert_error(400, "invalid_request");
        }
        let latin = [("content-type", "application/x-www-form-urlencoded; charset=ISO-8859-1")];
        app.token_raw(&body, &latin).await.assert_error(400, "invalid_request");
        let none = Request::post("/token").body(Body::from(body.clone())).unwrap();
        app.send(none).await.assert_error(400, "invalid_request");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t10_t11_bad_encodings_and_nul_are_refused(pool: Pool) {
    let app = TestApp::new(pool).await;
    app.create_user("fffd@example.com", "pass pass pass \u{fffd}").await;
    for grant in grants(&app).await {
        let names = grant.texts.iter().copied().chain(["client_id", "scope", "code", "refresh_token", "a"]);
        for name in names {
            for value in ["%ff%fe", "%ZZ", "%u0041", "%4", "%00", "a%00b"] {
                let others = grant.with(&[("client_id", PUBLIC)]);
                let others: Vec<_> = others.into_iter().filter(|(other, _)| *other != name).collect();
                let body = format!("{}&{name}={value}", encode(&others));
                app.token_raw(&body, &[]).await.assert_error(400, "invalid_request");
            }
        }
    }
    let repaired = "grant_type=password&client_id=app&username=fffd%40example.com&password=pass%20pass%20pass%20%ff";
    app.token_raw(repaired, &[]).await.assert_error(400, "invalid_request");
    let exact = app.token(&app::login("fffd@example.com", "pass pass pass \u{fffd}")).await;
    assert_eq!(exact.status, 200, "{}", exact.body);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t12_a_client_that_fails_to_authenticate_is_challenged(pool: Pool) {
    let app = TestApp::new(pool).await;
    let wrong_basic = format!("{}x", app.secret);
    for grant in grants(&app).await {
        app.token_basic(CONFIDENTIAL, &wrong_basic, &grant.with(&[])).await.assert_error(401, "invalid_client");
        let posted = grant.with(&[("client_id", CONFIDENTIAL), ("client_secret", "wrong")]);
        app.token(&posted).await.assert_error(401, "invalid_client");
        app.token_basic("nobody", "x", &grant.with(&[])).await.assert_error(401, "invalid_client");
        app.token_basic(PUBLIC, "x", &grant.with(&[])).await.assert_error(401, "invalid_client");
        let good = grant.with(&[("client_id", CONFIDENTIAL), ("client_secret", &app.secret)]);
        assert_eq!(app.token(&good).await.status, 200, "the secret in the body is as good");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t13_one_way_to_authenticate_per_request(pool: Pool) {
    let app = TestApp::new(pool).await;
    for grant in grants(&app).await {
        let twice = grant.with(&[("client_id", CONFIDENTIAL), ("client_secret", &app.secret)]);
        app.token_basic(CONFIDENTIAL, &app.secret, &twice).await.assert_error(400, "invalid_request");
        let other = grant.with(&[("client_id", PUBLIC)]);
        app.token_basic(CONFIDENTIAL, &app.secret, &other).await.assert_error(400, "invalid_request");
        let same = grant.with(&[("client_id", CONFIDENTIAL)]);
        assert_eq!(app.token_basic(CONFIDENTIAL, &app.secret, &same).await.status, 200);
        let alone = grant.with(&[("client_secret", &app.secret)]);
        app.token(&alone).await.assert_error(400, "invalid_request");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t14_basic_parts_are_form_decoded(pool: Pool) {
    let app = TestApp::new(pool).await;
    let id = "a:b%c+d é";
    let secret = app.create_client(&app::client(id, ClientKind::Confidential)).await.unwrap();
    app.create_client(&app::client("a", ClientKind::Confidential)).await;
    for grant in grants_of(&app, (id, &secret), "movies:read").await {
        let answer = app.token_basic(id, &secret, &grant.with(&[])).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.claims()["client_id"], id);
        let raw = format!("Basic {}", STANDARD.encode(format!("a:b:{secret}")));
        let body = encode(&grant.with(&[]));
        app.token_raw(&body, &[("authorization", &raw)]).await.assert_error(401, "invalid_client");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t15_malformed_basic_is_a_failed_authentication(pool: Pool) {
    let app = TestApp::new(pool).await;
    for grant in grants(&app).await {
        let body = encode(&grant.with(&[]));
        for bad in ["Basic", "Basic !!!", "Basic QQ==", "Basic QTpC QTpC", "Bearer abc", "Basic OnNlY3JldA=="] {
            app.token_raw(&body, &[("authorization", bad)]).await.assert_error(401, "invalid_client");
        }
        let lower = app::basic(CONFIDENTIAL, &app.secret).replace("Basic", "basic");
        assert_eq!(app.token_raw(&body, &[("authorization", &lower)]).await.status, 200);
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t16_two_authorization_headers_are_refused(pool: Pool) {
    let app = TestApp::new(pool).await;
    let basic = app::basic(CONFIDENTIAL, &app.secret);
    for grant in grants(&app).await {
        let body = encode(&grant.with(&[]));
        let answer = app.token_raw(&body, &[("authorization", &basic), ("authorization", &basic)]).await;
        answer.assert_error(400, "invalid_request");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t17_a_confidential_client_has_to_authenticate(pool: Pool) {
    let app = TestApp::new(pool).await;
    for grant in grants(&app).await {
        let without = grant.with(&[("client_id", CONFIDENTIAL)]);
        app.token(&without).await.assert_error(401, "invalid_client");
        let empty = grant.with(&[("client_id", CONFIDENTIAL), ("client_secret", "")]);
        app.token(&empty).await.assert_error(401, "invalid_client");
        app.token_basic(CONFIDENTIAL, "", &grant.with(&[])).await.assert_error(401, "invalid_client");
    }
}

// T21: whatever a field holds, `assert_error` looks at every character of the description.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t27_hostile_text_is_an_ordinary_error(pool: Pool) {
    let app = TestApp::new(pool).await;
    for grant in grants(&app).await {
        let names =
            grant.texts.iter().copied().chain(["grant_type", "client_id", "client_secret", "scope", "resource"]);
        for name in names {
            for text in ["' OR 1=1--", "'; SELECT pg_sleep(5)--", "\") or (\"1\"=\"1", "\u{202e}", "{{7*7}}", "%s%n"] {
                let answer = app.token(&grant.with(&[("client_id", PUBLIC), (name, text)])).await;
                assert!(answer.status.is_client_error(), "{name}={text}: {}", answer.body);
                answer.assert_error(answer.status.as_u16(), answer.json()["error"].as_str().unwrap());
                assert!(!answer.body.contains(text), "{}", answer.body);
            }
        }
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t28_t29_bodies_and_parameters_are_bounded(pool: Pool) {
    let app = TestApp::new(pool).await;
    let large = format!("grant_type=password&a={}", "x".repeat(64 * 1024));
    app.token_raw(&large, &[]).await.assert_error(413, "invalid_request");
    let announced = [("content-length", "999999999")];
    app.token_raw("grant_type=password", &announced).await.assert_error(413, "invalid_request");
    // Without a length: it is cut where the limit is, not read to its end, which never comes.
    let chunk = Bytes::from(vec![b'x'; 1024]);
    let endless = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()));
    let request = Request::post("/token").header("content-type", FORM).body(Body::from_stream(endless)).unwrap();
    app.send(request).await.assert_error(413, "invalid_request");
    let many = (0..9_000).map(|number| format!("{number}=")).collect::<Vec<_>>().join("&");
    app.token_raw(&many, &[]).await.assert_error(400, "invalid_request");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t30_only_listed_origins_and_never_with_credentials(pool: Pool) {
    let app = TestApp::with(pool, &[("MYAPI_AUTH__CORS_ORIGINS", "https://app.example.com")]).await;
    for grant in grants(&app).await {
        let body = encode(&grant.with(&[("client_id", CONFIDENTIAL), ("client_secret", &app.secret)]));
        for (origin, allowed) in [
            ("https://app.example.com", Some("https://app.example.com")),
            ("https://evil.test", None),
            ("https://app.example.com.evil.test", None),
            ("null", None),
        ] {
            let answer = app.token_raw(&body, &[("origin", origin)]).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.header("access-control-allow-origin"), allowed, "{origin}");
            assert_eq!(answer.header("access-control-allow-credentials"), None);
        }
    }
    let preflight = Request::options("/token")
        .header("origin", "https://app.example.com")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type");
    let answer = app.send(preflight.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example.com"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("POST"));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_request_without_client_is_the_default_clients(pool: Pool) {
    let app = TestApp::new(pool).await;
    let rows = grants_of(&app, (PUBLIC, ""), "movies:read").await;
    for grant in rows.iter().filter(|grant| grant.may_be_public) {
        let answer = app.token(&grant.with(&[])).await;
        assert_eq!(answer.claims()["client_id"], PUBLIC);
        let docs_page = [("authorization", "Basic Og==")];
        let answer = app.token_raw(&encode(&grant.with(&[])), &docs_page).await;
        assert_eq!(answer.claims()["client_id"], PUBLIC);
        let empty_secret = app.token_basic(PUBLIC, "", &grant.with(&[])).await;
        assert_eq!(empty_secret.claims()["client_id"], PUBLIC);
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn without_a_default_client_a_client_has_to_be_named(pool: Pool) {
    let app = TestApp::with(pool, &[("MYAPI_AUTH__DEFAULT_CLIENT", "")]).await;
    for grant in grants(&app).await {
        app.token(&grant.with(&[])).await.assert_error(401, "invalid_client");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_deleted_or_disabled_client_is_refused_and_its_id_stays_taken(pool: Pool) {
    let app = TestApp::new(pool).await;
    let rows = grants(&app).await;
    let id = CONFIDENTIAL.parse().unwrap();
    let disable = "update myapi.clients set disabled_at = now() where client_id = 'app'";
    sqlx::query(AssertSqlSafe(disable.to_owned())).execute(&app.pool).await.unwrap();
    app.state.clients.delete(&id).await.unwrap();
    for grant in rows {
        good(&app, &grant, &[]).await.assert_error(401, "invalid_client");
        app.token(&grant.with(&[("client_id", PUBLIC)])).await.assert_error(401, "invalid_client");
    }
    let again = app.state.clients.create(&app::client(CONFIDENTIAL, ClientKind::Confidential)).await;
    assert!(again.err().unwrap().to_string().contains("taken"), "client_ids are never reused");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_rotated_secret_replaces_the_old_one(pool: Pool) {
    let app = TestApp::new(pool).await;
    let rows = grants(&app).await;
    let id = CONFIDENTIAL.parse().unwrap();
    let new = app.state.clients.rotate_secret(&id, std::time::Duration::ZERO).await.unwrap().secret;
    for grant in rows {
        good(&app, &grant, &[]).await.assert_error(401, "invalid_client");
        assert_eq!(app.token_basic(CONFIDENTIAL, new.expose(), &grant.with(&[])).await.status, 200);
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn without_a_database_the_answer_is_503_and_never_a_refusal(pool: Pool) {
    let app = TestApp::new(pool).await;
    let rows = grants(&app).await;
    app.pool.close().await;
    for grant in rows {
        let answer = good(&app, &grant, &[]).await;
        answer.assert_error(503, "temporarily_unavailable");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
}
