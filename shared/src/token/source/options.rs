//! Which source, within which bounds, and what can be wrong with it.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::token::keys::KeyError;

/// Where to read public keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// A file with one or more PEM blocks `PUBLIC KEY`; their `kid`s are their thumbprints.
    Pem(PathBuf),
    /// A file with a JWK Set.
    JwksFile(PathBuf),
    /// A URL that answers with a JWK Set.
    JwksUrl(Url),
}

/// How keys are read and kept, and the bounds on that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysOptions {
    /// Plain `http` beyond loopback, where whoever is on the path can replace the keys.
    pub allow_http: bool,
    /// The least time between two reads that unknown keys cause.
    pub cooldown: Duration,
    /// How long a request with an unknown key waits for the read.
    pub wait: Duration,
    /// The longest time for one fetch, body included.
    pub fetch_timeout: Duration,
    /// The largest JWK Set or PEM file, in bytes.
    pub size_limit: usize,
    /// How long a set counts as fresh where the answer has no `max-age`; files are looked at this often.
    pub default_age: Duration,
    /// The shortest `max-age` that is believed.
    pub shortest_age: Duration,
    /// The longest `max-age` that is believed.
    pub longest_age: Duration,
    /// The pause after a first failure; it doubles.
    pub first_retry: Duration,
    /// The longest pause between failures.
    pub longest_retry: Duration,
    /// The file where the last good set of a URL is kept for the next start, in a folder that is there; of each process
    /// its own. Files need none.
    pub copy: Option<PathBuf>,
    /// The age beyond which that copy is not used; no token lives nearly as long.
    pub oldest_copy: Duration,
}

impl Default for KeysOptions {
    fn default() -> Self {
        Self {
            allow_http: false,
            cooldown: Duration::from_secs(10),
            wait: Duration::from_secs(2),
            fetch_timeout: Duration::from_secs(5),
            size_limit: 256 * 1024,
            default_age: Duration::from_secs(300),
            shortest_age: Duration::from_secs(30),
            longest_age: Duration::from_secs(3600),
            first_retry: Duration::from_secs(1),
            longest_retry: Duration::from_secs(30),
            copy: None,
            oldest_copy: Duration::from_hours(7 * 24),
        }
    }
}

/// Why keys could not be read.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A URL that is neither `https` nor, on loopback or where allowed, `http`; or one with credentials in it.
    #[error("nothing may be fetched from this URL: {0}")]
    Url(&'static str),
    /// The HTTP client cannot be built, for want of root certificates for example.
    #[error("the HTTP client cannot be built: {0}")]
    Client(String),
    /// The file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: std::io::Error,
    },
    /// No answer, or none in time.
    #[error("cannot fetch it: {0}")]
    Fetch(String),
    /// Another status than 200; redirects are not followed.
    #[error("cannot fetch it: the answer has status {0}")]
    Status(u16),
    /// More bytes than are read.
    #[error("the answer or file has more than {0} bytes")]
    TooLarge(usize),
    /// What was read is not a usable set.
    #[error("the key set is refused: {0}")]
    Keys(#[from] KeyError),
}
