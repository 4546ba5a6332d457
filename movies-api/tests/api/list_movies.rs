//! `GET /movies?title=&year_min=&year_max=&rating_min=&rating_max=&sort=&limit=&cursor=`.

use http::StatusCode;
use insta::assert_snapshot;
use serde_json::Value;
use sqlx::PgPool;

use crate::support::{Answer, TestApp, insert, insert_some};

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn without_filters_every_film_comes_by_its_key(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    assert_snapshot!(app.get("/movies?limit=2").await, @r#"
    200 OK
    cache-control: no-store
    content-length: 132
    content-type: application/json
    link: </movies?sort=movie_id&limit=2&cursor=AgABAAAAAAAAAAI>; rel="next"
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff

    [{"movie_id":1,"title":"The Land Girls","released":1998,"rating":6.1},{"movie_id":2,"title":"Alien³","released":1992,"rating":6.3}]
    "#);
    let all = app.get("/movies").await;
    assert_eq!((ids(&all), next(&all)), (vec![1, 2, 3, 4, 5, 6], None));
    assert_eq!(app.get("/movies?movie_id=3&title=up").await.json()["title"], "City of God");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn filters_narrow_the_list_together(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    for (query, found) in [
        ("year_min=2003", vec![3, 4, 5]),
        ("year_max=1998", vec![1, 2]),
        ("year_min=1998&year_max=2007", vec![1, 3, 4]),
        ("rating_min=8.4", vec![3, 5]),
        ("rating_max=6.1", vec![1]),
        ("rating_min=8&rating_max=8", vec![4]),
        ("year_min=2007&rating_min=8.1", vec![5]),
        ("year_min=2008&year_max=2000", vec![]),
        ("title=girls&year_min=1999", vec![]),
        ("unknown=1&unknown=2&title=girls", vec![1]),
    ] {
        assert_eq!(ids(&app.get(&format!("/movies?{query}")).await), found, "{query}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_title_is_found_by_the_beginnings_of_its_words(pool: PgPool) {
    insert_some(&pool).await;
    let titles = [
        (11, "Spider-Man 2"),
        (12, "Catch-22"),
        (13, "O'Brother, Where Art Thou?"),
        (14, "Amélie"),
        (15, "東京物語"),
        (16, "100% Wolf_"),
    ];
    for (id, title) in titles {
        insert(&pool, &[(id, Some(title), Some(2000), Some("5.0"))]).await;
    }
    // Longer than any key of an index.
    let long = "x".repeat(1000) + &" ä".repeat(3000);
    insert(&pool, &[(17, Some(&long), None, None)]).await;
    let app = TestApp::new(pool);
    for (title, found) in [
        ("land", vec![1]),
        ("LAND", vec![1]),
        ("girls+the", vec![1]),
        ("gir+la", vec![1]),
        ("irls", vec![]),
        ("girls%20nobody", vec![]),
        ("alien", vec![2]),
        ("spiderman", vec![]),
        ("spider-m", vec![11]),
        ("man+spider", vec![11]),
        ("22", vec![12]),
        ("o%27bro", vec![13]),
        ("am%C3%A9l", vec![14]),
        ("%E6%9D%B1%E4%BA%AC", vec![15]),
        ("100%25", vec![16]),
        ("%25", vec![]),
        ("_", vec![]),
        ("%27%20%7C%20%27ali", vec![2]),
        ("zz%27:*%26!b", vec![]),
        ("x*", vec![17]),
    ] {
        assert_eq!(ids(&app.get(&format!("/movies?title={title}")).await), found, "{title}");
    }
    let x = "x".repeat(200);
    assert_eq!(ids(&app.get(&format!("/movies?title={x}")).await), [17]);
    assert_eq!(app.get(&format!("/movies?title={x}x")).await.code(), "validation_failed");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn every_wrong_parameter_is_named_at_once(pool: PgPool) {
    let app = TestApp::new(pool);
    let query = "title=+&year_min=x&year_max=10000&rating_min=8.15&rating_max=10&sort=length&limit=0&cursor=x";
    assert_snapshot!(app.get(&format!("/movies?{query}")).await.body, @r#"{"title":"A parameter is missing or does not fit","status":422,"code":"validation_failed","errors":[{"field":"title","message":"is empty"},{"field":"year_min","message":"must be a whole number"},{"field":"year_max","message":"must be between 0 and 9999"},{"field":"rating_min","message":"must have at most one decimal"},{"field":"rating_max","message":"must be between 0.0 and 9.9"},{"field":"sort","message":"must be movie_id, title, released or rating, each also with - in front"},{"field":"limit","message":"must be between 1 and 1000"}]}"#);
    for name in ["title", "year_min", "year_max", "rating_min", "rating_max", "sort", "limit", "cursor", "movie_id"] {
        let answer = app.get(&format!("/movies?{name}=1&{name}=1")).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_REQUEST, "request_malformed"), "{name}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_cursor_is_of_one_order(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    let next = next(&app.get("/movies?sort=-released&limit=1").await).unwrap();
    assert_eq!(app.get(&next).await.status, StatusCode::OK);
    for other in ["released", "rating", "-title", "movie_id"] {
        let target = next.replace("-released", other);
        assert_eq!(app.get(&target).await.code(), "validation_failed", "{other}");
    }
    let cursor_of_new = "/movies?cursor=AQAAB9cAAAAAAAAABA";
    assert_eq!(app.get(cursor_of_new).await.code(), "validation_failed");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s13_s18_odd_values_are_answered_and_never_fail(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool.clone());
    let probes = [
        "1%27",
        "1%20or%201=1",
        "1;select%20pg_sleep(5)--",
        "1%22",
        "1%5C",
        "NaN",
        "-inf",
        "1e400",
        "99999999999",
        "%F0%9F%8E%AC",
        "1/**/or/**/1=1",
        "$1",
        "%24%7B1%7D",
        "%27:*",
        "a%26b",
        "!a",
    ];
    for probe in probes {
        for name in ["year_min", "year_max", "rating_min", "rating_max", "sort", "limit", "cursor"] {
            let answer = app.get(&format!("/movies?{name}={probe}")).await;
            assert_eq!(answer.code(), "validation_failed", "{name}={probe}");
        }
        let started = std::time::Instant::now();
        assert_eq!(app.get(&format!("/movies?title={probe}")).await.status, StatusCode::OK, "{probe}");
        // A sanity bound, five times what the checklist asks.
        assert!(started.elapsed().as_millis() < 1500, "{probe}");
        assert_eq!(app.get(&format!("/movies/stats?year_min={probe}")).await.code(), "validation_failed", "{probe}");
        assert_eq!(app.get(&format!("/movies/export?format={probe}")).await.code(), "validation_failed", "{probe}");
    }
    for query in ["title=%ff", "title=a%00b", "sort=%zz", "x=%"] {
        for path in ["/movies", "/movies/stats", "/movies/export"] {
            assert_eq!(app.get(&format!("{path}?{query}")).await.code(), "request_malformed", "{path} {query}");
        }
    }
    let kept: i64 = sqlx::query_scalar("select count(*) from myapi.movies").fetch_one(&pool).await.unwrap();
    assert_eq!(kept, 6);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn pages_hold_every_film_once_and_in_order_with_the_unknown_last(pool: PgPool) {
    sqlx::query(
        "insert into myapi.movies (movie_id, title, released, rating)
         select n, case when n % 11 > 0 then chr(65 + n % 7) || case n % 2 when 0 then 'a' else 'B' end end,
                nullif(1985 + n % 25, 1999), nullif((n * 7 % 100) / 10.0, 5)
         from generate_series(1, 700) as n",
    )
    .execute(&pool)
    .await
    .unwrap();
    let app = TestApp::new(pool.clone());
    for (sort, order) in [
        ("movie_id", "movie_id"),
        ("-movie_id", "movie_id desc"),
        ("title", "lower(title) collate \"C\" nulls last, movie_id"),
        ("-title", "lower(title) collate \"C\" desc nulls last, movie_id desc"),
        ("released", "released nulls last, movie_id"),
        ("-released", "released desc nulls last, movie_id desc"),
        ("rating", "rating nulls last, movie_id"),
        ("-rating", "rating desc nulls last, movie_id desc"),
    ] {
        for (filter, condition) in
            [("", "true"), ("&rating_min=2", "rating >= 2"), ("&year_max=2000", "released <= 2000")]
        {
            let expected = format!("select movie_id::bigint from myapi.movies where {condition} order by {order}");
            let expected: Vec<i64> = sqlx::query_scalar(sqlx::AssertSqlSafe(expected)).fetch_all(&pool).await.unwrap();
            for limit in [1000, 7, 64] {
                let mut target = format!("/movies?sort={sort}&limit={limit}{filter}");
                let mut found = Vec::new();
                loop {
                    let page = app.get(&target).await;
                    found.extend(ids(&page));
                    let Some(next) = next(&page) else { break };
                    target = next;
                }
                assert_eq!(found, expected, "{sort} {filter} {limit}");
            }
        }
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_search_goes_on_by_its_link(pool: PgPool) {
    insert(&pool, &[(1, Some("Tom & Jerry"), None, None), (2, Some("Jerry, Tom"), None, None)]).await;
    let app = TestApp::new(pool);
    let first = app.get("/movies?title=tom+%26+j&limit=1&sort=title&rating_max=9.9").await;
    // A film without rating is not among those of any rating.
    assert_eq!(ids(&first), Vec::<i64>::new());
    let first = app.get("/movies?title=tom+%26+j&limit=1&sort=title").await;
    let link = next(&first).unwrap();
    assert!(link.starts_with("/movies?title=tom+%26+j&sort=title&limit=1&cursor="), "{link}");
    let second = app.get(&link).await;
    assert_eq!((ids(&first), ids(&second), next(&second)), (vec![2], vec![1], None));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn stats_tell_how_each_year_is_rated(pool: PgPool) {
    insert_some(&pool).await;
    insert(&pool, &[(7, Some("Big Fish"), Some(2003), Some("7.5")), (8, Some("Lost"), Some(2003), None)]).await;
    insert(&pool, &[(9, Some("Unseen"), Some(1950), None)]).await;
    let app = TestApp::new(pool);
    assert_snapshot!(app.get("/movies/stats?year_min=1950&year_max=2003").await, @r#"
    200 OK
    cache-control: no-store
    content-length: 397
    content-type: application/json
    referrer-policy: no-referrer
    vary: Authorization
    x-content-type-options: nosniff

    [{"released":1950,"movies":1,"rated":0,"lowest_rating":null,"mean_rating":null,"highest_rating":null},{"released":1992,"movies":1,"rated":1,"lowest_rating":6.3,"mean_rating":6.3,"highest_rating":6.3},{"released":1998,"movies":1,"rated":1,"lowest_rating":6.1,"mean_rating":6.1,"highest_rating":6.1},{"released":2003,"movies":3,"rated":2,"lowest_rating":7.5,"mean_rating":8.15,"highest_rating":8.8}]
    "#);
    assert_eq!(app.get("/movies/stats").await.json().as_array().unwrap().len(), 6);
    assert_eq!(app.get("/movies/stats?year_min=2010").await.body, "[]");
    assert_snapshot!(app.get("/movies/stats?year_min=x&year_max=-1").await.body, @r#"{"title":"A parameter is missing or does not fit","status":422,"code":"validation_failed","errors":[{"field":"year_min","message":"must be a whole number"},{"field":"year_max","message":"must be between 0 and 9999"}]}"#);
}

fn ids(page: &Answer) -> Vec<i64> {
    let Value::Array(movies) = page.json() else { panic!("{page}") };
    movies.iter().map(|movie| movie["movie_id"].as_i64().unwrap()).collect()
}

/// The target of `rel="next"`, which is relative to the service's origin.
fn next(page: &Answer) -> Option<String> {
    let link = page.headers.get("link")?.to_str().unwrap();
    Some(link.strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap().to_owned())
}
