//! A private key from a file: who may read the file, which PEM it is, which kind of key is inside.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use shared::token::keys::Algorithm;
use zeroize::Zeroizing;

use super::material::{MaterialError, PrivateKey};
use super::pem::{self, PemError, PrivateBlock};

/// Longest key file that is read, in bytes; an RSA key of 8192 bits has about 6,400.
const MAX_FILE: u64 = 64 * 1024;

/// Why a file cannot be imported. No message holds a byte of the file's content.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Others than the owner may read or change the file.
    #[error("{0} is open to other users (mode {mode:04o}); make it private first: chmod 600 '{0}'", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Longer than any key.
    #[error("{} is longer than any private key", .0.display())]
    TooLong(PathBuf),
    /// Not one plain private key in PEM.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// Another kind of key than the three that sign here.
    #[error("the private key is of a kind that does not sign here: an EC key on P-256, Ed25519 or RSA is needed")]
    Unsupported,
    /// A key that must not sign.
    #[error(transparent)]
    Material(#[from] MaterialError),
}

/// Reads a private key's file, which only its owner may read or change.
///
/// # Errors
/// [`ImportError::Exposed`] with the command that helps, [`ImportError::TooLong`], [`ImportError::Io`].
pub fn read_private_file(path: &Path) -> Result<Zeroizing<String>, ImportError> {
    let io = |source| ImportError::Io { path: path.to_owned(), source };
    let file = File::open(path).map_err(io)?;
    check_mode(&file, path)?;
    let mut text = Zeroizing::new(String::new());
    let read = file.take(MAX_FILE + 1).read_to_string(&mut text).map_err(io)?;
    if read as u64 > MAX_FILE {
        return Err(ImportError::TooLong(path.to_owned()));
    }
    Ok(text)
}

/// The opened file is asked, not its name, so that it cannot be exchanged in between.
#[cfg(unix)]
fn check_mode(file: &File, path: &Path) -> Result<(), ImportError> {
    use std::os::unix::fs::MetadataExt;
    let metadata = file.metadata().map_err(|source| ImportError::Io { path: path.to_owned(), source })?;
    let mode = metadata.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(ImportError::Exposed { path: path.to_owned(), mode });
    }
    Ok(())
}

#[cfg(not(unix))]
fn check_mode(_file: &File, _path: &Path) -> Result<(), ImportError> {
    Ok(())
}

/// Parses and checks the private key in a PEM text: PKCS#8, SEC1 (EC) or PKCS#1 (RSA), without a passphrase.
///
/// # Errors
/// [`ImportError`] says what is wrong with it.
pub fn parse_pem(text: &str) -> Result<PrivateKey, ImportError> {
    let PrivateBlock { label, der } = pem::read_private(text)?;
    let key = match label.as_str() {
        "PRIVATE KEY" => PrivateKey::from_pkcs8(algorithm_of(&der).ok_or(ImportError::Unsupported)?, &der)?,
        "EC PRIVATE KEY" => PrivateKey::from_ec_der(&der)?,
        "RSA PRIVATE KEY" => PrivateKey::from_pkcs1(&der)?,
        _ => return Err(ImportError::Unsupported),
    };
    Ok(key)
}

/// Finds the algorithm identifier at the head of a PKCS#8 structure (RFC 5958 section 2). It only chooses the parser,
/// which then looks at the whole.
fn algorithm_of(der: &[u8]) -> Option<Algorithm> {
    /// A structure's head is at most 4 bytes, the version 3, the identifier's own head 2.
    const HEAD: usize = 24;
    let identifiers: [(&[u8], Algorithm); 3] = [
        (&[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01], Algorithm::Es256), // id-ecPublicKey, RFC 5480
        (&[0x06, 0x03, 0x2b, 0x65, 0x70], Algorithm::EdDsa),                         // id-Ed25519, RFC 8410
        (&[0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01], Algorithm::Rs256), // rsaEncryption
    ];
    let head = der.get(..HEAD.min(der.len()))?;
    identifiers
        .into_iter()
        .find(|(identifier, _)| head.windows(identifier.len()).any(|window| window == *identifier))
        .map(|(_, algorithm)| algorithm)
}
