//! The two real binaries on a private Postgres.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Run, Sandbox};

const PASSWORD: &str = "four words of one's own";
const MOVIES: &str = "movie_id,title,released,rating\n1,The Land Girls,1998,6.1\n";
/// A sanity bound for what takes a second or two.
const PATIENCE: Duration = Duration::from_secs(60);

/// Comes back when the condition holds.
#[track_caller]
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "still waiting: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A database with a user, a client, a signing key and a film; settings that make the two a pair.
pub struct Pair {
    /// Where auth-server listens when it runs.
    pub auth: SocketAddr,
    /// Where movies-api listens when it runs.
    pub movies: SocketAddr,
    settings: Vec<(&'static str, String)>,
    binaries: PathBuf,
    postgres: Run,
    // Last: everything lives in its folder.
    sandbox: Sandbox,
}

impl Pair {
    /// A pair of which neither runs yet.
    pub fn new() -> Self {
        let binaries = binaries();
        let sandbox = Sandbox::new("");
        // `xtask test` keeps a server for as long as its runner runs.
        sandbox.cargo("echo \"url: $DATABASE_URL\"; sleep 600 & wait");
        let mut postgres = sandbox.test(&[], &[]);
        let database = postgres.line("url: ").trim().replacen("url: ", "", 1);
        let (auth, movies) = (free_address(), free_address());
        let at = |name: &str| sandbox.folder.path().join(name).display().to_string();
        let settings = vec![
            ("MYAPI_DATABASE__DEV", database),
            ("MYAPI_AUTH__BIND", auth.to_string()),
            ("MYAPI_AUTH__ISSUER", format!("http://{auth}")),
            ("MYAPI_AUTH__AUDIENCE", format!("http://{movies}")),
            ("MYAPI_AUTH__KEY_ENCRYPTION_KEY_FILE", at("kek")),
            ("MYAPI_AUTH__DEFAULT_CLIENT", "demo".to_owned()),
            ("MYAPI_MOVIES__BIND", movies.to_string()),
            ("MYAPI_MOVIES__ISSUER", format!("http://{auth}")),
            ("MYAPI_MOVIES__AUDIENCE", format!("http://{movies}")),
            ("MYAPI_MOVIES__JWKS_URL", format!("http://{auth}/.well-known/jwks.json")),
            ("MYAPI_MOVIES__KEY_CACHE", at("keys.json")),
        ];
        let pair = Self { auth, movies, settings, binaries, postgres, sandbox };
        fs::write(pair.path("kek"), pair.run("auth-server", &["key", "new-secret"], "")).unwrap();
        pair.run("auth-server", &["migrate"], "");
        pair.run("auth-server", &["key", "generate"], "");
        let client = ["client", "create", "demo", "--public", "--grant", "password", "--scope", "movies:read"];
        pair.run("auth-server", &client, "");
        let user = ["create-user", "--name", "Ann", "--email", "ann@example.com", "--password-stdin"];
        pair.run("auth-server", &user, PASSWORD);
        fs::write(pair.path("movies.csv"), MOVIES).unwrap();
        pair.run("movies-api", &["import", "movies.csv"], "");
        pair
    }

    /// A file of this pair.
    pub fn path(&self, name: &str) -> PathBuf {
        self.sandbox.folder.path().join(name)
    }

    /// Runs one command of a binary to its end and gives what it printed.
    pub fn run(&self, binary: &str, args: &[&str], input: &str) -> String {
        let mut command = self.command(&self.binaries.join(binary));
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that asks for nothing may have ended.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Starts auth-server and waits until it is ready.
    pub fn start_auth(&self, settings: &[(&str, &str)]) -> Service {
        let mut service = self.serve("auth-server", settings);
        service.until("auth-server is ready", || ask(self.auth, "GET", "/readyz", "", "").status == 200);
        service
    }

    /// Starts movies-api and waits until it answers, ready or not.
    pub fn start_movies(&self) -> Service {
        let mut service = self.serve("movies-api", &[]);
        service.until("movies-api answers", || ask(self.movies, "GET", "/healthz", "", "").status == 200);
        service
    }

    fn serve(&self, binary: &str, settings: &[(&str, &str)]) -> Service {
        let log = self.path(&format!("{binary}.log"));
        // Becomes the binary, and ends with this thread whatever ends that.
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_xtask")));
        command.args(["__exec", "--signal", "term", "--parent", &std::process::id().to_string(), "--"]);
        command.arg(self.binaries.join(binary)).arg("serve").envs(settings.iter().copied());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        Service { child: command.spawn().unwrap(), log }
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("MYAPI_") || name == "RUST_LOG") {
            command.env_remove(name);
        }
        command.current_dir(self.sandbox.folder.path()).envs(self.settings.iter().map(|(name, value)| (name, value)));
        command
    }

    /// A token by the password grant.
    pub fn log_in(&self) -> String {
        let form = format!("username=ann@example.com&password={}", PASSWORD.replace(' ', "+"));
        let answer = ask(self.auth, "POST", "/token", "Content-Type: application/x-www-form-urlencoded\r\n", &form);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// What movies-api answers to that token.
    pub fn present(&self, token: &str) -> Answer {
        ask(self.movies, "GET", "/movies/?movie_id=1", &format!("Authorization: Bearer {token}\r\n"), "")
    }

    /// What movies-api says of its readiness.
    pub fn readiness(&self) -> Answer {
        ask(self.movies, "GET", "/readyz", "", "")
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // In good order, so that the server is gone before its folder.
        let _ = self.postgres.signal("INT");
    }
}

/// A running binary. Dropping it kills it.
pub struct Service {
    child: Child,
    log: PathBuf,
}

impl Service {
    /// What it has logged since it was started.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// How many lines of the log hold all of these.
    pub fn count(&self, words: &[&str]) -> usize {
        self.log().lines().filter(|line| words.iter().all(|word| line.contains(word))).count()
    }

    /// Sends a signal by its name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.unwrap().success());
    }

    /// Sends a signal and waits for the end.
    pub fn end(mut self, name: &str) -> ExitStatus {
        self.signal(name);
        self.child.wait().unwrap()
    }

    #[track_caller]
    fn until(&mut self, what: &str, mut condition: impl FnMut() -> bool) {
        until(what, || {
            assert!(self.child.try_wait().unwrap().is_none(), "{what}: it ended: {}", self.log());
            condition()
        });
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An answer over HTTP; status 0 where there was none.
#[derive(Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// One request on a connection of its own; `headers` end with a line break each.
pub fn ask(to: SocketAddr, method: &str, target: &str, headers: &str, body: &str) -> Answer {
    let Ok(mut stream) = TcpStream::connect(to) else { return Answer::default() };
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {to}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    );
    let mut answer = String::new();
    if stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer)).is_err() {
        return Answer::default();
    }
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
    Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
}

/// An address that stays free while its service is down: below the ports that systems give out by themselves, and of
/// each process and test its own.
fn free_address() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let own = u16::try_from(std::process::id() % 1000).unwrap() * 16;
    loop {
        let port = 12_000 + (own + NEXT.fetch_add(1, Ordering::Relaxed)) % 16_000;
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return listener.local_addr().unwrap();
        }
    }
}

/// The folder of the two binaries: this test's own target folder, where the workspace's other tests had them built. A
/// run of this package alone takes what is there; it builds only what is missing.
pub fn binaries() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().unwrap().parent().unwrap();
    if !["auth-server", "movies-api"].iter().all(|binary| folder.join(binary).is_file()) {
        let profile = match folder.file_name().unwrap().to_str().unwrap() {
            "debug" => "dev",
            profile => profile,
        };
        let mut cargo = Command::new(std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned()));
        cargo.args(["build", "--quiet", "--profile", profile, "-p", "auth-server", "-p", "movies-api", "--bins"]);
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).env("CARGO_TARGET_DIR", folder.parent().unwrap());
        assert!(cargo.status().unwrap().success(), "the binaries cannot be built");
    }
    folder.to_owned()
}
