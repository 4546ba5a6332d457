//! A deployment as `deploy/` makes it: the schema is its owner's, and each service has the rights of its role and no others.

mod support;

use std::fs;

use support::is_possible;
use support::pair::{Pair, free_address};
use support::wire::{ask, post};

#[test]
fn s20_every_rule_holds_with_the_rights_of_the_roles_alone() {
    if !is_possible("s20_every_rule_holds_with_the_rights_of_the_roles_alone") {
        return;
    }
    let (pair, roles) = Pair::deployed();
    let (_auth, _movies) = (pair.start_auth(&[]), pair.start_movies());
    let rules = pair.run("auth-server", &["selftest"], "");
    assert!(rules.lines().last().unwrap().ends_with(" rules hold, 0 do not"), "{rules}");
    fs::write(pair.path("users.csv"), "email,name\nbea@example.com,Bea\n").unwrap();
    for (binary, args) in [
        ("auth-server", &["doctor"] as &[&str]),
        ("auth-server", &["audit", "verify"]),
        ("auth-server", &["user", "import", "users.csv", "--allow-no-password"]),
        ("auth-server", &["user", "list"]),
        ("auth-server", &["session", "list"]),
        ("movies-api", &["doctor"]),
        ("movies-api", &["export", "--format", "csv"]),
    ] {
        pair.run(binary, args, "");
    }

    let create = ["client", "create", "editor", "--grant", "client_credentials"];
    let made = pair.json(&[&create as &[&str], &["--scope", "movies:read", "--scope", "movies:write"]].concat());
    let secret = made["client_secret"].as_str().unwrap();
    let form = format!("grant_type=client_credentials&client_id=editor&client_secret={secret}");
    let token = post(pair.auth, "/token", &form).text("access_token");
    let bearer = format!("Authorization: Bearer {token}\r\nContent-Type: application/json\r\n");
    let film = r#"{"title":"The Bow","released":1999,"rating":8.1}"#;
    let writer = free_address();
    let _writer = pair.start_movies_at("writer", writer, &[("MYAPI_MOVIES__DATABASE_URL", &roles.importer)]);
    for (at, method, target, body, status) in [
        (pair.movies, "GET", "/movies?title=land&sort=-rating", "", 200),
        (pair.movies, "GET", "/movies?year_min=1990&sort=-rating", "", 200),
        (pair.movies, "GET", "/movies/new?year=1990&rating=5", "", 200),
        (pair.movies, "GET", "/movies/stats", "", 200),
        (pair.movies, "GET", "/movies/export?format=ndjson", "", 200),
        (pair.movies, "POST", "/movies", film, 403),
        (writer, "POST", "/movies", film, 201),
        (writer, "PUT", "/movies/7", film, 201),
        (writer, "PUT", "/movies/7", r#"{"title":"The Bow","released":2000,"rating":8.1}"#, 200),
        (writer, "DELETE", "/movies/7", "", 204),
        (writer, "GET", "/movies/stats", "", 200),
    ] {
        let answer = ask(at, method, target, &bearer, body);
        assert_eq!(answer.status, status, "{method} {target}: {answer:?}");
    }

    // Housekeeping among them, which runs at the start.
    for log in ["auth-server.log", "movies-api.log", "writer.log"] {
        let log = fs::read_to_string(pair.path(log)).unwrap();
        let failed: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
        assert!(failed.is_empty(), "{failed:#?}");
    }
}
