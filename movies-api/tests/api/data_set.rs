//! The films that are shipped with the service.

use movies_api::movies::files::{Format, Row, Rows, Unknowns};
use movies_api::movies::import::{ImportOptions, import};
use sqlx::PgPool;

use crate::support::TestApp;

const FILE: &[u8] = include_bytes!("../../data/movies.csv");

#[test]
fn every_row_is_good_and_no_film_is_there_twice() {
    let rows = Rows::open(FILE, Format::Csv, Unknowns::Refused).unwrap();
    let mut films = std::collections::HashSet::new();
    for row in rows {
        let Row::Film(_, movie) = row.unwrap() else { panic!("a broken row") };
        assert!((1915..=2011).contains(&movie.released.unwrap()), "{movie:?}");
        assert!(films.insert((movie.title, movie.released)));
    }
    assert_eq!(films.len(), 2987);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn it_is_imported_without_a_fault_and_served(pool: PgPool) {
    for (inserted, unchanged) in [(2987, 0), (0, 2987)] {
        let mut conn = pool.acquire().await.unwrap();
        let rows = Rows::open(FILE, Format::Csv, Unknowns::Refused).unwrap();
        let report = import(&mut conn, rows, ImportOptions::default(), |_| ()).await.unwrap();
        assert_eq!((report.inserted, report.unchanged, report.skipped), (inserted, unchanged, 0));
    }
    let app = TestApp::new(pool);
    insta::assert_snapshot!(app.get("/movies/?movie_id=1").await.body, @r#"{"movie_id":1,"title":"The Land Girls","released":1998,"rating":6.1}"#);
    insta::assert_snapshot!(app.get("/movies/new?year=2008&rating=8.7").await.body, @r#"[{"movie_id":2988,"title":"Toy Story 3","released":2010,"rating":8.9},{"movie_id":2986,"title":"The Town","released":2010,"rating":8.7},{"movie_id":2026,"title":"Inception","released":2010,"rating":9.1},{"movie_id":1267,"title":"The Dark Knight","released":2008,"rating":8.9}]"#);
    // Two that show what was mended: a year a hundred years off, a title in the wrong character set.
    insta::assert_snapshot!(app.get("/movies/?movie_id=1046").await.body, @r#"{"movie_id":1046,"title":"The Wizard of Oz","released":1939,"rating":8.3}"#);
    insta::assert_snapshot!(app.get("/movies/?movie_id=1574").await.body, @r#"{"movie_id":1574,"title":"Déjà Vu","released":2006,"rating":7.0}"#);
}
