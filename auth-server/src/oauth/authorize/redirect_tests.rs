use chrono::DateTime;
use proptest::prelude::*;
use shared::token::scope::ScopeSet;

use super::*;
use crate::clients::{Authentication, ClientKind, GrantType, Lifetimes};

fn client(application_type: ApplicationType, registered: &str) -> Client {
    Client {
        client_id: "app".parse().unwrap(),
        name: "app".to_owned(),
        kind: ClientKind::Public,
        grants: vec![GrantType::AuthorizationCode],
        scopes: ScopeSet::default(),
        default_scopes: ScopeSet::default(),
        audience: "http://127.0.0.1:8000".to_owned(),
        audiences: Vec::new(),
        serves: None,
        application_type,
        redirect_uris: vec![registered.to_owned()],
        post_logout_redirect_uris: Vec::new(),
        skips_consent: false,
        require_pushed_authorization_requests: false,
        dpop_bound_access_tokens: false,
        authentication: Authentication::of_kind(ClientKind::Public),
        lifetimes: Lifetimes::default(),
        client_version: 1,
        created_at: DateTime::UNIX_EPOCH,
        disabled_at: None,
    }
}

fn allows(application_type: ApplicationType, registered: &str, presented: &str) -> bool {
    is_allowed(&client(application_type, registered), presented)
}

#[test]
fn a02_only_the_registered_bytes() {
    const REGISTERED: &str = "https://app.example.com/cb";
    for application_type in [ApplicationType::Web, ApplicationType::Native] {
        assert!(allows(application_type, REGISTERED, REGISTERED));
        for other in [
            "https://app.example.com/cb/",
            "https://app.example.com/cb?x=1",
            "https://app.example.com/cb?",
            "https://app.example.com/cb#",
            "https://app.example.com/%63b",
            "https://app.example.com/%2e%2e/cb",
            "https://App.example.com/cb",
            "HTTPS://app.example.com/cb",
            "https://app.example.com/CB",
            "https://app.example.com:443/cb",
            "https://app.example.com/../cb",
            "https://app.example.com//evil.test/cb",
            "https://app.example.com@evil.test/cb",
            "https://user@app.example.com/cb",
            "https://app.example.com\\@evil.test/cb",
            "https://sub.app.example.com/cb",
            "https://xn--pp-example-com.test/cb",
            "https://app.example.com./cb",
            "https://app.example.com/cb\0",
            "https://app.example.com/cb\t",
            "https://app.example.com/\ncb",
            " https://app.example.com/cb",
            "//app.example.com/cb",
            "http://app.example.com/cb",
            "",
        ] {
            assert!(!allows(application_type, REGISTERED, other), "{other:?}");
        }
    }
}

#[test]
fn a03_a_native_loopback_address_has_any_port_and_nothing_else() {
    const REGISTERED: &str = "http://127.0.0.1/cb";
    for port in ["", ":1", ":80", ":51004", ":65535"] {
        let presented = format!("http://127.0.0.1{port}/cb");
        assert!(allows(ApplicationType::Native, REGISTERED, &presented), "{presented}");
        assert_eq!(allows(ApplicationType::Web, REGISTERED, &presented), port.is_empty(), "{presented}");
    }
    for other in [
        "http://127.0.0.1:51004/other",
        "http://127.0.0.1:51004/cb?x=1",
        "http://127.0.0.1.evil.test:1/cb",
        "http://127.0.0.1:1@evil.test/cb",
        "http://127.0.0.1:1.evil.test/cb",
        "http://127.0.0.1:/cb",
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:080/cb",
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:1:2/cb",
        "http://127.0.0.1:+1/cb",
        "http://127.0.0.2:1/cb",
        "http://127.1:1/cb",
        "http://localhost:1/cb",
        "http://[::1]:1/cb",
        "https://127.0.0.1:1/cb",
        "http://127.0.0.1\\:1/cb",
    ] {
        assert!(!allows(ApplicationType::Native, REGISTERED, other), "{other}");
    }
    assert!(allows(ApplicationType::Native, "http://[::1]:9/cb", "http://[::1]:51004/cb"));
    assert!(!allows(ApplicationType::Native, "https://127.0.0.1/cb", "https://127.0.0.1:1/cb"));
    assert!(!allows(ApplicationType::Native, "http://localhost/cb", "http://localhost:1/cb"));
    assert!(allows(ApplicationType::Native, "com.example.app:/cb", "com.example.app:/cb"));
}

#[test]
fn parameters_follow_those_that_are_there() {
    let state = [("state", "a b&c+ü")];
    for (uri, expected) in [
        ("https://a/cb", "https://a/cb?state=a+b%26c%2B%C3%BC"),
        ("https://a/cb?x=%2e", "https://a/cb?x=%2e&state=a+b%26c%2B%C3%BC"),
        ("https://a/cb?", "https://a/cb?state=a+b%26c%2B%C3%BC"),
        ("https://a/cb?x&", "https://a/cb?x&state=a+b%26c%2B%C3%BC"),
        ("https://a/cb&", "https://a/cb&?state=a+b%26c%2B%C3%BC"),
        ("com.example.app://done&", "com.example.app://done&?state=a+b%26c%2B%C3%BC"),
        ("com.example.app:/cb", "com.example.app:/cb?state=a+b%26c%2B%C3%BC"),
    ] {
        assert_eq!(with_parameters(uri, &state), expected);
    }
    assert_eq!(with_parameters("https://a/cb", &[]), "https://a/cb");
}

#[test]
fn a_form_may_go_to_the_proven_place_alone() {
    for (uri, expected) in [
        ("https://app.example.com/cb?x", "https://app.example.com"),
        ("http://127.0.0.1:51004/cb", "http://127.0.0.1:51004"),
        ("http://[::1]:51004/cb", "http:"),
        ("com.example.app:/cb", "com.example.app:"),
    ] {
        assert_eq!(form_target(uri).as_deref(), Some(expected));
    }
}

proptest! {
    /// Whatever is allowed beside the registered bytes is that address with another port, as the URL standard reads it.
    #[test]
    fn a_changed_address_goes_nowhere_else(at in 0_usize..24, with in "[:/?#@\\\\.%0-9a-z\\[\\] ]{0,6}", cut in 0_usize..4) {
        let registered = "http://127.0.0.1:80/cb/x";
        let end = (at + cut).min(registered.len());
        let presented = format!("{}{with}{}", &registered[..at], &registered[end..]);
        if allows(ApplicationType::Native, registered, &presented) {
            let url = Url::parse(&presented).unwrap();
            prop_assert_eq!((url.scheme(), url.host_str(), url.path()), ("http", Some("127.0.0.1"), "/cb/x"));
            prop_assert_eq!((url.query(), url.fragment(), url.username()), (None, None, ""));
        }
        prop_assert_eq!(allows(ApplicationType::Web, registered, &presented), presented == registered);
    }

    #[test]
    fn a09_state_is_read_back_byte_for_byte(state in "[^\0]{0,300}") {
        let location = with_parameters("https://a/cb?x=1", &[("code", "c"), ("state", &state)]);
        let url = Url::parse(&location).unwrap();
        let read: Vec<_> = url.query_pairs().into_owned().collect();
        prop_assert_eq!(&read[2], &("state".to_owned(), state));
    }

    #[test]
    fn no_text_makes_it_panic(registered: String, presented: String) {
        let _ = allows(ApplicationType::Native, &registered, &presented);
        let _ = (form_target(&presented), host_of(&presented));
    }
}
