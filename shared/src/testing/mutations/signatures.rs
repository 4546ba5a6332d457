//! Who signed it, and how.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::EncodingKey;

use crate::token::keys::Algorithm;
use crate::token::verifier::Refusal;

use super::{Mutation, case, good, now, segments};
use crate::testing::TestIssuer;

/// Signatures that are another's, cut, stretched, zero, or made with the public key.
pub(super) fn signatures(issuer: &TestIssuer) -> Vec<Mutation> {
    let algorithm = issuer.public_key().algorithm();
    let token = good(issuer).mint();
    let [h, p, s] = segments(&token);
    let bytes = URL_SAFE_NO_PAD.decode(s).unwrap();
    let signed = |signature: &[u8]| format!("{h}.{p}.{}", URL_SAFE_NO_PAD.encode(signature));
    let flipped = |position: usize| {
        let mut bytes = bytes.clone();
        bytes[position] ^= 1;
        signed(&bytes)
    };
    let other = good(issuer).mint();
    let [_, other_payload, other_signature] = segments(&other);
    let impostor = TestIssuer::new(algorithm).with_kid(issuer.public_key().kid());
    let swapped = [&bytes[bytes.len() / 2..], &bytes[..bytes.len() / 2]].concat();
    let with_alg = |alg: &str| good(issuer).header("alg", alg).header_text();
    let mut cases = vec![
        case("first bit", flipped(0), Refusal::Signature),
        case("last bit", flipped(bytes.len() - 1), Refusal::Signature),
        case("all zero", signed(&vec![0; bytes.len()]), Refusal::Signature),
        case("all ones", signed(&vec![0xff; bytes.len()]), Refusal::Signature),
        case("halves swapped", signed(&swapped), Refusal::Signature),
        case("cut", signed(&bytes[1..]), Refusal::SignatureLength),
        case("stretched", signed(&[&[0], bytes.as_slice()].concat()), Refusal::SignatureLength),
        case("one byte", signed(&[0]), Refusal::SignatureLength),
        case("of another token", format!("{h}.{p}.{other_signature}"), Refusal::Signature),
        case("payload of another token", format!("{h}.{other_payload}.{s}"), Refusal::Signature),
        case("header spelled otherwise", respelled(&token), Refusal::Signature),
        case("another's key under our kid", impostor.token(now()).mint(), Refusal::Signature),
        case(
            "HMAC with the public PEM",
            hmac(&with_alg("HS256"), p, issuer.public_pem().as_bytes()),
            Refusal::Algorithm,
        ),
        case(
            "HMAC under our alg",
            hmac(&with_alg(algorithm.as_str()), p, issuer.public_pem().as_bytes()),
            Refusal::SignatureLength,
        ),
    ];
    for alg in ["ES256", "EdDSA", "RS256"].into_iter().filter(|alg| *alg != algorithm.as_str()) {
        cases.push(case(
            &format!("alg {alg}"),
            issuer.mint_raw(&with_alg(alg), &good(issuer).payload_text()),
            Refusal::KeyAlgorithm,
        ));
    }
    if algorithm == Algorithm::Es256 {
        cases.push(case("DER", signed(&der(&bytes)), Refusal::SignatureLength));
        cases.push(case("r = 0", signed(&[&[0; 32], &bytes[32..]].concat()), Refusal::Signature));
        cases.push(case("s = 0", signed(&[&bytes[..32], &[0; 32]].concat()), Refusal::Signature));
    }
    if algorithm == Algorithm::EdDsa {
        cases.push(case("S plus the group order", signed(&plus_order(&bytes)), Refusal::Signature));
    }
    cases
}

/// The same header with one space more.
fn respelled(token: &str) -> String {
    let [h, p, s] = segments(token);
    let header = String::from_utf8(URL_SAFE_NO_PAD.decode(h).unwrap()).unwrap();
    format!("{}.{p}.{s}", URL_SAFE_NO_PAD.encode(header.replacen('{', "{ ", 1)))
}

fn hmac(header: &str, payload: &str, secret: &[u8]) -> String {
    let message = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(header));
    let key = EncodingKey::from_secret(secret);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &key, jsonwebtoken::Algorithm::HS256).unwrap();
    format!("{message}.{signature}")
}

/// `r ‖ s` as the ASN.1 that other protocols use.
fn der(raw: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    for number in raw.chunks(32) {
        body.extend([0x02, 33, 0]);
        body.extend(number);
    }
    [&[0x30, 70], body.as_slice()].concat()
}

/// A second S for the same signature, which lax implementations accept (RFC 8032 section 5.1.7).
fn plus_order(signature: &[u8]) -> Vec<u8> {
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let mut sum = signature.to_vec();
    let mut carry = 0;
    for (byte, order) in sum[32..].iter_mut().zip(ORDER) {
        let total = u16::from(*byte) + u16::from(order) + carry;
        *byte = total.to_le_bytes()[0];
        carry = total >> 8;
    }
    sum
}
