//! Writes films as the reading half reads them.

use std::io::Write;

use rust_decimal::Decimal;
use shared::files::io_error;

use super::{FIELDS, Format};
use crate::movies::model::Movie;

/// Writes films one by one.
pub enum Writer<W: Write> {
    /// As CSV.
    Csv(Box<::csv::Writer<W>>),
    /// As JSON lines.
    Jsonl(W),
}

impl<W: Write> Writer<W> {
    /// Starts a file; CSV begins with its header, also when no film follows.
    ///
    /// # Errors
    /// When `to` cannot be written.
    pub fn open(to: W, format: Format) -> std::io::Result<Self> {
        match format {
            Format::Csv => {
                let mut writer = ::csv::Writer::from_writer(to);
                writer.write_record(FIELDS).map_err(io_error)?;
                Ok(Self::Csv(Box::new(writer)))
            }
            Format::Jsonl => Ok(Self::Jsonl(to)),
        }
    }

    /// Goes on with a file that was begun elsewhere: without a header.
    ///
    /// # Errors
    /// None; as [`Writer::open`].
    pub fn resume(to: W, format: Format) -> std::io::Result<Self> {
        Ok(match format {
            Format::Csv => Self::Csv(Box::new(::csv::Writer::from_writer(to))),
            Format::Jsonl => Self::Jsonl(to),
        })
    }

    /// Writes one film. An unknown value is an empty field in CSV and `null` in JSON.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&mut self, movie: &Movie) -> std::io::Result<()> {
        match self {
            Self::Csv(writer) => {
                let released = movie.released.map(|year| year.to_string()).unwrap_or_default();
                let rating = movie.rating.map(decimal).unwrap_or_default();
                let title = movie.title.as_deref().unwrap_or_default();
                let movie_id = movie.movie_id.to_string();
                writer.write_record([movie_id.as_str(), title, &released, &rating]).map_err(io_error)
            }
            Self::Jsonl(to) => {
                serde_json::to_writer(&mut *to, movie)?;
                to.write_all(b"\n")
            }
        }
    }

    /// Writes what is still buffered.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn finish(self) -> std::io::Result<()> {
        match self {
            Self::Csv(mut writer) => writer.flush(),
            Self::Jsonl(mut to) => to.flush(),
        }
    }
}

/// With one decimal at least: 0 comes out of the database without any.
fn decimal(mut rating: Decimal) -> String {
    rating.rescale(rating.scale().max(1));
    rating.to_string()
}
