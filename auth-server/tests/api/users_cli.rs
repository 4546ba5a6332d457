//! `create-user` and `user`, through the real binary.

#![expect(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::io::Write as _;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use shared::db::Pool;

use crate::users::{PASSWORD, create, plain, users};

/// The binary on the test's own database, with nothing of the developer's environment.
struct Cli {
    database_url: String,
    folder: tempfile::TempDir,
    environment: &'static str,
}

impl Cli {
    fn new(pool: &Pool) -> Self {
        let mut url: url::Url = std::env::var("DATABASE_URL").unwrap().parse().unwrap();
        url.set_path(pool.connect_options().get_database().unwrap());
        Self { database_url: url.to_string(), folder: tempfile::tempdir().unwrap(), environment: "dev" }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_auth-server"));
        command
            .args(arguments)
            .env_clear()
            .env("MYAPI_ENV", self.environment)
            .env("MYAPI_AUTH__ISSUER", "https://login.example.com")
            .env("MYAPI_AUTH__AUDIENCE", "https://movies.example.com")
            .env("MYAPI_AUTH__DATABASE_URL", &self.database_url)
            .current_dir(self.folder.path())
            .stdin(Stdio::null());
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn spawn(&self, arguments: &[&str], stdin: &str) -> Child {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
        child
    }

    fn run_with(&self, arguments: &[&str], stdin: &str) -> Output {
        self.spawn(arguments, stdin).wait_with_output().unwrap()
    }

    /// What a command that must succeed prints as JSON.
    fn json(&self, arguments: &[&str]) -> Value {
        let output = self.run(&[arguments, &["--output", "json"]].concat());
        assert!(output.status.success(), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Connections of the binary, and those of them that wait for a lock.
const CONNECTED: &str = "select count(*) from pg_stat_activity
    where datname = current_database() and application_name = 'auth-server'";
const WAITING: &str = "select count(*) from pg_stat_activity
    where datname = current_database() and application_name = 'auth-server' and wait_event_type = 'Lock'";

async fn count(pool: &Pool) -> i64 {
    sqlx::query_scalar("select count(*) from myapi.users").fetch_one(pool).await.unwrap()
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn u04_create_user_takes_the_flags_of_the_old_application_and_warns(pool: Pool) {
    let cli = Cli::new(&pool);
    let arguments = ["create-user", "--name", "John Smith", "--email", "john@domain.com", "--password", "qwerty123"];
    let output = cli.run(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("john@domain.com"));
    let warnings = stderr(&output);
    assert!(warnings.contains("process list"), "{warnings}");
    assert!(warnings.contains("fewer than 15 characters"), "dev lets a weak one pass: {warnings}");
    for text in [stdout(&output), warnings] {
        assert!(!text.contains("qwerty123") && !text.contains("$argon2"), "{text}");
    }
    let user = users(&pool).authenticate("john@domain.com", &plain("qwerty123")).await.unwrap();
    assert_eq!(user.name.as_deref(), Some("John Smith"));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn u04_a_password_from_standard_input_needs_no_warning_and_is_taken_exactly(pool: Pool) {
    let cli = Cli::new(&pool);
    let cases = [
        ("unix@x.org", " nine purple plums \n", " nine purple plums "),
        ("windows@x.org", "nine purple plums\r\n", "nine purple plums"),
        ("none@x.org", "nine purple plums", "nine purple plums"),
        ("two@x.org", "nine purple plums\n\n", "nine purple plums\n"),
    ];
    for (email, stdin, password) in cases {
        let output = cli.run_with(&["create-user", "--email", email, "--password-stdin"], stdin);
        assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
        users(&pool).authenticate(email, &plain(password)).await.unwrap();
    }
    let output = cli.run_with(&["create-user", "--email", "a@x.org", "--password-stdin"], &"x".repeat(5000));
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("longer than 4096 bytes"), "{}", stderr(&output));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn u04_two_sources_are_wrong_use_and_none_without_a_terminal_is_refused(pool: Pool) {
    let cli = Cli::new(&pool);
    let output = cli.run(&["create-user", "--email", "a@x.org", "--password", "x", "--password-stdin"]);
    assert_eq!(output.status.code(), Some(2));
    // A session of its own has no terminal, wherever the tests run.
    let mut command = Command::new("setsid");
    let plain_command = cli.command(&["create-user", "--email", "a@x.org"]);
    command.arg("--wait").arg(plain_command.get_program()).args(plain_command.get_args());
    for (name, value) in plain_command.get_envs() {
        command.env(name, value.unwrap());
    }
    match command.current_dir(cli.folder.path()).stdin(Stdio::null()).output() {
        Ok(output) => {
            assert_eq!(output.status.code(), Some(1));
            assert!(stderr(&output).contains("--password-stdin"), "{}", stderr(&output));
        }
        Err(error) => eprintln!("skipped: no setsid on this machine ({error})"),
    }
    assert_eq!(count(&pool).await, 0);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn u01_outside_dev_a_weak_password_needs_a_flag(pool: Pool) {
    let cli = Cli { environment: "stage", ..Cli::new(&pool) };
    let weak = ["create-user", "--email", "a@x.org", "--password-stdin"];
    let output = cli.run_with(&weak, "zxq4hv9pzxq4hv");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("--allow-weak"), "{}", stderr(&output));
    let allowed = [&weak[..], &["--allow-weak"]].concat();
    assert_eq!(cli.run_with(&allowed, "1234567").status.code(), Some(1), "seven are never enough");
    let output = cli.run_with(&allowed, "zxq4hv9pzxq4hv");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).starts_with("warning: "), "{}", stderr(&output));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn u06_creating_twice_fails_and_leaves_one_row(pool: Pool) {
    let cli = Cli::new(&pool);
    let create = ["create-user", "--email", "john@domain.com", "--password-stdin"];
    assert_eq!(cli.run_with(&create, PASSWORD).status.code(), Some(0));
    let output = cli.run_with(&create, PASSWORD);
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), String::new()));
    assert!(stderr(&output).contains("exists already"), "{}", stderr(&output));
    assert_eq!(count(&pool).await, 1);
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn u06_a_killed_create_user_leaves_no_half_user(pool: Pool) {
    let cli = Cli::new(&pool);
    // Holds the address, so that the insert of the binary has to wait in the middle of its transaction.
    let mut holder = pool.begin().await.unwrap();
    sqlx::query("insert into myapi.users (email) values ('john@domain.com')").execute(&mut *holder).await.unwrap();
    let create = ["create-user", "--email", "john@domain.com", "--password-stdin"];
    let mut child = cli.spawn(&create, PASSWORD);
    wait_for(&pool, WAITING, 1).await;
    child.kill().unwrap();
    child.wait().unwrap();
    holder.rollback().await.unwrap();
    wait_for(&pool, CONNECTED, 0).await;
    assert_eq!(count(&pool).await, 0);
    assert_eq!(cli.run_with(&create, PASSWORD).status.code(), Some(0));
}

async fn wait_for(pool: &Pool, query: &'static str, wanted: i64) {
    while sqlx::query_scalar::<_, i64>(query).fetch_one(pool).await.unwrap() != wanted {
        tokio::task::yield_now().await;
    }
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn u08_a_generated_password_is_printed_once_and_logs_in(pool: Pool) {
    let cli = Cli::new(&pool);
    let made = cli.json(&["create-user", "--email", "a@x.org", "--generate-password"]);
    let first = made["password"].as_str().unwrap().to_owned();
    let user = users(&pool).authenticate("a@x.org", &plain(&first)).await.unwrap();
    assert_eq!(made["sub"], user.sub.to_string());
    assert!(cli.json(&["user", "show", "a@x.org"]).get("password").is_none());
    let output = cli.run(&["user", "set-password", "a@x.org", "--generate-password"]);
    let printed = stdout(&output);
    let second = printed.lines().find_map(|line| line.strip_prefix("password  ")).unwrap();
    assert_ne!(first, second);
    users(&pool).authenticate("a@x.org", &plain(second)).await.unwrap();
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn users_are_shown_and_changed_by_address_or_sub(pool: Pool) {
    let cli = Cli::new(&pool);
    let sub = create(&users(&pool), "john@domain.com").await.sub.to_string();
    create(&users(&pool), "zoe@domain.com").await;
    let shown = cli.json(&["user", "show", &sub]);
    assert_eq!(shown["email"], "john@domain.com");
    assert_eq!(shown["scopes"], "email movies:read profile");
    assert!(!shown.to_string().contains("argon2"));

    let disabled = cli.json(&["user", "disable", "JOHN@domain.com"]);
    assert!(disabled["disabled_at"].is_string());
    assert_eq!(
        (&disabled["token_version"], &cli.json(&["user", "enable", &sub])["disabled_at"]),
        (&2.into(), &Value::Null)
    );

    let scopes = cli.json(&["user", "set-scopes", &sub, "--scope", "email", "--scope", "profile"]);
    assert_eq!((&scopes["scopes"], &scopes["has_own_scopes"]), (&"email profile".into(), &true.into()));
    assert_eq!(cli.json(&["user", "set-scopes", &sub, "--none"])["scopes"], "");
    assert_eq!(cli.json(&["user", "set-scopes", &sub, "--default"])["has_own_scopes"], false);
    let unknown = cli.run(&["user", "set-scopes", &sub, "--scope", "movie:read"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(stderr(&unknown).contains("there is no scope `movie:read`"), "{}", stderr(&unknown));
    assert_eq!(cli.run(&["user", "set-scopes", &sub]).status.code(), Some(2));

    let changed = cli.run_with(&["user", "set-password", &sub, "--password-stdin"], "thirteen green pears fall");
    assert_eq!(changed.status.code(), Some(0), "{}", stderr(&changed));
    users(&pool).authenticate("john@domain.com", &plain("thirteen green pears fall")).await.unwrap();

    let page = cli.run(&["user", "list", "--limit", "1"]);
    assert!(stdout(&page).contains("john@domain.com") && !stdout(&page).contains("zoe@domain.com"));
    assert!(stderr(&page).contains("--after 'john@domain.com'"), "{}", stderr(&page));
    assert_eq!(cli.json(&["user", "list", "--after", "john@domain.com"])[0]["email"], "zoe@domain.com");

    assert_eq!(cli.json(&["user", "delete", &sub])["sub"], sub);
    let gone = cli.run(&["user", "delete", &sub]);
    let expected = format!("error: there is no user `{sub}`: see `auth-server user list`\n");
    assert_eq!((gone.status.code(), stderr(&gone)), (Some(1), expected));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn what_the_old_application_stored_does_not_steer_the_terminal(pool: Pool) {
    sqlx::query("insert into myapi.users (name, email) values (e'\\x1b[2J', 'a@x.org')").execute(&pool).await.unwrap();
    let output = Cli::new(&pool).run(&["user", "list"]);
    assert!(!stdout(&output).contains('\u{1b}') && stdout(&output).contains("\u{fffd}[2J"));
}

#[sqlx::test(migrator = "shared::db::MIGRATOR")]
async fn users_are_imported_from_a_file_or_standard_input_and_exported(pool: Pool) {
    let cli = Cli::new(&pool);
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/api/users_import/passlib_and_django.csv");
    let dry = cli.run(&["user", "import", file, "--dry-run"]);
    let expected = "8 rows read: 8 inserted, 0 existing, 0 skipped; hashes: PBKDF2 3, argon2 1, bcrypt 3, scrypt 1 \
                    (dry run: nothing was written)\n";
    assert_eq!((stdout(&dry).as_str(), stderr(&dry).as_str(), count(&pool).await), (expected, "", 0));
    let report = cli.json(&["user", "import", file]);
    assert_eq!(
        (&report["inserted"], &report["is_written"], &report["faults"]),
        (&8.into(), &true.into(), &Value::Array(vec![]))
    );

    let again = cli.run(&["user", "import", file]);
    assert_eq!((again.status.code(), stdout(&again).as_str()), (Some(1), "8 rows read, 8 bad: nothing imported\n"));
    assert!(stderr(&again).contains("csv:2: email is a user's already (--skip-existing"), "{}", stderr(&again));
    assert!(stderr(&again).contains("import the others with --skip-bad"), "{}", stderr(&again));

    let clear = "email,hashed_password\na@x.org,correct horse battery\n";
    let refused = cli.run_with(&["user", "import", "-", "--format", "csv"], clear);
    assert_eq!(refused.status.code(), Some(1));
    assert!(!stderr(&refused).contains("horse"), "it may be a password: {}", stderr(&refused));
    for (arguments, said) in [
        (&["user", "import", "-"][..], "Say --format csv, jsonl or keycloak"),
        (&["user", "import", "none.csv"], "cannot open none.csv"),
    ] {
        let output = cli.run(arguments);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(said), "{}", stderr(&output));
    }

    let exported = stdout(&cli.run(&["user", "export"]));
    assert!(exported.starts_with("sub,email,name,email_verified,disabled,scopes,created_at,password_changed_at\n"));
    assert_eq!((exported.lines().count(), exported.contains('$')), (9, false), "{exported}");
    let line = stdout(&cli.run(&["user", "export", "--format", "jsonl"]));
    assert!(serde_json::from_str::<Value>(line.lines().next().unwrap()).is_ok(), "{line}");
}
