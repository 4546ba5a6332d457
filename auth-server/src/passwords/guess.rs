//! What of a password is in everybody's guess.
//!
//! It is taken away, and what is left has to be long enough to be a password by itself ([`SHORTEST`]). In this order:
//!
//! 1. words of the owner (name, e-mail address and its domain) and of the deployment (its hosts, its products);
//! 2. runs along the keyboard, the alphabet or the digits, forwards or backwards, of [`SHORTEST_RUN`] or more;
//! 3. up to two passwords of the compiled-in list, each as often as it stands there: more would strike at phrases, which
//!    are made of common words and good;
//! 4. repetitions: `abcabcabc` counts as `abc`.
//!
//! All of it is looked for in the NFKC form in lower case; what is hashed stays as it was typed.

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::Weakness;
use super::common::{self, is_common};
use super::policy::SHORTEST;

/// Shorter words of a name (`de`, `Li`) would strike at random.
const SHORTEST_WORD: usize = 4;
/// Shorter runs stand in words (`poiu` does not, `rty` does).
const SHORTEST_RUN: usize = 5;
/// Passwords of the list that are taken away.
const COMMON_PARTS: usize = 2;
/// Words that every user of this deployment would think of, beside those of its settings.
const SERVICE_WORDS: [&str; 2] = ["movies", "myapi"];
/// What fingers run along.
const ROWS: [&str; 8] = [
    "abcdefghijklmnopqrstuvwxyz",
    "01234567890123456789",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
];

/// What is weak about `password` apart from its length, for the owner of `words`.
pub(super) fn find_weakness<'a>(password: &str, words: impl Iterator<Item = &'a str>) -> Option<Weakness> {
    let folded = fold(password);
    if is_common(&folded) {
        return Some(Weakness::Common);
    }
    let left = without_words(folded, words.flat_map(parts).chain(SERVICE_WORDS));
    if is_too_little(&left) {
        return Some(Weakness::Guessable);
    }
    let mut left = without_runs(&left);
    for _ in 0..COMMON_PARTS {
        let Some(part) = common::find_longest(&left) else { break };
        left = Zeroizing::new(left.replace(part, ""));
    }
    (is_too_little(&left) || is_too_little(unit(&left))).then_some(Weakness::Common)
}

fn is_too_little(left: &str) -> bool {
    left.chars().count() < SHORTEST
}

/// A name, an address or a host as a whole, what stands before and behind its `@`, and its words.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let sides = text.rsplit_once('@').map(|(local, domain)| [local, domain]);
    std::iter::once(text).chain(sides.into_iter().flatten()).chain(text.split(|letter: char| !letter.is_alphanumeric()))
}

fn without_words<'a>(mut left: Zeroizing<String>, words: impl Iterator<Item = &'a str>) -> Zeroizing<String> {
    for word in words {
        let word = fold(word);
        if word.chars().count() >= SHORTEST_WORD && left.contains(word.as_str()) {
            left = Zeroizing::new(left.replace(word.as_str(), ""));
        }
    }
    left
}

/// Takes away what stands in one of [`ROWS`] in the same order, or backwards.
fn without_runs(text: &str) -> Zeroizing<String> {
    let backwards: Vec<String> = ROWS.iter().map(|row| row.chars().rev().collect()).collect();
    let mut left = Zeroizing::new(String::with_capacity(text.len()));
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let runs = ROWS.iter().copied().chain(backwards.iter().map(String::as_str));
        let run = runs.map(|row| common_beginning(rest, row)).max().unwrap_or_default();
        let taken = if run >= SHORTEST_RUN {
            run
        } else {
            left.push(first);
            first.len_utf8()
        };
        rest = rest.get(taken..).unwrap_or_default();
    }
    left
}

/// How many letters at the beginning of `text` stand somewhere in `row` in the same order; those of a row are ASCII.
fn common_beginning(text: &str, row: &str) -> usize {
    let from = |at: usize| text.bytes().zip(row.bytes().skip(at)).take_while(|(one, other)| one == other).count();
    (0..row.len()).map(from).max().unwrap_or_default()
}

/// The shortest text that `text` is a repetition of, the last time perhaps in part.
fn unit(text: &str) -> &str {
    let lengths = text.char_indices().map(|(at, _)| at).skip(1);
    let repeats = |at: &usize| text.get(*at..).is_some_and(|tail| text.starts_with(tail));
    lengths.into_iter().find(repeats).and_then(|at| text.get(..at)).unwrap_or(text)
}

/// For comparing with words only; what is hashed keeps its case.
fn fold(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.nfkc().flat_map(char::to_lowercase).collect())
}
