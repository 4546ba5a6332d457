//! Wrong client secrets are slowed down, and the client itself is not (checklist T18).

use chrono::TimeDelta;
use http::header::AUTHORIZATION;
use shared::db::Pool;

use crate::app::{Answer, CONFIDENTIAL, EMAIL, PASSWORD, TestApp, basic, login};
use crate::limits::retry_after;

const SERVER: [u8; 4] = [198, 51, 100, 7];

async fn try_secret(app: &TestApp, ip: [u8; 4], id: &str, secret: &str) -> Answer {
    let parameters = [("grant_type", "password"), ("username", EMAIL), ("password", PASSWORD)];
    app.token_over(ip, &parameters, &[(AUTHORIZATION.as_str(), &basic(id, secret))]).await
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t18_two_hundred_wrong_secrets_in_a_minute_end_in_429(pool: Pool) {
    let app = TestApp::new(pool).await;
    let mut statuses = Vec::new();
    for _ in 0..200 {
        statuses.push(try_secret(&app, SERVER, CONFIDENTIAL, "wrong").await.status.as_u16());
        app.clock.advance(TimeDelta::milliseconds(300));
    }
    let first = statuses.iter().position(|status| *status == 429).unwrap();
    assert_eq!(first, 20, "the documented burst");
    assert!(statuses.iter().all(|status| [401, 429].contains(status)));
    assert!(statuses.iter().filter(|status| **status == 401).count() < 30, "{statuses:?}");
    let answer = try_secret(&app, SERVER, CONFIDENTIAL, &app.secret).await;
    if answer.status != 200 {
        let delay = retry_after(&answer);
        assert!(delay <= 60, "{delay}");
        app.clock.advance(TimeDelta::seconds(delay));
        assert_eq!(try_secret(&app, SERVER, CONFIDENTIAL, &app.secret).await.status, 200);
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t18_a_flood_from_elsewhere_does_not_touch_the_client_itself(pool: Pool) {
    let app = TestApp::new(pool).await;
    assert_eq!(try_secret(&app, SERVER, CONFIDENTIAL, &app.secret).await.status, 200);
    let mut looked_at = 0;
    for number in 0..400_u16 {
        let [high, low] = number.to_be_bytes();
        let answer = try_secret(&app, [10, high, low, 1], CONFIDENTIAL, "wrong").await;
        looked_at += usize::from(answer.status == 401);
    }
    assert_eq!(looked_at, 200, "ten times what one address has");
    assert_eq!(try_secret(&app, SERVER, CONFIDENTIAL, &app.secret).await.status, 200);
    let moved = try_secret(&app, [203, 0, 113, 1], CONFIDENTIAL, &app.secret).await;
    assert_eq!(retry_after(&moved), 1, "a new address waits a moment");
    app.clock.advance(TimeDelta::seconds(1));
    assert_eq!(try_secret(&app, [203, 0, 113, 1], CONFIDENTIAL, &app.secret).await.status, 200);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t18_unknown_clients_are_slowed_down_alike_and_ids_alone_are_not(pool: Pool) {
    let app = TestApp::new(pool).await;
    let mut seen = Vec::new();
    for (last, id) in [(1, CONFIDENTIAL), (2, "nobody")] {
        let mut answers = Vec::new();
        for _ in 0..25 {
            let mut answer = try_secret(&app, [10, 0, 0, last], id, "wrong").await;
            answer.headers.remove("x-request-id").unwrap();
            answers.push((answer.status, format!("{:?}", answer.headers), answer.body));
        }
        seen.push(answers);
    }
    assert_eq!(seen[0], seen[1]);
    assert_eq!(seen[0].iter().filter(|(status, ..)| *status == 429).count(), 5);
    for _ in 0..40 {
        app.token_from([10, 0, 0, 1], &[("grant_type", "password"), ("client_id", "nobody")])
            .await
            .assert_error(401, "invalid_client");
    }
    assert_eq!(app.token_from([10, 0, 0, 1], &login(EMAIL, PASSWORD)).await.status, 200, "public clients go on");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t18_many_at_once_are_no_more_than_many_in_a_row(pool: Pool) {
    let app = std::sync::Arc::new(TestApp::new(pool).await);
    let mut answers = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let app = std::sync::Arc::clone(&app);
        answers.spawn(async move { try_secret(&app, SERVER, CONFIDENTIAL, "wrong").await.status.as_u16() });
    }
    let answers = answers.join_all().await;
    assert_eq!(answers.iter().filter(|status| **status == 401).count(), 20);
}
