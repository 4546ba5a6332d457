//! The checks that need a key and a clock alone, in the order of `shared::token::verifier`, each by itself: one that fails
//! does not hide the next. Last come two whole verdicts, of the verifier that every resource server has and of another
//! library, so that what is explained here cannot drift from what is done there.

use std::collections::HashSet;
use std::sync::Arc;

use arc_swap::ArcSwap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use jwt_simple::prelude::{
    Duration as JwtDuration, ECDSAP256PublicKeyLike as _, ES256PublicKey, Ed25519PublicKey, EdDSAPublicKeyLike as _,
    NoCustomClaims, VerificationOptions,
};
use serde_json::{Map, Value};
use shared::token::claims::AccessClaims;
use shared::token::json::parse_object;
use shared::token::keys::{Algorithm, KeySet, VerifyingKey};
use shared::token::verifier::{TOKEN_LIMIT, Verifier};

use super::findings::{Findings, said};

/// What a token is held against.
pub(super) struct Rules {
    pub(super) issuer: String,
    /// One of these.
    pub(super) audiences: Vec<String>,
    /// Seconds.
    pub(super) leeway: u32,
    pub(super) keys: KeySet,
    pub(super) now: DateTime<Utc>,
}

/// What a token says of itself, believed or not.
pub(super) struct Named {
    pub(super) claims: AccessClaims,
    pub(super) kid: Option<String>,
}

/// Makes every check; returns the claims where they can be read.
pub(super) fn check(token: &str, rules: &Rules, findings: &mut Findings) -> Option<Named> {
    let length = token.len();
    findings.judge("size", length <= TOKEN_LIMIT, format!("{length} bytes, {TOKEN_LIMIT} are allowed"));
    let segments: Vec<&str> = token.split('.').collect();
    let are_three = segments.len() == 3 && segments.iter().all(|segment| !segment.is_empty());
    let count = segments.len();
    let shape = match count {
        5 => "five segments: an encrypted token, which is none of ours".to_owned(),
        _ => format!("{count} found, three non-empty ones are a signed token (RFC 7515 section 7.1)"),
    };
    findings.judge("segments", are_three, shape);
    let [header, payload, signature] = segments.as_slice() else { return None };
    let message = format!("{header}.{payload}");
    let header = object("header", header, findings);
    let kid = header.as_ref().and_then(|header| check_header(header, findings));
    let payload = object("payload", payload, findings);
    let claims = payload.and_then(|payload| match AccessClaims::try_from(payload) {
        Ok(claims) => {
            findings.ok("claims", format!("sub {}, client_id {}", said(&claims.sub), said(&claims.client_id)));
            Some(claims)
        }
        Err(error) => {
            findings.fail("claims", error.to_string());
            None
        }
    });
    if let Some(claims) = &claims {
        check_parties(claims, rules, findings);
        check_times(claims, rules, findings);
        // Most are bound to nothing, and there is nothing to say.
        if let Some(bound) = &claims.cnf {
            let how =
                "it comes by the scheme DPoP with a proof of that key (RFC 9449), and is refused as a bearer token";
            findings.ok("cnf", format!("bound to the key {}: {how}", bound.jkt));
        }
    }
    let algorithm = header.as_ref().and_then(|header| header.get("alg")).and_then(Value::as_str);
    let key = check_key(kid.as_deref(), algorithm, rules, findings);
    check_signature(&message, signature, key, findings);
    whole_verdicts(token, claims.as_ref(), key, rules, findings);
    claims.map(|claims| Named { claims, kid })
}

fn object(name: &'static str, segment: &str, findings: &mut Findings) -> Option<Map<String, Value>> {
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(segment) else {
        findings.fail(name, "is not canonical base64url without padding (RFC 7515 section 2)");
        return None;
    };
    match parse_object(&bytes) {
        Ok(members) => {
            findings.ok(name, "a JSON object without repeated members");
            Some(members)
        }
        Err(fault) => {
            findings.fail(name, fault.to_string());
            None
        }
    }
}

fn check_header(header: &Map<String, Value>, findings: &mut Findings) -> Option<String> {
    let text = |name: &str| header.get(name).and_then(Value::as_str);
    let typ = text("typ").unwrap_or_default();
    let is_ours = ["at+jwt", "application/at+jwt"].iter().any(|known| typ.eq_ignore_ascii_case(known));
    findings.judge("typ", is_ours, format!("{}, an access token has at+jwt (RFC 9068 section 2.1)", said(typ)));
    let algorithm = text("alg").unwrap_or_default();
    let is_known = Algorithm::find(algorithm).is_some();
    findings.judge("alg", is_known, format!("{}, accepted are ES256, EdDSA and RS256", said(algorithm)));
    let brings: Vec<&str> =
        ["crit", "jwk", "jku", "x5c", "x5u"].into_iter().filter(|name| header.contains_key(*name)).collect();
    let found = if brings.is_empty() { "nothing critical, no key of its own".to_owned() } else { brings.join(", ") };
    findings.judge("header members", brings.is_empty(), found);
    let kid = text("kid").filter(|kid| !kid.is_empty()).map(str::to_owned);
    findings.judge("kid", kid.is_some(), kid.as_deref().map_or_else(|| "there is none".to_owned(), said));
    kid
}

fn check_parties(claims: &AccessClaims, rules: &Rules, findings: &mut Findings) {
    let expected = format!("{}, expected is {}", said(&claims.iss), said(&rules.issuer));
    findings.judge("iss", claims.iss == rules.issuer, expected);
    let named: Vec<&str> = claims.aud.iter().collect();
    let is_known = named.iter().any(|audience| rules.audiences.iter().any(|known| known == audience));
    let known: Vec<String> = rules.audiences.iter().map(|audience| said(audience)).collect();
    let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
    findings.judge("aud", is_known, format!("{}, known is {known}", said(&named.join(" "))));
}

/// Each with the difference to this machine's clock.
fn check_times(claims: &AccessClaims, rules: &Rules, findings: &mut Findings) {
    let now = rules.now.timestamp();
    let leeway = i64::from(rules.leeway);
    let ends = match claims.exp.saturating_sub(now) {
        left if left > 0 => format!("ends in {left} s"),
        over => format!("ended {} s ago", over.saturating_neg()),
    };
    findings.judge("exp", claims.exp > now.saturating_sub(leeway), format!("{ends}, {leeway} s are forgiven"));
    let begun = |at: i64, begins: &str, began: &str| match at.saturating_sub(now) {
        ahead if ahead > leeway => {
            format!("{begins} in {ahead} s: this clock is behind by that much, or the issuer's is ahead")
        }
        ahead if ahead > 0 => format!("{begins} in {ahead} s, which is forgiven"),
        behind => format!("{began} {} s ago", behind.saturating_neg()),
    };
    let latest = now.saturating_add(leeway);
    findings.judge("iat", claims.iat <= latest, begun(claims.iat, "is issued", "issued"));
    if let Some(nbf) = claims.nbf {
        findings.judge("nbf", nbf <= latest, begun(nbf, "begins", "began"));
    }
    let life = claims.exp.saturating_sub(claims.iat);
    findings.judge("lifetime", life >= 0, format!("{life} s from iat to exp"));
}

fn check_key<'a>(
    kid: Option<&str>,
    algorithm: Option<&str>,
    rules: &'a Rules,
    findings: &mut Findings,
) -> Option<&'a VerifyingKey> {
    let Some(kid) = kid else {
        findings.skip("key", "not asked: there is no kid");
        return None;
    };
    let mut kids = rules.keys.kids();
    kids.sort_unstable();
    let Some(key) = rules.keys.find(kid) else {
        findings.fail("key", format!("no key has this kid; known are {}", said(&kids.join(" "))));
        return None;
    };
    let own = key.algorithm().as_str();
    let is_meant = algorithm == Some(own);
    findings.judge(
        "key",
        is_meant,
        format!("known, for {own}, the header says {}", said(algorithm.unwrap_or_default())),
    );
    is_meant.then_some(key)
}

fn check_signature(message: &str, signature: &str, key: Option<&VerifyingKey>, findings: &mut Findings) {
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(signature) else {
        findings.fail("signature", "is not canonical base64url without padding");
        return;
    };
    let Some(key) = key else {
        findings.skip("signature", "not checked: there is no key for it");
        return;
    };
    let (length, expected) = (bytes.len(), key.signature_len());
    if length != expected {
        findings.fail("signature", format!("has {length} bytes, this key's have {expected}"));
        return;
    }
    let holds = key.verify(message.as_bytes(), signature);
    let found = if holds { "verifies" } else { "does not verify: another key signed it, or it was changed" };
    findings.judge("signature", holds, found);
}

fn whole_verdicts(
    token: &str,
    claims: Option<&AccessClaims>,
    key: Option<&VerifyingKey>,
    rules: &Rules,
    findings: &mut Findings,
) {
    let known = claims.and_then(|claims| rules.audiences.iter().find(|known| claims.aud.contains(known)));
    let audience = known.or(rules.audiences.first()).map_or("", String::as_str);
    let keys = Arc::new(ArcSwap::from_pointee(rules.keys.clone()));
    let leeway = std::time::Duration::from_secs(rules.leeway.into());
    let verifier = Verifier::new(rules.issuer.as_str(), audience, keys).with_leeway(leeway);
    match verifier.verify(token, rules.now) {
        Ok(_) => findings.ok("verifier", "takes it, as every resource server does"),
        Err(refusal) => findings.fail("verifier", format!("refuses it: {refusal}")),
    }
    let Some(key) = key else {
        findings.skip("second library", "not asked: there is no key for it");
        return;
    };
    if key.algorithm() == Algorithm::Rs256 {
        findings.skip("second library", "not asked: it is not trusted with RSA");
        return;
    }
    match second_opinion(token, key, audience, rules) {
        Ok(()) => findings.ok("second library", "jwt-simple takes signature, times, issuer and audience"),
        Err(reason) => findings.fail("second library", format!("jwt-simple refuses it: {}", said(&reason))),
    }
}

fn second_opinion(token: &str, key: &VerifyingKey, audience: &str, rules: &Rules) -> Result<(), String> {
    let options = VerificationOptions {
        allowed_issuers: Some(HashSet::from([rules.issuer.clone()])),
        allowed_audiences: Some(HashSet::from([audience.to_owned()])),
        time_tolerance: Some(JwtDuration::from_secs(rules.leeway.into())),
        artificial_time: Some(JwtDuration::from_secs(u64::try_from(rules.now.timestamp()).unwrap_or(0))),
        ..VerificationOptions::default()
    };
    let pem = key.to_pem().map_err(|error| error.to_string())?;
    let verified = match key.algorithm() {
        Algorithm::Es256 => {
            ES256PublicKey::from_pem(&pem).and_then(|key| key.verify_token::<NoCustomClaims>(token, Some(options)))
        }
        Algorithm::EdDsa => {
            Ed25519PublicKey::from_pem(&pem).and_then(|key| key.verify_token::<NoCustomClaims>(token, Some(options)))
        }
        Algorithm::Rs256 => return Err("it is not trusted with RSA".to_owned()),
    };
    verified.map(|_| ()).map_err(|error| error.to_string())
}
