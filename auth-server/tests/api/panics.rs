//! A handler that panics with a connection and a lock in its hands, which no route of the product does (fault F27).

use std::sync::{Arc, Mutex, PoisonError};

use auth_server::state::AppState;
use axum::Router;
use axum::extract::{Extension, State};
use axum::routing::get;
use shared::db::Pool;
use shared::http::layers::{self, ErrorFormat, LayerOptions};

use crate::app::TestApp;

type Shared = Arc<Mutex<u32>>;

#[expect(clippy::panic, reason = "that is what is tested")]
async fn panics(State(state): State<AppState>, Extension(shared): Extension<Shared>) -> &'static str {
    let mut transaction = state.pool.begin().await.unwrap();
    sqlx::query("update myapi.users set name = 'nobody'").execute(&mut *transaction).await.unwrap();
    let mut held = shared.lock().unwrap_or_else(PoisonError::into_inner);
    *held += 1;
    panic!("in the middle of a transaction")
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f27_a_panic_is_one_500_and_gives_everything_back(pool: Pool) {
    let mut app = TestApp::new(pool.clone()).await;
    let shared = Shared::default();
    let broken = Router::new().route("/panic", get(panics)).layer(Extension(Arc::clone(&shared)));
    let broken = layers::apply(
        broken.with_state(app.state.clone()),
        LayerOptions { errors: ErrorFormat::OAuth, is_https: false },
    );
    app.router = broken.merge(app.router);
    // More often than the pool has connections.
    let times = pool.options().get_max_connections() * 2;
    for _ in 0..times {
        let answer = app.get("/panic").await;
        answer.assert_error(500, "server_error");
        app.login().await;
    }
    assert_eq!(*shared.lock().unwrap_or_else(PoisonError::into_inner), times);
    let name: String = sqlx::query_scalar("select name from myapi.users").fetch_one(&pool).await.unwrap();
    assert_ne!(name, "nobody", "its transactions are rolled back");
    assert_eq!(app.get("/readyz").await.status, 200);
}
