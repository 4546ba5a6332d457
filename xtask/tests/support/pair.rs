//! The two real binaries on a private Postgres.

use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::disk::Disk;
use super::postgres::Ordered;
use super::service::Service;
use super::wire::{Answer, ask, post, present};
use super::{PATIENCE, Run, Sandbox, of_postgres};

/// Of the user.
pub const PASSWORD: &str = "four words of one's own";
const MOVIES: &str = "movie_id,title,released,rating\n1,The Land Girls,1998,6.1\n";

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
    postgres: Postgres,
    disk: Option<Disk>,
    // Last: everything lives in its folder.
    sandbox: Sandbox,
}

/// Whose DSNs a deployment has besides those of its services.
pub struct Roles {
    /// May write films.
    pub importer: String,
}

/// The server of a pair.
enum Postgres {
    Kept(Run),
    Ordered(Ordered),
}

impl Pair {
    /// A pair of which neither runs yet.
    pub fn new() -> Self {
        let sandbox = Sandbox::new("");
        // `xtask test` keeps a server for as long as its runner runs.
        sandbox.cargo("echo \"url: $DATABASE_URL\"; sleep 3600 & wait");
        let mut postgres = sandbox.test(&[], &[]);
        let database = postgres.line("url: ").trim().replacen("url: ", "", 1);
        Self::on(sandbox, database, Postgres::Kept(postgres), None)
    }

    /// The same with a Postgres that can be stopped and started.
    pub fn with_ordered_postgres() -> Self {
        let sandbox = Sandbox::new("");
        let postgres = sandbox.postgres();
        Self::on(sandbox, postgres.url().to_owned(), Postgres::Ordered(postgres), None)
    }

    /// The same, and all that it keeps is on a disk of that size; `None` where no disk can be mounted.
    pub fn with_postgres_on_a_small_disk(megabytes: u32) -> Option<Self> {
        let sandbox = Sandbox::new("");
        let disk = sandbox.on_a_small_disk(megabytes)?;
        let postgres = sandbox.postgres();
        Some(Self::on(sandbox, postgres.url().to_owned(), Postgres::Ordered(postgres), Some(disk)))
    }

    /// The small disk.
    pub fn disk(&self) -> &Disk {
        self.disk.as_ref().unwrap()
    }

    fn on(sandbox: Sandbox, database: String, postgres: Postgres, disk: Option<Disk>) -> Self {
        let binaries = binaries();
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
        let pair = Self { auth, movies, settings, binaries, postgres, disk, sandbox };
        fs::write(pair.path("kek"), pair.run("auth-server", &["key", "new-secret"], "")).unwrap();
        fs::write(pair.path("movies.csv"), MOVIES).unwrap();
        pair.run("auth-server", &["migrate"], "");
        pair.stock();
        pair.run("movies-api", &["import", "movies.csv"], "");
        pair
    }

    /// The same in a database of its own, made by `deploy/secrets.sh` and `deploy/postgres/roles.sql`, where each may do what
    /// its role may. [`Roles::importer`] is who may write films.
    pub fn deployed() -> (Self, Roles) {
        let mut pair = Self::new();
        let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy");
        let secrets = pair.path("secrets");
        let made = Command::new(deploy.join("secrets.sh")).arg(&secrets).output().unwrap();
        assert!(made.status.success(), "{made:?}");
        let (server, socket) =
            pair.database().split_once('?').map(|(url, host)| (url.to_owned(), host.to_owned())).unwrap();
        let superuser = |database: &str| format!("{}/{database}?{socket}", server.rsplit_once('/').unwrap().0);
        let psql = |database: &str, args: &[&str]| {
            let mut psql = Command::new(of_postgres("psql").unwrap());
            psql.args(["--no-psqlrc", "--set=ON_ERROR_STOP=1", "--dbname", &superuser(database)]).args(args);
            let output = psql.output().unwrap();
            assert!(output.status.success(), "{args:?}: {output:?}");
        };
        psql("postgres", &["--command=create database deployed"]);
        let (secrets_are, roles) = (format!("--set=secrets={}", secrets.display()), deploy.join("postgres/roles.sql"));
        psql("deployed", &[&secrets_are, "--file", roles.to_str().unwrap()]);
        // Beside a socket in place of a container.
        let dsn = |name: &str| {
            let dsn = fs::read_to_string(secrets.join(name)).unwrap();
            dsn.trim().replace("@postgres:5432/myapi", &format!("@localhost:5432/deployed?{socket}"))
        };
        let roles = Roles { importer: dsn("import-dsn") };
        pair.set("MYAPI_AUTH__DATABASE_URL", &dsn("owner-dsn"));
        pair.run("auth-server", &["migrate"], "");
        pair.set("MYAPI_AUTH__DATABASE_URL", &dsn("auth-dsn"));
        pair.stock();
        pair.set("MYAPI_MOVIES__DATABASE_URL", &roles.importer);
        pair.run("movies-api", &["import", "movies.csv"], "");
        pair.set("MYAPI_MOVIES__DATABASE_URL", &dsn("movies-dsn"));
        (pair, roles)
    }

    /// A key, a client and a user.
    fn stock(&self) {
        self.run("auth-server", &["key", "generate"], "");
        let client = ["client", "create", "demo", "--public", "--grant", "password", "--scope", "movies:read"];
        self.run("auth-server", &client, "");
        let user = ["create-user", "--name", "Ann", "--email", "ann@example.com", "--password-stdin"];
        self.run("auth-server", &user, PASSWORD);
    }

    /// A file of this pair.
    pub fn path(&self, name: &str) -> PathBuf {
        self.sandbox.folder.path().join(name)
    }

    /// Its database's URL.
    pub fn database(&self) -> &str {
        &self.settings[0].1
    }

    /// The server that obeys.
    pub fn postgres(&self) -> &Ordered {
        let Postgres::Ordered(postgres) = &self.postgres else { panic!("this pair's server cannot be stopped") };
        postgres
    }

    /// A setting for everything that is started from now on.
    pub fn set(&mut self, name: &'static str, value: &str) {
        self.settings.push((name, value.to_owned()));
    }

    /// Runs one command of a binary to its end and gives what it printed.
    pub fn run(&self, binary: &str, args: &[&str], input: &str) -> String {
        let output = self.output(binary, args, input);
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The same of one that may fail.
    pub fn output(&self, binary: &str, args: &[&str], input: &str) -> Output {
        let mut child = self.spawn(binary, args);
        // A command that asks for nothing may have ended.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    }

    /// Starts one.
    pub fn spawn(&self, binary: &str, args: &[&str]) -> Child {
        let mut command = self.command(&self.binaries.join(binary));
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// What an auth-server's command prints as JSON.
    pub fn json(&self, args: &[&str]) -> serde_json::Value {
        serde_json::from_str(&self.run("auth-server", &[args, &["--output", "json"]].concat(), "")).unwrap()
    }

    /// A confidential client of the client credentials grant: its form for `/token`, which has its secret.
    pub fn service_client(&self, id: &str) -> String {
        let made = self.json(&["client", "create", id, "--grant", "client_credentials", "--scope", "movies:read"]);
        let secret = made["client_secret"].as_str().unwrap_or_else(|| panic!("{made}"));
        format!("grant_type=client_credentials&client_id={id}&client_secret={secret}")
    }

    /// Starts auth-server and waits until it is ready.
    pub fn start_auth(&self, settings: &[(&str, &str)]) -> Service {
        self.start_auth_at("auth-server", self.auth, settings)
    }

    /// Starts a replica with a log of this name.
    pub fn start_auth_at(&self, name: &str, address: SocketAddr, settings: &[(&str, &str)]) -> Service {
        let bind = address.to_string();
        let mut service = self.serve("auth-server", name, &[settings, &[("MYAPI_AUTH__BIND", &bind)]].concat());
        service.until("auth-server is ready", || ask(address, "GET", "/readyz", "", "").status == 200);
        service
    }

    /// Starts movies-api and waits until it answers, ready or not.
    pub fn start_movies(&self) -> Service {
        self.start_movies_at("movies-api", self.movies, &[])
    }

    /// Starts a replica with a log and a copy of the keys of this name.
    pub fn start_movies_at(&self, name: &str, address: SocketAddr, settings: &[(&str, &str)]) -> Service {
        let (bind, cache) = (address.to_string(), format!("{name}-keys.json"));
        let mut own = vec![("MYAPI_MOVIES__BIND", bind.as_str())];
        if name != "movies-api" {
            own.push(("MYAPI_MOVIES__KEY_CACHE", &cache));
        }
        let mut service = self.serve("movies-api", name, &[settings, &own].concat());
        service.until("movies-api answers", || ask(address, "GET", "/healthz", "", "").status == 200);
        service
    }

    fn serve(&self, binary: &str, name: &str, settings: &[(&str, &str)]) -> Service {
        let log = self.path(&format!("{name}.log"));
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
        let answer = post(self.auth, "/token", &login("ann@example.com"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.text("access_token")
    }

    /// What movies-api answers to that token.
    pub fn present(&self, token: &str) -> Answer {
        present(self.movies, token)
    }

    /// Another user with the same password.
    pub fn create_user(&self, email: &str) {
        self.run("auth-server", &["create-user", "--name", "Ben", "--email", email, "--password-stdin"], PASSWORD);
    }

    /// What movies-api says of its readiness.
    pub fn readiness(&self) -> Answer {
        ask(self.movies, "GET", "/readyz", "", "")
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        // In good order, so that the server is gone before its folder.
        match &mut self.postgres {
            Postgres::Kept(run) => drop(run.signal("INT")),
            Postgres::Ordered(postgres) => postgres.end(),
        }
    }
}

/// The form of a user's login through the default client.
pub fn login(email: &str) -> String {
    format!("username={email}&password={}", PASSWORD.replace(' ', "+"))
}

/// An address that stays free while its service is down: below the ports that systems give out by themselves, and of
/// each process and test its own.
pub fn free_address() -> SocketAddr {
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
/// run of this package alone takes what is there; it builds only what is missing. A soak says which to try.
pub fn binaries() -> PathBuf {
    if let Some(folder) = std::env::var_os("MYAPI_TEST_BIN_DIR") {
        return folder.into();
    }
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
