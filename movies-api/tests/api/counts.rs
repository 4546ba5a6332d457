//! The counts behind `/movies/stats`, which triggers keep, whoever writes.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection, PgPool};

use crate::support::TestApp;

/// What is kept and what there is, each as text.
async fn kept_and_counted(pool: &PgPool) -> [String; 2] {
    let kept = "select coalesce(string_agg(concat_ws('|', released, movies, rated, lowest_rating, mean_rating, highest_rating),
                                           ' ' order by released), '') from myapi.movie_stats(null, null)";
    let counted = "select coalesce(string_agg(concat_ws('|', released, movies, rated, lowest, mean, highest), ' ' order by released), '')
         from (select released, count(*) as movies, count(rating) as rated, min(rating) as lowest,
                      avg(rating)::numeric(3, 2) as mean, max(rating) as highest
               from myapi.movies where released is not null group by released) as years";
    let mut texts = Vec::new();
    for sql in [kept, counted] {
        texts.push(sqlx::query_scalar(sql).fetch_one(pool).await.unwrap());
    }
    texts.try_into().unwrap()
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn every_kind_of_statement_keeps_the_counts_right(pool: PgPool) {
    for statement in [
        "insert into myapi.movies (title, released, rating) values ('A', 1990, 7.0), ('B', 1990, 6.1), ('C', 1991, null)",
        // As the old application does it, one by one.
        "insert into myapi.movies (title, released, rating) values ('D', null, 9.0)",
        "insert into myapi.movies values (100, 'E', 1990, 0.0)",
        "update myapi.movies set rating = 8.2 where title = 'A'",
        "update myapi.movies set released = 1992 where title in ('A', 'C')",
        "update myapi.movies set released = 2000 where title = 'D'",
        "update myapi.movies set rating = null, released = null where title = 'B'",
        "update myapi.movies set title = title || '!'",
        "update myapi.movies set rating = 1.0 where false",
        "insert into myapi.movies (movie_id, title, released, rating) values (100, 'E', 1993, 5.0), (101, 'F', 1993, 6.0)
         on conflict (movie_id) do update set released = excluded.released, rating = excluded.rating",
        "with gone as (delete from myapi.movies where released = 1992 returning 1)
         insert into myapi.movies (title, released) select 'G', 1995 from gone",
        "delete from myapi.movies where movie_id = 100",
        "delete from myapi.movies where released is null",
        "truncate myapi.movies cascade",
        "insert into myapi.movies (title, released, rating) select 'H', 1900 + n % 7, (n % 90) / 10.0 from generate_series(1, 500) n",
    ] {
        sqlx::query(statement).execute(&pool).await.unwrap();
        let [kept, counted] = kept_and_counted(&pool).await;
        assert_eq!(kept, counted, "{statement}");
    }
    assert!(kept_and_counted(&pool).await[0].starts_with("1900|71|71|"));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn writers_at_once_wait_for_nobody_and_lose_no_film(pool: PgPool) {
    let options = pool.connect_options();
    let mut slow = PgConnection::connect_with(&options).await.unwrap();
    let insert = "insert into myapi.movies (title, released, rating) values ('A', 1990, 7.0)";
    sqlx::query(insert).execute(&pool).await.unwrap();
    let mut transaction = slow.begin().await.unwrap();
    sqlx::query(insert).execute(&mut *transaction).await.unwrap();
    // The slow one holds the row of the year.
    let others = (0..8).map(|_| async { sqlx::query(insert).execute(&pool).await.map(drop) });
    let waiting = tokio::time::timeout(Duration::from_secs(10), futures_util::future::try_join_all(others));
    waiting.await.unwrap().unwrap();
    transaction.rollback().await.unwrap();
    sqlx::query(insert).execute(&pool).await.unwrap();
    let [kept, counted] = kept_and_counted(&pool).await;
    assert_eq!((kept.as_str(), &kept), ("1990|10|10|7.0|7.00|7.0", &counted));
    // Whoever comes last finds the rows free and makes one of them again.
    let rows: i64 = sqlx::query_scalar("select count(*) from myapi.movie_years").fetch_one(&pool).await.unwrap();
    assert_eq!(rows, 1);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn rows_that_came_without_triggers_can_be_counted_anew(pool: PgPool) {
    sqlx::raw_sql(
        "begin; set local session_replication_role = replica;
         insert into myapi.movies (title, released, rating) values ('A', 1990, 7.0); commit;",
    )
    .execute(&pool)
    .await
    .unwrap();
    let app = TestApp::new(pool.clone());
    assert_eq!(app.get("/movies/stats").await.body, "[]");
    sqlx::query("select myapi.recount_movies()").execute(&pool).await.unwrap();
    let [kept, counted] = kept_and_counted(&pool).await;
    assert_eq!((kept.as_str(), &kept), ("1990|1|1|7.0|7.00|7.0", &counted));
}
