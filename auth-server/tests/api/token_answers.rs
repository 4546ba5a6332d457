//! What every grant gives and withholds at `/token` (checklist 1.1).

use auth_server::clients::{ClientKind, GrantType, Lifetimes, NewClient};
use auth_server::users::UserRef;
use shared::db::Pool;

use crate::app::{self, AUDIENCE, CONFIDENTIAL, EMAIL, ISSUER, TestApp};
use crate::token::{good, grants, grants_of};

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t03_t04_a_good_answer_is_complete_and_uncacheable(pool: Pool) {
    let app = TestApp::new(pool).await;
    for grant in grants(&app).await {
        let answer = good(&app, &grant, &[("scope", "movies:read")]).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("pragma"), Some("no-cache"));
        let body = answer.json();
        let claims = answer.claims();
        assert_eq!(body["token_type"], "Bearer");
        assert_eq!(body["scope"], "movies:read");
        let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        assert_eq!((body["expires_in"].as_i64(), lifetime), (Some(600), 600));
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t19_p01_a_grant_that_the_client_lacks_is_refused(pool: Pool) {
    let app = TestApp::new(pool).await;
    let secret = app.create_client(&app::client("other", ClientKind::Confidential)).await.unwrap();
    for grant in grants(&app).await {
        let others: Vec<&str> =
            GrantType::ALL.into_iter().filter(|other| *other != grant.grant).map(GrantType::as_str).collect();
        let lacking = "update myapi.clients set grants = $1 where client_id = 'other'";
        sqlx::query(lacking).bind(others).execute(&app.pool).await.unwrap();
        app.token_basic("other", &secret, &grant.with(&[])).await.assert_error(400, "unauthorized_client");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t20_scope_rules(pool: Pool) {
    let app = TestApp::new(pool).await;
    let both = "movies:read movies:write";
    let who = UserRef::Sub(app.user.sub);
    app.state.users.set_scopes(&who, Some(both.parse().unwrap())).await.unwrap();
    let writer = NewClient {
        scopes: both.parse().unwrap(),
        default_scopes: "movies:read".parse().unwrap(),
        ..app::client("writer", ClientKind::Confidential)
    };
    let secret = app.create_client(&writer).await.unwrap();
    for grant in grants_of(&app, ("writer", &secret), both).await {
        for refused in ["unknown", "profile", "movies:read unknown", "a\"b", "a\\b", "a\tb", "é", "a\u{7}"] {
            let answer = app.token_basic("writer", &secret, &grant.with(&[("scope", refused)])).await;
            answer.assert_error(400, "invalid_scope");
        }
        for fine in
            ["movies:write movies:read", "  movies:read   movies:write ", "movies:read movies:write movies:read"]
        {
            let answer = app.token_basic("writer", &secret, &grant.with(&[("scope", fine)])).await;
            assert_eq!(answer.json()["scope"], both, "{fine:?}: {}", answer.body);
            assert_eq!(answer.claims()["scope"], both);
        }
        let absent = app.token_basic("writer", &secret, &grant.with(&[])).await;
        let default = if grant.grant == GrantType::RefreshToken { both } else { "movies:read" };
        assert_eq!(absent.json()["scope"], default, "absent is the client's default, or what the login was for");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t22_identifiers_do_not_repeat(pool: Pool) {
    let app = TestApp::new(pool).await;
    for grant in grants(&app).await {
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..20 {
            let claims = good(&app, &grant, &[]).await.claims();
            // A refresh stays in its login, and a client has none.
            let of_login = (grant.grant == GrantType::Password).then_some("sid");
            for name in ["jti"].into_iter().chain(of_login) {
                let id: uuid::Uuid = claims[name].as_str().unwrap().parse().unwrap();
                assert_eq!(id.get_version_num(), 4, "random: 122 bits");
                assert!(seen.insert(id));
            }
        }
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t23_the_access_token_is_what_rfc_9068_says(pool: Pool) {
    let app = TestApp::new(pool).await;
    let jwks = app.get("/.well-known/jwks.json").await.json();
    for grant in grants(&app).await {
        let answer = good(&app, &grant, &[("scope", "movies:read")]).await;
        let header = answer.segment(0);
        let kid = jwks["keys"][0]["kid"].clone();
        assert_eq!(header, serde_json::json!({ "typ": "at+jwt", "alg": "ES256", "kid": kid }));
        let claims = answer.claims();
        let names: Vec<_> = claims.as_object().unwrap().keys().map(String::as_str).collect();
        let is_users = grant.grant != GrantType::ClientCredentials;
        let mut expected =
            vec!["aud", "auth_time", "client_id", "cver", "exp", "iat", "iss", "jti", "scope", "sid", "sub", "ver"];
        expected.retain(|name| is_users || !["auth_time", "sid"].contains(name));
        assert_eq!(names, expected, "and no personal data");
        assert_eq!((claims["iss"].as_str(), claims["aud"].as_str()), (Some(ISSUER), Some(AUDIENCE)));
        assert_eq!(claims["iat"].as_i64(), Some(app.clock.now().timestamp()));
        assert_eq!(claims["client_id"], CONFIDENTIAL);
        if !is_users {
            continue;
        }
        assert_eq!(claims["sub"], app.user.sub.to_string());
        let personal = good(&app, &grant, &[("scope", "profile email")]).await.claims();
        assert_eq!((personal["name"].as_str(), personal["email"].as_str()), (Some("Ann Example"), Some(EMAIL)));
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t24_one_audience_and_no_other(pool: Pool) {
    let app = TestApp::new(pool).await;
    for grant in grants(&app).await {
        for parameter in ["resource", "audience"] {
            let answer = good(&app, &grant, &[(parameter, AUDIENCE)]).await;
            assert_eq!(answer.claims()["aud"], AUDIENCE);
            good(&app, &grant, &[(parameter, "https://other.example")]).await.assert_error(400, "invalid_target");
        }
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t25_a_client_named_like_a_user_stays_a_client(pool: Pool) {
    let app = TestApp::new(pool).await;
    for id in [app.user.sub.to_string(), EMAIL.to_owned()] {
        let secret = app.create_client(&app::client(&id, ClientKind::Confidential)).await.unwrap();
        for grant in grants_of(&app, (&id, &secret), "movies:read").await {
            let claims = app.token_basic(&id, &secret, &grant.with(&[])).await.claims();
            let is_users = grant.grant != GrantType::ClientCredentials;
            let sub = if is_users { app.user.sub.to_string() } else { format!("client:{id}") };
            assert_eq!((claims["client_id"].as_str(), claims["sub"].as_str()), (Some(&*id), Some(&*sub)));
        }
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t32_a_client_may_have_a_lifetime_of_its_own(pool: Pool) {
    let app = TestApp::new(pool).await;
    let ttl = Some(std::time::Duration::from_secs(3));
    let short = NewClient {
        lifetimes: Lifetimes { access_token: ttl, ..Lifetimes::default() },
        ..app::client("short", ClientKind::Confidential)
    };
    let secret = app.create_client(&short).await.unwrap();
    for grant in grants_of(&app, ("short", &secret), "movies:read").await {
        let answer = app.token_basic("short", &secret, &grant.with(&[])).await;
        let claims = answer.claims();
        assert_eq!(answer.json()["expires_in"], 3);
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3);
    }
}
