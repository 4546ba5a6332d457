//! What a decade is.

use rust_decimal::Decimal;
use serde::Serialize;
use utoipa::ToSchema;

/// A row of `myapi.movies_by_decade()`, and the JSON of the API.
#[derive(Debug, Serialize, ToSchema)]
pub struct Decade {
    /// Its first year.
    #[schema(example = 1990)]
    pub decade: i32,
    /// Films released in it.
    #[schema(example = 712)]
    pub movies: i64,
    /// The mean of their ratings, with one decimal.
    #[schema(value_type = Option<f64>, example = 6.3)]
    pub mean_rating: Option<Decimal>,
}
