//! `GET /movies/export?format=`.

use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt as _;
use insta::assert_snapshot;
use movies_api::movies::export::export;
use movies_api::movies::files::Format;
use sqlx::PgPool;

use crate::support::{TestApp, insert_some};

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn both_formats_are_the_files_of_the_command_line(pool: PgPool) {
    insert_some(&pool).await;
    // More than two pages, with what has to be escaped.
    sqlx::query(
        "insert into myapi.movies select n, E'film\\t\\r\\n\\\\\",' || n, 1000 + n % 9000, (n % 100) / 10.0
         from generate_series(100, 1400) as n",
    )
    .execute(&pool)
    .await
    .unwrap();
    let app = TestApp::new(pool.clone());
    for (name, format) in [("csv", Format::Csv), ("ndjson", Format::Jsonl)] {
        let answer = app.get(&format!("/movies/export?format={name}")).await;
        let mut file = Vec::new();
        export(&mut pool.acquire().await.unwrap(), &mut file, format).await.unwrap();
        assert_eq!(answer.status, StatusCode::OK);
        assert!(answer.body == String::from_utf8(file).unwrap(), "{name}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_file_says_what_it_is(pool: PgPool) {
    let app = TestApp::new(pool.clone());
    assert_snapshot!(app.get("/movies/export?format=csv").await, @r#""#);
    insert_some(&pool).await;
    assert_snapshot!(app.get("/movies/export?format=ndjson").await, @r#""#);
    assert_snapshot!(app.get("/movies/export").await.body, @r#""#);
    assert_snapshot!(app.get("/movies/export?format=xml").await.body, @r#""#);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s15_a_file_is_made_as_its_reader_takes_it_and_holds_no_connection(pool: PgPool) {
    let films = "insert into myapi.movies select n, 'film ' || n, 2000, 5.0 from generate_series(1, 50000) as n";
    sqlx::query(films).execute(&pool).await.unwrap();
    let app = TestApp::new(pool.clone());
    let request = Request::get("/movies/export?format=csv")
        .header(header::AUTHORIZATION, format!("Bearer {}", app.token().mint()))
        .body(Body::empty())
        .unwrap();
    let mut body = app.open(request).await.into_body();
    let mut parts = 0;
    for _ in 0..5 {
        let part = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert!(part.len() < 32_000, "{}", part.len());
        parts += 1;
        // Between two parts everything is given back.
        assert_eq!(u32::try_from(pool.num_idle()).unwrap(), pool.size());
    }
    // A film that comes behind what was read already is in the rest.
    sqlx::query("insert into myapi.movies values (50001, 'late', 2001, 5.0)").execute(&pool).await.unwrap();
    let rest = body.collect().await.unwrap().to_bytes();
    assert!(rest.ends_with(b"50001,late,2001,5.0\n"));
    assert_eq!(parts, 5);
    // A reader that goes away takes the rest along: nothing runs by itself.
    let request = Request::get("/movies/export?format=ndjson")
        .header(header::AUTHORIZATION, format!("Bearer {}", app.token().mint()))
        .body(Body::empty())
        .unwrap();
    drop(app.open(request).await);
    assert_eq!(u32::try_from(pool.num_idle()).unwrap(), pool.size());
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_file_that_cannot_be_ended_is_never_taken_for_whole(pool: PgPool) {
    let films = "insert into myapi.movies select n, 'film ' || n, 2000, 5.0 from generate_series(1, 2000) as n";
    sqlx::query(films).execute(&pool).await.unwrap();
    let app = TestApp::new(pool.clone());
    let request = Request::get("/movies/export?format=csv")
        .header(header::AUTHORIZATION, format!("Bearer {}", app.token().mint()))
        .body(Body::empty())
        .unwrap();
    let mut body = app.open(request).await.into_body();
    body.frame().await.unwrap().unwrap();
    sqlx::query("alter table myapi.movies rename to gone").execute(&pool).await.unwrap();
    assert!(body.collect().await.is_err(), "the connection ends without the last chunk");
    // Before the first byte a failure has a status.
    let answer = app.get("/movies/export?format=csv").await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"));
}
