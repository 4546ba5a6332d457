//! The README's "Adding a service": its rooms stand in `decades/` and `reviews/`, are compiled with the tests, and run here
//! beside the real ones. What the README shows of them is taken from these files.

use axum::body::Body;
use http::{Method, Request};
use movies_api::app;
use serde_json::Value;
use sqlx::PgPool;

use crate::support::{Answer, TestApp, insert_some};
use crate::{decades, reviews};

const README: &str = include_str!("../../../README.md");
const FILES: [(&str, &str); 13] = [
    ("mod.rs", include_str!("decades/mod.rs")),
    ("handlers.rs", include_str!("decades/handlers.rs")),
    ("model.rs", include_str!("decades/model.rs")),
    ("store.rs", include_str!("decades/store.rs")),
    ("migration.sql", include_str!("decades/migration.sql")),
    ("mod.rs", include_str!("reviews/mod.rs")),
    ("documented.rs", include_str!("reviews/documented.rs")),
    ("handlers.rs", include_str!("reviews/handlers.rs")),
    ("model.rs", include_str!("reviews/model.rs")),
    ("schemas.rs", include_str!("reviews/schemas.rs")),
    ("service.rs", include_str!("reviews/service.rs")),
    ("store.rs", include_str!("reviews/store.rs")),
    ("migration.sql", include_str!("reviews/migration.sql")),
];

async fn service(pool: PgPool) -> TestApp {
    sqlx::raw_sql(include_str!("decades/migration.sql")).execute(&pool).await.unwrap();
    let films = "insert into myapi.movies (title, released, rating)
                 values ('A', 1989, 7.0), ('B', 1990, 6.0), ('C', 1999, 8.1), ('D', 1995, null), ('E', null, 9.0)";
    sqlx::query(films).execute(&pool).await.unwrap();
    TestApp::with_rooms(pool, app::rooms().merge(decades::router()))
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_new_room_answers_from_its_function(pool: PgPool) {
    let app = service(pool).await;
    let token = app.token().scope("decades:read").mint();
    let answer = app.ask(Method::GET, "/decades", Some(&format!("Bearer {token}"))).await;
    insta::assert_snapshot!(answer, @r#"
    200 OK
    cache-control: no-store
    content-length: 91
    content-type: application/json
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff

    [{"decade":1980,"movies":1,"mean_rating":7.0},{"decade":1990,"movies":3,"mean_rating":7.1}]
    "#);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_new_room_wants_its_own_scope_and_the_old_ones_go_on(pool: PgPool) {
    let app = service(pool).await;
    assert_eq!(app.ask(Method::GET, "/decades", None).await.code(), "token_missing");
    assert_eq!(app.get("/decades").await.code(), "scope_insufficient");
    assert_eq!(app.get("/movies/999").await.code(), "movie_not_found");
    assert_eq!(app.ask(Method::POST, "/decades", None).await.code(), "method_not_allowed");
}

/// Tokens of this subject with this address.
struct User<'a> {
    app: &'a TestApp,
    sub: &'a str,
    email: &'a str,
}

impl User<'_> {
    fn bearer(&self, scope: &str) -> String {
        let token = self.app.token().claim("sub", self.sub).claim("email", self.email).scope(scope);
        format!("Bearer {}", token.mint())
    }

    async fn read(&self, target: &str) -> Answer {
        self.app.ask(Method::GET, target, Some(&self.bearer("reviews:read"))).await
    }

    async fn write(&self, body: &str) -> Answer {
        let request = Request::post("/reviews").header("authorization", self.bearer("reviews:write"));
        let request = request.header("content-type", "application/json").body(Body::from(body.to_owned()));
        self.app.send(request.unwrap()).await
    }
}

async fn reviewing(pool: &PgPool) -> TestApp {
    sqlx::raw_sql(include_str!("reviews/migration.sql")).execute(pool).await.unwrap();
    insert_some(pool).await;
    TestApp::with_rooms(pool.clone(), app::rooms().merge(reviews::router()))
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s16_a_review_is_its_subjects_whoever_has_the_address(pool: PgPool) {
    let app = reviewing(&pool).await;
    let user = |sub, email| User { app: &app, sub, email };
    let (ann, bob) = (user("ann", "a@example.com"), user("bob", "b@example.com"));
    insta::assert_snapshot!(ann.write(r#"{"movie_id":1,"stars":4,"body":"Slow, and worth it."}"#).await, @r#"
    201 Created
    cache-control: no-store
    content-length: 118
    content-type: application/json
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff

    {"review_id":1,"movie_id":1,"stars":4,"body":"Slow, and worth it.","created_at":"2027-01-15T08:00:00Z","is_mine":true}
    "#);
    let mine = async |user: &User<'_>| -> Vec<(i64, bool)> {
        let reviews = user.read("/reviews?movie_id=1").await.json();
        let each = |review: &Value| (review["review_id"].as_i64().unwrap(), review["is_mine"].as_bool().unwrap());
        reviews.as_array().unwrap().iter().map(each).collect()
    };
    assert_eq!((mine(&ann).await, mine(&bob).await), (vec![(1, true)], vec![(1, false)]));

    // They swap their addresses, as happens in companies every day; and Bob takes Ann's name.
    let (ann, bob) = (user("ann", "b@example.com"), user("bob", "a@example.com"));
    assert_eq!((mine(&ann).await, mine(&bob).await), (vec![(1, true)], vec![(1, false)]));
    assert_eq!(ann.write(r#"{"movie_id":1,"stars":1,"body":"Again"}"#).await.code(), "review_exists");
    assert_eq!(bob.write(r#"{"movie_id":1,"stars":1,"body":"Dull"}"#).await.status, 201);
    assert_eq!(mine(&ann).await, [(3, false), (1, true)]);

    // The same `sub` of another issuer would be somebody else.
    sqlx::query("update myapi.reviews set author_iss = 'https://other.example.com' where review_id = 1")
        .execute(&pool)
        .await
        .unwrap();
    assert_eq!(mine(&ann).await, [(3, false), (1, false)]);
    assert_eq!(ann.write(r#"{"movie_id":1,"stars":2,"body":"As myself"}"#).await.status, 201);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_review_is_refused_whole_and_by_name(pool: PgPool) {
    let app = reviewing(&pool).await;
    let ann = User { app: &app, sub: "ann", email: "a@example.com" };
    insta::assert_snapshot!(ann.write(r#"{"stars":6,"body":" ","by":"me"}"#).await.body, @r#"{"title":"A parameter is missing or does not fit","status":422,"code":"validation_failed","errors":[{"field":"by","message":"is not a member of a review"},{"field":"movie_id","message":"is missing"},{"field":"stars","message":"must be a whole number between 1 and 5"},{"field":"body","message":"is empty"}]}"#);
    for (body, code) in [
        (r#"{"movie_id":99,"stars":4,"body":"?"}"#, "movie_not_found"),
        (r#"{"movie_id":1,"stars":4.5,"body":"?"}"#, "validation_failed"),
        (r#"{"movie_id":1,"stars":4,"body":"a\u0000"}"#, "validation_failed"),
        ("[]", "request_malformed"),
    ] {
        assert_eq!(ann.write(body).await.code(), code, "{body}");
    }
    assert_eq!(ann.read("/reviews").await.code(), "validation_failed");
    assert_eq!(ann.read("/reviews?movie_id=1&before=x").await.code(), "validation_failed");
    let bearer = ann.bearer("reviews:read");
    assert_eq!(app.ask(Method::POST, "/reviews", Some(&bearer)).await.code(), "scope_insufficient");
    assert_eq!(app.ask(Method::GET, "/reviews?movie_id=1", None).await.code(), "token_missing");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn reviews_come_in_pages_and_go_with_their_film(pool: PgPool) {
    let app = reviewing(&pool).await;
    sqlx::query(
        "insert into myapi.reviews (movie_id, author_iss, author_sub, stars, body, created_at)
         select 1, 'i', n::text, 3, 'So so.', now() from generate_series(1, 150) as n",
    )
    .execute(&pool)
    .await
    .unwrap();
    let ann = User { app: &app, sub: "ann", email: "a@example.com" };
    let first = ann.read("/reviews?movie_id=1").await;
    assert_eq!(first.json().as_array().unwrap().len(), 100);
    assert_eq!(first.header("link"), "</reviews?movie_id=1&before=51>; rel=\"next\"");
    let second = ann.read("/reviews?movie_id=1&before=51").await;
    assert_eq!((second.json().as_array().unwrap().len(), second.header("link")), (50, ""));
    assert_eq!(app.write(Method::DELETE, "/movies/1", &[], "").await.status, 204);
    assert_eq!(ann.read("/reviews?movie_id=1").await.body, "[]");
}

/// Whatever a client may be answered stands in the document.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_document_has_every_answer_of_the_new_room(pool: PgPool) {
    let document = reviewing(&pool).await.get("/openapi.json").await.json();
    let answers = |method: &str| -> Vec<String> {
        document["paths"]["/reviews"][method]["responses"].as_object().unwrap().keys().cloned().collect()
    };
    assert_eq!(answers("get"), ["200", "400", "401", "403", "422", "429", "500", "503"]);
    assert_eq!(answers("post"), ["201", "400", "401", "403", "404", "409", "413", "415", "422", "429", "500", "503"]);
}

#[test]
fn the_readme_shows_these_files() {
    let tutorial = README.split("## Adding a service").nth(1).unwrap().split("\n## ").next().unwrap();
    let blocks: Vec<&str> = tutorial
        .split("```")
        .skip(1)
        .step_by(2)
        .filter_map(|block| block.strip_prefix("rust\n").or(block.strip_prefix("sql\n")))
        .collect();
    assert!(blocks.len() >= 4, "{}", blocks.len());
    for block in blocks {
        let is_shown = FILES.iter().any(|(_, text)| text.contains(block.trim_end()));
        assert!(is_shown, "no file of decades/ or reviews/ holds this part of the README:\n{block}");
    }
}
