//! The binary: exit codes, what goes to stdout and what to stderr.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use clap::CommandFactory as _;
use movies_api::cli::Cli;
use serde_json::Value;
use shared::testing::{TestIssuer, faults_in_help};
use sqlx::{ConnectOptions as _, PgPool};

const GOOD: &str = "movie_id,title,released,rating\n1,One,2001,1.0\n2,Two,2002,2.2\n";
const BAD: &str = "movie_id,title,released,rating\n1,One,2001,1.0\n2,Two,2002,2.25\n";

#[test]
fn without_a_command_there_is_help_and_wrong_use_is_2() {
    assert_eq!(faults_in_help(&Cli::command()), Vec::<String>::new());
    let help = run(&mut movies_api(), 2);
    assert!(stdout(&help).is_empty() && stderr(&help).contains("Usage: movies-api"), "{help:?}");
    assert_eq!(stdout(&run(movies_api().arg("-h"), 0)), stderr(&help));
    assert!(stdout(&run(movies_api().arg("--help"), 0)).contains("\nExamples:\n"));
    let version = stdout(&run(movies_api().arg("--version"), 0));
    assert!(version.starts_with(concat!("movies-api ", env!("CARGO_PKG_VERSION"), " (")), "{version}");
    let wrong = run(movies_api().arg("improt"), 2);
    assert!(stdout(&wrong).is_empty() && stderr(&wrong).contains("import"), "{wrong:?}");
    run(movies_api().args(["import", "movies.xlsx"]), 1);
}

/// In full they are tested on auth-server, whose code they share.
#[test]
fn completions_and_man_pages_are_of_this_binary() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(stdout(&run(movies_api().args(["completions", shell]), 0)).contains("allow-unknown"), "{shell}");
    }
    assert!(stdout(&run(movies_api().arg("man"), 0)).contains(".TH movies-api 1"));
    let folder = tempfile::tempdir().unwrap();
    let written = stdout(&run(movies_api().args(["man", "--dir"]).arg(folder.path()), 0));
    assert!(written.lines().any(|path| path.ends_with("/movies-api-import.1")), "{written}");
}

#[test]
fn a_database_that_cannot_be_used_is_named() {
    let mut command = movies_api();
    command.arg("export").env("MYAPI_MOVIES__DATABASE_URL", "postgres://u:hunter2@127.0.0.1:1/x");
    let refused = run(&mut command, 1);
    let expected = "cannot connect to the database 127.0.0.1:1/x, which MYAPI_MOVIES__DATABASE_URL names: ";
    assert!(stderr(&refused).contains(expected) && !stderr(&refused).contains("hunter2"), "{refused:?}");
}

#[test]
fn config_check_names_what_is_wrong() {
    let none = run(movies_api().args(["config", "check"]), 1);
    assert!(stderr(&none).contains("MYAPI_DATABASE__DEV"), "{none:?}");
    let mut command = movies_api();
    command.args(["config", "check"]).env("MYAPI_DATABASE__DEV", "postgres://u:hunter2@127.0.0.1/x");
    let no_keys = run(&mut command, 1);
    assert!(stderr(&no_keys).contains("MYAPI_MOVIES__JWKS_URL"), "{no_keys:?}");

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("jwks.json");
    let unreadable = run(command.env("MYAPI_MOVIES__JWKS_FILE", &file), 1);
    assert!(stderr(&unreadable).contains("jwks.json"), "{unreadable:?}");
    assert_eq!(stderr(&unreadable).lines().count(), 1, "it is said once: {unreadable:?}");
    std::fs::write(&file, TestIssuer::es256().jwks()).unwrap();
    let good = run(&mut command, 0);
    assert_eq!(stdout(&good), "The settings are good.\n");
    let mut show = movies_api();
    show.args(["config", "show", "--output", "json"]).env("MYAPI_MOVIES__JWKS_FILE", &file);
    let shown = stdout(&run(show.env("MYAPI_DATABASE__DEV", "postgres://u:hunter2@127.0.0.1/x"), 0));
    assert!(shown.contains("jwks.json") && !shown.contains("hunter2"), "{shown}");
    let two = run(command.env("MYAPI_MOVIES__PUBLIC_KEY_FILE", "key.pem"), 1);
    assert!(stderr(&two).contains("keep one of the three"), "{two:?}");
    command.env_remove("MYAPI_MOVIES__PUBLIC_KEY_FILE");

    for (name, value) in [
        ("MYAPI_MOVIES__BIMD", "127.0.0.1:1"),
        ("MYAPI_MOVIES__BIND", "0.0.0.0:8000"),
        ("MYAPI_MOVIES__ISSUER", "http://auth.example"),
        ("MYAPI_MOVIES__ISSUER", "https://auth.example/?x=1"),
        ("MYAPI_MOVIES__AUDIENCE", "movies"),
        ("MYAPI_ENV", "prod"),
    ] {
        let refused = run(command.env(name, value), 1);
        assert!(
            stderr(&refused).contains(if name == "MYAPI_ENV" { "MYAPI_DATABASE__PROD" } else { name }),
            "{refused:?}"
        );
        assert!(!stderr(&refused).contains("hunter2"), "{refused:?}");
        command.env_remove(name);
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn import_says_what_it_did(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("films.csv");
    let mut command = on(&pool);
    command.arg("import").arg(&file).current_dir(folder.path());

    std::fs::write(&file, BAD).unwrap();
    let refused = run(&mut command, 1);
    assert_eq!(stdout(&refused), "2 rows read, 1 bad: nothing imported\n");
    let expected = format!("{}:3: rating must have at most one decimal, not \"2.25\"\n", file.display());
    assert!(stderr(&refused).contains(&expected), "{refused:?}");

    std::fs::write(&file, GOOD).unwrap();
    let dry = run(command.arg("--dry-run"), 0);
    let would = "2 rows read: 2 inserted, 0 updated, 0 unchanged, 0 skipped (dry run: nothing was written)\n";
    assert_eq!(stdout(&dry), would);

    let mut command = on(&pool);
    command.arg("import").arg(&file);
    assert_eq!(stdout(&run(&mut command, 0)), "2 rows read: 2 inserted, 0 updated, 0 unchanged, 0 skipped\n");
    let again = run(command.args(["--output", "json"]), 0);
    let report: Value = serde_json::from_str(&stdout(&again)).unwrap();
    assert_eq!((&report["unchanged"], &report["is_written"]), (&Value::from(2), &Value::from(true)), "{again:?}");

    let missing = run(on(&pool).args(["import", "nowhere.csv"]), 1);
    assert!(stderr(&missing).contains("cannot open nowhere.csv"), "{missing:?}");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn export_writes_films_to_stdout_and_import_reads_them_from_stdin(pool: PgPool) {
    let mut import = on(&pool);
    let mut child = import.args(["import", "-", "--format", "csv"]).stdin(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), GOOD.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());

    assert_eq!(stdout(&run(on(&pool).arg("export"), 0)), GOOD);
    let lines = run(on(&pool).args(["export", "--format", "jsonl"]), 0);
    assert!(stdout(&lines).starts_with(r#"{"movie_id":1,"title":"One","released":2001,"rating":1.0}"#), "{lines:?}");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn f22_f30_a_schema_newer_than_the_binary_is_refused_unless_it_is_told_otherwise(pool: PgPool) {
    sqlx::query(
        "insert into myapi._sqlx_migrations (version, description, success, checksum, execution_time)
         values (29991231000000, 'of the future', true, '', 0)",
    )
    .execute(&pool)
    .await
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    for arguments in [vec!["export"], vec!["serve", "--bind", "127.0.0.1:0"]] {
        let refused = run(serving(&pool, folder.path()).args(arguments), 1);
        assert!(stderr(&refused).contains("29991231000000"), "{refused:?}");
    }
    // Where it is told to, it goes on.
    let mut serve = serving(&pool, folder.path());
    serve.args(["serve", "--bind", "127.0.0.1:0"]).env("MYAPI_DATABASE__ACCEPT_NEWER", "true").env("RUST_LOG", "info");
    let mut child = serve.stderr(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let has_started = lines.map_while(Result::ok).any(|line| line.contains("movies-api listens"));
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(has_started);
}

#[test]
fn a_key_cache_without_a_folder_is_found_before_the_outage() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = movies_api();
    command
        .args(["config", "check"])
        .env("MYAPI_DATABASE__DEV", "postgres://u@127.0.0.1/x")
        .env("MYAPI_MOVIES__JWKS_URL", "http://127.0.0.1:1/jwks.json");
    for place in [folder.path().to_owned(), folder.path().join("none/keys.json")] {
        let refused = run(command.env("MYAPI_MOVIES__KEY_CACHE", &place), 1);
        assert!(stderr(&refused).contains("MYAPI_MOVIES__KEY_CACHE"), "{refused:?}");
    }
    for place in ["keys.json".into(), folder.path().join("keys.json")] {
        run(command.env("MYAPI_MOVIES__KEY_CACHE", place), 0);
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a check writes nothing");
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn serve_says_where_it_listens_and_stops_when_told(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = serving(&pool, folder.path());
    // Without its database: it starts all the same.
    command.env("MYAPI_MOVIES__DATABASE_URL", "postgres://nobody@127.0.0.1:1/none").args([
        "serve",
        "--bind",
        "127.0.0.1:0",
    ]);
    let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let line = lines.find_map(|line| line.ok().filter(|line| line.contains("movies-api listens"))).unwrap();
    let line: Value = serde_json::from_str(&line).unwrap();
    let url = format!("http://{}", line["listen"].as_str().unwrap());
    assert_eq!(line["issuer"], "http://127.0.0.1:8001");
    assert_eq!(line["audience"], "http://127.0.0.1:8000");

    let client = reqwest::Client::new();
    assert_eq!(client.get(format!("{url}/healthz")).send().await.unwrap().status(), 200);
    assert_eq!(client.get(format!("{url}/readyz")).send().await.unwrap().status(), 503);
    assert_eq!(client.get(format!("{url}/movies/1")).send().await.unwrap().status(), 401);
    let not_ready = run(movies_api().args(["healthcheck", "--bind", line["listen"].as_str().unwrap()]), 1);
    assert!(stderr(&not_ready).contains("/readyz answered 503: "), "{not_ready:?}");
    drop(client);
    let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(told.success() && child.wait().unwrap().success());
}

/// `check` to `(health, text)`.
#[track_caller]
fn looked_at(output: &Output, check: &str) -> (String, String) {
    let looks: Vec<Value> = serde_json::from_str(&stdout(output)).unwrap();
    let look = looks.iter().find(|look| look["check"] == check).unwrap_or_else(|| panic!("{check}: {looks:?}"));
    (look["health"].as_str().unwrap().to_owned(), look["text"].as_str().unwrap().to_owned())
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn doctor_says_what_is_well_and_what_to_do(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = serving(&pool, folder.path());
    // Nobody listens there; with keys from a file nobody has to.
    command.args(["doctor", "--output", "json"]).env("MYAPI_MOVIES__ISSUER", "http://127.0.0.1:9");
    let well = run(&mut command, 0);
    for check in ["database", "rights", "clock", "keys", "key cache", "revocations"] {
        assert_eq!(looked_at(&well, check).0, "ok", "{check}: {well:?}");
    }
    for check in ["privileges", "issuer"] {
        assert_eq!(looked_at(&well, check).0, "note", "{check}: {well:?}");
    }
    let slash = run(command.env("MYAPI_MOVIES__ISSUER", "http://127.0.0.1:9/"), 1);
    assert!(looked_at(&slash, "issuer").1.contains("ends with a slash"), "{slash:?}");

    let mut command = movies_api();
    command.args(["doctor", "--output", "json"]).env("MYAPI_DATABASE__DEV", "postgres://u:hunter2@127.0.0.1:1/x");
    command.env("MYAPI_MOVIES__JWKS_URL", "http://127.0.0.1:9/jwks").env("MYAPI_MOVIES__KEY_CACHE", "/proc/keys.json");
    let ill = run(&mut command, 1);
    for check in ["database", "keys", "key cache", "issuer", "revocations"] {
        assert_eq!(looked_at(&ill, check).0, "wrong", "{check}: {ill:?}");
    }
    assert!(!format!("{ill:?}").contains("hunter2"));
}

/// The binary in an environment of its own.
fn movies_api() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_movies-api"));
    command.env_clear().current_dir(std::env::temp_dir());
    command
}

fn on(pool: &PgPool) -> Command {
    let mut command = movies_api();
    command.env("MYAPI_MOVIES__DATABASE_URL", pool.connect_options().to_url_lossy().as_str());
    command
}

fn serving(pool: &PgPool, folder: &std::path::Path) -> Command {
    let file = folder.join("jwks.json");
    std::fs::write(&file, TestIssuer::es256().jwks()).unwrap();
    let mut command = on(pool);
    command.env("MYAPI_MOVIES__JWKS_FILE", file);
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
