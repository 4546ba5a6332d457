//! Failed logins are slowed down, by account, address and network, and nobody can turn that against the owner
//! (checklist P07 to P10).

use std::net::IpAddr;

use auth_server::limits::{DeviceId, Origin};
use auth_server::logins::{Attempt, AuthenticateError};
use auth_server::passwords::Plain;
use chrono::TimeDelta;
use shared::db::Pool;
use uuid::Uuid;

use crate::app::{Answer, EMAIL, PASSWORD, PUBLIC, TestApp, login};

pub const WRONG: &str = "a wrong password";
/// The owner's, in no network that attacks here.
const HOME: [u8; 4] = [198, 51, 100, 7];

/// The 429 of every throttled request, whole; the seconds to wait.
#[track_caller]
pub fn retry_after(answer: &Answer) -> i64 {
    answer.assert_error(429, "temporarily_unavailable");
    answer.header("retry-after").unwrap().parse().unwrap()
}

/// Wrong passwords for one account, in turn from these addresses; how many were looked at.
pub async fn fail(app: &TestApp, email: &str, times: usize, addresses: &[[u8; 4]]) -> usize {
    let mut refused = 0;
    for ip in addresses.iter().cycle().take(times) {
        let answer = app.token_from(*ip, &login(email, WRONG)).await;
        match answer.status.as_u16() {
            400 => {
                answer.assert_error(400, "invalid_grant");
                refused += 1;
            }
            _ => assert!(retry_after(&answer) >= 1),
        }
    }
    refused
}

pub fn loopback(count: u8) -> Vec<[u8; 4]> {
    (0..count).map(|last| [127, 0, 0, 2 + last]).collect()
}

fn begun(app: &TestApp) -> usize {
    app.state.users.lane().counts().begun
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p07_two_hundred_failures_on_one_account_are_ten_guesses(pool: Pool) {
    let app = TestApp::new(pool).await;
    let before = begun(&app);
    assert_eq!(fail(&app, EMAIL, 200, &loopback(20)).await, 10);
    assert_eq!(begun(&app), before + 10, "what is refused is not hashed");
    let right = app.token_from([203, 0, 113, 1], &login(EMAIL, PASSWORD)).await;
    assert_eq!(retry_after(&right), 1, "the right password tells nothing");
    for spelling in ["ANN@example.com", "ann@example.com."] {
        retry_after(&app.token_from([203, 0, 113, 1], &login(spelling, PASSWORD)).await);
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p07_each_further_failure_doubles_the_delay_up_to_a_quarter_of_an_hour(pool: Pool) {
    let app = TestApp::new(pool).await;
    fail(&app, EMAIL, 10, &loopback(10)).await;
    let mut delays = Vec::new();
    for network in 0..13 {
        let ip = [192, 168, network, 1];
        let delay = retry_after(&app.token_from(ip, &login(EMAIL, WRONG)).await);
        delays.push(delay);
        app.clock.advance(TimeDelta::milliseconds(delay * 1000 - 1));
        retry_after(&app.token_from(ip, &login(EMAIL, PASSWORD)).await);
        app.clock.advance(TimeDelta::milliseconds(1));
        app.token_from(ip, &login(EMAIL, WRONG)).await.assert_error(400, "invalid_grant");
    }
    // One is forgiven on the way: these delays alone are longer than a quarter of an hour.
    assert_eq!(delays, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 512, 900, 900]);
    // P08: a stranger with the right password waits no longer than that, and a success is no failure.
    app.clock.advance(TimeDelta::minutes(15));
    assert_eq!(app.token_from(HOME, &login(EMAIL, PASSWORD)).await.status, 200);
    // What nobody tries is forgiven.
    app.clock.advance(TimeDelta::hours(12));
    assert_eq!(fail(&app, EMAIL, 30, &loopback(20)).await, 10);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p08_the_owners_device_is_served_while_strangers_are_not(pool: Pool) {
    let app = TestApp::new(pool).await;
    assert_eq!(app.token_from(HOME, &login(EMAIL, PASSWORD)).await.status, 200);
    let mut served = 0;
    for _ in 0..20 {
        fail(&app, EMAIL, 10, &loopback(20)).await;
        served += usize::from(app.token_from(HOME, &login(EMAIL, PASSWORD)).await.status == 200);
    }
    assert_eq!(served, 20);
    // The whole network around the owner, the client and the account are full, and it does not matter.
    fail(&app, "somebody@example.com", 200, &(0..200).map(|last| [198, 51, 100, last]).collect::<Vec<_>>()).await;
    assert_eq!(app.token_from(HOME, &login(EMAIL, PASSWORD)).await.status, 200);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p08_ten_failures_make_a_known_device_a_stranger(pool: Pool) {
    let app = TestApp::new(pool).await;
    app.token_from(HOME, &login(EMAIL, PASSWORD)).await;
    fail(&app, EMAIL, 100, &loopback(20)).await;
    assert_eq!(fail(&app, EMAIL, 50, &[HOME]).await, 10, "its own budget, and then that of strangers, which is spent");
    retry_after(&app.token_from(HOME, &login(EMAIL, PASSWORD)).await);
    let known: i64 = sqlx::query_scalar("select count(*) from myapi.known_devices").fetch_one(&app.pool).await.unwrap();
    assert_eq!(known, 0);
    // Fewer failures, now and then, are those of people; a success forgets its own charge.
    app.clock.advance(TimeDelta::hours(12));
    app.token_from(HOME, &login(EMAIL, PASSWORD)).await;
    for _ in 0..3 {
        assert_eq!(fail(&app, EMAIL, 9, &[HOME]).await, 9);
        assert_eq!(app.token_from(HOME, &login(EMAIL, PASSWORD)).await.status, 200);
        app.clock.advance(TimeDelta::minutes(15));
    }
}

/// Logs in as the login page will: with the id of a signed cookie.
async fn with_cookie(app: &TestApp, ip: [u8; 4], device: u128, password: &str) -> Result<(), AuthenticateError> {
    let origin = Origin::new(IpAddr::from(ip), Some(DeviceId(Uuid::from_u128(device))));
    let (password, client) = (Plain::new(password.to_owned()).unwrap(), PUBLIC.parse().unwrap());
    let attempt = Attempt { username: EMAIL, password: &password, client: &client, origin: &origin };
    app.state.logins.authenticate(&attempt).await.map(drop)
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p08_a_browser_is_known_wherever_it_goes(pool: Pool) {
    let app = TestApp::new(pool).await;
    with_cookie(&app, HOME, 1, PASSWORD).await.unwrap();
    fail(&app, EMAIL, 20, &loopback(20)).await;
    with_cookie(&app, [203, 0, 113, 5], 1, PASSWORD).await.unwrap();
    let other = with_cookie(&app, [203, 0, 113, 6], 2, PASSWORD).await;
    assert!(matches!(other, Err(AuthenticateError::Throttled(_))), "another browser is a stranger");
    // 90 days later everybody is one.
    app.clock.advance(TimeDelta::days(91));
    fail(&app, EMAIL, 20, &loopback(20)).await;
    let late = with_cookie(&app, HOME, 1, PASSWORD).await;
    assert!(matches!(late, Err(AuthenticateError::Throttled(_))));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p08_an_account_knows_its_twenty_newest_devices(pool: Pool) {
    let app = TestApp::new(pool).await;
    for last in 0..24 {
        app.clock.advance(TimeDelta::seconds(1));
        assert_eq!(app.token_from([203, 0, last, 1], &login(EMAIL, PASSWORD)).await.status, 200);
    }
    let known: i64 = sqlx::query_scalar("select count(*) from myapi.known_devices").fetch_one(&app.pool).await.unwrap();
    assert_eq!(known, 20);
    fail(&app, EMAIL, 20, &loopback(20)).await;
    assert_eq!(app.token_from([203, 0, 4, 1], &login(EMAIL, PASSWORD)).await.status, 200);
    retry_after(&app.token_from([203, 0, 3, 1], &login(EMAIL, PASSWORD)).await);
    // The user's devices go with the user.
    app.state.users.delete(&EMAIL.parse().unwrap()).await.unwrap();
    let known: i64 = sqlx::query_scalar("select count(*) from myapi.known_devices").fetch_one(&app.pool).await.unwrap();
    assert_eq!(known, 0);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p09_one_address_that_tries_many_accounts_is_slowed_down(pool: Pool) {
    let app = TestApp::new(pool).await;
    let mut statuses = Vec::new();
    for number in 0..200 {
        let answer = app.token_from([203, 0, 113, 9], &login(&format!("{number}@example.com"), WRONG)).await;
        if answer.status == 429 {
            assert_eq!(retry_after(&answer), 1);
        }
        statuses.push(answer.status.as_u16());
    }
    assert_eq!(statuses, [[400; 20].as_slice(), &[429; 180]].concat(), "the documented burst");
    // Six a minute from then on, once the first delays have passed.
    let mut looked_at = 0;
    for second in 0..600 {
        app.clock.advance(TimeDelta::seconds(1));
        let answer = app.token_from([203, 0, 113, 9], &login(&format!("s{second}@example.com"), WRONG)).await;
        looked_at += usize::from(answer.status == 400);
    }
    assert!((58..=64).contains(&looked_at), "{looked_at}");
}

/// What costs an attacker nothing to invent: many addresses of one network.
#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p09_the_addresses_of_one_network_share_a_limit(pool: Pool) {
    let limits = [("MYAPI_AUTH__LIMIT_PREFIX", "12:60"), ("MYAPI_AUTH__LIMIT_ADDRESS", "3:60")];
    let app = TestApp::with(pool, &limits).await;
    let looked_at = |network: u16, host: u16, number: u32| {
        let ip: IpAddr = format!("2001:db8:7:{network:x}::{host:x}").parse().unwrap();
        let app = &app;
        async move { app.token_from(ip, &login(&format!("{number}@x.org"), WRONG)).await.status == 400 }
    };
    let mut one_network = 0;
    for host in 0..8 {
        one_network += u32::from(looked_at(1, host, host.into()).await);
    }
    assert_eq!(one_network, 3, "a /64 is one address");
    let mut site = one_network;
    for network in 2..32 {
        site += u32::from(looked_at(network, 1, 100 + u32::from(network)).await);
    }
    assert_eq!(site, 12, "a /48 is one network");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p10_forwarding_headers_of_strangers_change_no_limit(pool: Pool) {
    let app = TestApp::new(pool).await;
    let mut looked_at = 0;
    for number in 0..60 {
        let invented = format!("203.{number}.113.5");
        let forwarded = format!("for={invented}");
        let headers = [
            ("x-forwarded-for", invented.as_str()),
            ("forwarded", forwarded.as_str()),
            ("x-real-ip", invented.as_str()),
            ("true-client-ip", invented.as_str()),
        ];
        let parameters = login(&invented, WRONG);
        let answer = app.token_over([127, 0, 0, 9], &parameters, &headers).await;
        looked_at += usize::from(answer.status == 400);
    }
    assert_eq!(looked_at, 20);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn p10_a_trusted_proxy_tells_clients_apart(pool: Pool) {
    let app = TestApp::with(pool, &[("MYAPI_AUTH__TRUSTED_PROXIES", "127.0.0.9, 10.0.0.0/8")]).await;
    let proxy = [127, 0, 0, 9];
    // What the client wrote stands left of what the proxy wrote.
    let mut looked_at = 0;
    for number in 0..30 {
        let trail = format!("203.0.{number}.1, 198.51.100.1, 10.7.7.7");
        let email = format!("{number}@example.com");
        let answer = app.token_over(proxy, &login(&email, WRONG), &[("x-forwarded-for", &trail)]).await;
        looked_at += usize::from(answer.status == 400);
    }
    assert_eq!(looked_at, 20);
    let other = app.token_over(proxy, &login(EMAIL, PASSWORD), &[("x-forwarded-for", "198.51.100.2")]).await;
    assert_eq!(other.status, 200);
    let direct = app.token_from([198, 51, 100, 3], &login(EMAIL, PASSWORD)).await;
    assert_eq!(direct.status, 200);
}
