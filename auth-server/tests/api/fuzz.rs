//! What the fuzz targets check, by ordinary means: their corpora are replayed, and some thousand random inputs are tried.

use std::path::Path;

use proptest::prelude::*;

#[path = "../../fuzz/checks.rs"]
mod checks;

fn replay(target: &str, check: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let mut count = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        check(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!((20..100).contains(&count), "{target} has {count} inputs: enough to mean something, few enough to keep");
}

#[test]
fn the_corpora_are_replayed() {
    replay("form", checks::form);
    replay("basic", checks::basic);
    replay("scope", checks::scope);
    replay("refresh_token", checks::refresh_token);
    replay("redirect", checks::redirect);
    replay("authorize", checks::authorize);
    replay("pkce", checks::pkce);
    replay("user_code", checks::user_code);
    replay("dpop", checks::dpop);
    replay("assertion", checks::assertion);
}

/// The fuzz targets are those that are replayed.
#[test]
fn every_target_has_a_corpus() {
    let manifest = include_str!("../../fuzz/Cargo.toml");
    let targets: Vec<&str> = manifest.lines().filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")).collect();
    let names =
        ["form", "basic", "scope", "refresh_token", "redirect", "authorize", "pkce", "user_code", "dpop", "assertion"];
    assert_eq!(targets, names.map(|name| format!("{name}.rs\"")));
}

/// Bytes near the grammar: pieces of it in any order, with a few strange ones between them.
fn near(pieces: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let strange = proptest::collection::vec(any::<u8>(), 0..4);
    let piece =
        prop_oneof![8 => proptest::sample::select(pieces).prop_map(|piece| piece.as_bytes().to_vec()), 1 => strange];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn forms(bytes in near(&["a", "b", "scope", "=", "&", "+", "%", "%41", "%C3%BC", "%00", "%ff", "é", "movies:read"])) {
        checks::form(&bytes);
    }

    #[test]
    fn basic_credentials(bytes in near(&["Basic ", "basic", " ", ":", "a", "QTpC", "=", "%3A", "%", "+", "\0", "é", "mcs1_"])) {
        checks::basic(&bytes);
    }

    #[test]
    fn scopes(bytes in near(&["a", "b", "movies:read", " ", "  ", "\"", "\\", "!", "~", "\t", "é", "#", "[", "]"])) {
        checks::scope(&bytes);
    }

    #[test]
    fn refresh_tokens(prefix in "(mrt1_)?", body in prop_oneof!["[A-Za-z0-9_-]{48}", "[A-Za-z0-9_=+/-]{46,50}", ".{0,60}"]) {
        checks::refresh_token(format!("{prefix}{body}").as_bytes());
    }

    #[test]
    fn redirects(bytes in near(&["http://127.0.0.1", "http://[::1]", "https://a.example", "com.example.a:/", ":8", ":65535", ":0", "/cb", "?x", "#", "@", "\n", "\\", "%2e", "..", "."])) {
        checks::redirect(&bytes);
    }

    #[test]
    fn authorize_queries(bytes in near(&["&prompt=", "none", "login", "+", "&max_age=", "0", "&code_challenge=", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "&code_challenge_method=", "S256", "plain", "&response_mode=query", "&request=x", "&resource=", "="])) {
        checks::authorize(&bytes);
    }

    #[test]
    fn proof_keys(challenge in "[A-Za-z0-9_-]{42,44}|E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", verifier in "[A-Za-z0-9._~=-]{41,45}|dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk|[A-Za-z0-9]{126,130}") {
        checks::pkce(format!("{challenge}\n{verifier}").as_bytes());
    }

    #[test]
    fn user_codes(bytes in near(&["B", "c", "WDJB", "mjht", "WDJB-MJHT", "-", " ", "\t", "\u{a0}", "\u{2013}", "_", ".", "A", "e", "1", "\u{17f}", "ß"])) {
        checks::user_code(&bytes);
    }

    #[test]
    fn addresses_of_proofs(bytes in near(&["http://", "https://", "HTTP:", "//", "127.0.0.1", "a.example", "[::1]", ":80", ":443", "/", "/..", "/%2e", "%", "%7e", "%C3%bc", "?x", "#", "@", "\\", "\t", "é", "\n"])) {
        checks::dpop(&bytes);
    }

    #[test]
    fn assertions(bytes in near(&["{\"alg\":\"EdDSA\"", "{\"alg\":\"none\"", ",\"kid\":\"k\"", ",\"typ\":\"JWT\"", ",\"crit\":[]", "}", "\n", "{\"sub\":\"a\"", ",\"sub\":\"b\"", ",\"iss\":\"a\"", ",\"aud\":\"http://127.0.0.1:8001\"", ",\"jti\":\"1\"", ",\"exp\":60", ",\"exp\":1e300", "."])) {
        checks::assertion(&bytes);
    }

    #[test]
    fn anything(bytes: Vec<u8>) {
        checks::form(&bytes);
        checks::basic(&bytes);
        checks::scope(&bytes);
        checks::refresh_token(&bytes);
        checks::redirect(&bytes);
        checks::authorize(&bytes);
        checks::pkce(&bytes);
        checks::user_code(&bytes);
        checks::dpop(&bytes);
        checks::assertion(&bytes);
    }
}

/// What the checks name is there when they are built for fuzzing, which no other test does.
#[test]
fn the_fuzz_targets_have_the_crates_of_their_checks() {
    let (checks, fuzz) = (include_str!("../../fuzz/checks.rs"), include_str!("../../fuzz/Cargo.toml"));
    let named = |krate: &&str| {
        let path = format!("{}::", krate.replace('-', "_"));
        checks
            .match_indices(&path)
            .any(|(at, _)| !checks[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_'))
    };
    let ours =
        include_str!("../../Cargo.toml").lines().filter_map(|line| line.split_once(".workspace").map(|(name, _)| name));
    let lacking: Vec<&str> =
        ours.filter(named).filter(|krate| !fuzz.lines().any(|line| line.starts_with(&format!("{krate} = ")))).collect();
    assert!(lacking.is_empty(), "auth-server/fuzz/Cargo.toml lacks {lacking:?}");
}
