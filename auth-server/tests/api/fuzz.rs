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
}

/// The fuzz targets are those that are replayed.
#[test]
fn every_target_has_a_corpus() {
    let manifest = include_str!("../../fuzz/Cargo.toml");
    let targets: Vec<&str> = manifest.lines().filter_map(|line| line.strip_prefix("path = \"fuzz_targets/")).collect();
    assert_eq!(targets, ["form.rs\"", "basic.rs\"", "scope.rs\"", "refresh_token.rs\""]);
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
    fn anything(bytes: Vec<u8>) {
        checks::form(&bytes);
        checks::basic(&bytes);
        checks::scope(&bytes);
        checks::refresh_token(&bytes);
    }
}
