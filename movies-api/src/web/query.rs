//! Reads a query strictly: what is ambiguous is refused, never repaired.
//!
//! A parameter that is asked for and there twice, a broken percent escape, bytes that are no UTF-8 and NUL are errors;
//! parameters that nobody asks for are ignored.

use http::StatusCode;
use shared::http::percent::{DecodeError, decode_form};
use shared::http::problem::Problem;

/// Why a request cannot be understood at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A percent-encoded text that stands for none.
    #[error(transparent)]
    Encoding(#[from] DecodeError),
    /// Which of the two counts would be a guess.
    #[error("The parameter {0} is there more than once.")]
    Repeated(&'static str),
}

impl From<Malformed> for Problem {
    fn from(malformed: Malformed) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "request_malformed", "The request is malformed")
            .detail(malformed.to_string())
    }
}

/// The parameters of a query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Splits and decodes a raw query, in which `+` is a space.
    ///
    /// # Errors
    /// [`Malformed`], for any parameter in it.
    pub fn read(raw: Option<&str>) -> Result<Self, Malformed> {
        let pairs = raw.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        let decoded = pairs.map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode_form(name)?, decode_form(value)?))
        });
        decoded.collect::<Result<_, Malformed>>().map(Self)
    }

    /// The value of a parameter, or `None` when it is not there.
    ///
    /// # Errors
    /// [`Malformed::Repeated`].
    pub fn find(&self, name: &'static str) -> Result<Option<&str>, Malformed> {
        let mut values = self.0.iter().filter(|(found, _)| found == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (value, None) => Ok(value),
            (_, Some(_)) => Err(Malformed::Repeated(name)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("a=%", DecodeError::Escape)]
    #[case("a=%4", DecodeError::Escape)]
    #[case("a=%ZZ", DecodeError::Escape)]
    #[case("a=%u0041", DecodeError::Escape)]
    #[case("a=%ff", DecodeError::Utf8)]
    #[case("a=b%00", DecodeError::Nul)]
    #[case("%00=b", DecodeError::Nul)]
    fn what_cannot_be_decoded_is_refused(#[case] raw: &str, #[case] why: DecodeError) {
        assert_eq!(Query::read(Some(raw)), Err(why.into()));
    }

    #[test]
    fn only_what_is_asked_for_may_not_be_repeated() {
        let query = Query::read(Some("x=1&x=2&year=2000&&rating=8%2E1&na+me")).unwrap();
        assert_eq!(query.find("x"), Err(Malformed::Repeated("x")));
        assert_eq!(query.find("year"), Ok(Some("2000")));
        assert_eq!(query.find("rating"), Ok(Some("8.1")));
        assert_eq!(query.find("na me"), Ok(Some("")));
        assert_eq!(query.find("limit"), Ok(None));
    }
}
