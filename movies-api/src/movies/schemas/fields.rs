//! Collects what is wrong with the fields of one request, so that one answer names all of it.

use std::borrow::Cow;

use http::StatusCode;
use shared::http::problem::{FieldError, Problem};

use crate::movies::model::ValueError;

/// What is wrong so far.
#[derive(Default)]
pub(super) struct Fields(Vec<FieldError>);

impl Fields {
    pub(super) fn required<T>(
        &mut self,
        field: &'static str,
        value: Option<&str>,
        read: impl FnOnce(&str) -> Result<T, ValueError>,
    ) -> Option<T> {
        self.keep(field, value.ok_or(ValueError::Missing).and_then(read))
    }

    pub(super) fn optional<T>(
        &mut self,
        field: &'static str,
        value: Option<&str>,
        default: T,
        read: impl FnOnce(&str) -> Result<T, ValueError>,
    ) -> Option<T> {
        self.keep(field, value.map_or(Ok(default), read))
    }

    pub(super) fn keep<T>(&mut self, field: impl Into<Cow<'static, str>>, value: Result<T, ValueError>) -> Option<T> {
        value.map_err(|error| self.0.push(FieldError { field: field.into(), message: error.to_string() })).ok()
    }

    pub(super) fn finish<T>(self, value: Option<T>) -> Result<T, Problem> {
        value.filter(|_| self.0.is_empty()).ok_or_else(|| {
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "validation_failed",
                "A parameter is missing or does not fit",
            )
            .errors(self.0)
        })
    }
}
