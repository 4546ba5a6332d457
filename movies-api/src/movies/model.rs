//! A film, and the grammar of its fields. Queries and files are read by the same rules.

use rust_decimal::Decimal;
use serde::Serialize;
use utoipa::ToSchema;

/// A row of `myapi.movies`, and the JSON of the API. A table that was adopted from the old application may hold nulls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Movie {
    /// The key.
    #[schema(example = 1)]
    pub movie_id: i64,
    /// The title as it is catalogued.
    #[schema(required, example = "The Land Girls")]
    pub title: Option<String>,
    /// The year of release.
    #[schema(required, example = 1998)]
    pub released: Option<i32>,
    /// 0.0 to 9.9 with one decimal; a number in JSON, never rounded.
    #[schema(required, value_type = Option<f64>, example = 6.1)]
    pub rating: Option<Decimal>,
}

/// What a film is beside its key. Whatever is stored through the API has all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Film {
    /// The title as it is catalogued.
    pub title: String,
    /// The year of release.
    pub released: i32,
    /// 0.0 to 9.9 with one decimal.
    pub rating: Decimal,
}

/// New values of some fields of a film; `None` leaves a field as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Another title.
    pub title: Option<String>,
    /// Another year of release.
    pub released: Option<i32>,
    /// Another rating.
    pub rating: Option<Decimal>,
}

/// The films of one year of release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct YearStats {
    /// The year of release.
    #[schema(example = 1998)]
    pub released: i32,
    /// How many films.
    #[schema(example = 115)]
    pub movies: i64,
    /// How many of them have a rating.
    #[schema(example = 110)]
    pub rated: i64,
    /// The worst rating.
    #[schema(required, value_type = Option<f64>, example = 1.6)]
    pub lowest_rating: Option<Decimal>,
    /// The mean of the ratings, with two decimals.
    #[schema(required, value_type = Option<f64>, example = 6.21)]
    pub mean_rating: Option<Decimal>,
    /// The best rating.
    #[schema(required, value_type = Option<f64>, example = 8.5)]
    pub highest_rating: Option<Decimal>,
}

/// Why a text is not the value of a field. The texts continue "the field …".
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// Not there at all.
    #[error("is missing")]
    Missing,
    /// There, and empty.
    #[error("is empty")]
    Empty,
    /// A text where a number belongs, a number where a text belongs.
    #[error("must be text")]
    NotText,
    /// Digits with an optional minus sign are asked for; `1e3`, `+1` and `1.0` are none.
    #[error("must be a whole number")]
    NotWhole,
    /// Such as `seven`, `8,1`, `1e1`, `NaN`.
    #[error("must be a number such as 7 or 8.1")]
    NotDecimal,
    /// Such as 8.15, which would have to be rounded.
    #[error("must have at most one decimal")]
    TooPrecise,
    /// A number outside of what the field takes; the text says the bounds.
    #[error("must be between {0} and {1}")]
    OutOfRange(&'static str, &'static str),
    /// More characters than a field holds.
    #[error("is longer than {0} characters")]
    TooLong(usize),
    /// Postgres cannot store U+0000 in a text.
    #[error("holds a NUL character")]
    Nul,
    /// Bytes that are no UTF-8.
    #[error("is not valid UTF-8")]
    NotUtf8,
    /// JSON `null` where a value belongs.
    #[error("must have a value")]
    Null,
    /// None of the names that the field takes.
    #[error("must be {0}")]
    NotOneOf(&'static str),
    /// A member that nobody asks for.
    #[error("is not a member of a movie")]
    NotAMember,
    /// A key in the body that is not the address's.
    #[error("must be the movie_id of the address")]
    OtherKey,
    /// A cursor that this service did not make.
    #[error("is not a cursor of this service")]
    NotACursor,
}

/// Reads digits with an optional minus sign; every `i64` is accepted, since a key that no row has is just not found.
///
/// # Errors
/// [`ValueError`] for anything else.
pub fn movie_id(text: &str) -> Result<i64, ValueError> {
    const RANGE: ValueError = ValueError::OutOfRange("-9223372036854775808", "9223372036854775807");
    is_whole(text)?.parse().map_err(|_| RANGE)
}

/// Reads the key of a film that is to be stored: a positive `integer` of Postgres, or 0.
///
/// # Errors
/// [`ValueError`] for anything else.
pub fn new_movie_id(text: &str) -> Result<i64, ValueError> {
    whole_between(text, 0, i64::from(i32::MAX), ValueError::OutOfRange("0", "2147483647"))
}

/// Reads the year from which a list starts.
///
/// # Errors
/// [`ValueError`] for anything but 0 to 9999.
pub fn year(text: &str) -> Result<i32, ValueError> {
    const RANGE: ValueError = ValueError::OutOfRange("0", "9999");
    whole_between(text, 0, 9999, RANGE)?.try_into().map_err(|_| RANGE)
}

/// Reads a film's year of release: four digits, so that `46` never passes for 1946.
///
/// # Errors
/// [`ValueError`] for anything but 1000 to 9999.
pub fn released(text: &str) -> Result<i32, ValueError> {
    const RANGE: ValueError = ValueError::OutOfRange("1000", "9999");
    whole_between(text, 1000, 9999, RANGE)?.try_into().map_err(|_| RANGE)
}

/// Reads the size of a page.
///
/// # Errors
/// [`ValueError`] for anything but 1 to `max`.
pub fn limit(text: &str, max: u16) -> Result<u16, ValueError> {
    const RANGE: ValueError = ValueError::OutOfRange("1", "1000");
    whole_between(text, 1, i64::from(max), RANGE)?.try_into().map_err(|_| RANGE)
}

/// Reads a rating: one digit, and one more behind a point if need be.
///
/// # Errors
/// [`ValueError`] for anything else; nothing is rounded.
pub fn rating(text: &str) -> Result<Decimal, ValueError> {
    const RANGE: ValueError = ValueError::OutOfRange("0.0", "9.9");
    if text.is_empty() {
        return Err(ValueError::Empty);
    }
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |digits| ("-", digits));
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, "0"));
    let is_padded = whole.len() > 1 && whole.starts_with('0');
    if !are_digits(whole) || !are_digits(decimals) || is_padded {
        return Err(ValueError::NotDecimal);
    }
    if !sign.is_empty() || whole.len() > 1 {
        return Err(RANGE);
    }
    if decimals.len() > 1 {
        return Err(ValueError::TooPrecise);
    }
    let tenths: i64 = format!("{whole}{decimals}").parse().map_err(|_| ValueError::NotDecimal)?;
    Ok(Decimal::new(tenths, 1))
}

/// The longest text that titles are searched for, in characters.
pub const MAX_SEARCH: usize = 200;

/// Checks what titles are searched for: not empty, and not too long.
///
/// # Errors
/// [`ValueError`] with what is wrong.
pub fn search(text: &str) -> Result<String, ValueError> {
    if text.trim().is_empty() {
        return Err(ValueError::Empty);
    }
    if text.chars().nth(MAX_SEARCH).is_some() {
        return Err(ValueError::TooLong(MAX_SEARCH));
    }
    Ok(text.to_owned())
}

/// The longest title that is stored, in characters.
pub const MAX_TITLE: usize = 1000;

/// Checks a title: neither blank nor too long, and without NUL.
///
/// # Errors
/// [`ValueError`] with what is wrong.
pub fn title(text: &str) -> Result<String, ValueError> {
    if text.contains('\0') {
        return Err(ValueError::Nul);
    }
    if text.trim().is_empty() {
        return Err(ValueError::Empty);
    }
    if text.chars().nth(MAX_TITLE).is_some() {
        return Err(ValueError::TooLong(MAX_TITLE));
    }
    Ok(text.to_owned())
}

fn whole_between(text: &str, min: i64, max: i64, range: ValueError) -> Result<i64, ValueError> {
    let number: i64 = is_whole(text)?.parse().map_err(|_| range)?;
    if (min..=max).contains(&number) { Ok(number) } else { Err(range) }
}

fn is_whole(text: &str) -> Result<&str, ValueError> {
    match text.strip_prefix('-').unwrap_or(text) {
        "" if text.is_empty() => Err(ValueError::Empty),
        digits if are_digits(digits) => Ok(text),
        _ => Err(ValueError::NotWhole),
    }
}

fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("8", "8.0")]
    #[case("8.0", "8.0")]
    #[case("8.1", "8.1")]
    #[case("0", "0.0")]
    #[case("9.9", "9.9")]
    fn a_rating_keeps_its_one_decimal(#[case] text: &str, #[case] kept: &str) {
        assert_eq!(rating(text).unwrap().to_string(), kept);
    }

    #[rstest::rstest]
    #[case("", ValueError::Empty)]
    #[case("8.15", ValueError::TooPrecise)]
    #[case("8.10", ValueError::TooPrecise)]
    #[case("10", ValueError::OutOfRange("0.0", "9.9"))]
    #[case("-0", ValueError::OutOfRange("0.0", "9.9"))]
    #[case("1e0", ValueError::NotDecimal)]
    #[case("NaN", ValueError::NotDecimal)]
    #[case("inf", ValueError::NotDecimal)]
    #[case("8,1", ValueError::NotDecimal)]
    #[case("08", ValueError::NotDecimal)]
    #[case(".5", ValueError::NotDecimal)]
    #[case("5.", ValueError::NotDecimal)]
    #[case("٨", ValueError::NotDecimal)]
    fn what_is_no_rating_is_refused(#[case] text: &str, #[case] reason: ValueError) {
        assert_eq!(rating(text), Err(reason));
    }

    #[test]
    fn a_number_is_written_as_it_was_read() {
        let movie = Movie { movie_id: 1, title: None, released: None, rating: Some(Decimal::new(81, 1)) };
        let whole = Movie { rating: Some(Decimal::new(80, 1)), ..movie.clone() };
        assert!(serde_json::to_string(&movie).unwrap().ends_with(r#""rating":8.1}"#));
        assert!(serde_json::to_string(&whole).unwrap().ends_with(r#""rating":8.0}"#));
    }
}
