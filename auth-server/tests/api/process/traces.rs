//! What an operator's collector gets of a login: its parts, and nothing that is secret.

use shared::db::Pool;
use shared::testing::Collector;

use super::binary::Binary;
use super::wire::{get, token};
use crate::app::{CONFIDENTIAL, EMAIL, PASSWORD, TestApp, basic, encode, login};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn o01_a_login_is_traced_with_its_hash_and_nothing_secret(pool: Pool) {
    let (app, collector) = (TestApp::new(pool.clone()).await, Collector::start());
    // By its standard name, as a fleet sets it; sent at the end.
    let binary = Binary::on(&pool).with("OTEL_EXPORTER_OTLP_ENDPOINT", collector.endpoint());
    let server = binary.with("OTEL_BSP_SCHEDULE_DELAY", "60000").with("OTEL_SERVICE_NAME", "tokens").serve();
    let context = format!("00-{TRACE}-{PARENT}-01");
    let header = basic(CONFIDENTIAL, &app.secret);
    let user = [("grant_type", "password"), ("username", EMAIL), ("password", PASSWORD)];
    let good = token(server.address, &user, &[("Authorization", &header), ("traceparent", &context)]);
    let wrong = token(server.address, &login(EMAIL, "wrong pelicans"), &[]);
    let misplaced = get(server.address, &format!("/token?{}", encode(&login(EMAIL, PASSWORD))));
    let nowhere = get(server.address, &format!("/{PASSWORD}").replace(' ', "%20"));
    assert_eq!([good.status, wrong.status, misplaced.status, nowhere.status], [200, 400, 405, 404]);
    let log = server.stop().log();

    let spans = collector.spans();
    let request = spans.iter().find(|span| span.parent == PARENT).unwrap();
    assert_eq!(
        (request.name.as_str(), request.service.as_str(), request.trace.as_str()),
        ("POST /token", "tokens", TRACE)
    );
    let children = |name: &str| spans.iter().filter(|span| span.name == name && span.parent == request.id).count();
    assert_eq!(children("password hash"), 1, "{spans:#?}");
    assert!(children("postgresql") > 0, "{spans:#?}");
    // Each line of it names the request, the trace and the span, whatever part it is of.
    let lines: Vec<_> = log.iter().filter(|line| line["span"]["request.id"] == good.request_id()).collect();
    assert!(lines.len() >= 2, "{log:?}");
    assert!(
        lines.iter().all(|line| line["span"]["trace.id"] == TRACE && line["span"]["span.id"] == request.id.as_str())
    );

    let everything = format!("{spans:?}").to_ascii_lowercase();
    let body = good.json();
    let issued = ["access_token", "refresh_token"].map(|name| body[name].as_str().unwrap().to_owned());
    let secrets = [EMAIL, PASSWORD, "wrong pelicans", &app.secret, &header[6..26], &issued[0][..20], &issued[1]];
    for secret in secrets.map(str::to_ascii_lowercase) {
        let encoded: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for spelling in [secret.clone(), encoded, secret.replace(' ', "%20")] {
            assert!(!everything.contains(&spelling), "{spelling} in {spans:#?}");
        }
    }
}
