//! Lists, searches, figures and files on a table that is big enough for the planner to mind (S15). `cargo xtask soak
//! million-movies` does the same with a million films and a stopwatch.

use http::StatusCode;
use serde_json::Value;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::support::{Answer, TestApp};

const FILMS: i64 = 50_000;
/// The same as in the statements.
const TITLE: &str = "lower(left(title, 100)) collate \"C\"";

/// A fifth of the titles begin with `The`, a two hundredth hold `rare`, each has a word of its own that begins with `x` and
/// one of three hundred: with fewer frequent words than a hundred the planner guesses. Ratings and years are spread evenly, but that films with
/// `late` are the worst.
async fn fill(pool: &PgPool) {
    sqlx::query(
        "insert into myapi.movies (title, released, rating)
         select (array['The', 'Night', 'Land', 'Return', 'Last'])[n % 5 + 1] || ' w' || n % 300 || ' x' || md5(n::text)
                || case when n % 200 = 7 then ' rare' else '' end || case when n % 100 < 10 then ' late' else '' end,
                1900 + n % 113, case when n % 100 < 10 then n % 10 else 10 + n * 31 % 89 end / 10.0
         from generate_series(1, $1) as n",
    )
    .bind(FILMS)
    .execute(pool)
    .await
    .unwrap();
    sqlx::query("vacuum analyze myapi.movies").execute(pool).await.unwrap();
}

async fn explain(pool: &PgPool, statement: &str) -> String {
    let sql = format!("explain {statement}");
    let plan: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(pool).await.unwrap();
    plan.join("\n")
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s15_each_order_is_read_from_its_index(pool: PgPool) {
    fill(&pool).await;
    for (index, condition, order) in [
        ("movies_pkey", "movies.movie_id > 40000::bigint".to_owned(), "movies.movie_id asc".to_owned()),
        ("movies_pkey", "movies.movie_id < 40000::bigint".to_owned(), "movies.movie_id desc".to_owned()),
        (
            "movies_title_idx",
            format!("title is not null and ({TITLE}, movies.movie_id) > ('land 5', 7::bigint)"),
            format!("{TITLE} asc, movies.movie_id asc"),
        ),
        ("movies_title_idx", "title is not null".to_owned(), format!("{TITLE} desc, movies.movie_id desc")),
        (
            "movies_released_idx",
            "released is not null and (released, movies.movie_id) > (1950, 7::bigint)".to_owned(),
            "released asc, movies.movie_id asc".to_owned(),
        ),
        (
            "movies_rating_idx",
            "rating is not null and (rating, movies.movie_id) < (8.1, 7::bigint)".to_owned(),
            "rating desc, movies.movie_id desc".to_owned(),
        ),
        ("movies_released", "released is null".to_owned(), "released asc, movies.movie_id asc".to_owned()),
        ("movies_rating", "rating is null".to_owned(), "rating asc, movies.movie_id asc".to_owned()),
        ("movies_title_idx", format!("{TITLE} is null"), format!("{TITLE} asc, movies.movie_id asc")),
    ] {
        let from = "select movie_id::bigint as movie_id, title, released, rating from myapi.movies";
        let plan = explain(&pool, &format!("{from} where {condition} order by {order} limit 101")).await;
        let is_read = plan.contains("Index Scan") && plan.contains(index) && !plan.contains("Sort");
        assert!(is_read, "{condition} {order}\n{plan}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s15_a_search_in_another_order_sorts_what_the_word_index_finds(pool: PgPool) {
    fill(&pool).await;
    for order in
        ["rating + 0 desc", "released + 0 desc", "movies.movie_id + 0", "(lower(left(title, 100)) || '') collate \"C\""]
    {
        let plan = explain(
            &pool,
            &format!(
                "select movie_id, title from myapi.movies
                 where array_to_tsvector(myapi.title_words(title)) @@ myapi.title_query('land rare')
                 order by {order}, movies.movie_id desc limit 101"
            ),
        )
        .await;
        assert!(plan.contains("movies_title_words_idx") && plan.contains("Sort"), "{order}\n{plan}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s15_films_of_some_years_by_rating_are_merged_from_one_index(pool: PgPool) {
    fill(&pool).await;
    let plan = explain(
        &pool,
        "select movie_id, rating from generate_series(1990, 1999) as steps (value)
         cross join lateral (
             select movie_id, rating from myapi.movies where released = steps.value and rating is not null
             order by rating desc, movies.movie_id desc limit 11
         ) as movies",
    )
    .await;
    assert!(plan.contains("Index Only Scan using movies_released_rating_idx") && !plan.contains("Sort"), "{plan}");
    let plan = explain(
        &pool,
        "select movie_id, released from generate_series(8.0, 9.9, 0.1) as steps (value)
         cross join lateral (
             select movie_id, released from myapi.movies where rating = steps.value and released >= 1990
             order by released desc, movies.movie_id desc limit 11
         ) as movies",
    )
    .await;
    assert!(plan.contains("Index Only Scan using movies_rating_released_idx") && !plan.contains("Sort"), "{plan}");
    let plan = explain(&pool, "select * from myapi.movie_stats(null, null)").await;
    assert!(!plan.contains("Seq Scan on movies "), "{plan}");
}

/// How many rows of the table, and entries of its indexes, these requests read.
struct Meter {
    pool: PgPool,
    app: TestApp,
}

impl Meter {
    /// On one connection, whose counts are what is read.
    async fn new(pool: &PgPool) -> Self {
        let options = pool.connect_options().as_ref().clone();
        let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.unwrap();
        Self { app: TestApp::new(pool.clone()), pool }
    }

    async fn total(&self) -> i64 {
        // Else a session tells its counts once a second at most.
        sqlx::query("select pg_stat_force_next_flush()").execute(&self.pool).await.unwrap();
        sqlx::query_scalar(
            "select (select seq_tup_read from pg_stat_user_tables where relid = 'myapi.movies'::regclass)
                  + (select sum(idx_tup_read) from pg_stat_user_indexes where relid = 'myapi.movies'::regclass)::bigint",
        )
        .fetch_one(&self.pool)
        .await
        .unwrap()
    }

    async fn read_by(&self, target: &str) -> (Answer, i64) {
        let before = self.total().await;
        let answer = self.app.get(target).await;
        assert_eq!(answer.status, StatusCode::OK, "{target} {answer}");
        (answer, self.total().await - before)
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s15_no_list_reads_more_than_its_pages_are_worth(pool: PgPool) {
    fill(&pool).await;
    let is_known: bool =
        sqlx::query_scalar("select to_regproc('pg_stat_force_next_flush') is not null").fetch_one(&pool).await.unwrap();
    if !is_known {
        eprintln!("skipped: Postgres before 15 tells its counts too late");
        return;
    }
    let meter = Meter::new(&pool).await;
    for (target, bound) in [
        ("/movies?sort=-rating", 110),
        ("/movies?sort=title&year_min=1910", 1000),
        // Common words: a few times a page, in each order in which they are not the last.
        ("/movies?title=the", 2000),
        ("/movies?title=the&sort=-rating", 2000),
        ("/movies?title=the&sort=released", 2000),
        ("/movies?title=land&sort=-released&year_min=1950&rating_min=2", 4000),
        // Rare ones: what there is of them.
        ("/movies?title=rare&sort=-rating", 1500),
        ("/movies?title=rare&sort=title", 1500),
        // A letter that begins a rare word of every title, of which no statistics tell, and its next: a look at some pages first.
        ("/movies?title=x&sort=-rating", 2000),
        ("/movies?title=the+x&sort=released", 3000),
        ("/movies?title=x7&sort=-title", 4500),
        // Common, and all at the end of the order: one stretch, and each that fits.
        ("/movies?title=late&sort=-rating", 5000 + 4100),
        ("/movies?title=the&sort=title", 10_000 + 2100),
        // Years by rating, ratings by year, and both by key.
        ("/movies?year_min=1990&year_max=1990&sort=-rating", 1100),
        ("/movies?year_min=1950&year_max=1959&sort=rating", 2500),
        ("/movies?rating_min=9.5&sort=-released", 1500),
        ("/movies?rating_min=9.8&sort=movie_id", 1100),
        ("/movies/new?year=2000&rating=9.8", 1200),
        ("/movies/new?year=1900&rating=0", 1000),
        // Two entries for each year.
        ("/movies/stats", 2 * 113 + 10),
        ("/movies/stats?year_min=1990&year_max=1999", 30),
    ] {
        let (_, read) = meter.read_by(target).await;
        assert!(read <= bound, "{target}: {read} rows read, {bound} allowed");
    }
}

/// However deep: the last pages read as few rows as the first.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s15_deep_pages_cost_what_the_first_does(pool: PgPool) {
    fill(&pool).await;
    let app = TestApp::new(pool.clone());
    for start in ["/movies?limit=1000", "/movies?limit=1000&sort=-rating&year_min=1950"] {
        let expected: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
            "select count(*) from myapi.movies where {}",
            if start.contains("year_min") { "released >= 1950" } else { "true" }
        )))
        .fetch_one(&pool)
        .await
        .unwrap();
        let (mut target, mut seen) = (start.to_owned(), 0);
        loop {
            let page = app.get(&target).await;
            seen += i64::try_from(ids(&page).len()).unwrap();
            let Some(next) = next(&page) else { break };
            target = next;
        }
        assert_eq!(seen, expected, "{start}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s15_pages_are_bounded(pool: PgPool) {
    fill(&pool).await;
    let app = TestApp::new(pool);
    for query in ["", "title=the&", "title=land+xab&", "sort=-rating&", "sort=title&year_min=1990&"] {
        let page = app.get(&format!("/movies?{query}limit=1000")).await;
        assert!(ids(&page).len() <= 1000 && page.body.len() < 200_000, "{query}");
        assert_eq!(app.get(&format!("/movies?{query}limit=1001")).await.code(), "validation_failed");
    }
    assert_eq!(ids(&app.get("/movies?title=the").await).len(), 100);
}

/// The ways to a page differ; what stands on it does not.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s15_every_way_finds_the_same_films(pool: PgPool) {
    fill(&pool).await;
    sqlx::query("update myapi.movies set rating = null where movie_id % 37 = 0").execute(&pool).await.unwrap();
    let app = TestApp::new(pool.clone());
    let word = |word: &str| format!("array_to_tsvector(myapi.title_words(title)) @@ myapi.title_query('{word}')");
    for (query, condition) in [
        ("title=rare".to_owned(), word("rare")),
        ("title=late".to_owned(), word("late")),
        ("title=the+rare&rating_min=3".to_owned(), format!("{} and rating >= 3", word("the rare"))),
        ("year_min=1950&year_max=1952".to_owned(), "released between 1950 and 1952".to_owned()),
        ("rating_min=9.7".to_owned(), "rating >= 9.7".to_owned()),
        ("rating_max=0.2&year_min=2000".to_owned(), "rating <= 0.2 and released >= 2000".to_owned()),
    ] {
        for (sort, order) in [
            ("movie_id", "movie_id".to_owned()),
            ("-title", format!("{TITLE} desc nulls last, movie_id desc")),
            ("released", "released nulls last, movie_id".to_owned()),
            ("-rating", "rating desc nulls last, movie_id desc".to_owned()),
        ] {
            let sql = format!("select movie_id::bigint from myapi.movies where {condition} order by {order}");
            let expected: Vec<i64> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(&pool).await.unwrap();
            let (mut target, mut found) = (format!("/movies?{query}&sort={sort}&limit=900"), Vec::new());
            loop {
                let page = app.get(&target).await;
                found.extend(ids(&page));
                let Some(next) = next(&page) else { break };
                target = next;
            }
            assert_eq!(found, expected, "{query} {sort}");
        }
    }
}

/// Short and whole words, digits, letters beyond ASCII, titles long enough for a word to be cut: on every way and in every order
/// a search finds what a look at each title finds.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn s15_words_of_any_length_are_found_in_every_order(pool: PgPool) {
    fill(&pool).await;
    sqlx::query(
        "update myapi.movies
         set title = case movie_id % 5
             when 0 then 'é'
             when 1 then title || ' éa-7'
             when 2 then '(Émile) o''x4 naïve2 ' || title
             when 3 then repeat('y', 200) || 'xlast ' || title
             else null
         end
         where movie_id % 7 = 0",
    )
    .execute(&pool)
    .await
    .unwrap();
    sqlx::query("vacuum analyze myapi.movies").execute(&pool).await.unwrap();
    let app = TestApp::new(pool.clone());
    sqlx::query(
        "create table plain as
         select movie_id, word
         from myapi.movies, regexp_split_to_table(
             regexp_replace(lower(title), '(y{200})', '\\1 '), '[^a-z0-9\u{e9}\u{c9}\u{ef}]+') as word",
    )
    .execute(&pool)
    .await
    .unwrap();
    for words in [
        "x",
        "t",
        "é",
        "É",
        "7",
        "x4",
        "th",
        "éa",
        "w1",
        "the",
        "w12",
        "x4e",
        "w123",
        "land",
        "late",
        "xlast",
        "na\u{ef}ve2",
        "émile",
        "yyyy",
        "the x",
        "x t",
        "w1 x4",
        "land x4e",
        "é x",
    ] {
        let begins = |word: &str| format!("movie_id in (select movie_id from plain where word like '{word}%')");
        let condition: Vec<String> = words.split(' ').map(begins).collect();
        let condition = condition.join(" and ");
        let query = words.bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
        for (sort, order) in [
            ("movie_id", "movie_id".to_owned()),
            ("title", format!("{TITLE} nulls last, movie_id")),
            ("-released", "released desc nulls last, movie_id desc".to_owned()),
            ("-rating", "rating desc nulls last, movie_id desc".to_owned()),
        ] {
            let sql = format!("select movie_id::bigint from myapi.movies where {condition} order by {order} limit 300");
            let expected: Vec<i64> = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).fetch_all(&pool).await.unwrap();
            let first = app.get(&format!("/movies?title={query}&sort={sort}&limit=150")).await;
            let mut found = ids(&first);
            if let Some(next) = next(&first) {
                found.extend(ids(&app.get(&next).await));
            }
            assert_eq!(found, expected, "{words} {sort}");
        }
    }
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
