//! What Prometheus is told, and what nobody can make it be told. O04, O07.

use std::net::SocketAddr;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::{Request, StatusCode};
use shared::http::layers::{self, ErrorFormat, LayerOptions};
use shared::http::problem::Problem;
use shared::http::serve;
use shared::metrics::{self, METRICS};
use tower::ServiceExt as _;

const README: &str = include_str!("../../../README.md");
const DASHBOARD: &str = include_str!("../../../deploy/grafana.json");

fn app() -> Router {
    let router =
        Router::new().route("/films/{id}", get(|| async { "film" })).fallback(|| async { Problem::not_found() });
    layers::apply(router, LayerOptions { errors: ErrorFormat::Problem, is_https: false })
}

async fn ask(app: &Router, method: &str, target: &str) -> StatusCode {
    let request = Request::builder().method(method).uri(target).body(Body::empty()).unwrap();
    app.clone().oneshot(request).await.unwrap().status()
}

#[tokio::test]
async fn o04_whatever_is_asked_the_labels_are_few_and_ours() {
    let exporter = metrics::install().unwrap();
    let app = app();
    for number in 0..10_000 {
        let target = match number % 4 {
            0 => format!("/films/client-{number}"),
            1 => format!("/films/1?client_id=client-{number}"),
            _ => format!("/client-{number}/x"),
        };
        let method = if number % 5 == 0 { format!("CLIENT-{number}") } else { "GET".to_owned() };
        ask(&app, &method, &target).await;
    }
    let text = exporter.render();
    assert!(!text.to_lowercase().contains("client-"), "{text}");
    assert!(text.lines().count() < 200, "{}", text.lines().count());
    // At least: other tests may count in the same process.
    for (line, least) in [
        (r#"myapi_http_requests_total{route="/films/{id}",method="GET",status="200"}"#, 4000),
        (r#"myapi_http_requests_total{route="/films/{id}",method="other",status="405"}"#, 1000),
        (r#"myapi_http_requests_total{route="(none)",method="GET",status="404"}"#, 4000),
        (r#"myapi_http_request_duration_seconds_count{route="/films/{id}"}"#, 5000),
        (r#"myapi_http_request_duration_seconds_bucket{route="(none)",le="+Inf"}"#, 5000),
        (r#"myapi_refused_total{code="route_not_found"}"#, 5000),
        ("myapi_log_lines_dropped_total", 0),
    ] {
        assert!(value(&text, line).is_some_and(|count| count >= least), "{line}\n{text}");
    }
    assert!(text.contains("# TYPE myapi_http_request_duration_seconds histogram"), "{text}");
}

fn value(text: &str, line: &str) -> Option<u64> {
    text.lines().find_map(|found| found.strip_prefix(line)?.trim().parse().ok())
}

#[tokio::test]
async fn o07_they_are_told_on_a_listener_of_their_own() {
    let exporter = metrics::install().unwrap();
    assert_eq!(ask(&app(), "GET", "/metrics").await, StatusCode::NOT_FOUND);
    let listener = serve::bind("127.0.0.1:0".parse().unwrap(), "METRICS_BIND").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    let read_gauges = || metrics::read_state(metrics::PASSWORD_LANE, "waiting", 7);
    let task = tokio::spawn(exporter.serve(listener, read_gauges));
    let answer = reqwest::get(format!("http://{address}/metrics")).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    let text = answer.text().await.unwrap();
    assert!(text.contains("myapi_password_lane{state=\"waiting\"} 7"), "{text}");
    for path in ["", "films/1", "docs"] {
        assert_eq!(reqwest::get(format!("http://{address}/{path}")).await.unwrap().status(), 404, "{path}");
    }
    task.abort();
}

#[test]
fn the_readme_lists_every_metric() {
    for (name, kind, text) in METRICS {
        let row = format!("| `{name}` | {kind} | {text} |");
        assert!(README.contains(&row), "README.md lacks {row}");
    }
}

#[test]
fn the_dashboard_asks_for_metrics_that_there_are() {
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let asked: Vec<&str> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().unwrap())
        .map(|target| target["expr"].as_str().unwrap())
        .collect();
    let mut used = std::collections::BTreeSet::new();
    for expression in &asked {
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in words.filter(|word| word.starts_with("myapi_")) {
            let name = ["_bucket", "_count", "_sum"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
            assert!(METRICS.iter().any(|(known, ..)| *known == name), "{expression}: there is no {name}");
            used.insert(name.to_owned());
        }
    }
    for (name, ..) in METRICS {
        assert!(used.contains(name), "the dashboard leaves {name} out");
    }
}
