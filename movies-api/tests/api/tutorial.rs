//! The README's "Adding a service": its room stands in `decades/`, is compiled with the tests, and runs here beside the
//! real ones. What the README shows of it is taken from these files.

use http::Method;
use movies_api::app;
use sqlx::PgPool;

use crate::decades;
use crate::support::TestApp;

const README: &str = include_str!("../../../README.md");
const FILES: [(&str, &str); 5] = [
    ("mod.rs", include_str!("decades/mod.rs")),
    ("handlers.rs", include_str!("decades/handlers.rs")),
    ("model.rs", include_str!("decades/model.rs")),
    ("store.rs", include_str!("decades/store.rs")),
    ("migration.sql", include_str!("decades/migration.sql")),
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
        assert!(is_shown, "no file of decades/ holds this part of the README:\n{block}");
    }
}
