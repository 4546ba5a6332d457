//! F14 and T28: clients that send too slowly or too much, over a real socket.

use std::time::{Duration, Instant};

use shared::db::Pool;

use super::binary::Binary;
use super::wire::{Wire, get};
use crate::app::TestApp;

const GET: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n";

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f14_half_a_head_is_given_up_after_five_seconds(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let server = Binary::on(&pool).serve();
    let since = Instant::now();
    let mut half = Wire::open(server.address);
    half.send(GET);
    let mut silent = Wire::open(server.address);
    assert_eq!(get(server.address, "/healthz").status, 200, "others are not held up");
    assert!(half.is_closed() && silent.is_closed());
    let elapsed = since.elapsed();
    assert!((Duration::from_secs(4)..Duration::from_secs(10)).contains(&elapsed), "{elapsed:?}");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f14_heads_that_are_too_large_are_431(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let server = Binary::on(&pool).serve();
    let status = |head: String| Wire::open(server.address).send(head).read().status;
    let headers = |count: usize| (0..count).map(|at| format!("X-{at}: y\r\n")).collect::<String>();
    assert_eq!(status(format!("{GET}Connection: close\r\n{}\r\n", headers(98))), 200);
    assert_eq!(status(format!("{GET}{}\r\n", headers(100))), 431);
    // Neither of these two is ever complete.
    assert_eq!(status(format!("{GET}X-Long: {}", "y".repeat(40 * 1024))), 431);
    assert!([414, 431].contains(&status(format!("GET /{}", "y".repeat(70 * 1024)))));
    assert_eq!(get(server.address, "/healthz").status, 200);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn t28_a_body_that_is_too_large_is_413_before_its_end(pool: Pool) {
    let _app = TestApp::new(pool.clone()).await;
    let server = Binary::on(&pool).serve();
    let head = "POST /token HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\n";
    let announced = format!("{head}Content-Length: 10000000000\r\n\r\n");
    // The second one does not announce its length; it is cut at the limit.
    let chunked = format!("{head}Transfer-Encoding: chunked\r\n\r\n11000\r\n{}\r\n", "y".repeat(0x11000));
    for request in [announced, chunked] {
        let mut wire = Wire::open(server.address);
        let since = Instant::now();
        let answer = wire.send(request).read();
        assert_eq!((answer.status, &answer.json()["error"]), (413, &"invalid_request".into()), "{}", answer.body);
        assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
        assert!(wire.is_closed(), "what is left of the body is not read");
    }
}
