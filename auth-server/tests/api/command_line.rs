//! The command line as a whole: help, version, exit codes, documents, the health check, and what it says of a database
//! that cannot be used. What each command does is in the files of its room.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::process::{Command, Output, Stdio};

use auth_server::cli::Cli;
use clap::CommandFactory as _;
use serde_json::Value;
use shared::db::Pool;
use shared::testing::faults_in_help;

#[test]
fn every_command_and_flag_is_described_alike() {
    assert_eq!(faults_in_help(&Cli::command()), Vec::<String>::new());
}

#[test]
fn without_a_command_there_is_help_and_wrong_use_is_2() {
    let help = run(&mut auth_server(&["--help"]), 0);
    assert!(stdout(&help).contains("\nUsage: auth-server ") && stdout(&help).contains("\nExamples:\n"), "{help:?}");
    for nothing in [&[][..], &["user"], &["client"], &["key"], &["resource"], &["config"]] {
        let help = run(&mut auth_server(nothing), 2);
        assert!(stdout(&help).is_empty() && stderr(&help).contains("\nUsage: auth-server "), "{help:?}");
    }
    let wrong = run(&mut auth_server(&["usr", "list"]), 2);
    assert!(stderr(&wrong).contains("'user'"), "{wrong:?}");
    for wrong in [&["serve", "--bind", "8001"][..], &["healthcheck", "--bind", "localhost:8001"]] {
        let wrong = run(&mut auth_server(wrong), 2);
        assert!(stderr(&wrong).contains("such as 127.0.0.1:8000"), "{wrong:?}");
    }
}

#[test]
fn the_version_names_the_commit() {
    let version = stdout(&run(&mut auth_server(&["--version"]), 0));
    let commit = version.strip_prefix(concat!("auth-server ", env!("CARGO_PKG_VERSION"), " (")).unwrap();
    assert!(commit.ends_with(")\n") && commit.len() > ")\n".len(), "{version}");
}

#[test]
fn no_color_wins() {
    let coloured = |name: &str| {
        let output = run(auth_server(&["usr"]).env("CLICOLOR_FORCE", "1").env(name, "1"), 2);
        stderr(&output).contains('\u{1b}')
    };
    assert!(coloured("UNRELATED"), "otherwise this tests nothing");
    assert!(!coloured("NO_COLOR"));
}

#[test]
fn every_shell_gets_its_completions() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let script = stdout(&run(&mut auth_server(&["completions", shell]), 0));
        assert!(script.contains("auth-server") && script.contains("rotate-secret"), "{shell}: {script}");
    }
}

#[test]
fn bash_completes_behind_the_first_command() {
    let script = stdout(&run(&mut auth_server(&["completions", "bash"]), 0));
    let complete = r#"
        complete() { shift; function=$1; }
        source /dev/stdin
        COMP_WORDS=(auth-server user s) COMP_CWORD=2
        $function auth-server s user
        echo "${COMPREPLY[@]}""#;
    let Ok(mut bash) = Command::new("bash").args(["-c", complete]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()
    else {
        eprintln!("skipped: no bash on this machine");
        return;
    };
    bash.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    assert_eq!(stdout(&bash.wait_with_output().unwrap()), "show set-password set-scopes\n");
}

#[test]
fn man_prints_one_page_and_writes_all() {
    let page = stdout(&run(&mut auth_server(&["man"]), 0));
    assert!(page.contains(".TH auth-server 1") && page.contains(".SH EXAMPLES\n.nf\n"), "{page}");
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("share/man1");
    let written = run(auth_server(&["man", "--output", "json", "--dir"]).arg(&into), 0);
    let written: Value = serde_json::from_slice(&written.stdout).unwrap();
    let written = written["written"].as_array().unwrap();
    assert_eq!(std::fs::read_dir(&into).unwrap().count(), written.len());
    for name in ["auth-server.1", "auth-server-client-rotate-secret.1", "auth-server-create-user.1"] {
        let page = std::fs::read_to_string(into.join(name)).unwrap();
        assert!(page.contains(".SH SYNOPSIS"), "{name}: {page}");
    }
    let blocked = run(auth_server(&["man", "--dir"]).arg(into.join("auth-server.1")), 1);
    assert!(stderr(&blocked).contains("share/man1/auth-server.1: "), "{blocked:?}");
}

#[test]
fn settings_that_do_not_fit_are_shown_and_not_passed() {
    let with = |arguments: &[&str]| {
        let mut command = auth_server(arguments);
        command.env("MYAPI_AUTH__ACCESS_TOKEN_TTL", "soon");
        command.env("MYAPI_DATABASE__DEV", "postgres://u:hunter2@127.0.0.1/x");
        command
    };
    let shown = stdout(&run(&mut with(&["config", "show", "--output", "json"]), 0));
    let rows: Vec<Value> = serde_json::from_str(&shown).unwrap();
    let row = rows.iter().find(|row| row["name"] == "MYAPI_AUTH__ACCESS_TOKEN_TTL").unwrap();
    assert_eq!((&row["value"], &row["origin"]), (&"soon".into(), &"environment".into()));
    assert!(rows.iter().all(|row| row["help"] != "") && !shown.contains("hunter2"), "{shown}");
    let refused = run(&mut with(&["config", "check"]), 1);
    let expected =
        "MYAPI_AUTH__ACCESS_TOKEN_TTL (from environment) is `soon`, but it is a whole number from 3 to 86400";
    assert_eq!(stderr(&refused), format!("error: {expected}\n"));
}

/// Needs no database, and no settings but those of passwords.
#[test]
fn the_capacity_is_measured_without_a_database() {
    let measure = ["capacity", "--seconds", "0.1", "--output", "json"];
    let report = run(auth_server(&measure).env("MYAPI_AUTH__PASSWORD_LANES", "2"), 0);
    let json: Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(json["lanes"], 2);
    let sets = json["sets"].as_array().unwrap();
    let costs: Vec<_> = sets.iter().map(|set| (set["memory_kib"].as_u64(), set["iterations"].as_u64())).collect();
    let owasp = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];
    assert_eq!(costs, owasp.map(|(memory, passes)| (Some(memory), Some(passes))));
    for set in sets {
        for figure in ["alone_ms", "busy_ms", "per_second", "memory_mib"] {
            assert!(set[figure].as_f64().unwrap() > 0.0, "{figure} of {set}");
        }
    }
    assert_eq!(json["recommended"]["memory_kib"], 19_456);
    assert_eq!(json["recommended"]["settings"][3], serde_json::json!(["MYAPI_AUTH__PASSWORD_LANES", "2"]));
    assert_eq!(stderr(&report).contains("debug build"), cfg!(debug_assertions), "{report:?}");
}

// P13: also where the target asks for less.
#[test]
fn p13_the_capacity_never_recommends_costs_below_asvs() {
    let measure = ["capacity", "--seconds", "0.1", "--lanes", "1", "--target-ms", "1"];
    let table = stdout(&run(&mut auth_server(&measure), 0));
    assert!(table.contains("No costs that are allowed are within the target here"), "{table}");
    let setting = |name: &str| {
        let line = table.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.trim_start_matches('=').to_owned()
    };
    let pair = (setting("MYAPI_AUTH__PASSWORD_MEMORY_KIB"), setting("MYAPI_AUTH__PASSWORD_ITERATIONS"));
    let allowed = [("47104", "1"), ("19456", "2"), ("12288", "3")];
    assert!(allowed.contains(&(pair.0.as_str(), pair.1.as_str())), "{pair:?}");
    let dear = ["capacity", "--seconds", "0.1", "--lanes", "1", "--target-ms", "60", "--output", "json"];
    let json: Value = serde_json::from_slice(&run(&mut auth_server(&dear), 0).stdout).unwrap();
    assert!(json["recommended"]["is_allowed"].as_bool().unwrap(), "{json}");
    for wrong in [["--seconds", "0"], ["--lanes", "0"], ["--target-ms", "0"]] {
        run(auth_server(&["capacity"]).args(wrong), 2);
    }
}

#[test]
fn the_health_check_asks_over_loopback_and_tells_why_not() {
    for (answer, code, told) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 20\r\n\r\n{\"status\":\"ready\"}", 0, "ready\n"),
        (
            "HTTP/1.1 503 Service Unavailable\r\n\r\n{\"waiting_for\":[\"database\"]}",
            1,
            "answered 503: {\"waiting_for\"",
        ),
        ("SSH-2.0-OpenSSH\r\n", 1, "it does not speak HTTP"),
    ] {
        let (address, asked) = listener(answer);
        let bind = format!("0.0.0.0:{}", address.port());
        let output = run(auth_server(&["healthcheck"]).env("MYAPI_AUTH__BIND", bind), code);
        let text = if code == 0 { stdout(&output) } else { stderr(&output) };
        assert!(text.contains(told), "{output:?}");
        assert!(asked.join().unwrap().starts_with("GET /readyz HTTP/1.1\r\n"));
    }
    let (address, _asked) = listener("HTTP/1.1 200 OK\r\n\r\n");
    let flag = run(&mut auth_server(&["healthcheck", "--output", "json", "--bind", &address.to_string()]), 0);
    assert_eq!(serde_json::from_slice::<Value>(&flag.stdout).unwrap()["ready"], true);

    let port_zero = run(&mut auth_server(&["healthcheck", "--bind", "127.0.0.1:0"]), 1);
    assert!(stderr(&port_zero).contains("--bind"), "{port_zero:?}");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let refused = run(&mut auth_server(&["healthcheck", "--bind", &nobody.to_string()]), 1);
    assert!(stderr(&refused).contains(&format!("no answer from http://{nobody}/readyz: ")), "{refused:?}");
}

#[test]
fn the_health_check_does_not_wait_for_ever() {
    // Accepted by the system, and never answered.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let output = run(&mut auth_server(&["healthcheck", "--bind", &address]), 1);
    assert!(stderr(&output).contains("nothing came within 2 s"), "{output:?}");
}

#[test]
fn a_database_that_cannot_be_used_is_named() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("postgres://u:hunter2@{closed}/x");
    for arguments in [&["user", "list"][..], &["client", "list"], &["key", "list"], &["resource", "list"]] {
        let output = run(auth_server(arguments).env("MYAPI_DATABASE__DEV", &url), 1);
        let expected = format!("cannot connect to the database {closed}/x, which MYAPI_DATABASE__DEV names: ");
        assert!(stderr(&output).contains(&expected) && !stderr(&output).contains("hunter2"), "{output:?}");
    }
}

#[sqlx::test(migrations = false)]
async fn a_database_without_the_schema_says_what_to_run(pool: Pool) {
    let output = run(&mut on(&pool, &["user", "list"]), 1);
    assert!(stderr(&output).contains("run `auth-server migrate` first"), "{output:?}");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn a_secret_that_nobody_saw_says_how_to_get_another(pool: Pool) {
    run(&mut on(&pool, &["migrate"]), 0);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let create = ["client", "create", "backend", "--grant", "password", "--scope", "movies:read"];
    let unseen = on(&pool, &create).stdout(writer).output().unwrap();
    assert_eq!(unseen.status.code(), Some(1));
    assert!(stderr(&unseen).contains("`client rotate-secret` makes a new secret"), "{unseen:?}");
    run(&mut on(&pool, &["client", "rotate-secret", "backend"]), 0);
}

/// Answers one connection, and tells what was asked.
fn listener(answer: &'static str) -> (SocketAddr, std::thread::JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let asked = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = [0; 1024];
        let read = stream.read(&mut request).unwrap();
        stream.write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&request[..read]).into_owned()
    });
    (address, asked)
}

/// The binary in an environment of its own, and in a folder without `.env`.
fn auth_server(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_auth-server"));
    command.args(arguments).env_clear().current_dir(std::env::temp_dir());
    command
}

fn on(pool: &Pool, arguments: &[&str]) -> Command {
    let mut url: url::Url = std::env::var("DATABASE_URL").unwrap().parse().unwrap();
    url.set_path(pool.connect_options().get_database().unwrap());
    let mut command = auth_server(arguments);
    command.env("MYAPI_AUTH__DATABASE_URL", url.as_str());
    command
}

/// Runs to the end and expects that exit code.
#[track_caller]
fn run(command: &mut Command, code: i32) -> Output {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{output:?}");
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}
