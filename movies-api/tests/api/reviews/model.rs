//! What a review is.

use chrono::{DateTime, Utc};
use serde::Serialize;
use shared::token::bearer::Identity;
use utoipa::ToSchema;

/// A row of `myapi.reviews` as its readers see it: who wrote it is nobody's business but the writer's own.
#[derive(Debug, Serialize, ToSchema)]
pub struct Review {
    /// The key.
    #[schema(example = 1)]
    pub review_id: i64,
    /// What it is about.
    #[schema(example = 1)]
    pub movie_id: i32,
    /// 1 to 5.
    #[schema(example = 4)]
    pub stars: i16,
    /// What the user has to say.
    #[schema(example = "Slow, and worth it.")]
    pub body: String,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: DateTime<Utc>,
    /// Whether whoever reads it wrote it.
    pub is_mine: bool,
}

/// A review to be stored.
#[derive(Debug, PartialEq, Eq)]
pub struct NewReview {
    /// What it is about.
    pub movie_id: i32,
    /// 1 to 5.
    pub stars: i16,
    /// What the user has to say.
    pub body: String,
}

/// Whose reviews are whose: the issuer and the subject of the token, never its name or address.
pub type Author<'a> = Identity<'a>;
