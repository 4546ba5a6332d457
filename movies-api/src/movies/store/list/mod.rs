//! The list of films, whose statement depends on what is asked for: never more work than a page is worth, however many films
//! there are. Which way leads there:
//!
//! 1. Nothing is filtered, or by the value that is sorted by: the index of that order is read from the place on
//!    ([`ways::ordered`]).
//! 2. Films of some years by rating or key, or of some ratings by year or key: of each year (rating) that there is its first
//!    films in the order, merged ([`ways::merged`]). Years and ratings are few. Where most films fit anyway, they are found
//!    in the first stretch of the order ([`ways::near`]).
//! 3. A search for words, and whatever else has no index of its own: the planner's statistics tell how many films fit. Few
//!    are gathered and sorted ([`ways::gathered`]); many are soon met in a stretch of the order's index that is long enough,
//!    and only where they are not, as with `the` sorted by title, all of them are gathered after all. A short beginning of a
//!    word can be in every title while the statistics know no word that begins so: before films are gathered by one, a few
//!    pages of the table are looked at ([`ways::sample`]). So nothing reads more than those, a stretch of the index and the
//!    films that fit, each once.

mod clauses;
mod ways;

use shared::db::{Conn, DbError};

use crate::movies::listing::{Filter, Listed, Listing, Place, SortKey};

/// How often as many films as the page has are looked through before another way is taken.
const NEAR: i64 = 4;
/// The longest stretch of an index that is read in the hope of films that fit.
const MAX_STRETCH: i64 = 30_000;

/// Words up to so many letters begin more titles than the statistics know of.
const SHORT: usize = 4;
/// How many films are looked at to know better.
const SAMPLE: f64 = 500.0;
/// With fewer films than this a wrong estimate costs no more than to know better.
const MIN_SAMPLED: f64 = 20_000.0;

/// Which half of the list: films of which the value that is sorted by is not known come last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::movies) enum Part<'a> {
    /// It is known; behind this place.
    Known(Option<&'a Place>),
    /// It is not; with keys behind this one.
    Unknown(Option<i64>),
}

/// A value that few films differ by, and that films are filtered by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Released,
    Rating,
}

/// How a page is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Ordered,
    Merged(By),
    Estimated,
}

/// At most `limit` films of this part of the list.
pub(in crate::movies) async fn list(
    conn: &mut Conn,
    wanted: &Listing,
    part: Part<'_>,
    limit: i64,
) -> Result<Vec<Listed>, DbError> {
    match way(wanted) {
        Way::Ordered => ways::ordered(conn, wanted, part, limit).await,
        Way::Merged(by) => match full(ways::near(conn, wanted, part, (limit, limit * NEAR)).await?, limit) {
            Some(found) => Ok(found),
            None => ways::merged(conn, wanted, part, (limit, by)).await,
        },
        Way::Estimated => {
            let estimate = ways::estimate(conn, wanted).await?;
            let stretch = match stretch(estimate, limit) {
                None if is_doubtful(wanted.filter.title.as_deref(), estimate) => {
                    stretch(ways::sample(conn, wanted, (SAMPLE, estimate.movies)).await?, limit)
                }
                known => known,
            };
            let near = match stretch {
                Some(stretch) => full(ways::near(conn, wanted, part, (limit, stretch)).await?, limit),
                None => None,
            };
            match near {
                Some(found) => Ok(found),
                None => ways::gathered(conn, wanted, part, limit).await,
            }
        }
    }
}

fn full(found: Vec<Listed>, limit: i64) -> Option<Vec<Listed>> {
    i64::try_from(found.len()).is_ok_and(|count| count >= limit).then_some(found)
}

fn way(Listing { filter, sort, .. }: &Listing) -> Way {
    let Filter { title, year_min, year_max, rating_min, rating_max } = filter;
    let is_released = sort.key != SortKey::Released && (year_min.is_some() || year_max.is_some());
    let is_rating = sort.key != SortKey::Rating && (rating_min.is_some() || rating_max.is_some());
    match (title, sort.key, is_released, is_rating) {
        (None, _, false, false) => Way::Ordered,
        (None, SortKey::MovieId | SortKey::Rating, true, false) => Way::Merged(By::Released),
        (None, SortKey::MovieId | SortKey::Released, false, true) => Way::Merged(By::Rating),
        _ => Way::Estimated,
    }
}

/// Of all `movies` as many as `matches` fit, says the planner.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Estimate {
    matches: f64,
    movies: f64,
}

/// Whether there may be many more matches than the planner says.
fn is_doubtful(title: Option<&str>, Estimate { movies, .. }: Estimate) -> bool {
    let is_short = |word: &str| (1..=SHORT).contains(&word.chars().count());
    let has_short = |title: &str| title.split(|letter: char| !letter.is_alphanumeric()).any(is_short);
    movies >= MIN_SAMPLED && title.is_some_and(has_short)
}

/// How much of the order's index is worth reading; `None` where gathering all matches is less work.
fn stretch(Estimate { matches, movies }: Estimate, limit: i64) -> Option<i64> {
    #[expect(clippy::cast_precision_loss, reason = "a page of a thousand at most")]
    let page = limit as f64;
    // A film costs about the same either way: `matches` of them, or a page's worth times `movies / matches`.
    if matches * matches <= page * movies {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, reason = "bounded in the same breath")]
    let likely = (3.0 * page * movies / matches).min(MAX_STRETCH as f64) as i64;
    Some(likely.max(limit * NEAR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("a word in a few titles", 16.0, 1e6, None)]
    #[case("in a hundredth", 10_000.0, 1e6, None)]
    #[case("in three hundredths", 30_000.0, 1e6, Some(10_100))]
    #[case("in a fiftieth", 20_000.0, 1e6, Some(15_150))]
    #[case("in a third", 300_000.0, 1e6, Some(1010))]
    #[case("in all", 1e6, 1e6, Some(404))]
    #[case("in a third of few", 900.0, 3000.0, Some(1010))]
    #[case("in some of few", 80.0, 3000.0, None)]
    #[case("of a table without statistics", 50.0, 0.0, Some(404))]
    #[case("in a fiftieth of very many", 2e7, 1e9, Some(15_150))]
    fn a_stretch_is_as_long_as_the_matches_are_far_apart(
        #[case] what: &str,
        #[case] matches: f64,
        #[case] movies: f64,
        #[case] expected: Option<i64>,
    ) {
        assert_eq!(stretch(Estimate { matches, movies }, 101), expected, "{what}");
    }

    #[rstest::rstest]
    #[case("no title", None, 1e6, false)]
    #[case("a letter", Some("x"), 1e6, true)]
    #[case("of few films", Some("x"), 3000.0, false)]
    #[case("a letter of two bytes", Some("\u{e9}"), 1e6, true)]
    #[case("a whole word", Some("mofudo"), 1e6, false)]
    #[case("a whole word and the beginning of another", Some("mofudo, x7"), 1e6, true)]
    #[case("no word", Some(" - "), 1e6, false)]
    fn short_beginnings_are_looked_at(
        #[case] what: &str,
        #[case] title: Option<&str>,
        #[case] movies: f64,
        #[case] expected: bool,
    ) {
        assert_eq!(is_doubtful(title, Estimate { matches: 10.0, movies }), expected, "{what}");
    }
}
