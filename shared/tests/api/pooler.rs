//! What stands between a service and Postgres is found out by what it does. F21; the services themselves, through a real
//! PgBouncer, are tried in `xtask/tests/pooler.rs`.

use shared::db::pooler::{PoolerError, Sessions, examine};
use shared::db::{self, Pool};
use shared::testing::{Statements, TransactionPooler, Upstream};
use sqlx::postgres::PgConnectOptions;

/// The pool's database through such a pooler.
fn through(pool: &Pool, statements: Statements) -> (TransactionPooler, PgConnectOptions) {
    let direct = pool.connect_options();
    let pooler = TransactionPooler::start(Upstream::of(&direct), statements);
    let (user, database) = (direct.get_username(), direct.get_database().unwrap());
    let url = format!("postgres://{user}@{}/{database}", pooler.address());
    let options = db::connect_options(&url).unwrap();
    (pooler, options)
}

#[sqlx::test]
async fn f21_a_direct_connection_has_its_session(pool: Pool) {
    assert_eq!(examine(&pool.connect_options()).await.unwrap(), Sessions::Own);
}

#[sqlx::test]
async fn f21_a_pooler_that_carries_statements_over_is_good(pool: Pool) {
    let (_pooler, options) = through(&pool, Statements::Carried);
    assert_eq!(examine(&options).await.unwrap(), Sessions::Shared);
    // And it is: the same statement, again and again, in whichever session.
    let through = db::pool(options, 2, "test");
    for number in 0..50_i32 {
        let answer: i32 = sqlx::query_scalar("select $1 + 1").bind(number).fetch_one(&through).await.unwrap();
        assert_eq!(answer, number + 1);
    }
}

#[sqlx::test]
async fn f21_a_pooler_that_leaves_statements_behind_is_refused(pool: Pool) {
    let (_pooler, options) = through(&pool, Statements::Lost);
    let refused = examine(&options).await.unwrap_err();
    assert!(matches!(refused, PoolerError::Unsafe(_)), "{refused:?}");
    for word in ["PgBouncer 1.21 or later", "max_prepared_statements > 0", "session mode", "connect directly"] {
        assert!(refused.to_string().contains(word), "{refused}");
    }
}

#[tokio::test]
async fn f21_a_database_that_does_not_answer_is_not_called_unsafe() {
    let nobody = db::connect_options("postgres://nobody@127.0.0.1:1/none").unwrap();
    let refused = examine(&nobody).await.unwrap_err();
    assert!(matches!(refused, PoolerError::Database(ref error) if error.is_unavailable()), "{refused:?}");
}
