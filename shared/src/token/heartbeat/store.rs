//! SQL of the report.

use uuid::Uuid;

use crate::db::{Conn, DbError};

/// Keeps what this process holds. `source` is `file` or `url`.
pub(super) async fn report(
    conn: &mut Conn,
    instance: Uuid,
    kids: &[String],
    feed_seq: i64,
    source: &str,
) -> Result<(), DbError> {
    sqlx::query!("select myapi.report_resource_server($1, $2, $3, $4)", instance, kids, feed_seq, source)
        .execute(conn)
        .await?;
    Ok(())
}
