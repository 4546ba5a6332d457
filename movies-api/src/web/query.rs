//! Reads a query or a path segment strictly: what is ambiguous is refused, never repaired.
//!
//! A parameter that is asked for and there twice, a broken percent escape, bytes that are no UTF-8 and NUL are errors;
//! parameters that nobody asks for are ignored.

use http::StatusCode;
use shared::http::problem::Problem;

/// Why a request cannot be understood at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// `%` without two hexadecimal digits behind it.
    #[error("A percent sign is not followed by two hexadecimal digits.")]
    Escape,
    /// What the escapes stand for is no text.
    #[error("A percent-encoded text is not valid UTF-8.")]
    Utf8,
    /// Nothing that this service stores can hold U+0000.
    #[error("A NUL character is in the request.")]
    Nul,
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
            Ok((decode(&name.replace('+', " "))?, decode(&value.replace('+', " "))?))
        });
        decoded.collect::<Result<_, _>>().map(Self)
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

/// Undoes percent-encoding, as in a path segment.
///
/// # Errors
/// [`Malformed`] for a broken escape, for bytes that are no UTF-8, and for NUL.
pub fn decode(text: &str) -> Result<String, Malformed> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let decoded = if byte == b'%' {
            let high = rest.next().and_then(hex_digit).ok_or(Malformed::Escape)?;
            let low = rest.next().and_then(hex_digit).ok_or(Malformed::Escape)?;
            high * 16 + low
        } else {
            byte
        };
        if decoded == 0 {
            return Err(Malformed::Nul);
        }
        bytes.push(decoded);
    }
    String::from_utf8(bytes).map_err(|_| Malformed::Utf8)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("a=%", Malformed::Escape)]
    #[case("a=%4", Malformed::Escape)]
    #[case("a=%ZZ", Malformed::Escape)]
    #[case("a=%u0041", Malformed::Escape)]
    #[case("a=%ff", Malformed::Utf8)]
    #[case("a=b%00", Malformed::Nul)]
    #[case("%00=b", Malformed::Nul)]
    fn what_cannot_be_decoded_is_refused(#[case] raw: &str, #[case] why: Malformed) {
        assert_eq!(Query::read(Some(raw)), Err(why));
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
