//! Where the next page of `/movies/new` begins: opaque to clients, checked when it comes back.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::model::ValueError;

/// The first byte of every cursor. Another layout gets another number, and old cursors are refused.
const VERSION: u8 = 1;

/// The sort key of the last film of a page; the next page holds what sorts behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The last film's year of release.
    pub released: i32,
    /// The last film's key.
    pub movie_id: i64,
}

impl Cursor {
    /// Sorts before every film, so that the first page is a page like any other.
    pub const START: Self = Self { released: i32::MAX, movie_id: i64::MAX };

    /// 18 characters of base64url.
    #[must_use]
    pub fn encode(self) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(self.released.to_be_bytes());
        bytes.extend(self.movie_id.to_be_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what [`Cursor::encode`] wrote, and nothing else.
    ///
    /// # Errors
    /// [`ValueError::NotACursor`] for any other text.
    pub fn decode(text: &str) -> Result<Self, ValueError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| ValueError::NotACursor)?;
        let [VERSION, position @ ..] = bytes.as_slice() else {
            return Err(ValueError::NotACursor);
        };
        let (released, movie_id) = position.split_first_chunk().ok_or(ValueError::NotACursor)?;
        Ok(Self {
            released: i32::from_be_bytes(*released),
            movie_id: i64::from_be_bytes(movie_id.try_into().map_err(|_| ValueError::NotACursor)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_cursor_comes_back_as_it_went(released: i32, movie_id: i64) {
            let cursor = Cursor { released, movie_id };
            prop_assert_eq!(Cursor::decode(&cursor.encode()), Ok(cursor));
        }

        #[test]
        fn garbage_is_refused_and_never_panics(text in ".*") {
            // One text, one cursor: whatever decodes is what we would have written.
            if let Ok(cursor) = Cursor::decode(&text) {
                prop_assert_eq!(cursor.encode(), text);
            }
        }

        #[test]
        fn bytes_that_look_like_a_cursor_are_one_only_at_full_length(bytes in prop::collection::vec(any::<u8>(), 0..32)) {
            let text = URL_SAFE_NO_PAD.encode(&bytes);
            let is_cursor = bytes.len() == 13 && bytes.first() == Some(&VERSION);
            prop_assert_eq!(Cursor::decode(&text).is_ok(), is_cursor);
        }
    }
}
