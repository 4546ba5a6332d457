//! Tokens that nobody should take, made from a good one.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use shared::token::keys::VerifyingKey;

const TYPE: &str = "at+jwt";

/// A good token, taken apart.
pub(super) struct Good {
    pub(super) kid: String,
    header: String,
    payload: String,
    signature: String,
    claims: Value,
}

/// A key of the attacker's own.
pub(super) struct OwnKey(EcdsaKeyPair);

impl Good {
    pub(super) fn read(token: &str) -> Result<Self, String> {
        let mut parts = token.split('.').map(str::to_owned);
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("the access token is no JWT".to_owned());
        };
        let read = |part: &str| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok() };
        let (Some(head), Some(claims)) = (read(&header), read(&payload)) else {
            return Err("the access token is no JWT".to_owned());
        };
        let kid = head.get("kid").and_then(Value::as_str).ok_or("the access token has no kid")?.to_owned();
        Ok(Self { kid, header, payload, signature, claims })
    }

    /// No signature at all (RFC 7518 section 3.6), in several spellings, with and without the old one.
    pub(super) fn unsigned(&self) -> Vec<String> {
        let spellings = ["none", "None", "NONE", "nOnE"];
        let tokens = spellings.iter().flat_map(|alg| {
            let header = part(&json!({ "alg": alg, "typ": TYPE, "kid": self.kid }));
            [format!("{header}.{}.", self.payload), format!("{header}.{}.{}", self.payload, self.signature)]
        });
        tokens.collect()
    }

    /// Everybody knows the public key: an HMAC under it proves nothing.
    pub(super) fn under_public_key(&self, jwk: &Value) -> Vec<String> {
        let mut secrets = vec![jwk.to_string().into_bytes()];
        if let Ok(key) = VerifyingKey::from_jwk(jwk.to_string().as_bytes()) {
            secrets.extend(key.to_pem().ok().map(String::into_bytes));
        }
        let numbers = ["x", "n"].iter().filter_map(|name| jwk.get(*name).and_then(Value::as_str));
        secrets.extend(numbers.filter_map(|number| URL_SAFE_NO_PAD.decode(number).ok()));
        let header = part(&json!({ "alg": "HS256", "typ": TYPE, "kid": self.kid }));
        let message = format!("{header}.{}", self.payload);
        let signed = secrets.iter().filter_map(|secret| {
            let mut mac = Hmac::<Sha256>::new_from_slice(secret).ok()?;
            mac.update(message.as_bytes());
            Some(format!("{message}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())))
        });
        signed.collect()
    }

    /// The same signature over more rights and another end.
    pub(super) fn changed(&self) -> Vec<String> {
        let changes = [("scope", json!("admin")), ("exp", json!(4_102_444_800_u64)), ("sub", json!("root"))];
        let tokens = changes.into_iter().map(|(name, value)| {
            let mut claims = self.claims.clone();
            if let Some(members) = claims.as_object_mut() {
                members.insert(name.to_owned(), value);
            }
            format!("{}.{}.{}", self.header, part(&claims), self.signature)
        });
        tokens.collect()
    }

    /// The signature cut, empty, and of other bytes.
    pub(super) fn damaged(&self) -> Vec<String> {
        let head = format!("{}.{}", self.header, self.payload);
        let zeros = URL_SAFE_NO_PAD.encode([0_u8; 64]);
        let cut: String = self.signature.chars().take(self.signature.len() / 2).collect();
        vec![format!("{head}."), format!("{head}.{cut}"), format!("{head}.{zeros}"), head]
    }
}

impl OwnKey {
    pub(super) fn generate() -> Result<Self, String> {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING);
        key.map(Self).map_err(|_| "no key could be made".to_owned())
    }

    fn jwk(&self) -> Value {
        let point = self.0.public_key().as_ref();
        // SEC1 section 2.3.3: 4, then x, then y.
        let (x, y) = (point.get(1..33).unwrap_or_default(), point.get(33..).unwrap_or_default());
        json!({ "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) })
    }

    fn sign(&self, header: &Value, good: &Good) -> Result<String, String> {
        let message = format!("{}.{}", part(header), good.payload);
        let signature = self.0.sign(&SystemRandom::new(), message.as_bytes());
        let signature = signature.map_err(|_| "nothing could be signed".to_owned())?;
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature.as_ref())))
    }

    /// Under the name of a real key, of none, and of places that are no names.
    pub(super) fn under_kids(&self, good: &Good) -> Result<Vec<String>, String> {
        let kids = [json!(good.kid), json!("selftest"), json!("../../etc/passwd"), json!("' or 1=1 --"), json!(null)];
        kids.iter().map(|kid| self.sign(&json!({ "alg": "ES256", "typ": TYPE, "kid": kid }), good)).collect()
    }

    /// With the key that proves it in the token itself, or at an address that the token names.
    pub(super) fn embedded(&self, good: &Good) -> Result<Vec<String>, String> {
        let jwk = self.jwk();
        let headers = [
            json!({ "alg": "ES256", "typ": TYPE, "kid": good.kid, "jwk": jwk }),
            json!({ "alg": "ES256", "typ": TYPE, "jwk": jwk }),
            json!({ "alg": "ES256", "typ": TYPE, "kid": good.kid, "jku": "https://elsewhere.selftest.invalid/jwks" }),
            json!({ "alg": "ES256", "typ": TYPE, "kid": good.kid, "x5u": "https://elsewhere.selftest.invalid/x5u" }),
        ];
        headers.iter().map(|header| self.sign(header, good)).collect()
    }
}

fn part(json: &Value) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}
