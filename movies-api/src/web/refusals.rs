//! What every protected route may answer besides its own, for the OpenAPI document: the refusals of the token, and of a
//! service that fails. Each is made by asking the code that refuses.

use std::collections::BTreeMap;
use std::marker::PhantomData;

use shared::http::docs::Answers;
use shared::http::problem::Problem;
use shared::token::bearer::{Authorized, Permission};
use utoipa::IntoResponses;
use utoipa::openapi::{RefOr, Response};

use crate::config::REALM;

/// The refusals of a route that needs the permission `P`: name it among the `responses` of its `#[utoipa::path]`.
pub struct Refusals<P>(PhantomData<P>);

impl<P: Permission> Refusals<P> {
    /// The same, for a route that adds its own.
    #[must_use]
    pub fn answers() -> Answers {
        Authorized::<P>::documented(REALM).each([Problem::unavailable(), Problem::internal()])
    }
}

impl<P: Permission> IntoResponses for Refusals<P> {
    fn responses() -> BTreeMap<String, RefOr<Response>> {
        Self::answers().into_responses()
    }
}
