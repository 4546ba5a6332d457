//! The query of `GET /movies`, of `GET /movies/stats` and of `GET /movies/export`.

use shared::http::problem::Problem;
use url::form_urlencoded::Serializer;

use crate::config::{DEFAULT_PAGE, MAX_PAGE};
use crate::movies::files::Format;
use crate::movies::listing::{Filter, Listing, Place, Sort};
use crate::movies::model::{self, ValueError};
use crate::routes;
use crate::web::fields::Fields;
use crate::web::query::Query;

/// What `GET /movies` is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// One film, as the application did that this service takes the place of.
    One(i64),
    /// A page of the list.
    Page(Listing),
}

/// Reads the query of `GET /movies`: with `movie_id` it is about that film alone.
///
/// # Errors
/// 400 when the query is malformed, 422 naming every parameter that does not fit.
pub fn one_or_page(raw: Option<&str>) -> Result<Wanted, Problem> {
    let query = Query::read(raw)?;
    match query.find("movie_id")? {
        Some(_) => super::movie_id_of_query(raw).map(Wanted::One),
        None => page(&query).map(Wanted::Page),
    }
}

fn page(query: &Query) -> Result<Listing, Problem> {
    let mut fields = Fields::default();
    let title = fields.optional("title", query.find("title")?, None, |text| model::search(text).map(Some));
    let year_min = fields.optional("year_min", query.find("year_min")?, None, |text| model::year(text).map(Some));
    let year_max = fields.optional("year_max", query.find("year_max")?, None, |text| model::year(text).map(Some));
    let rating = |text: &str| model::rating(text).map(Some);
    let rating_min = fields.optional("rating_min", query.find("rating_min")?, None, rating);
    let rating_max = fields.optional("rating_max", query.find("rating_max")?, None, rating);
    let sort = fields.optional("sort", query.find("sort")?, Sort::DEFAULT, Sort::read);
    let limit = fields.optional("limit", query.find("limit")?, DEFAULT_PAGE, |text| model::limit(text, MAX_PAGE));
    // A cursor belongs to its order; where that cannot be read, only the order is at fault.
    let cursor = query.find("cursor")?.zip(sort);
    let after = match cursor {
        Some((text, sort)) => fields.keep("cursor", Place::decode(text, sort).map(Some)),
        None => Some(None),
    };
    let filter = title.zip(year_min.zip(year_max)).zip(rating_min.zip(rating_max)).map(
        |((title, (year_min, year_max)), (rating_min, rating_max))| Filter {
            title,
            year_min,
            year_max,
            rating_min,
            rating_max,
        },
    );
    let all = filter.zip(sort).zip(limit.zip(after));
    fields.finish(all.map(|((filter, sort), (limit, after))| Listing { filter, sort, limit, after }))
}

/// A reference (RFC 3986 section 4.2) to the page that begins behind `next`, relative to this service's origin.
#[must_use]
pub fn next_page(wanted: &Listing, next: &Place) -> String {
    let Filter { title, year_min, year_max, rating_min, rating_max } = &wanted.filter;
    let numbers = [("year_min", year_min), ("year_max", year_max)];
    let ratings = [("rating_min", rating_min), ("rating_max", rating_max)];
    let mut query = Serializer::new(String::new());
    if let Some(title) = title {
        query.append_pair("title", title);
    }
    for (name, year) in numbers.into_iter().filter_map(|(name, year)| Some((name, year.as_ref()?))) {
        query.append_pair(name, &year.to_string());
    }
    for (name, rating) in ratings.into_iter().filter_map(|(name, rating)| Some((name, rating.as_ref()?))) {
        query.append_pair(name, &rating.to_string());
    }
    query.append_pair("sort", wanted.sort.name());
    query.append_pair("limit", &wanted.limit.to_string());
    query.append_pair("cursor", &next.encode(wanted.sort));
    format!("{}?{}", routes::MOVIES, query.finish())
}

/// Reads `?year_min=&year_max=`.
///
/// # Errors
/// As [`one_or_page`].
pub fn years(raw: Option<&str>) -> Result<(Option<i32>, Option<i32>), Problem> {
    let query = Query::read(raw)?;
    let mut fields = Fields::default();
    let min = fields.optional("year_min", query.find("year_min")?, None, |text| model::year(text).map(Some));
    let max = fields.optional("year_max", query.find("year_max")?, None, |text| model::year(text).map(Some));
    fields.finish(min.zip(max))
}

/// Reads `?format=csv` or `?format=ndjson`.
///
/// # Errors
/// As [`one_or_page`].
pub fn format(raw: Option<&str>) -> Result<Format, Problem> {
    let query = Query::read(raw)?;
    let mut fields = Fields::default();
    let format = fields.required("format", query.find("format")?, |text| match text {
        "csv" => Ok(Format::Csv),
        "ndjson" => Ok(Format::Jsonl),
        _ => Err(ValueError::NotOneOf("csv or ndjson")),
    });
    fields.finish(format)
}
