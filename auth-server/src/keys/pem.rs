//! PEM (RFC 7468), strictly: one private key in, none out. (The public half has its own reader in `shared::token`.)

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The only private key of a PEM file.
pub struct PrivateBlock {
    /// What the block calls itself, such as `EC PRIVATE KEY`.
    pub label: String,
    /// What is inside.
    pub der: Zeroizing<Vec<u8>>,
}

/// Why a file is not the PEM of one readable private key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PemError {
    /// No block whose label ends in PRIVATE KEY.
    #[error("the file holds no private key in PEM (a block that starts with -----BEGIN PRIVATE KEY-----)")]
    NoPrivateKey,
    /// More than one of them.
    #[error("the file holds more than one private key; import them one by one")]
    SeveralPrivateKeys,
    /// A block that starts and never ends, or is not base64 inside.
    #[error("the PEM is damaged: a block has no end, or is not base64")]
    Damaged,
    /// A key under a passphrase.
    #[error(
        "the private key is encrypted with a passphrase; decrypt it first: \
         `(umask 077; openssl pkey -in FILE -out PLAIN)`"
    )]
    Encrypted,
}

/// Finds the private key in a PEM file. Other blocks (`EC PARAMETERS`, certificates) and text between blocks are
/// skipped, as RFC 7468 section 2 allows.
///
/// # Errors
/// [`PemError`]
pub fn read_private(text: &str) -> Result<PrivateBlock, PemError> {
    let mut found = None;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(label) = boundary(line, "BEGIN") else { continue };
        let mut body = Zeroizing::new(String::with_capacity(text.len()));
        let mut is_closed = false;
        for line in lines.by_ref() {
            if boundary(line, "END") == Some(label) {
                is_closed = true;
                break;
            }
            body.push_str(line.trim());
        }
        if !label.ends_with("PRIVATE KEY") {
            continue;
        }
        // PKCS#8 says it in the label, OpenSSL's older form in a `Proc-Type: 4,ENCRYPTED` line (RFC 1421).
        if label.starts_with("ENCRYPTED") || body.contains("4,ENCRYPTED") {
            return Err(PemError::Encrypted);
        }
        let der = STANDARD.decode(body.as_bytes()).ok().filter(|_| is_closed).ok_or(PemError::Damaged)?;
        let block = PrivateBlock { label: label.to_owned(), der: Zeroizing::new(der) };
        if found.replace(block).is_some() {
            return Err(PemError::SeveralPrivateKeys);
        }
    }
    found.ok_or(PemError::NoPrivateKey)
}

fn boundary<'a>(line: &'a str, kind: &str) -> Option<&'a str> {
    line.trim().strip_prefix("-----")?.strip_prefix(kind)?.strip_prefix(' ')?.strip_suffix("-----")
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "-----BEGIN PRIVATE KEY-----\r\nAAEC\r\nAwQF\r\n-----END PRIVATE KEY-----\r\n";

    #[test]
    fn the_private_key_is_found_among_other_blocks() {
        let text = format!("hello\n-----BEGIN EC PARAMETERS-----\nAAEC\n-----END EC PARAMETERS-----\n{KEY}");
        let block = read_private(&text).unwrap();
        assert_eq!((block.label.as_str(), block.der.as_slice()), ("PRIVATE KEY", &[0, 1, 2, 3, 4, 5][..]));
    }

    #[rstest::rstest]
    #[case::empty("", PemError::NoPrivateKey)]
    #[case::public("-----BEGIN PUBLIC KEY-----\nAAEC\n-----END PUBLIC KEY-----\n", PemError::NoPrivateKey)]
    #[case::two(&format!("{KEY}{KEY}"), PemError::SeveralPrivateKeys)]
    #[case::cut("-----BEGIN PRIVATE KEY-----\nAAEC\n", PemError::Damaged)]
    #[case::not_base64("-----BEGIN PRIVATE KEY-----\nA*EC\n-----END PRIVATE KEY-----\n", PemError::Damaged)]
    #[case::encrypted_pkcs8(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAEC\n-----END ENCRYPTED PRIVATE KEY-----\n",
        PemError::Encrypted
    )]
    #[case::encrypted_old_style(
        "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAEC\n-----END RSA PRIVATE KEY-----\n",
        PemError::Encrypted
    )]
    fn what_is_not_one_plain_private_key_is_refused(#[case] text: &str, #[case] expected: PemError) {
        assert_eq!(read_private(text).err(), Some(expected));
    }
}
