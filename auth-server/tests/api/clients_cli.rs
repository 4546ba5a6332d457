//! `auth-server client …`: flags in, rows out.

use serde_json::{Value, json};
use shared::db::Pool;

use auth_server::resource_servers::NewScope;

use crate::app::{AUDIENCE, TestApp};
use crate::process::binary::Binary;

const JWK: &str = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn everything_that_is_said_is_shown_and_can_be_changed(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let binary = Binary::on(&pool);
    let created = binary.json(&[
        "client",
        "create",
        "shop",
        "--name",
        "The shop",
        "--grant",
        "password",
        "--grant",
        "refresh_token",
        "--scope",
        "movies:read email",
        "--default-scope",
        "email",
        "--serves",
        AUDIENCE,
        "--native",
        "--redirect-uri",
        "com.example.shop:/done",
        "--redirect-uri",
        "http://127.0.0.1/done",
        "--post-logout-redirect-uri",
        "https://shop.example.com/",
        "--skip-consent",
        "--access-token-ttl",
        "60",
        "--refresh-token-ttl",
        "7200",
        "--refresh-token-idle-ttl",
        "3600",
        "--refresh-retry-window",
        "0",
    ]);
    assert!(created["client_secret"].as_str().unwrap().starts_with("mcs1_"));
    let show = || binary.json(&["client", "show", "shop"]);
    let mut shown = show();
    assert!(shown["created_at"].take().is_string() && shown["secrets"][0]["created_at"].take().is_string());
    assert!(shown["secrets"][0]["secret_hash"].take().as_str().unwrap().starts_with("sha256:"));
    assert_eq!(
        shown,
        json!({
            "client_id": "shop", "name": "The shop", "kind": "confidential", "grants": ["password", "refresh_token"],
            "scopes": "email movies:read", "default_scopes": "email", "audience": AUDIENCE, "serves": AUDIENCE,
            "application_type": "native", "redirect_uris": ["com.example.shop:/done", "http://127.0.0.1/done"],
            "post_logout_redirect_uris": ["https://shop.example.com/"], "skips_consent": true, "access_token_ttl": 60,
            "refresh_token_idle_ttl": 3600, "refresh_token_ttl": 7200, "refresh_retry_window": 0, "client_version": 1,
            "created_at": null, "disabled_at": null, "audiences": [], "require_pushed_authorization_requests": false,
            "dpop_bound_access_tokens": false, "token_endpoint_auth_method": "secret", "jwks": null, "jwks_uri": null,
            "secrets": [{ "secret_hash": null, "created_at": null, "expires_at": null }],
        })
    );
    let changed = binary.json(&[
        "client",
        "update",
        "shop",
        "--serves",
        "none",
        "--redirect-uri",
        "none",
        "--skip-consent",
        "false",
        "--refresh-token-ttl",
        "default",
        "--application-type",
        "web",
        "--scope",
        "movies:read",
        "--default-scope",
        "movies:read",
    ]);
    for (field, expected) in [
        ("serves", Value::Null),
        ("redirect_uris", json!([])),
        ("skips_consent", json!(false)),
        ("refresh_token_ttl", Value::Null),
        ("application_type", json!("web")),
        ("scopes", json!("movies:read")),
        ("name", json!("The shop")),
        ("refresh_token_idle_ttl", json!(3600)),
        ("grants", json!(["password", "refresh_token"])),
    ] {
        assert_eq!(changed[field], expected, "{field}");
    }
    assert_eq!(show(), changed);
    // Who asked for everything by default goes on doing so.
    binary.json(&["client", "create", "all", "--public", "--grant", "password", "--scope", "movies:read email"]);
    let narrowed = binary.json(&["client", "update", "all", "--scope", "email"]);
    assert_eq!(narrowed["default_scopes"], "email");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a04_a05_k01_what_cannot_be_registered_ends_with_1(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let binary = Binary::on(&pool);
    let create = ["client", "create", "x", "--public", "--grant", "password", "--scope", "movies:read"];
    let cases: [(&[&str], &str); 11] = [
        (&["--redirect-uri", "http://app.example.com/cb"], "redirect_uris: `http://app.example.com/cb` has http"),
        (&["--redirect-uri", "http://127.0.0.1/cb"], "redirect_uris: "),
        (&["--native", "--redirect-uri", "javascript:alert(1)"], "redirect_uris: "),
        (&["--native", "--redirect-uri", "data:text/html,x"], "redirect_uris: "),
        (&["--redirect-uri", "https://app.example.com/cb#x"], "has a fragment"),
        (&["--grant", "client_credentials"], "client_credentials is for confidential clients"),
        (&["--refresh-token-ttl", "31536000"], "MYAPI_AUTH__REFRESH_TOKEN_TTL"),
        (&["--serves", AUDIENCE], "serves: a public client has no secret"),
        (&["--auth-method", "secret"], "token_endpoint_auth_method: a public client cannot keep"),
        (&["--jwks-uri", "https://x.example/jwks"], "token_endpoint_auth_method: a public client cannot keep"),
        (&["--also-for", "urn:nobody"], "audiences: no resource server has the audience `urn:nobody`"),
    ];
    for (flags, expected) in cases {
        let ended = binary.run(&[&create[..], flags].concat());
        assert_eq!((ended.code, ended.stdout.as_str()), (Some(1), ""), "{flags:?}: {}", ended.stderr);
        assert!(ended.stderr.starts_with("error: client `x`: ") && ended.stderr.contains(expected), "{}", ended.stderr);
    }
    assert_eq!(binary.run(&["client", "show", "x"]).code, Some(1));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn keys_and_demands_are_shown_and_can_be_changed(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let reviews = NewScope { scope: "reviews:read".into(), description: "Read reviews".into() };
    app.state.resource_servers.create("urn:reviews", "reviews", &[reviews]).await.unwrap();
    let binary = Binary::on(&pool);
    let created =
        binary.run_with(
            &[
                &[
                    "client",
                    "create",
                    "billing",
                    "--grant",
                    "client_credentials",
                    "--scope",
                    "movies:read reviews:read",
                ][..],
                &["--also-for", "urn:reviews", "--require-par", "--require-dpop", "--jwks", "-", "--output", "json"],
            ]
            .concat(),
            JWK,
        );
    assert_eq!((created.code, created.stderr.as_str()), (Some(0), ""));
    let created: Value = serde_json::from_str(&created.stdout).unwrap();
    assert_eq!(created["client_secret"], Value::Null, "who signs needs no secret");
    let shown = binary.json(&["client", "show", "billing"]);
    for (field, expected) in [
        ("token_endpoint_auth_method", json!("private_key_jwt")),
        ("require_pushed_authorization_requests", json!(true)),
        ("dpop_bound_access_tokens", json!(true)),
        ("audiences", json!(["urn:reviews"])),
        ("secrets", json!([])),
        ("jwks_uri", Value::Null),
    ] {
        assert_eq!(shown[field], expected, "{field}");
    }
    assert_eq!(shown["jwks"]["keys"][0]["kid"], "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let text = binary.run(&["client", "show", "billing"]).stdout;
    assert!(text.contains("EdDSA kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"), "{text}");

    // A resource server's new name is carried to the clients that may ask for it.
    binary.json(&["resource", "set-audience", "reviews", "https://reviews.example.com"]);
    assert_eq!(binary.json(&["client", "show", "billing"])["audiences"], json!(["https://reviews.example.com"]));

    let rotated = binary.run(&["client", "rotate-secret", "billing"]);
    assert!(rotated.code == Some(1) && rotated.stderr.contains("signs with a key"), "{}", rotated.stderr);
    let update = ["client", "update", "billing"];
    let elsewhere = binary.json(&[&update[..], &["--jwks-uri", "https://billing.example.com/jwks"]].concat());
    assert_eq!((&elsewhere["jwks"], elsewhere["jwks_uri"].as_str().is_some()), (&Value::Null, true));
    let flags = ["--auth-method", "secret", "--require-par", "false", "--require-dpop", "false"];
    let back = binary.json(&[&update[..], &flags].concat());
    assert_eq!((&back["token_endpoint_auth_method"], &back["jwks_uri"]), (&json!("secret"), &Value::Null));
    assert_eq!(back["require_pushed_authorization_requests"], false);
    binary.json(&["client", "rotate-secret", "billing"]);
    // The secret does not outlive the change to a key.
    let signs = binary.json(&[&update[..], &["--jwks-uri", "https://billing.example.com/jwks"]].concat());
    assert_eq!(signs["secrets"], json!([]));
    let narrowed = binary.run(&[&update[..], &["--also-for", "none"]].concat());
    assert!(narrowed.stderr.contains("scopes: not a scope of the audience"), "{}", narrowed.stderr);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn secrets_are_rotated_with_an_end_for_the_older_one(pool: Pool) {
    let app = TestApp::new(pool.clone()).await;
    let binary = Binary::on(&pool);
    let rotated = binary.json(&["client", "rotate-secret", "backend", "--keep-old-for", "7d"]);
    let end: chrono::DateTime<chrono::Utc> = rotated["older_secret_expires_at"].as_str().unwrap().parse().unwrap();
    let left = (end - shared::clock::Clock::system().now()).num_seconds();
    assert!((7 * 86_400 - 60..=7 * 86_400).contains(&left), "{left}");
    let own = [("grant_type", "client_credentials")];
    for secret in [app.secret.as_str(), rotated["client_secret"].as_str().unwrap()] {
        assert_eq!(app.token_basic("backend", secret, &own).await.status, 200);
    }
    let shown = binary.run(&["client", "show", "backend"]).stdout;
    assert!(shown.matches("sha256:").count() == 2 && shown.contains("good until"), "{shown}");
    let now = binary.json(&["client", "rotate-secret", "backend", "--now"]);
    assert_eq!(now.get("older_secret_expires_at"), None);
    app.token_basic("backend", &app.secret, &own).await.assert_error(401, "invalid_client");
    // A day when nobody says otherwise, said to people beside the secret.
    let said = binary.run(&["client", "rotate-secret", "backend"]);
    assert!(said.stderr.contains("The older secret is good until "), "{}", said.stderr);
    for wrong in [&["--keep-old-for", "91d"][..], &["--keep-old-for", "7d", "--now"], &["--keep-old-for", "soon"]] {
        let ended = binary.run(&[&["client", "rotate-secret", "backend"], wrong].concat());
        assert_eq!(ended.code, Some(2), "{}", ended.stderr);
    }
}
