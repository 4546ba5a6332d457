//! Which keys are too weak to prove anything (RFC 8725 section 3.5, RFC 7518 section 3.3).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};

use super::KeyError;

/// The smallest RSA modulus, in bits (RFC 7518 section 3.3).
const RSA_SMALLEST: usize = 2048;

/// The largest RSA modulus, in bits: what the verifying code takes. Larger ones would only cost time.
const RSA_LARGEST: usize = 8192;

/// The longest RSA exponent, in bytes. 65537 is what everybody uses; a huge one makes every check slow.
const RSA_EXPONENT_BYTES: usize = 4;

/// The y coordinates, little-endian, of the points of edwards25519 whose order divides 8, without the sign bit. A
/// signature under such a key can be made for any message without a private key.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [0; 32],
    little_endian(1),
    // p - 1
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf,
        0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20,
        0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
];

const fn little_endian(lowest: u8) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = lowest;
    bytes
}

/// Checks a P-256 point in its uncompressed form of 65 bytes.
pub(super) fn check_p256(point: &[u8]) -> Result<(), KeyError> {
    if point.len() != 65 || point.first() != Some(&4) {
        return Err(KeyError::Weak("a P-256 coordinate is not 32 bytes long"));
    }
    // Parsing computes the curve equation.
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .parse()
        .map(drop)
        .map_err(|_| KeyError::Weak("the point is not on P-256"))
}

/// Checks an Ed25519 public key.
pub(super) fn check_ed25519(key: &[u8]) -> Result<(), KeyError> {
    let mut y: [u8; 32] = key.try_into().map_err(|_| KeyError::Weak("an Ed25519 key is 32 bytes long"))?;
    if let Some(top) = y.last_mut() {
        *top &= 0x7f;
    }
    if SMALL_ORDER.contains(&y) {
        return Err(KeyError::Weak("the Ed25519 point has a small order"));
    }
    // Values from p = 2^255 - 19 up to 2^255 - 1 are second spellings of 0 to 18 (RFC 8032 section 5.1.3).
    let is_wrapped = matches!(y, [low, middle @ .., 0x7f] if low >= 0xed && middle.iter().all(|byte| *byte == 0xff));
    if is_wrapped {
        return Err(KeyError::Weak("the Ed25519 point is not in canonical form"));
    }
    Ok(())
}

/// Checks an RSA public key, both numbers big-endian.
pub(super) fn check_rsa(n: &[u8], e: &[u8]) -> Result<(), KeyError> {
    if n.first() == Some(&0) || e.first() == Some(&0) {
        return Err(KeyError::Weak("an RSA number has leading zeros"));
    }
    let unused = n.first().map_or(0, |top| top.leading_zeros() as usize);
    let bits = (n.len() * 8).saturating_sub(unused);
    if bits < RSA_SMALLEST {
        return Err(KeyError::Weak("the RSA modulus has fewer than 2048 bits"));
    }
    if bits > RSA_LARGEST {
        return Err(KeyError::Weak("the RSA modulus has more than 8192 bits"));
    }
    if n.last().is_some_and(|low| low % 2 == 0) {
        return Err(KeyError::Weak("the RSA modulus is even"));
    }
    if e == [1] || e.last().is_none_or(|low| low % 2 == 0) {
        return Err(KeyError::Weak("the RSA exponent is 1 or even"));
    }
    if e.len() > RSA_EXPONENT_BYTES {
        return Err(KeyError::Weak("the RSA exponent has more than 32 bits"));
    }
    RsaPublicKeyComponents { n, e }
        .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
        .map(drop)
        .map_err(|_| KeyError::Weak("the RSA numbers are out of range"))
}
