//! PEM in and out: blocks `PUBLIC KEY` with a SubjectPublicKeyInfo (RFC 7468 section 13, RFC 5280).

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::RsaPublicKeyComponents;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk as ParsedJwk};
use jsonwebtoken::{Algorithm as JwtAlgorithm, DecodingKey};

use super::{KeyError, PublicParams};

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// The SubjectPublicKeyInfo of a P-256 key up to the 65 bytes of its point (RFC 5480).
const P256_PREFIX: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The SubjectPublicKeyInfo of an Ed25519 key up to its 32 bytes (RFC 8410 section 4).
const ED25519_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// Cuts a text into its PEM blocks, all of which must be public keys. Text between blocks is a comment (RFC 7468
/// section 5.2).
pub(super) fn blocks(text: &str) -> Result<Vec<String>, KeyError> {
    let mut found = Vec::new();
    let mut lines = text.lines().map(str::trim);
    while let Some(line) = lines.next() {
        let Some(label) = line.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(DASHES)) else { continue };
        check_label(label)?;
        let end = format!("{END}{label}{DASHES}");
        let mut block = format!("{line}\n");
        loop {
            let line = lines.next().ok_or(KeyError::Pem("a block has no end"))?;
            block.push_str(line);
            block.push('\n');
            if line == end {
                break;
            }
        }
        found.push(block);
    }
    if found.is_empty() { Err(KeyError::Pem("no PEM block")) } else { Ok(found) }
}

fn check_label(label: &str) -> Result<(), KeyError> {
    match label {
        "PUBLIC KEY" => Ok(()),
        private if private.ends_with("PRIVATE KEY") => Err(KeyError::Private),
        "RSA PUBLIC KEY" => Err(KeyError::Pem("PKCS #1; convert it with `openssl rsa -RSAPublicKey_in -pubout`")),
        "CERTIFICATE" => Err(KeyError::Pem("a certificate; take its key out with `openssl x509 -pubkey -noout`")),
        _ => Err(KeyError::Pem("a block that is not PUBLIC KEY")),
    }
}

/// The public numbers in one block.
pub(super) fn params(block: &str) -> Result<PublicParams, KeyError> {
    let block = block.as_bytes();
    let parsed = if let Ok(key) = DecodingKey::from_ec_pem(block) {
        ParsedJwk::from_decoding_key(&key, Some(JwtAlgorithm::ES256))
    } else if let Ok(key) = DecodingKey::from_ed_pem(block) {
        ParsedJwk::from_decoding_key(&key, Some(JwtAlgorithm::EdDSA))
    } else if let Ok(key) = DecodingKey::from_rsa_pem(block) {
        ParsedJwk::from_decoding_key(&key, Some(JwtAlgorithm::RS256))
    } else {
        return Err(KeyError::Pem("not an EC, Ed25519 or RSA key"));
    };
    let parsed = parsed.map_err(|_| KeyError::Pem("its numbers cannot be read"))?;
    match parsed.algorithm {
        // The library tells the curve by its size; a point of another curve of that size fails the P-256 equation
        // later.
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            Ok(PublicParams::p256(key.x, key.y))
        }
        AlgorithmParameters::EllipticCurve(_) => {
            Err(KeyError::Unsupported("EC of another curve than P-256".to_owned()))
        }
        AlgorithmParameters::OctetKeyPair(key) => Ok(PublicParams::ed25519(key.x)),
        AlgorithmParameters::RSA(key) => Ok(PublicParams::rsa(key.n, key.e)),
        _ => Err(KeyError::Pem("not an EC, Ed25519 or RSA key")),
    }
}

/// Writes a key as one block.
pub(super) fn encode(params: &PublicParams) -> Result<String, KeyError> {
    let number = |value: &str| URL_SAFE_NO_PAD.decode(value).map_err(|_| KeyError::Pem("its numbers cannot be read"));
    let der = match params {
        PublicParams::P256 { x, y, .. } => [P256_PREFIX.as_slice(), &[4], &number(x)?, &number(y)?].concat(),
        PublicParams::Ed25519 { x, .. } => [ED25519_PREFIX.as_slice(), &number(x)?].concat(),
        PublicParams::Rsa { n, e } => {
            let components = RsaPublicKeyComponents { n: number(n)?, e: number(e)? };
            let der: PublicKeyX509Der<'_> =
                components.as_der().map_err(|_| KeyError::Pem("its numbers cannot be written"))?;
            der.as_ref().to_vec()
        }
    };
    let mut text = format!("{BEGIN}PUBLIC KEY{DASHES}\n");
    for (position, character) in STANDARD.encode(der).chars().enumerate() {
        if position > 0 && position % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str("\n-----END PUBLIC KEY-----\n");
    Ok(text)
}
