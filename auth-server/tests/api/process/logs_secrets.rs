//! O01: a whole life of the binary at the loudest level, and then a search of all that it said.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jwt_simple::prelude::ES256KeyPair;
use serde_json::Value;
use shared::db::Pool;

use super::binary::{Binary, Server, write_private};
use super::wire::{Reply, Wire, get, post, token};
use crate::app::{PUBLIC, basic, encode};

const EMAIL: &str = "mallory.quux@example.com";
const PASSWORD: &str = "seven green pelicans knit";
const WRONG_PASSWORD: &str = "eight blue pelicans purl";
const CONFIDENTIAL: &str = "backend";

/// Directives that would win over `hyper=info`: a module's, and a span's.
const LOUD: &str = "trace,hyper::proto=trace,sqlx::query=trace,oxide_auth::code_grant=trace,[request]=trace";

/// What must not be said, by the name of what it is.
#[derive(Default)]
struct Secrets(Vec<(String, String)>);

impl Secrets {
    /// The text itself, and as the parts of a form, a header and a JSON text spell it.
    fn add(&mut self, name: &str, text: &str) {
        let form: String = form_urlencoded::byte_serialize(text.as_bytes()).collect();
        for spelling in [text.to_owned(), form, STANDARD.encode(text), URL_SAFE_NO_PAD.encode(text)] {
            self.0.push((name.to_owned(), spelling));
        }
    }

    /// Tokens and keys: a prefix is enough to find them.
    fn add_prefix(&mut self, name: &str, text: &str) {
        self.0.push((name.to_owned(), text.chars().take(20).collect()));
    }

    fn search(&self, place: &str, text: &str) {
        assert!(self.0.iter().all(|(_, secret)| secret.len() >= 10), "{:?}", self.0);
        let text = text.to_ascii_lowercase();
        for (name, secret) in &self.0 {
            assert!(!text.contains(&secret.to_ascii_lowercase()), "{name} ({secret}) is in {place}:\n{text}");
        }
    }
}

#[sqlx::test]
async fn o01_nothing_secret_is_logged_at_any_level(pool: Pool) {
    let mut secrets = Secrets::default();
    let mut said = String::new();
    let binary = Binary::on(&pool).with("RUST_LOG", LOUD).without("MYAPI_AUTH__KEY_ENCRYPTION_KEY");
    let made = binary.json(&["key", "new-secret"])["key_encryption_key"].as_str().unwrap().to_owned();
    secrets.add("key encryption key", &made);
    let binary = binary.with("MYAPI_AUTH__KEY_ENCRYPTION_KEY", &made);
    let secret = set_up(&binary, &mut secrets, &mut said);

    let mut server = binary.serve();
    // Proves that the directives are in force.
    Wire::open(server.address).send(format!("GET /{EMAIL}"));
    server.process.line(|line| line["level"] == "DEBUG" && line["message"] == "a connection ended early");
    log_in(&server, &secret, &mut secrets);
    misuse(&server, &secret, &mut secrets);
    get(server.address, &format!("/.well-known/jwks.json?email={EMAIL}"));
    let ended = server.stop();
    assert!(ended.log().iter().any(|line| line["span"]["token.grant"] == "password"), "{}", ended.stderr);
    secrets.search("the standard output of serve", &ended.stdout);
    said.push_str(&ended.stderr);
    secrets.search("the logs", &said);
}

/// Every command that touches a secret; returns the confidential client's.
fn set_up(binary: &Binary, secrets: &mut Secrets, said: &mut String) -> String {
    let mut run = |arguments: &[&str], stdin: &str| -> Value {
        let ended = binary.run_with(&[arguments, &["--output", "json"]].concat(), stdin);
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
        said.push_str(&ended.stderr);
        serde_json::from_str(&ended.stdout).unwrap()
    };
    run(&["migrate"], "");
    run(&["key", "generate"], "");
    let pem = ES256KeyPair::generate().to_pem().unwrap();
    for line in pem.lines().filter(|line| !line.starts_with("-----")) {
        secrets.add_prefix("imported private key", line);
    }
    let path = binary.folder.path().join("private.pem");
    write_private(&path, &pem);
    run(&["key", "import", path.to_str().unwrap(), "--activate"], "");
    run(&["key", "reencrypt"], "");

    let grants = ["--grant", "password", "--scope", "movies:read", "--scope", "email"];
    run(&[&["client", "create", PUBLIC, "--public"][..], &grants].concat(), "");
    let created = run(&[&["client", "create", CONFIDENTIAL][..], &grants].concat(), "");
    secrets.add("first client secret", created["client_secret"].as_str().unwrap());
    let rotated = run(&["client", "rotate-secret", CONFIDENTIAL], "");
    let secret = rotated["client_secret"].as_str().unwrap().to_owned();
    secrets.add("client secret", &secret);

    run(&["create-user", "--email", EMAIL, "--name", "Mallory", "--password", WRONG_PASSWORD], "");
    let generated = run(&["user", "set-password", EMAIL, "--generate-password"], "");
    secrets.add("generated password", generated["password"].as_str().unwrap());
    run(&["user", "set-password", EMAIL, "--password-stdin"], PASSWORD);
    secrets.add("password", PASSWORD);
    secrets.add("wrong password", WRONG_PASSWORD);
    secrets.add("e-mail address", EMAIL);
    run(&["config", "show"], "");
    secret
}

fn log_in(server: &Server, secret: &str, secrets: &mut Secrets) {
    let login = [("grant_type", "password"), ("username", EMAIL), ("password", PASSWORD), ("scope", "email")];
    let header = basic(CONFIDENTIAL, secret);
    secrets.add_prefix("Authorization", header.strip_prefix("Basic ").unwrap());
    let in_body = [&login[..], &[("client_id", CONFIDENTIAL), ("client_secret", secret)]].concat();
    let named = [&login[..], &[("client_id", PUBLIC)]].concat();
    let answers = [
        token(server.address, &login, &[("Authorization", &header)]),
        token(server.address, &in_body, &[]),
        token(server.address, &named, &[]),
        token(server.address, &login, &[]),
    ];
    for answer in answers {
        assert_eq!(answer.status, 200, "{}", answer.body);
        let issued = answer.json()["access_token"].as_str().unwrap().to_owned();
        for part in issued.split('.') {
            secrets.add_prefix("token", part);
        }
    }
}

/// Requests that are refused, each at another step.
fn misuse(server: &Server, secret: &str, secrets: &mut Secrets) {
    let (longest, too_long) = (PASSWORD.repeat(300), PASSWORD.repeat(3000));
    let expect = |status: u16, answer: Reply| assert_eq!(answer.status, status, "{}", answer.body);
    let login = |username, password| [("grant_type", "password"), ("username", username), ("password", password)];
    let address = server.address;
    expect(400, token(address, &login(EMAIL, WRONG_PASSWORD), &[]));
    expect(400, token(address, &login("nobody.at.all@example.com", PASSWORD), &[]));
    secrets.add("address of nobody", "nobody.at.all@example.com");
    // Credentials in the wrong places: the user's as the client's, a secret's beginning, a bearer token.
    let strange = basic(EMAIL, PASSWORD);
    secrets.add_prefix("strange Authorization", strange.strip_prefix("Basic ").unwrap());
    expect(401, token(address, &login(EMAIL, PASSWORD), &[("Authorization", &strange)]));
    expect(401, token(address, &login(EMAIL, PASSWORD), &[("Authorization", &format!("Bearer {secret}"))]));
    let half = &secret[..secret.len() / 2];
    expect(401, token(address, &login(EMAIL, PASSWORD), &[("Authorization", &basic(CONFIDENTIAL, half))]));
    expect(400, token(address, &[&login(EMAIL, PASSWORD)[..], &[("client_secret", secret)]].concat(), &[]));
    // Repeated, oversized, in the address, of another type, with a grant, scope and path that there is not.
    expect(400, token(address, &[&login(EMAIL, PASSWORD)[..], &login(EMAIL, PASSWORD)].concat(), &[]));
    expect(413, token(address, &login(EMAIL, &too_long), &[]));
    expect(400, token(address, &login(EMAIL, &longest), &[]));
    expect(400, post(address, &format!("/token?{}", encode(&login(EMAIL, PASSWORD))), "", &[]));
    expect(400, token(address, &[("grant_type", PASSWORD), ("username", EMAIL), ("password", PASSWORD)], &[]));
    expect(400, token(address, &[&login(EMAIL, PASSWORD)[..], &[("scope", PASSWORD)]].concat(), &[]));
    expect(400, token(address, &[&login(EMAIL, PASSWORD)[..], &[("resource", EMAIL)]].concat(), &[]));
    expect(404, get(address, &format!("/{}", form_urlencoded::byte_serialize(EMAIL.as_bytes()).collect::<String>())));
}
