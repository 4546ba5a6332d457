//! The parts of the statements. Columns stand as the indexes have them, behind the name `movies`.

use sqlx::{Postgres, QueryBuilder};

use super::{By, Part};
use crate::movies::listing::{Filter, Listing, Place, Sort, SortKey, Value};

/// What a film is read with.
pub(super) const COLUMNS: &str =
    "movies.movie_id::bigint as movie_id, title, released, rating, lower(left(title, 100)) as title_place";

/// As the indexes have it.
pub(super) const fn column(key: SortKey) -> &'static str {
    match key {
        SortKey::MovieId => "movies.movie_id",
        SortKey::Title => "lower(left(title, 100)) collate \"C\"",
        SortKey::Released => "released",
        SortKey::Rating => "rating",
    }
}

/// The same value as no index has it, so that films are sorted and not read in the order of one.
const fn apart(key: SortKey) -> &'static str {
    match key {
        SortKey::MovieId => "movies.movie_id + 0",
        SortKey::Title => "(lower(left(title, 100)) || '') collate \"C\"",
        SortKey::Released => "released + 0",
        SortKey::Rating => "rating + 0",
    }
}

/// The same value in a stretch of the index, where it has a name: computed anew it would not be known to be in order already,
/// and the whole stretch be read and sorted.
const fn named(key: SortKey) -> &'static str {
    match key {
        SortKey::Title => "place",
        SortKey::MovieId | SortKey::Released | SortKey::Rating => column(key),
    }
}

impl By {
    pub(super) const fn column(self) -> &'static str {
        match self {
            Self::Released => "released",
            Self::Rating => "rating",
        }
    }
}

/// The filter by the value that is sorted by, which its index serves.
pub(super) fn push_own(query: &mut QueryBuilder<Postgres>, Listing { filter, sort, .. }: &Listing) {
    match sort.key {
        SortKey::MovieId | SortKey::Title => {}
        SortKey::Released => push_range(query, By::Released, filter),
        SortKey::Rating => push_range(query, By::Rating, filter),
    }
}

/// All the rest of the filter, of films that an index finds.
pub(super) fn push_rest(query: &mut QueryBuilder<Postgres>, wanted: &Listing) {
    if let Some(title) = &wanted.filter.title {
        query.push(" and array_to_tsvector(myapi.title_words(title)) @@ myapi.title_query(");
        query.push_bind(title.clone()).push(")");
    }
    push_other_ranges(query, wanted);
}

/// The same, of films that are at hand: that its longest word is in a title at all is seen at a hundredth of the price of
/// taking the title apart, and that it begins a word there at a tenth. Titles long enough for a word that is cut are taken apart.
pub(super) fn push_rest_at_hand(query: &mut QueryBuilder<Postgres>, wanted: &Listing) {
    if let Some(title) = &wanted.filter.title {
        query.push(" and strpos(lower(left(title, 1000)), myapi.title_part(").push_bind(title.clone()).push(")) <> 0");
        query.push(
            " and case when length(title) < 200 then lower(title)
                  else array_to_string(myapi.title_words(title), ' ') end ~ all (myapi.title_patterns(",
        );
        query.push_bind(title.clone()).push("))");
    }
    push_other_ranges(query, wanted);
}

fn push_other_ranges(query: &mut QueryBuilder<Postgres>, Listing { filter, sort, .. }: &Listing) {
    if sort.key != SortKey::Released {
        push_range(query, By::Released, filter);
    }
    if sort.key != SortKey::Rating {
        push_range(query, By::Rating, filter);
    }
}

/// The filter by years, or by ratings.
pub(super) fn push_range(query: &mut QueryBuilder<Postgres>, by: By, filter: &Filter) {
    match by {
        By::Released => {
            push_bound(query, " and released >= ", filter.year_min);
            push_bound(query, " and released <= ", filter.year_max);
        }
        By::Rating => {
            push_bound(query, " and rating >= ", filter.rating_min);
            push_bound(query, " and rating <= ", filter.rating_max);
        }
    }
}

fn push_bound<'q, T>(query: &mut QueryBuilder<Postgres>, condition: &str, bound: Option<T>)
where
    T: sqlx::Encode<'q, Postgres> + sqlx::Type<Postgres> + 'q,
{
    if let Some(bound) = bound {
        query.push(condition).push_bind(bound);
    }
}

/// Which half of the list, behind which place.
pub(super) fn push_part(query: &mut QueryBuilder<Postgres>, sort: Sort, part: Part<'_>) {
    let key = column(sort.key);
    let beyond = if sort.is_descending { "<" } else { ">" };
    match (part, sort.key) {
        (Part::Known(_), SortKey::MovieId) => {}
        (Part::Unknown(_), SortKey::MovieId) => drop(query.push(" and false")),
        (Part::Known(_), _) => drop(query.push(format!(" and {key} is not null"))),
        (Part::Unknown(_), _) => drop(query.push(format!(" and {key} is null"))),
    }
    match part {
        Part::Known(None) | Part::Unknown(None) | Part::Known(Some(Place { value: None, .. })) => {}
        Part::Unknown(Some(movie_id)) => {
            query.push(format!(" and movies.movie_id {beyond} ")).push_bind(movie_id);
        }
        Part::Known(Some(Place { value: Some(value), movie_id })) => {
            if *value == Value::None {
                query.push(format!(" and movies.movie_id {beyond} ")).push_bind(*movie_id);
                return;
            }
            query.push(format!(" and ({key}, movies.movie_id) {beyond} ("));
            match value {
                Value::None => {}
                Value::Title(title) => drop(query.push_bind(title.clone()).push(", ")),
                Value::Released(year) => drop(query.push_bind(*year).push(", ")),
                Value::Rating(rating) => drop(query.push_bind(*rating).push(", ")),
            }
            query.push_bind(*movie_id).push(")");
        }
    }
}

/// In the order of the index.
pub(super) fn push_order(query: &mut QueryBuilder<Postgres>, sort: Sort, limit: i64) {
    push_order_by(query, sort, column(sort.key), limit);
}

/// In the order of a stretch of the index.
pub(super) fn push_order_named(query: &mut QueryBuilder<Postgres>, sort: Sort, limit: i64) {
    push_order_by(query, sort, named(sort.key), limit);
}

/// In the same order, whatever index there is.
pub(super) fn push_order_apart(query: &mut QueryBuilder<Postgres>, sort: Sort, limit: i64) {
    push_order_by(query, sort, apart(sort.key), limit);
}

fn push_order_by(query: &mut QueryBuilder<Postgres>, sort: Sort, key: &str, limit: i64) {
    let direction = if sort.is_descending { "desc" } else { "asc" };
    // The limit is written out: for one that it does not know the planner takes a tenth of the table.
    query.push(match sort.key {
        SortKey::MovieId => format!(" order by {key} {direction} limit {limit}"),
        _ => format!(" order by {key} {direction}, movies.movie_id {direction} limit {limit}"),
    });
}
