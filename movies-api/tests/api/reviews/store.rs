//! SQL over `myapi.reviews`.

use chrono::{DateTime, Utc};
use shared::db::{Conn, DbError};

use super::model::{Author, NewReview, Review};

/// Reviews of one film, older than `before`, the newest first, at most `limit`.
pub(super) async fn list(
    conn: &mut Conn,
    movie_id: i32,
    before: i64,
    limit: i64,
    reader: Author<'_>,
) -> Result<Vec<Review>, DbError> {
    let reviews = sqlx::query_as!(
        Review,
        r#"
        select review_id, movie_id, stars, body, created_at, (author_iss, author_sub) = ($1, $2) as "is_mine!"
        from myapi.reviews
        where movie_id = $3 and review_id < $4
        order by review_id desc
        limit $5
        "#,
        reader.iss,
        reader.sub,
        movie_id,
        before,
        limit
    )
    .fetch_all(conn)
    .await?;
    Ok(reviews)
}

/// Stores a review; whether its film is there, and whether its author has one already, the constraints know.
pub(super) async fn insert(
    conn: &mut Conn,
    review: &NewReview,
    author: Author<'_>,
    now: DateTime<Utc>,
) -> Result<Review, DbError> {
    let review = sqlx::query_as!(
        Review,
        r#"
        insert into myapi.reviews (movie_id, author_iss, author_sub, stars, body, created_at)
        values ($1, $2, $3, $4, $5, $6)
        returning review_id, movie_id, stars, body, created_at, true as "is_mine!"
        "#,
        review.movie_id,
        author.iss,
        author.sub,
        review.stars,
        review.body,
        now
    )
    .fetch_one(conn)
    .await?;
    Ok(review)
}
