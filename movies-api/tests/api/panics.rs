//! A handler that panics with a connection and a lock in its hands, which no route of the product does (fault F27).

use std::sync::{Mutex, PoisonError};

use axum::extract::State;
use http::{Method, StatusCode};
use movies_api::app;
use movies_api::state::AppState;
use shared::db::Pool;
use sqlx::PgPool;
use utoipa_axum::router::OpenApiRouter;

use crate::support::{TestApp, insert_some};

static SHARED: Mutex<u32> = Mutex::new(0);

#[expect(clippy::panic, reason = "that is what is tested")]
async fn panics(State(pool): State<Pool>) -> &'static str {
    let mut transaction = pool.begin().await.unwrap();
    sqlx::query("update myapi.movies set title = 'none'").execute(&mut *transaction).await.unwrap();
    let mut held = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    *held += 1;
    panic!("in the middle of a transaction")
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f27_a_panic_is_one_500_and_gives_everything_back(pool: PgPool) {
    insert_some(&pool).await;
    let broken: OpenApiRouter<AppState> = OpenApiRouter::new().route("/panic", axum::routing::get(panics));
    let app = TestApp::with_rooms(pool.clone(), app::rooms().merge(broken));
    // More often than the pool has connections.
    let times = pool.options().get_max_connections() * 2;
    for _ in 0..times {
        let answer = app.ask(Method::GET, "/panic", None).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::INTERNAL_SERVER_ERROR, "internal_error"));
        let answer = app.get("/movies/1").await;
        assert_eq!((answer.status, &answer.json()["title"]), (StatusCode::OK, &"The Land Girls".into()));
    }
    assert_eq!(*SHARED.lock().unwrap_or_else(PoisonError::into_inner), times);
    assert_eq!(app.ask(Method::GET, "/readyz", None).await.status, StatusCode::OK);
}
