//! Which content of a film a client knows: the entity tag of its JSON, and the conditions that speak of it (RFC 9110
//! sections 8.8.3 and 13).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use super::model::Movie;

/// The layout of the JSON. Another layout gets another number, since a strong tag stands for the very bytes.
const LAYOUT: u8 = 1;

/// One content of one film, as a strong entity tag without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version(String);

impl Version {
    /// Another one for every other content; the same on every replica.
    #[must_use]
    pub fn of(movie: &Movie) -> Self {
        let Movie { movie_id, title, released, rating } = movie;
        // The escapes of `Debug` keep one field from looking like two.
        let content =
            format!("{LAYOUT} {movie_id} {title:?} {released:?} {:?}", rating.map(|rating| rating.normalize()));
        let hash = Sha256::digest(content.as_bytes());
        // 128 bits: nobody finds two contents of one film by chance.
        Self(URL_SAFE_NO_PAD.encode(hash.first_chunk::<16>().map_or(&[][..], |start| start)))
    }
}

/// As it stands in `ETag`.
impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// Which versions a condition names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Versions {
    /// `*`: whichever there is.
    Any,
    /// These: whether it is a weak tag, and its text.
    Listed(Vec<(bool, String)>),
}

impl Versions {
    /// Reads `*` or `1#entity-tag` (RFC 9110 section 8.8.3). `None` for anything else.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        const SPACE: [char; 2] = [' ', '\t'];
        if text.trim_matches(SPACE) == "*" {
            return Some(Self::Any);
        }
        let mut listed = Vec::new();
        let mut rest = text;
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                break;
            }
            let (is_weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |quoted| (true, quoted));
            let (tag, behind) = quoted.strip_prefix('"')?.split_once('"')?;
            if !tag.chars().all(|c| c == '!' || ('#'..='~').contains(&c)) {
                return None;
            }
            listed.push((is_weak, tag.to_owned()));
            rest = behind.trim_start_matches(SPACE);
            if !rest.is_empty() && !rest.starts_with(',') {
                return None;
            }
        }
        (!listed.is_empty()).then_some(Self::Listed(listed))
    }

    /// Strong comparison, for `If-Match`: a weak tag is never the same.
    fn holds_strongly(&self, current: Option<&Version>) -> bool {
        self.holds(current, |is_weak| !is_weak)
    }

    /// Weak comparison, for `If-None-Match`.
    fn holds_weakly(&self, current: Option<&Version>) -> bool {
        self.holds(current, |_| true)
    }

    fn holds(&self, current: Option<&Version>, may_count: impl Fn(bool) -> bool) -> bool {
        let Some(Version(current)) = current else { return false };
        match self {
            Self::Any => true,
            Self::Listed(listed) => listed.iter().any(|(is_weak, tag)| may_count(*is_weak) && tag == current),
        }
    }
}

/// The conditions of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// Only if the film has one of these contents.
    pub if_match: Option<Versions>,
    /// Only if it has none of them.
    pub if_none_match: Option<Versions>,
}

/// What the conditions say of what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Go on.
    Met,
    /// The client has this content already: 304 for a read, and a write must not be.
    Known,
    /// The content is not what the client takes it for.
    Failed,
}

impl Conditions {
    /// In the order of RFC 9110 section 13.2.2; `None` where there is no film.
    #[must_use]
    pub fn judge(&self, current: Option<&Version>) -> Verdict {
        if self.if_match.as_ref().is_some_and(|wanted| !wanted.holds_strongly(current)) {
            return Verdict::Failed;
        }
        match &self.if_none_match {
            Some(known) if known.holds_weakly(current) => Verdict::Known,
            _ => Verdict::Met,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("*", Some(Versions::Any))]
    #[case(" \"a\" ", Some(Versions::Listed(vec![(false, "a".to_owned())])))]
    #[case("W/\"a\",, \"b,c\"", Some(Versions::Listed(vec![(true, "a".to_owned()), (false, "b,c".to_owned())])))]
    #[case("\"\"", Some(Versions::Listed(vec![(false, String::new())])))]
    #[case("", None)]
    #[case(",", None)]
    #[case("a", None)]
    #[case("\"a", None)]
    #[case("\"a\" \"b\"", None)]
    #[case("w/\"a\"", None)]
    #[case("\"a b\"", None)]
    #[case("*, \"a\"", None)]
    fn lists_of_tags_are_read_strictly(#[case] text: &str, #[case] read: Option<Versions>) {
        assert_eq!(Versions::read(text), read);
    }

    #[test]
    fn each_content_has_its_own_version() {
        let movie = Movie { movie_id: 1, title: Some("Up".to_owned()), released: Some(2009), rating: None };
        let others = [
            Movie { movie_id: 2, ..movie.clone() },
            Movie { title: None, ..movie.clone() },
            Movie { title: Some("up".to_owned()), ..movie.clone() },
            Movie { released: None, ..movie.clone() },
            Movie { rating: Some(rust_decimal::Decimal::new(84, 1)), ..movie.clone() },
        ];
        let version = Version::of(&movie);
        assert_eq!(version, Version::of(&movie.clone()));
        assert!(others.iter().all(|other| Version::of(other) != version));
        let [zero, zeros] = [(0, 0), (0, 1)].map(|(n, scale)| rust_decimal::Decimal::new(n, scale));
        let rated = |rating| Version::of(&Movie { rating: Some(rating), ..movie.clone() });
        assert_eq!(rated(zero), rated(zeros), "their JSON is the same");
    }
}
