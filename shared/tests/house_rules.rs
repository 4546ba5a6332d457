//! The walls of the house, held by reading the sources: SQL stands in stores alone, domain rooms know no HTTP, and the
//! grants drive their state machines. A rule that a compiler could hold stands in the code instead (`mod store;` is
//! private).

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, in its helpers too")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const SERVICES: [&str; 2] = ["auth-server", "movies-api"];
/// Rooms that speak HTTP; every other folder of a service is a domain room.
const EDGE_ROOMS: [&str; 6] = ["oauth", "pages", "web", "cli", "app", "health"];

struct Source {
    /// Relative to the service's `src`.
    path: PathBuf,
    text: String,
}

impl Source {
    /// The code without comments and without its inline tests.
    fn code(&self) -> String {
        let code = self.text.split("#[cfg(test)]").next().unwrap_or_default();
        code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
    }

    fn is_store(&self) -> bool {
        self.path.iter().any(|part| part == "store" || part == "store.rs")
    }

    fn room(&self) -> &str {
        let first = self.path.iter().next().and_then(|part| part.to_str()).unwrap_or_default();
        first.trim_end_matches(".rs")
    }
}

fn sources(service: &str) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(service).join("src");
    let mut found = Vec::new();
    walk(&root, &root, &mut found);
    assert!(found.len() > 10, "{service} has sources");
    found
}

fn walk(root: &Path, folder: &Path, found: &mut Vec<Source>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            walk(root, &path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push(Source { path: path.strip_prefix(root).unwrap().to_owned(), text });
        }
    }
}

fn source<'a>(sources: &'a [Source], path: &str) -> &'a Source {
    sources.iter().find(|source| source.path == Path::new(path)).unwrap_or_else(|| panic!("{path} is gone"))
}

#[test]
fn sql_stands_in_stores_alone() {
    for service in SERVICES {
        for source in sources(service).iter().filter(|source| !source.is_store()) {
            for sign in ["sqlx::query", "query_as!", "query_scalar!", "QueryBuilder", "copy_in_raw", "copy_out_raw"] {
                assert!(
                    !source.code().contains(sign),
                    "{service}/src/{}: {sign} outside a store",
                    source.path.display()
                );
            }
        }
    }
}

#[test]
fn stores_are_private() {
    for service in SERVICES {
        for source in sources(service) {
            for line in source.code().lines().map(str::trim).filter(|line| line.ends_with("mod store;")) {
                assert_eq!(line, "mod store;", "{service}/src/{}", source.path.display());
            }
        }
    }
}

#[test]
fn domain_rooms_know_no_http_and_no_state() {
    let forbidden =
        ["axum::", "hyper::", "http::", "AppState", "crate::oauth", "crate::pages", "crate::web", "crate::app"];
    let files = ["main", "lib", "state", "config", "routes"];
    for source in sources("auth-server") {
        let room = source.room();
        if EDGE_ROOMS.contains(&room) || files.contains(&room) {
            continue;
        }
        for word in forbidden {
            assert!(
                !source.code().contains(word),
                "auth-server/src/{}: {word} in a domain room",
                source.path.display()
            );
        }
    }
}

#[test]
fn the_services_do_not_know_each_other() {
    for (service, other) in [("auth-server", "movies_api"), ("movies-api", "auth_server")] {
        for source in sources(service) {
            assert!(!source.code().contains(other), "{service}/src/{}", source.path.display());
        }
    }
}

/// `routes!` takes a route and its documentation together; `route` would take the one without the other.
#[test]
fn no_route_goes_undocumented() {
    for service in SERVICES {
        for source in sources(service) {
            for sign in [".route(", ".route_service(", ".nest_service("] {
                assert!(!source.code().contains(sign), "{service}/src/{}: {sign}", source.path.display());
            }
        }
    }
}

/// The permission stands in the signature, first, so that nothing is looked at before it. What is open to everybody is
/// named here.
#[test]
fn every_handler_of_movies_api_takes_a_permission() {
    const OPEN: [&str; 3] = ["live", "ready", "protected_resource"];
    let mut protected = 0;
    for source in sources("movies-api") {
        let code = source.code();
        for after in code.split("#[utoipa::path(").skip(1) {
            let signature = after.split("async fn ").nth(1).unwrap().split('{').next().unwrap();
            let (name, parameters) = signature.split_once('(').unwrap();
            let (_, first) = parameters.split_once(':').unwrap_or_default();
            if OPEN.contains(&name) {
                assert_eq!(source.room(), "app", "{name} is open");
                continue;
            }
            let path = source.path.display();
            assert!(
                first.trim_start().starts_with("Authorized<"),
                "movies-api/src/{path}: {name} is open to everybody"
            );
            protected += 1;
        }
    }
    assert!(protected >= 4, "{protected} handlers found");
}

#[test]
fn only_auth_server_can_sign() {
    let shared = sources("shared").into_iter().filter(|source| source.room() != "testing").collect();
    for (name, sources) in [("shared", shared), ("movies-api", sources("movies-api"))] {
        for source in sources {
            for sign in ["EncodingKey", "EcdsaKeyPair", "RsaKeyPair", "Ed25519KeyPair", "jsonwebtoken::encode"] {
                assert!(!source.code().contains(sign), "{name}/src/{}: {sign}", source.path.display());
            }
        }
    }
}

#[test]
fn minting_happens_in_one_place() {
    for source in sources("auth-server") {
        let mints = source.code().contains("AccessClaims {");
        assert!(!mints || source.path == Path::new("oauth/token/issue.rs"), "{}", source.path.display());
    }
}

/// The grant is decided by the machine: the driver makes one, advances it from `Input::None`, and has an arm for each
/// of its questions; the machine is made of oxide-auth's types.
#[test]
fn the_password_grant_drives_its_machine() {
    let sources = sources("auth-server");
    let machine = source(&sources, "oauth/token/machine/password.rs").code();
    for part in ["oxide_auth::primitives", "pub enum Input", "pub enum Output", "fn advance(&mut self, input: Input)"] {
        assert!(machine.contains(part), "the machine lacks {part}");
    }
    let outside = ["async ", ".await", "sqlx", "std::fs", "Utc::now", "Clock"];
    assert!(outside.iter().all(|word| !machine.contains(word)), "the machine does no input or output");
    let driver = source(&sources, "oauth/token/grants/password.rs").code();
    let parts = [
        "PasswordGrant::new(",
        ".advance(Input::None)",
        ".advance(answer)",
        "Output::Authenticate",
        "Output::Bind",
        "Output::Verify",
        "Output::Extend",
        "Output::Negotiate",
        "Output::Issue",
        "Output::Ok",
        "Output::Err",
    ];
    for part in parts {
        assert!(driver.contains(part), "the driver lacks {part}");
    }
    let service = source(&sources, "oauth/token/service.rs").code();
    assert!(service.contains("grants::password::exchange("), "the service asks the driver");
}

/// Likewise the device code grant; a code is spent behind the machine's question alone.
#[test]
fn the_device_code_grant_drives_its_machine() {
    let sources = sources("auth-server");
    let machine = source(&sources, "oauth/token/machine/device_code.rs").code();
    for part in ["oxide_auth::primitives", "pub enum Input", "pub enum Output", "fn advance(&mut self, input: Input)"] {
        assert!(machine.contains(part), "the machine lacks {part}");
    }
    let outside = ["async ", ".await", "sqlx", "std::fs", "Utc::now", "Clock"];
    assert!(outside.iter().all(|word| !machine.contains(word)), "the machine does no input or output");
    let driver = source(&sources, "oauth/token/grants/device_code.rs").code();
    let parts = [
        "DeviceCodeGrant::new(",
        ".advance(Input::None)",
        ".advance(answer)",
        "Output::Authenticate",
        "Output::Recover",
        "Output::Extend",
        "Output::Issue",
        "Output::Ok",
        "Output::Err",
    ];
    for part in parts {
        assert!(driver.contains(part), "the driver lacks {part}");
    }
    let elsewhere = |source: &&Source| source.code().contains("devices.redeem(");
    assert_eq!(sources.iter().filter(elsewhere).count(), 1);
    let service = source(&sources, "oauth/token/service.rs").code();
    assert!(service.contains("grants::device_code::exchange("), "the service asks the driver");
}

/// What the README shows is what is compiled.
#[test]
fn the_readme_shows_the_example_of_ones_own_service() {
    let readme = include_str!("../../README.md");
    let example = include_str!("../examples/own_service.rs");
    let (_, shown) = example.split_once("struct SongsRead;").unwrap();
    assert!(readme.contains(shown), "README.md differs from shared/examples/own_service.rs");
}

/// Likewise where the machine is oxide-auth's own; rotation and minting answer its questions, and nothing else.
#[test]
fn refresh_and_client_credentials_drive_oxide_auths_machines() {
    let sources = sources("auth-server");
    let service = source(&sources, "oauth/token/service.rs").code();
    let drivers: [(&str, &[&str]); 2] = [
        (
            "refresh_token",
            &[
                "oxide_auth::code_grant::refresh::",
                "Refresh::new(&request)",
                "Output::Unauthenticated",
                "Output::RecoverRefresh",
                "Output::Refresh",
                "Input::Recovered",
                "Input::Refreshed",
            ],
        ),
        (
            "client_credentials",
            &[
                "oxide_auth::code_grant::client_credentials::",
                "ClientCredentials::new(&request)",
                "Output::Authenticate",
                "Output::Binding",
                "Output::Extend",
                "Output::Negotiate",
                "Input::Negotiated",
            ],
        ),
    ];
    for (grant, parts) in drivers {
        let driver = source(&sources, &format!("oauth/token/grants/{grant}.rs")).code();
        for part in parts.iter().chain(&[".advance(Input::None)", ".advance(answer)", "Output::Ok", "Output::Err"]) {
            assert!(driver.contains(part), "{grant} lacks {part}");
        }
        assert!(service.contains(&format!("grants::{grant}::exchange(")), "the service asks the driver of {grant}");
    }
    // Rotation stands behind the machine's question alone.
    let refresh = source(&sources, "oauth/token/grants/refresh_token.rs").code();
    assert_eq!(refresh.matches("tokens.rotate(").count(), 1);
    let elsewhere = |source: &&Source| source.code().contains("tokens.rotate(");
    assert_eq!(sources.iter().filter(elsewhere).count(), 1);
}

/// Likewise with oxide-auth's own machines, for signing in and for the code that comes of it.
#[test]
fn the_authorization_code_grant_drives_its_machines() {
    let sources = sources("auth-server");
    let drivers = [
        (
            "oauth/authorize/machine.rs",
            &[
                "Authorization::new(",
                "Output::Bind",
                "Output::Extend",
                "Output::Negotiate",
                "Output::Ok",
                "Output::Err",
                "Pkce::required()",
            ][..],
        ),
        (
            "oauth/token/grants/authorization_code.rs",
            &[
                "AccessToken::new(",
                "Output::Authenticate",
                "Output::Recover",
                "Output::Extend",
                "Output::Issue",
                "Output::Ok",
                "Output::Err",
                "Pkce::required()",
            ],
        ),
    ];
    for (path, parts) in drivers {
        let driver = source(&sources, path).code();
        for part in [".advance(Input::None)", ".advance(answer)"].iter().chain(parts) {
            assert!(driver.contains(part), "{path} lacks {part}");
        }
    }
    let service = source(&sources, "oauth/token/service.rs").code();
    assert!(service.contains("grants::authorization_code::exchange("), "the service asks the driver");
    let handlers = source(&sources, "oauth/authorize/handlers.rs").code();
    assert!(handlers.contains("prove("), "the handler asks the driver");
}

#[test]
fn time_comes_from_the_clock() {
    for service in ["auth-server", "movies-api", "shared"] {
        for source in sources(service).iter().filter(|source| source.path != Path::new("clock.rs")) {
            for call in ["Utc::now()", "SystemTime::now()"] {
                assert!(!source.code().contains(call), "{service}/src/{}: {call}", source.path.display());
            }
        }
    }
}

#[test]
fn the_test_crates_have_names_of_their_own() {
    for package in ["auth-server", "movies-api", "shared"] {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(package).join("Cargo.toml");
        let own = format!("name = \"{}_api\"\npath = \"tests/api/main.rs\"", package.replace('-', "_"));
        assert!(fs::read_to_string(manifest).unwrap().contains(&own), "{package}: databases of tests are named by it");
    }
}

/// nginx has both services under one origin: what is movies-api's goes there, everything else to auth-server.
#[test]
fn nginx_sends_each_route_to_its_service() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| fs::read_to_string(top.join(path)).unwrap();
    let nginx = read("deploy/nginx.conf");
    let places: Vec<(&str, &str)> =
        nginx.split("\n    location ").skip(1).filter_map(|place| place.split_once(" {\n")).collect();
    // An exact path first, then the longest beginning.
    let upstream = |path: &str| {
        let exact = places.iter().find(|(place, _)| place.strip_prefix("= ") == Some(path));
        let beginnings = places.iter().filter(|(place, _)| path.starts_with(place.trim_start_matches("^~ ")));
        let (_, block) =
            exact.or_else(|| beginnings.max_by_key(|(place, _)| place.trim_start_matches("^~ ").len())).unwrap();
        block.split_once("proxy_pass http://").unwrap().1.split_once(';').unwrap().0.to_owned()
    };
    for (service, name) in [("auth-server", "auth_server"), ("movies-api", "movies_api")] {
        let routes = read(&format!("{service}/src/routes.rs"));
        let routes: Vec<&str> =
            routes.lines().filter_map(|line| line.split_once(": &str = \"")?.1.strip_suffix("\";")).collect();
        assert!(routes.len() > 6, "{service}: {routes:?}");
        for route in routes.into_iter().filter(|route| !["/healthz", "/readyz"].contains(route)) {
            assert_eq!(upstream(route), name, "{route}");
        }
    }
    assert_eq!(upstream("/.well-known/oauth-protected-resource/films/v1"), "movies_api");
    assert_eq!(upstream("/openapi.json"), "movies_api");
}

/// The first layer of an image is built from manifests and empty crates: all that it copies is sent, and cargo, which looks
/// for the file of a test that has no path, does not look for one that is not.
#[test]
fn images_can_be_built_from_what_they_copy() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |path: &str| fs::read_to_string(top.join(path)).unwrap();
    let ignored = read(".dockerignore");
    for service in SERVICES {
        let recipe = read(&format!("{service}/Dockerfile"));
        let copies = recipe.lines().filter_map(|line| line.strip_prefix("COPY ")?.rsplit_once(' '));
        let copied: Vec<&str> =
            copies.flat_map(|(from, _)| from.split(' ')).filter(|from| !from.starts_with('-')).collect();
        for from in copied.iter().filter(|from| !from.starts_with('/')) {
            let is_sent = |part: &Path| ignored.lines().any(|line| line.strip_prefix('!').map(Path::new) == Some(part));
            assert!(Path::new(from).ancestors().any(is_sent), "{service}: .dockerignore keeps {from} back");
        }
        let manifests = copied.into_iter().filter(|from| from.ends_with("/Cargo.toml"));
        let members: Vec<&str> = manifests.collect();
        assert_eq!(members.len(), 4, "{service}: cargo needs the manifest of every member");
        for manifest in members {
            for target in read(manifest).split("\n[[").skip(1) {
                let target = target.split("\n[").next().unwrap_or_default();
                assert!(target.contains("\npath = "), "{manifest}: a target without a path: [[{target}");
            }
        }
    }
}

/// Who does not trace does not build for it: neither service has a crate of OpenTelemetry unless it is asked to.
#[test]
fn a_build_without_the_feature_has_no_crate_of_traces() {
    let tree = |features: &[&str]| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["tree", "--frozen", "--edges", "normal,build", "--prefix", "none", "--format", "{p}"]);
        cargo.args(["--package", "auth-server", "--package", "movies-api"]).args(features);
        let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let is_of_traces = |line: &&str| line.starts_with("opentelemetry") || line.starts_with("prost");
    let (without, with) = (tree(&[]), tree(&["--features", "auth-server/otlp,movies-api/otlp"]));
    assert!(without.contains("tokio v"), "{without}");
    assert_eq!(without.lines().find(is_of_traces), None);
    // With it there is no second HTTP client, and no gRPC.
    assert!(with.lines().any(|line| line.starts_with("opentelemetry-otlp")), "{with}");
    assert_eq!(with.lines().find(|line| line.starts_with("tonic")), None);
    let lines = with.lines().map(|line| line.trim_end_matches(" (*)"));
    let mut clients: Vec<_> = lines.filter(|line| line.starts_with("reqwest v")).collect();
    clients.sort_unstable();
    clients.dedup();
    assert_eq!(clients.len(), 1, "{clients:?}");
}
