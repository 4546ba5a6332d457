//! Collects what is wrong with the fields of one request, so that one answer names all of it.

use std::borrow::Cow;
use std::fmt::Display;

use http::StatusCode;
use shared::http::problem::{FieldError, Problem};

/// What is wrong so far. The texts of errors continue "the field …".
#[derive(Default)]
pub struct Fields(Vec<FieldError>);

impl Fields {
    /// A field that has to be there.
    pub fn required<T, E: Display>(
        &mut self,
        field: &'static str,
        value: Option<&str>,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        match value {
            Some(text) => self.keep(field, read(text)),
            None => self.keep(field, Err("is missing")),
        }
    }

    /// A field that is `default` when it is not there.
    pub fn optional<T, E: Display>(
        &mut self,
        field: &'static str,
        value: Option<&str>,
        default: T,
        read: impl FnOnce(&str) -> Result<T, E>,
    ) -> Option<T> {
        self.keep(field, value.map_or(Ok(default), read))
    }

    /// The value of a field, or `None` and a note of what is wrong with it.
    pub fn keep<T, E: Display>(&mut self, field: impl Into<Cow<'static, str>>, value: Result<T, E>) -> Option<T> {
        value.map_err(|error| self.0.push(FieldError { field: field.into(), message: error.to_string() })).ok()
    }

    /// The whole, which is `None` when a field of it is.
    ///
    /// # Errors
    /// 422 with everything that is wrong.
    pub fn finish<T>(self, value: Option<T>) -> Result<T, Problem> {
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
