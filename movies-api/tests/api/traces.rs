//! What an operator's collector gets of this service's requests, and that it costs nobody anything where there is none.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::Request;
use axum::response::IntoResponse;
use http::StatusCode;
use rustix::process::Signal;
use shared::clock::Clock;
use shared::testing::{Answer, Collector, KeyServer, Received, TestIssuer};
use sqlx::{ConnectOptions as _, PgPool};
use tokio::net::TcpListener;

use crate::process::{House, PATIENCE, Server};
use crate::support::insert_some;

/// Nobody listens on port 1 of loopback.
const NO_DATABASE: &str = "postgres://nobody@127.0.0.1:1/none";
const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

/// To this collector, which gets all at the end.
fn exporting(endpoint: &str) -> [(&str, &str); 2] {
    [("MYAPI_OTLP__ENDPOINT", endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "60000")]
}

async fn get(server: &Server, path: &str, headers: &[(&str, &str)]) -> reqwest::Response {
    let request = reqwest::Client::new().get(server.url(path));
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).send().await.unwrap()
}

fn end(server: Server) {
    server.signal(Signal::TERM);
    assert_eq!(server.end().code(), Some(0));
}

#[track_caller]
fn one<'a>(spans: &'a [Received], name: &str, parent: &str) -> &'a Received {
    let found: Vec<_> = spans.iter().filter(|span| span.name == name && span.parent == parent).collect();
    assert_eq!(found.len(), 1, "{name} below {parent:?} among {spans:#?}");
    found[0]
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_request_is_a_span_below_the_one_that_came_with_it(pool: PgPool) {
    insert_some(&pool).await;
    let (collector, house) = (Collector::start(), House::on(pool.connect_options().to_url_lossy().as_str()));
    let server = house.serve_with(&exporting(collector.endpoint()));
    let bearer = house.bearer();
    let with = |flags: &str| format!("00-{TRACE}-{PARENT}-{flags}");
    let path = "/movies/new?year=2000&rating=8&limit=2";
    let unrecorded = [("authorization", bearer.as_str()), ("traceparent", &with("00"))];
    assert_eq!(get(&server, path, &unrecorded).await.status(), 200);
    let malformed = [("authorization", bearer.as_str()), ("traceparent", "00-hello-01")];
    assert_eq!(get(&server, "/movies/99", &malformed).await.status(), 404);
    let recorded = [("authorization", bearer.as_str()), ("traceparent", &with("01")), ("tracestate", "vendor=1")];
    let answer = get(&server, path, &recorded).await;
    assert_eq!(answer.status(), 200);
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    let lines = [(); 3].map(|()| server.line("answered")["span"].clone());
    let port = server.address.port().to_string();
    end(server);

    let spans = collector.spans();
    let span = one(&spans, "GET /movies/new", PARENT);
    assert_eq!((span.service.as_str(), span.trace.as_str()), ("movies-api", TRACE));
    assert!(span.is_server && !span.is_error, "{span:?}");
    let expected = [
        ("http.request.method", "GET"),
        ("http.response.status_code", "200"),
        ("http.route", "/movies/new"),
        ("network.peer.address", "127.0.0.1"),
        ("request.id", id.as_str()),
        ("server.address", "127.0.0.1"),
        ("server.port", port.as_str()),
        ("url.path", "/movies/new"),
        ("url.scheme", "http"),
    ];
    assert_eq!(span.attributes, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!(one(&spans, "postgresql", &span.id).trace, TRACE);
    // The lines of its log name both; the one whose context was malformed began a trace, and a refusal is no error.
    assert_eq!((&lines[2]["trace.id"], &lines[2]["span.id"]), (&TRACE.into(), &span.id.clone().into()));
    let begun = one(&spans, "GET /movies/{movie_id}", "");
    assert_eq!((&lines[1]["trace.id"], begun.is_error), (&begun.trace.clone().into(), false));
    // Who sends it decides whether it is recorded; the lines have it all the same.
    assert_eq!(spans.iter().filter(|span| span.name == "GET /movies/new").count(), 1);
    assert_eq!(lines[0]["trace.id"], TRACE);
    let everything = format!("{spans:?}");
    let (token, query) = (bearer.strip_prefix("Bearer ").unwrap(), "limit=2");
    assert!(!everything.contains(&token[..20]) && !everything.contains(query), "{everything}");
}

#[tokio::test]
async fn a_failure_of_ours_is_an_error_and_the_ratio_decides_what_is_recorded() {
    let (collector, house) = (Collector::start(), House::on(NO_DATABASE));
    let server = house.serve_with(&exporting(collector.endpoint()));
    let bearer = house.bearer();
    assert_eq!(get(&server, "/movies/1", &[("authorization", &bearer)]).await.status(), 503);
    // What no route fits may be anything.
    assert_eq!(get(&server, "/sesame-opens", &[]).await.status(), 404);
    end(server);
    let failed = collector.span(|span| span.name == "GET /movies/{movie_id}").await;
    assert!(failed.is_error && failed.attributes["error.type"] == "503", "{failed:?}");
    let nowhere = one(&collector.spans(), "GET", "").clone();
    assert!(!format!("{nowhere:?}").contains("sesame"), "{nowhere:?}");

    let none = Collector::start();
    let headers = ("MYAPI_OTLP__HEADERS", "x-key=sesame");
    let settings = [&exporting(none.endpoint())[..], &[("MYAPI_OTLP__RATIO", "0"), headers]].concat();
    let server = house.serve_with(&settings);
    for _ in 0..20 {
        assert_eq!(get(&server, "/healthz", &[]).await.status(), 200);
    }
    let context = format!("00-{TRACE}-{PARENT}-01");
    assert_eq!(get(&server, "/healthz", &[("traceparent", &context)]).await.status(), 200);
    end(server);
    // The parent's word counts for more than the ratio.
    let names: Vec<_> = none.spans().into_iter().map(|span| (span.name, span.parent)).collect();
    assert_eq!(names, [("GET /healthz".to_owned(), PARENT.to_owned())]);
    assert_eq!(none.headers()["x-key"], "sesame");
}

/// `traceparent` by path, as the auth-server of the test was sent it.
type Seen = Arc<Mutex<Vec<(String, String)>>>;

/// Keys for everybody, and nothing else.
async fn auth_server(jwks: Vec<u8>) -> (String, Seen) {
    let seen = Seen::default();
    let noted = Arc::clone(&seen);
    let answer = move |request: Request| {
        let context = request.headers().get("traceparent").map_or("", |value| value.to_str().unwrap()).to_owned();
        noted.lock().unwrap().push((request.uri().path().to_owned(), context));
        let answer = match request.uri().path() {
            "/jwks" => jwks.clone().into_response(),
            _ => StatusCode::NOT_FOUND.into_response(),
        };
        std::future::ready(answer)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answer)).await });
    (url, seen)
}

async fn until_seen(seen: &Seen, path: &str, times: usize) -> Vec<String> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let all = seen.lock().unwrap().clone();
        let contexts: Vec<_> = all.into_iter().filter(|(other, _)| other == path).map(|(_, context)| context).collect();
        if contexts.len() >= times {
            return contexts;
        }
        assert!(Instant::now() < deadline, "{path} was asked {} times", contexts.len());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The start of the process waits for an answer of the test's.
#[tokio::test(flavor = "multi_thread")]
async fn its_own_requests_carry_the_context_on() {
    let (collector, house) = (Collector::start(), House::on(NO_DATABASE));
    let (url, seen) = auth_server(house.jwks()).await;
    let at = |path: &str| format!("{url}{path}");
    let (keys, feed, reports) = (at("/jwks"), at("/revocations"), at("/report"));
    let settings = [
        ("MYAPI_MOVIES__PUBLIC_KEY_FILE", ""),
        ("MYAPI_MOVIES__JWKS_URL", keys.as_str()),
        ("MYAPI_MOVIES__REVOCATIONS", &feed),
        ("MYAPI_MOVIES__REPORTS", &reports),
        ("MYAPI_MOVIES__CLIENT_ID", "movies"),
        ("MYAPI_MOVIES__CLIENT_SECRET", "mcs1_open_sesame"),
    ];
    let server = house.serve_with(&[&exporting(collector.endpoint())[..], &settings].concat());
    // A key that nobody knows is looked for on behalf of the request that names it.
    let stranger = format!("Bearer {}", TestIssuer::es256().token(Clock::system().now()).mint());
    let context = format!("00-{TRACE}-{PARENT}-01");
    let headers = [("authorization", stranger.as_str()), ("traceparent", &context)];
    assert_eq!(get(&server, "/movies/1", &headers).await.status(), 401);
    let fetches = until_seen(&seen, "/jwks", 2).await;
    let (polls, reported) = (until_seen(&seen, "/revocations", 2).await, until_seen(&seen, "/report", 1).await);
    end(server);

    let spans = collector.spans();
    let sent = |context: &str| {
        let parts: Vec<_> = context.split('-').map(str::to_owned).collect();
        assert_eq!((parts.len(), parts[0].as_str()), (4, "00"), "{context:?}");
        parts
    };
    let request = one(&spans, "GET /movies/{movie_id}", PARENT);
    for (fetch, parent, path) in
        [(&fetches[0], "", "/jwks"), (&fetches[1], &request.id, "/jwks"), (&reported[0], "", "/report")]
    {
        let parts = sent(fetch);
        let span = spans.iter().find(|span| span.id == parts[2]).unwrap_or_else(|| panic!("{fetch} in {spans:#?}"));
        assert_eq!((span.trace.as_str(), span.parent.as_str(), parts[3].as_str()), (parts[1].as_str(), parent, "01"));
        assert_eq!(span.attributes["url.full"], at(path));
    }
    assert_eq!(sent(&fetches[1])[1], TRACE);
    // What is asked twice a second is passed on as well, and recorded by nobody.
    assert!(polls.iter().all(|context| sent(context)[3] == "00"), "{polls:?}");
    assert!(!spans.iter().any(|span| format!("{span:?}").contains("revocations")), "{spans:#?}");
    assert!(!format!("{spans:?}").contains("sesame"), "{spans:#?}");
}

#[tokio::test]
async fn a_collector_that_is_not_there_costs_no_request_and_no_end() {
    let silent = KeyServer::start(Answer::Silence).await;
    let house = House::on(NO_DATABASE);
    for endpoint in ["http://127.0.0.1:1", silent.url().as_str()] {
        let settings = [("MYAPI_OTLP__ENDPOINT", endpoint), ("OTEL_BSP_SCHEDULE_DELAY", "50")];
        let small = [("OTEL_BSP_MAX_QUEUE_SIZE", "8"), ("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "4")];
        let server = house.serve_with(&[settings, small].concat());
        for _ in 0..100 {
            assert_eq!(get(&server, "/healthz", &[]).await.status(), 200);
        }
        if endpoint.ends_with(":1") {
            server.line("the collector does not take traces; they are lost until it does");
        }
        let told = Instant::now();
        end(server);
        assert!(told.elapsed() < Duration::from_secs(15), "it took {:?}", told.elapsed());
    }
}
