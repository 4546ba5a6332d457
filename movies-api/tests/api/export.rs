//! The table into files.

use movies_api::movies::export::export;
use movies_api::movies::files::{Format, Rows, Unknowns};
use movies_api::movies::import::{ImportOptions, import};
use sqlx::PgPool;

use crate::support::{insert, insert_some};

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn both_formats_hold_every_film_by_key(pool: PgPool) {
    insert(&pool, &[(9, Some("Tick, \"tock\"\nboom"), Some(2001), Some("0.0"))]).await;
    insert_some(&pool).await;
    insta::assert_snapshot!(text(&pool, Format::Csv).await, @r#"
    movie_id,title,released,rating
    1,The Land Girls,1998,6.1
    2,Alien³,1992,6.3
    3,City of God,2003,8.8
    4,Ratatouille,2007,8.0
    5,Up,2009,8.4
    6,,,
    9,"Tick, ""tock""
    boom",2001,0.0
    "#);
    insta::assert_snapshot!(text(&pool, Format::Jsonl).await, @r#"
    {"movie_id":1,"title":"The Land Girls","released":1998,"rating":6.1}
    {"movie_id":2,"title":"Alien³","released":1992,"rating":6.3}
    {"movie_id":3,"title":"City of God","released":2003,"rating":8.8}
    {"movie_id":4,"title":"Ratatouille","released":2007,"rating":8.0}
    {"movie_id":5,"title":"Up","released":2009,"rating":8.4}
    {"movie_id":6,"title":null,"released":null,"rating":null}
    {"movie_id":9,"title":"Tick, \"tock\"\nboom","released":2001,"rating":0.0}
    "#);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn an_empty_table_is_a_header_or_nothing(pool: PgPool) {
    assert_eq!(text(&pool, Format::Csv).await, "movie_id,title,released,rating\n");
    assert_eq!(text(&pool, Format::Jsonl).await, "");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn what_was_exported_is_unchanged_when_it_is_imported(pool: PgPool) {
    insert_some(&pool).await;
    // More than two pages of the export.
    sqlx::query(
        "insert into myapi.movies select n, E'film\\t\\r\\n\\\\' || n, 1000 + n % 9000, (n % 100) / 10.0
         from generate_series(100, 11100) as n",
    )
    .execute(&pool)
    .await
    .unwrap();
    for format in [Format::Csv, Format::Jsonl] {
        let file = text(&pool, format).await;
        let mut conn = pool.acquire().await.unwrap();
        let rows = Rows::open(file.as_bytes(), format, Unknowns::Allowed).unwrap();
        let report = import(&mut conn, rows, ImportOptions::default(), |_| ()).await.unwrap();
        assert_eq!((report.unchanged, report.rows, report.skipped), (11_007, 11_007, 0), "{:?}", report.faults.first());
    }
}

async fn text(pool: &PgPool, format: Format) -> String {
    let mut conn = pool.acquire().await.unwrap();
    let mut file = Vec::new();
    export(&mut conn, &mut file, format).await.unwrap();
    String::from_utf8(file).unwrap()
}
