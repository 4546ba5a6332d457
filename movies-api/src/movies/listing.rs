//! What can be asked of the list of films: filters, an order, and a place in it to go on from.
//!
//! Films of which the value that is sorted by is not known come last, whichever the direction.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rust_decimal::Decimal;

use super::model::{self, Movie, ValueError};

/// The first byte of every cursor of a list. Another layout gets another number, and old cursors are refused.
const VERSION: u8 = 2;
/// The most bytes of a title's place: 100 characters.
const MAX_TITLE_PLACE: usize = 400;

/// Which films are in the list; nothing asked for is no filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Each of its words begins some word of the title.
    pub title: Option<String>,
    /// Released in this year or later.
    pub year_min: Option<i32>,
    /// Released in this year or earlier.
    pub year_max: Option<i32>,
    /// Rated so or better.
    pub rating_min: Option<Decimal>,
    /// Rated so or worse.
    pub rating_max: Option<Decimal>,
}

/// The value that is sorted by; within it films are sorted by their key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortKey {
    /// The key alone.
    MovieId,
    /// The title's first hundred characters in lower case, by code point.
    Title,
    /// The year of release.
    Released,
    /// The rating.
    Rating,
}

/// An order of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub key: SortKey,
    /// The greatest first.
    pub is_descending: bool,
}

/// The names of [`Sort::read`]; a minus sign in front of one turns it around.
pub const SORT_NAMES: &str = "movie_id, title, released or rating, each also with - in front";

impl Sort {
    /// By ascending key.
    pub const DEFAULT: Self = Self { key: SortKey::MovieId, is_descending: false };

    /// Reads `title` or `-title`.
    ///
    /// # Errors
    /// [`ValueError::NotOneOf`] for any other text.
    pub fn read(text: &str) -> Result<Self, ValueError> {
        let (name, is_descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
        let key = match name {
            "movie_id" => SortKey::MovieId,
            "title" => SortKey::Title,
            "released" => SortKey::Released,
            "rating" => SortKey::Rating,
            _ => return Err(ValueError::NotOneOf(SORT_NAMES)),
        };
        Ok(Self { key, is_descending })
    }

    /// What [`Sort::read`] reads.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match (self.key, self.is_descending) {
            (SortKey::MovieId, false) => "movie_id",
            (SortKey::MovieId, true) => "-movie_id",
            (SortKey::Title, false) => "title",
            (SortKey::Title, true) => "-title",
            (SortKey::Released, false) => "released",
            (SortKey::Released, true) => "-released",
            (SortKey::Rating, false) => "rating",
            (SortKey::Rating, true) => "-rating",
        }
    }

    /// In a cursor.
    const fn code(self) -> u8 {
        let key = match self.key {
            SortKey::MovieId => 0,
            SortKey::Title => 2,
            SortKey::Released => 4,
            SortKey::Rating => 6,
        };
        if self.is_descending { key + 1 } else { key }
    }
}

/// A film in the list, with what the database sorts it by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The film.
    pub movie: Movie,
    /// The title as it is sorted; asked of the database, whose lower case is not everybody's.
    pub title_place: Option<String>,
}

impl Listed {
    /// Where it stands.
    #[must_use]
    pub fn place(&self, sort: Sort) -> Place {
        let value = match sort.key {
            SortKey::MovieId => Some(Value::None),
            SortKey::Title => self.title_place.clone().map(Value::Title),
            SortKey::Released => self.movie.released.map(Value::Released),
            SortKey::Rating => self.movie.rating.map(Value::Rating),
        };
        Place { value, movie_id: self.movie.movie_id }
    }
}

/// The value by which a film is sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Its key alone.
    None,
    /// Its title.
    Title(String),
    /// Its year.
    Released(i32),
    /// Its rating.
    Rating(Decimal),
}

/// The place of a film in a list; the next page holds what comes behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// `None` among the films of which it is not known, at the end.
    pub value: Option<Value>,
    /// The film's key.
    pub movie_id: i64,
}

impl Place {
    /// As base64url, opaque to clients.
    #[must_use]
    pub fn encode(&self, sort: Sort) -> String {
        let mut bytes = vec![VERSION, sort.code(), u8::from(self.value.is_some())];
        bytes.extend(self.movie_id.to_be_bytes());
        match &self.value {
            None | Some(Value::None) => {}
            Some(Value::Title(title)) => bytes.extend(title.bytes()),
            Some(Value::Released(year)) => bytes.extend(year.to_be_bytes()),
            Some(Value::Rating(rating)) => bytes.extend(rating.to_string().bytes()),
        }
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads what [`Place::encode`] wrote for the same order.
    ///
    /// # Errors
    /// [`ValueError::NotACursor`] for any other text.
    pub fn decode(text: &str, sort: Sort) -> Result<Self, ValueError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| ValueError::NotACursor)?;
        Self::from_bytes(&bytes, sort).ok_or(ValueError::NotACursor)
    }

    fn from_bytes(bytes: &[u8], sort: Sort) -> Option<Self> {
        let [VERSION, code, is_known, rest @ ..] = bytes else { return None };
        let (movie_id, value) = rest.split_first_chunk()?;
        let value = match (*is_known, sort.key) {
            (0, SortKey::Title | SortKey::Released | SortKey::Rating) if value.is_empty() => None,
            (1, SortKey::MovieId) if value.is_empty() => Some(Value::None),
            (1, SortKey::Title) => Some(Value::Title(title_place(value)?)),
            (1, SortKey::Released) => Some(Value::Released(i32::from_be_bytes(value.try_into().ok()?))),
            (1, SortKey::Rating) => Some(Value::Rating(model::rating(std::str::from_utf8(value).ok()?).ok()?)),
            _ => return None,
        };
        (*code == sort.code()).then_some(Self { value, movie_id: i64::from_be_bytes(*movie_id) })
    }
}

fn title_place(bytes: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(bytes).ok()?;
    // Postgres has no text with NUL in it.
    (text.len() <= MAX_TITLE_PLACE && !text.contains('\0')).then(|| text.to_owned())
}

/// One page of the list, as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Which films.
    pub filter: Filter,
    /// In which order.
    pub sort: Sort,
    /// At most so many.
    pub limit: u16,
    /// Behind this place; `None` for the first page.
    pub after: Option<Place>,
}

impl Listing {
    /// Whether films of which the value sorted by is not known can be in this list: a filter on it takes them out.
    #[must_use]
    pub const fn has_unknowns(&self) -> bool {
        let Filter { title, year_min, year_max, rating_min, rating_max } = &self.filter;
        match self.sort.key {
            SortKey::MovieId => false,
            SortKey::Title => title.is_none(),
            SortKey::Released => year_min.is_none() && year_max.is_none(),
            SortKey::Rating => rating_min.is_none() && rating_max.is_none(),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_place_comes_back_as_it_went_and_for_its_own_order_alone() {
        let values = [
            ("movie_id", Some(Value::None)),
            ("-title", Some(Value::Title("amélie".to_owned()))),
            ("title", None),
            ("released", Some(Value::Released(1998))),
            ("-rating", Some(Value::Rating(Decimal::new(81, 1)))),
            ("rating", None),
        ];
        for (name, value) in &values {
            let sort = Sort::read(name).unwrap();
            assert_eq!(sort.name(), *name);
            let place = Place { value: value.clone(), movie_id: -7 };
            let text = place.encode(sort);
            assert_eq!(Place::decode(&text, sort), Ok(place), "{name}");
            for (other, _) in values.iter().filter(|(other, _)| other != name) {
                assert_eq!(Place::decode(&text, Sort::read(other).unwrap()), Err(ValueError::NotACursor));
            }
        }
    }

    proptest! {
        #[test]
        fn garbage_is_refused_and_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..40), key in 0..4_u8) {
            let text = URL_SAFE_NO_PAD.encode([&[VERSION, key * 2, 1][..], &bytes].concat());
            for name in ["movie_id", "title", "released", "rating"] {
                let sort = Sort::read(name).unwrap();
                if let Ok(place) = Place::decode(&text, sort) {
                    prop_assert_eq!(sort.code(), key * 2);
                    prop_assert_eq!(Place::decode(&place.encode(sort), sort), Ok(place));
                }
            }
        }
    }
}
