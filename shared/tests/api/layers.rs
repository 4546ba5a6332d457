//! What the layers around every route do when a handler fails. O08.

use std::net::SocketAddr;

use axum::Router;
use axum::routing::get;
use serde_json::{Value, json};
use shared::http::layers::{self, ErrorFormat, LayerOptions};
use shared::http::serve::{self, ServeOptions};

async fn listening(errors: ErrorFormat) -> SocketAddr {
    let handlers = Router::new().route("/fine", get(|| async { "fine" })).route("/panic", get(panics));
    let app = layers::apply(handlers, LayerOptions { errors, is_https: false });
    let listener = serve::bind("127.0.0.1:0".parse().unwrap(), "BIND").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve::serve(listener, app, ServeOptions::default(), std::future::pending()));
    address
}

#[expect(clippy::panic, reason = "that is what is tested")]
async fn panics() -> &'static str {
    panic!("the password is hunter2")
}

#[tokio::test]
async fn o08_a_panic_is_one_500_and_the_next_request_is_fine() {
    for (errors, code) in [
        (ErrorFormat::OAuth, json!({ "error": "server_error", "error_description": "the server failed" })),
        (ErrorFormat::Problem, json!("internal_error")),
    ] {
        let address = listening(errors).await;
        // One client keeps its connection: it survives too.
        let client = reqwest::Client::new();
        for _ in 0..3 {
            let failed = client.get(format!("http://{address}/panic")).send().await.unwrap();
            assert_eq!(failed.status(), 500);
            assert!(failed.headers().contains_key("x-request-id"));
            let body: Value = failed.json().await.unwrap();
            assert!(!body.to_string().contains("hunter2"), "{body}");
            assert_eq!(if errors == ErrorFormat::OAuth { &body } else { &body["code"] }, &code);
            let fine = client.get(format!("http://{address}/fine")).send().await.unwrap();
            assert_eq!((fine.status().as_u16(), fine.text().await.unwrap().as_str()), (200, "fine"));
        }
    }
}
