//! What people see and decide at `/device` (checklist 1.6).

use auth_server::users::UserRef;
use axum::body::Body;
use axum::extract::ConnectInfo;
use chrono::TimeDelta;
use http::Request;
use shared::db::Pool;
use std::net::SocketAddr;

use crate::app::{Answer, EMAIL, PASSWORD, encode};
use crate::device::{TV, answer_page, app, approve, poll, signed_in, start, start_for};
use crate::visitor::{Visitor, hidden, location, pairs};

/// `GET` from this address, with the cookies of a visitor.
async fn get_from(visitor: &Visitor<'_>, ip: [u8; 4], path: &str) -> Answer {
    let cookies: Vec<_> = visitor.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = Request::get(path).header("cookie", cookies.join("; "));
    let request = request.extension(ConnectInfo(SocketAddr::from((ip, 4711))));
    visitor.app.send(request.body(Body::empty()).unwrap()).await
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn d04_who_guesses_user_codes_is_slowed_down_by_account_and_by_address(pool: Pool) {
    let app = app(pool, &[]).await;
    let replica = app.replica().await;
    let device = start(&app).await;
    let visitor = signed_in(&app).await;
    let wrong = "/device?user_code=BBBB-BBBB";
    for number in 0..10 {
        // From ten addresses: the account is what they have in common.
        let answer = get_from(&visitor, [192, 0, number, 1], wrong).await;
        assert_eq!(answer.status, 422, "{number}: {}", answer.body);
        assert!(answer.body.contains("No device is waiting with this code"), "{}", answer.body);
    }
    let refused = get_from(&visitor, [192, 0, 77, 1], &device.link).await;
    assert_eq!(refused.status, 429, "a right code as well: {}", refused.body);
    assert!(refused.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);

    // Another account is not slowed down, but one address is, whoever comes from it, on every replica.
    let mut accounts = Vec::new();
    for number in 0..11 {
        let email = format!("guest{number}@example.com");
        app.create_user(&email, PASSWORD).await;
        let mut visitor = Visitor::new(&app);
        location(&visitor.sign_in_as("/login", &email, PASSWORD).await);
        accounts.push(visitor);
    }
    for (number, visitor) in accounts.iter().take(10).enumerate() {
        assert_eq!(get_from(visitor, [198, 51, 100, 7], wrong).await.status, 422, "{number}");
    }
    let last = Visitor { app: &replica, cookies: accounts[10].cookies.clone(), headers: Vec::new() };
    assert_eq!(get_from(&last, [198, 51, 100, 7], &device.link).await.status, 429);
    assert_eq!(get_from(&last, [203, 0, 113, 7], &device.link).await.status, 200, "its account is free elsewhere");
    // Right codes take their charge back.
    for _ in 0..30 {
        assert_eq!(get_from(&last, [203, 0, 113, 7], &device.link).await.status, 200);
    }
    app.clock.advance(TimeDelta::hours(1));
    let device = start(&app).await;
    let visitor = signed_in(&app).await;
    assert_eq!(get_from(&visitor, [198, 51, 100, 7], &device.link).await.status, 200, "it is forgiven with time");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn d05_the_code_is_taken_as_people_type_it(pool: Pool) {
    let app = app(pool, &[]).await;
    let device = start(&app).await;
    let mut visitor = signed_in(&app).await;
    let bare = device.user_code.replace('-', "");
    let spaced: String = bare.to_lowercase().chars().flat_map(|letter| [letter, ' ']).collect();
    for typed in [bare.to_lowercase(), spaced, format!("--{}--{}", &bare[..2], &bare[2..]), device.user_code.clone()] {
        let page = visitor.get(&format!("/device?{}", encode(&[("user_code", &typed)]))).await;
        assert_eq!(page.status, 200, "{typed}");
        assert!(page.body.contains(&device.user_code) && page.body.contains("Film TV"), "{typed}: {}", page.body);
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn d06_a_link_alone_allows_nothing(pool: Pool) {
    let app = app(pool, &[]).await;
    let device = start(&app).await;
    // A stranger signs in first, and comes back to the same page.
    let mut visitor = Visitor::new(&app);
    let login = location(&visitor.get(&device.link).await);
    assert!(login.starts_with("/login?return_to="), "{login}");
    assert!(visitor.get(&login).await.body.contains("to connect a device"));
    assert_eq!(location(&visitor.sign_in(&login).await), device.link);
    let page = visitor.get(&device.link).await;
    for shown in ["Film TV", "Know that it is you", "See your name", "movies:read", &device.user_code, EMAIL] {
        assert!(page.body.contains(shown), "{shown} is not in {}", page.body);
    }
    assert!(page.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
    assert_eq!(page.header("cache-control"), Some("no-store"));
    poll(&app, &device).await.assert_error(400, "authorization_pending");

    // Nothing but the page's own form in the same browser decides.
    let fields = hidden(&page.body);
    let good = |decision: &str| {
        let mut fields = fields.clone();
        fields.push(("decision".to_owned(), decision.to_owned()));
        fields
    };
    let without_csrf: Vec<_> = good("allow").into_iter().filter(|(name, _)| name != "csrf").collect();
    assert_eq!(visitor.post("/device", &pairs(&without_csrf)).await.status, 403);
    visitor.headers = vec![("sec-fetch-site", "cross-site".to_owned())];
    assert_eq!(visitor.post("/device", &pairs(&good("allow"))).await.status, 403);
    visitor.headers.clear();
    assert_eq!(visitor.post("/device", &pairs(&good("maybe"))).await.status, 400);
    let mut more = good("allow");
    more.push(("scope".to_owned(), "movies:write".to_owned()));
    assert_eq!(visitor.post("/device", &pairs(&more)).await.status, 400);
    app.create_user("eve@example.com", PASSWORD).await;
    let mut eve = Visitor::new(&app);
    location(&eve.sign_in_as("/login", "eve@example.com", PASSWORD).await);
    assert_eq!(eve.post("/device", &pairs(&good("allow"))).await.status, 403);
    app.clock.advance(TimeDelta::seconds(5));
    poll(&app, &device).await.assert_error(400, "authorization_pending");

    assert_eq!(visitor.post("/device", &pairs(&good("allow"))).await.status, 200);
    let token = poll(&app, &device).await;
    assert_eq!(token.status, 200, "{}", token.body);
    assert_eq!(token.header("cache-control"), Some("no-store"));
    assert_eq!(token.json()["scope"], "movies:read openid profile");
    let claims = token.claims();
    assert_eq!(
        (claims["client_id"].as_str(), claims["sub"].as_str(), claims["ver"].as_i64(), claims["cver"].as_i64()),
        (Some(TV), Some(app.user.sub.to_string().as_str()), Some(1), Some(1))
    );
    assert!(token.json()["id_token"].is_string() && claims["sid"].is_string());
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn d09_one_decision_counts(pool: Pool) {
    let app = app(pool, &[]).await;
    app.create_user("eve@example.com", PASSWORD).await;
    let mut ann = signed_in(&app).await;
    let mut eve = Visitor::new(&app);
    location(&eve.sign_in_as("/login", "eve@example.com", PASSWORD).await);
    for (first, second) in [("allow", "deny"), ("deny", "allow"), ("allow", "allow")] {
        let device = start(&app).await;
        let (hers, theirs) = (ann.get(&device.link).await, eve.get(&device.link).await);
        assert_eq!(answer_page(&mut ann, &hers, first).await.status, 200);
        for (visitor, page) in [(&mut eve, &theirs), (&mut ann, &hers)] {
            let late = answer_page(visitor, page, second).await;
            assert_eq!(late.status, 409, "{}", late.body);
            assert!(late.body.contains("This code is used up"), "{}", late.body);
        }
        assert_eq!(eve.get(&device.link).await.status, 409);
        let token = poll(&app, &device).await;
        match first {
            "allow" => assert_eq!(token.claims()["sub"], app.user.sub.to_string()),
            _ => token.assert_error(400, "access_denied"),
        }
    }
    // Nor does one that comes when time is over.
    let device = start(&app).await;
    let page = ann.get(&device.link).await;
    app.clock.advance(TimeDelta::seconds(600));
    assert_eq!(answer_page(&mut ann, &page, "allow").await.status, 409);
    assert_eq!(ann.get(&device.link).await.status, 422);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn an_approval_dies_with_its_session_and_with_its_user(pool: Pool) {
    let app = app(pool, &[]).await;
    let who: UserRef = EMAIL.parse().unwrap();
    let mut visitor = signed_in(&app).await;
    let device = start(&app).await;
    approve(&mut visitor, &device).await;
    let sessions = app.state.sessions.list(None, 10, app.clock.now()).await.unwrap();
    assert!(app.state.sessions.end(sessions[0].session_id, app.clock.now()).await.unwrap());
    poll(&app, &device).await.assert_error(400, "invalid_grant");

    let mut visitor = signed_in(&app).await;
    let device = start(&app).await;
    approve(&mut visitor, &device).await;
    app.state.users.disable(&who).await.unwrap();
    poll(&app, &device).await.assert_error(400, "invalid_grant");
    app.state.users.enable(&who).await.unwrap();
    poll(&app, &device).await.assert_error(400, "invalid_grant");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn what_the_account_lacks_is_left_out_and_shown_as_it_is(pool: Pool) {
    let app = app(pool, &[]).await;
    let mut visitor = signed_in(&app).await;
    let device = start_for(&app, "movies:read movies:write").await;
    let page = visitor.get(&device.link).await;
    assert!(page.body.contains("movies:read") && !page.body.contains("movies:write"), "{}", page.body);
    assert_eq!(answer_page(&mut visitor, &page, "allow").await.status, 200);
    assert_eq!(poll(&app, &device).await.json()["scope"], "movies:read");
    let device = start_for(&app, "movies:write").await;
    let page = visitor.get(&device.link).await;
    assert_eq!(page.status, 403);
    assert!(page.body.contains("This account cannot be used here"), "{}", page.body);
    poll(&app, &device).await.assert_error(400, "authorization_pending");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn without_a_code_the_page_asks_for_one_in_the_readers_language(pool: Pool) {
    let app = app(pool, &[]).await;
    let mut visitor = signed_in(&app).await;
    let page = visitor.get("/device").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("name=\"user_code\"") && page.body.contains("method=\"get\""), "{}", page.body);
    visitor.headers = vec![("accept-language", "de".to_owned())];
    let page = visitor.get("/device?user_code=%3Cscript%3E").await;
    assert_eq!((page.status.as_u16(), page.header("content-language")), (422, Some("de")));
    assert!(page.body.contains("Gerät verbinden") && !page.body.contains("<script>"), "{}", page.body);
    assert_eq!(visitor.get("/device?user_code=a&user_code=b").await.status, 400);
}
