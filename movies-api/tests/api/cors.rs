//! Pages of other origins (Fetch standard, section 3.3): those of the settings call the rooms, and read every answer.

use axum::body::Body;
use http::Request;
use sqlx::PgPool;

use crate::support::{Answer, TestApp, insert_some};

const ORIGIN: &str = "https://app.example.com";
const FOREIGN: [&str; 4] = ["https://evil.test", "https://app.example.com.evil.test", "http://app.example.com", "null"];

async fn preflight(app: &TestApp, target: &str, method: &str, origin: &str) -> Answer {
    let request = Request::options(target)
        .header("origin", origin)
        .header("access-control-request-method", method)
        .header("access-control-request-headers", "authorization,content-type,dpop,if-match,if-none-match");
    app.send(request.body(Body::empty()).unwrap()).await
}

/// What a header lists, in lower case.
fn listed(answer: &Answer, name: &str) -> Vec<String> {
    let values = answer.headers.get_all(name).iter().flat_map(|value| value.to_str().unwrap().split(','));
    values.map(|item| item.trim().to_ascii_lowercase()).collect()
}

#[track_caller]
fn assert_readable(answer: &Answer) {
    assert_eq!(answer.header("access-control-allow-origin"), ORIGIN, "{answer}");
    assert!(!answer.headers.contains_key("access-control-allow-credentials"), "{answer}");
    assert!(listed(answer, "vary").contains(&"origin".to_owned()), "{answer}");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_page_of_ours_is_told_that_it_may_ask(pool: PgPool) {
    let app = TestApp::for_pages_of(pool, ORIGIN);
    for (target, method) in [
        ("/movies/?movie_id=1", "GET"),
        ("/movies", "POST"),
        ("/movies/1", "PATCH"),
        ("/movies/1", "DELETE"),
        ("/movies/stats", "GET"),
        ("/movies/export?format=csv", "GET"),
        ("/movies/new?year=2000&rating=8", "GET"),
    ] {
        let answer = preflight(&app, target, method, ORIGIN).await;
        assert_eq!(answer.status, 200, "{answer}");
        assert_readable(&answer);
        assert!(listed(&answer, "access-control-allow-methods").contains(&method.to_ascii_lowercase()), "{answer}");
        let headers = listed(&answer, "access-control-allow-headers");
        for name in ["authorization", "content-type", "dpop", "if-match", "if-none-match"] {
            assert!(headers.contains(&name.to_owned()), "{name}: {answer}");
        }
        assert_eq!(answer.header("access-control-max-age"), "600");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn it_reads_films_and_every_refusal(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::for_pages_of(pool, ORIGIN);
    let ask = async |method: &str, target: &str, scope: &str| {
        let bearer = format!("Bearer {}", app.token().claim("sub", "ann").scope(scope).mint());
        let request = Request::builder().method(method).uri(target).header("origin", ORIGIN);
        app.send(request.header("authorization", bearer).body(Body::empty()).unwrap()).await
    };
    let read = "movies:read";
    let film = ask("GET", "/movies/1", read).await;
    assert_eq!((film.status.as_u16(), film.json()["title"].as_str()), (200, Some("The Land Girls")));
    assert!(listed(&film, "vary").contains(&"authorization".to_owned()), "{film}");
    let stranger = Request::get("/movies/1").header("origin", ORIGIN).body(Body::empty()).unwrap();
    let refused = [
        (401, app.send(stranger).await),
        (404, ask("GET", "/movies/99", read).await),
        (422, ask("GET", "/movies?year_min=x", read).await),
        (405, ask("DELETE", "/movies/new", read).await),
        (403, ask("GET", "/movies/1", "movies:write").await),
        (429, ask("GET", "/movies/2", read).await),
    ];
    let answers = [&film].into_iter().chain(refused.iter().map(|(_, answer)| answer));
    for answer in answers {
        assert_readable(answer);
        // All that a client needs which the standard does not show to pages by itself.
        let shown = listed(answer, "access-control-expose-headers");
        for name in answer.headers.keys().map(http::HeaderName::as_str) {
            let is_for_browsers =
                name.starts_with("access-control-") || ["allow", "vary", "referrer-policy"].contains(&name);
            let is_safe = ["cache-control", "content-length", "content-type"].contains(&name);
            let is_known = is_for_browsers || is_safe || name == "x-content-type-options";
            assert!(is_known || shown.contains(&name.to_owned()), "{name}: {answer}");
        }
    }
    for (status, answer) in refused {
        assert_eq!(answer.status.as_u16(), status, "{answer}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn who_is_no_page_is_told_nothing_and_caches_know_that_pages_are(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::for_pages_of(pool, ORIGIN);
    for (status, target) in [(200, "/movies/1"), (404, "/movies/99"), (405, "/movies/new")] {
        let method = if status == 405 { "DELETE" } else { "GET" };
        let bearer = format!("Bearer {}", app.token().mint());
        let request = Request::builder().method(method).uri(target).header("authorization", bearer);
        let answer = app.send(request.body(Body::empty()).unwrap()).await;
        assert_eq!(answer.status.as_u16(), status, "{answer}");
        assert!(!answer.headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{answer}");
        assert!(listed(&answer, "vary").contains(&"origin".to_owned()), "{answer}");
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_page_of_another_origin_reads_nothing(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::for_pages_of(pool, ORIGIN);
    for origin in FOREIGN {
        let asked = preflight(&app, "/movies/1", "GET", origin).await;
        let answered = app.read("/healthz", &[("origin", origin)]).await;
        let read = Request::get("/movies/1").header("origin", origin).body(Body::empty()).unwrap();
        for answer in [asked, answered, app.send(read).await] {
            assert!(!answer.headers.contains_key("access-control-allow-origin"), "{origin}: {answer}");
        }
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn without_origins_there_is_nothing_of_it(pool: PgPool) {
    insert_some(&pool).await;
    let app = TestApp::new(pool);
    let film = app.read("/movies/1", &[("origin", ORIGIN)]).await;
    assert_eq!((film.status.as_u16(), film.header("vary")), (200, "Authorization"));
    assert!(!film.headers.keys().any(|name| name.as_str().starts_with("access-control-")), "{film}");
    assert_eq!(preflight(&app, "/movies/1", "GET", ORIGIN).await.status, 405);
}

/// What any page may read is open as before, whatever the settings say.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn the_metadata_stays_open_to_all(pool: PgPool) {
    let app = TestApp::for_pages_of(pool, ORIGIN);
    for origin in [ORIGIN, "https://evil.test"] {
        let answer = app.read("/.well-known/oauth-protected-resource", &[("origin", origin)]).await;
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{answer}");
    }
}
