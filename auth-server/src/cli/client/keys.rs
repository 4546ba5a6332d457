//! Flags of `client create` and `client update` that say how a client authenticates.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::clients::{AuthMethod, Authentication, ClientKeys, JwksUri};

/// The largest file of keys that is read, in bytes.
const LIMIT: u64 = 64 * 1024;

/// How a client authenticates.
#[derive(clap::Args)]
pub(super) struct Flags {
    /// How it says who it is: `secret`, `private_key_jwt`, or `none` for a public client
    #[arg(long, value_name = "METHOD")]
    auth_method: Option<AuthMethod>,
    /// A file with its public keys, for private_key_jwt: a JWK Set, one JWK, or PEM; `-` reads standard input
    #[arg(long, value_name = "FILE", conflicts_with = "jwks_uri")]
    jwks: Option<PathBuf>,
    /// Where its public keys are, for private_key_jwt: https, or http on loopback
    #[arg(long, value_name = "URL")]
    jwks_uri: Option<JwksUri>,
}

/// What the flags say, with the file of keys read.
pub(super) struct Said {
    method: Option<AuthMethod>,
    jwks: Option<ClientKeys>,
    jwks_uri: Option<JwksUri>,
}

impl Flags {
    pub(super) fn read(&self) -> anyhow::Result<Said> {
        let jwks = self.jwks.as_deref().map(read_keys).transpose()?;
        Ok(Said { method: self.auth_method, jwks, jwks_uri: self.jwks_uri.clone() })
    }
}

impl Said {
    /// This, over what was before. New keys take the place of old ones, wherever those were; who gives keys signs with
    /// them, and who does not sign has none.
    pub(super) fn over(self, before: Authentication) -> Authentication {
        let has_keys = self.jwks.is_some() || self.jwks_uri.is_some();
        let method = self.method.unwrap_or(if has_keys { AuthMethod::PrivateKeyJwt } else { before.method });
        let (jwks, jwks_uri) = match (has_keys, method) {
            (true, _) => (self.jwks, self.jwks_uri),
            (false, AuthMethod::PrivateKeyJwt) => (before.jwks, before.jwks_uri),
            (false, AuthMethod::Secret | AuthMethod::None) => (None, None),
        };
        Authentication { method, jwks, jwks_uri }
    }
}

fn read_keys(path: &Path) -> anyhow::Result<ClientKeys> {
    let mut text = String::new();
    let read = match path.as_os_str() == "-" {
        true => std::io::stdin().lock().take(LIMIT + 1).read_to_string(&mut text),
        false => std::fs::File::open(path).and_then(|file| file.take(LIMIT + 1).read_to_string(&mut text)),
    };
    let path = path.display();
    if read.with_context(|| format!("cannot read {path}"))? as u64 > LIMIT {
        anyhow::bail!("{path} is larger than 64 KiB");
    }
    text.parse().with_context(|| format!("{path} holds no public keys for a client"))
}
