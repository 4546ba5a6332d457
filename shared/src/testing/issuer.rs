//! An issuer with a key of its own.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use jsonwebtoken::EncodingKey;
use jsonwebtoken::jwk::Jwk as PrivateJwk;
use serde::Serialize;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::token::claims::{AccessClaims, Audience};
use crate::token::dpop::Thumbprint;
use crate::token::keys::{Algorithm, KeySet, VerifyingKey};
use crate::token::scope::ScopeSet;

const BROKEN: &str = "a test fixture is broken";

/// The issuer's URL by default, as in the services' defaults.
const ISSUER: &str = "http://127.0.0.1:8001";

/// The audience by default.
const AUDIENCE: &str = "http://127.0.0.1:8000";

/// How long tokens last, in seconds.
const LIFETIME: i64 = 600;

/// Signs tokens with a fresh key.
pub struct TestIssuer {
    issuer: String,
    audience: String,
    private_pem: String,
    signing: EncodingKey,
    public: VerifyingKey,
}

impl TestIssuer {
    /// An issuer with a fresh key for that algorithm and the services' default issuer and audience.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        let private_pem = private_pem(algorithm);
        let pem = private_pem.as_bytes();
        let signing = match algorithm {
            Algorithm::Es256 => EncodingKey::from_ec_pem(pem),
            Algorithm::EdDsa => EncodingKey::from_ed_pem(pem),
            Algorithm::Rs256 => EncodingKey::from_rsa_pem(pem),
        }
        .expect(BROKEN);
        let public = PrivateJwk::from_encoding_key(&signing, algorithm.into()).expect(BROKEN);
        let public = VerifyingKey::from_jwk(&serde_json::to_vec(&public).expect(BROKEN)).expect(BROKEN);
        Self { issuer: ISSUER.to_owned(), audience: AUDIENCE.to_owned(), private_pem, signing, public }
    }

    /// An issuer with a fresh ES256 key.
    #[must_use]
    pub fn es256() -> Self {
        Self::new(Algorithm::Es256)
    }

    /// The same key under another issuer and audience.
    #[must_use]
    pub fn for_parties(mut self, issuer: &str, audience: &str) -> Self {
        issuer.clone_into(&mut self.issuer);
        audience.clone_into(&mut self.audience);
        self
    }

    /// The same key under another name.
    #[must_use]
    pub fn with_kid(mut self, kid: &str) -> Self {
        self.public = self.public.with_kid(kid);
        self
    }

    /// The `iss` of its tokens.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The `aud` of its tokens.
    #[must_use]
    pub fn audience(&self) -> &str {
        &self.audience
    }

    /// The public key.
    #[must_use]
    pub fn public_key(&self) -> &VerifyingKey {
        &self.public
    }

    /// A set of the public key alone.
    #[must_use]
    pub fn key_set(&self) -> KeySet {
        KeySet::new([self.public.clone()]).expect(BROKEN)
    }

    /// The public key as the bytes of a JWK Set.
    #[must_use]
    pub fn jwks(&self) -> Vec<u8> {
        serde_json::to_vec(&self.key_set().to_jwks()).expect(BROKEN)
    }

    /// The public key as PEM.
    #[must_use]
    pub fn public_pem(&self) -> String {
        self.public.to_pem().expect(BROKEN)
    }

    /// The private key as PKCS #8 PEM.
    #[must_use]
    pub fn private_pem(&self) -> &str {
        &self.private_pem
    }

    /// Claims of a good token for `movies:read`, issued at `now` for ten minutes.
    #[must_use]
    pub fn claims(&self, now: DateTime<Utc>) -> AccessClaims {
        let iat = now.timestamp();
        AccessClaims {
            iss: self.issuer.clone(),
            aud: Audience::from(self.audience.as_str()),
            sub: Uuid::new_v4().to_string(),
            client_id: "test-client".to_owned(),
            scope: ScopeSet::from_names(["movies:read"]).expect(BROKEN),
            iat,
            exp: iat + LIFETIME,
            jti: Uuid::new_v4().to_string(),
            sid: Some(Uuid::new_v4().to_string()),
            ver: Some(1),
            cver: Some(1),
            nbf: None,
            auth_time: None,
            name: None,
            email: None,
            cnf: None,
        }
    }

    /// A token with those claims and a good header.
    #[must_use]
    pub fn mint(&self, claims: &AccessClaims) -> String {
        self.mint_raw(&to_text(&self.header()), &to_text(claims))
    }

    /// A token of any header and payload text whatever, signed by this key and its algorithm.
    #[must_use]
    pub fn mint_raw(&self, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature = self.sign(&message);
        format!("{message}.{signature}")
    }

    /// The base64url signature of a message.
    #[must_use]
    pub fn sign(&self, message: &str) -> String {
        jsonwebtoken::crypto::sign(message.as_bytes(), &self.signing, self.public.algorithm().into()).expect(BROKEN)
    }

    /// Begins a good token, issued at `now`, whose header and claims can be changed one by one.
    #[must_use]
    pub fn token(&self, now: DateTime<Utc>) -> TokenBuilder<'_> {
        let Ok(Value::Object(claims)) = serde_json::to_value(self.claims(now)) else { unreachable!("{BROKEN}") };
        TokenBuilder { issuer: self, header: self.header(), claims }
    }

    /// Begins a DPoP proof of this key (RFC 9449), made at `now` for a request, whose header and claims can be changed one by
    /// one.
    #[must_use]
    pub fn proof(&self, method: &str, address: &str, now: DateTime<Utc>) -> TokenBuilder<'_> {
        let jwk = serde_json::to_value(&self.public.jwk().params).expect(BROKEN);
        let header = json!({ "typ": "dpop+jwt", "alg": self.public.algorithm().as_str(), "jwk": jwk });
        let jti = Uuid::new_v4().to_string();
        let claims = json!({ "jti": jti, "htm": method, "htu": address, "iat": now.timestamp() });
        let (Value::Object(header), Value::Object(claims)) = (header, claims) else { unreachable!("{BROKEN}") };
        TokenBuilder { issuer: self, header, claims }
    }

    /// The thumbprint of the public key, as tokens that are bound to it carry it.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.public.thumbprint().parse().expect(BROKEN)
    }

    fn header(&self) -> Map<String, Value> {
        let mut header = Map::new();
        header.insert("typ".to_owned(), json!("at+jwt"));
        header.insert("alg".to_owned(), json!(self.public.algorithm().as_str()));
        header.insert("kid".to_owned(), json!(self.public.kid()));
        header
    }
}

/// A token in the making; see [`TestIssuer::token`].
#[derive(Clone)]
pub struct TokenBuilder<'a> {
    issuer: &'a TestIssuer,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

impl TokenBuilder<'_> {
    /// Sets a header member.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header.insert(name.to_owned(), value.into());
        self
    }

    /// Removes a header member.
    #[must_use]
    pub fn without_header(mut self, name: &str) -> Self {
        self.header.remove(name);
        self
    }

    /// Sets a claim.
    #[must_use]
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims.insert(name.to_owned(), value.into());
        self
    }

    /// Removes a claim.
    #[must_use]
    pub fn without_claim(mut self, name: &str) -> Self {
        self.claims.remove(name);
        self
    }

    /// Sets the scope.
    #[must_use]
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// Binds a token to the key of this thumbprint.
    #[must_use]
    pub fn bound_to(self, key: &Thumbprint) -> Self {
        self.claim("cnf", json!({ "jkt": key.as_str() }))
    }

    /// Makes a proof one for this access token.
    #[must_use]
    pub fn for_token(self, token: &str) -> Self {
        self.claim("ath", URL_SAFE_NO_PAD.encode(Sha256::digest(token)))
    }

    /// The text of the header, for edits that JSON values cannot express.
    #[must_use]
    pub fn header_text(&self) -> String {
        to_text(&self.header)
    }

    /// The text of the payload.
    #[must_use]
    pub fn payload_text(&self) -> String {
        to_text(&self.claims)
    }

    /// The signed token.
    #[must_use]
    pub fn mint(&self) -> String {
        self.issuer.mint_raw(&self.header_text(), &self.payload_text())
    }
}

fn to_text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect(BROKEN)
}

fn private_pem(algorithm: Algorithm) -> String {
    let random = SystemRandom::new();
    let der = match algorithm {
        Algorithm::Es256 => {
            let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect(BROKEN);
            document.as_ref().to_vec()
        }
        // Version 1 carries the private key alone, the form that both JWT libraries read.
        Algorithm::EdDsa => Ed25519KeyPair::generate_pkcs8v1(&random).expect(BROKEN).as_ref().to_vec(),
        Algorithm::Rs256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect(BROKEN);
            let document: Pkcs8V1Der<'_> = pair.as_der().expect(BROKEN);
            document.as_ref().to_vec()
        }
    };
    let mut text = "-----BEGIN PRIVATE KEY-----\n".to_owned();
    for (position, character) in STANDARD.encode(der).chars().enumerate() {
        if position > 0 && position % 64 == 0 {
            text.push('\n');
        }
        text.push(character);
    }
    text.push_str("\n-----END PRIVATE KEY-----\n");
    text
}
