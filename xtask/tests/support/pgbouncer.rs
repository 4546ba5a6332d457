//! A real PgBouncer between the services and a private Postgres.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::pair::{free_address, until};

/// A PgBouncer that may run. Dropping it stops it.
pub struct PgBouncer {
    program: PathBuf,
    config: PathBuf,
    address: SocketAddr,
    database: String,
    child: Option<Child>,
}

impl PgBouncer {
    /// In front of the database of this URL. `None`, and said by name, where PgBouncer is missing; fails where nothing may
    /// be skipped.
    pub fn find(test: &str, folder: &Path, url: &str) -> Option<Self> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
        let Some(program) = folders.map(|folder| folder.join("pgbouncer")).find(|program| program.is_file()) else {
            assert_ne!(std::env::var("MYAPI_TEST_REQUIRE").as_deref(), Ok("all"), "{test} needs pgbouncer");
            eprintln!("skipped: {test}: needs pgbouncer");
            return None;
        };
        // `postgres://postgres@localhost:5432/DATABASE?host=FOLDER`
        let (front, socket) = url.split_once("?host=").unwrap();
        let database = front.rsplit('/').next().unwrap().to_owned();
        let address = free_address();
        let config = folder.join("pgbouncer.ini");
        let text = format!(
            "[databases]\n{database} = host={socket} port=5432 dbname={database} user=postgres\n[pgbouncer]\nlisten_addr = {}\n\
             listen_port = {}\nunix_socket_dir =\nauth_type = any\ndefault_pool_size = 60\n",
            address.ip(),
            address.port()
        );
        fs::write(&config, text).unwrap();
        Some(Self { program, config, address, database, child: None })
    }

    /// How services reach the database through it.
    pub fn url(&self) -> String {
        format!("postgres://postgres@{}/{}", self.address, self.database)
    }

    /// Starts it in this mode, `transaction` or `session`, and waits until it listens.
    pub fn start(&mut self, mode: &str) {
        self.stop();
        let own = self.config.with_extension(mode);
        fs::write(&own, format!("{}pool_mode = {mode}\n", fs::read_to_string(&self.config).unwrap())).unwrap();
        let log = fs::File::create(self.config.with_extension("log")).unwrap();
        // Ends with this thread whatever ends that.
        let mut command = Command::new(env!("CARGO_BIN_EXE_xtask"));
        command
            .args(["__exec", "--signal", "int", "--parent", &std::process::id().to_string(), "--"])
            .arg(&self.program);
        if fs::metadata("/proc/self").is_ok_and(|me| std::os::unix::fs::MetadataExt::uid(&me) == 0) {
            // It refuses root, and only the server's own user gets to its socket.
            let users = fs::read_to_string("/etc/passwd").unwrap();
            let has_postgres = users.lines().any(|line| line.starts_with("postgres:"));
            command.args(["-u", if has_postgres { "postgres" } else { "nobody" }]);
        }
        command.arg(&own).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        until("pgbouncer listens", || TcpStream::connect(self.address).is_ok());
    }

    /// Stops it, if it runs.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        self.stop();
    }
}
