//! SQL over `myapi.movies_by_decade()`.

use shared::db::{Conn, DbError};

use super::model::Decade;

pub(super) async fn list(conn: &mut Conn) -> Result<Vec<Decade>, DbError> {
    let decades = sqlx::query_as!(
        Decade,
        r#"select decade as "decade!", movies as "movies!", mean_rating from myapi.movies_by_decade()"#,
    )
    .fetch_all(conn)
    .await?;
    Ok(decades)
}
