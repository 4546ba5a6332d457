//! The rows of a CSV file; its header says which column is which of [`FIELDS`].

use std::io::Read;

use shared::files::Csv;

use super::{FIELDS, Fields, FileError, Row, Unknowns, ValueError, model};
use crate::movies::model::Movie;

/// The rows of a CSV file.
pub struct Rows<R> {
    csv: Csv<R>,
    columns: [usize; 4],
    unknowns: Unknowns,
}

impl<R: Read> Rows<R> {
    pub(super) fn open(reader: R, unknowns: Unknowns) -> Result<Self, FileError> {
        let mut csv = Csv::open(reader)?;
        let mut columns = [0; 4];
        for (column, name) in columns.iter_mut().zip(FIELDS) {
            *column = csv.get_column(name).map_err(FileError::Header)?;
        }
        Ok(Self { csv, columns, unknowns })
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = Result<Row, FileError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.csv.read().transpose()? {
            Ok(Ok((line, record))) => {
                let values = self.columns.map(|column| text(record.get(column)));
                Some(Ok(read(line, values, self.unknowns)))
            }
            Ok(Err(fault)) => Some(Ok(Row::Broken(vec![fault]))),
            Err(error) => Some(Err(error.into())),
        }
    }
}

fn read(line: u64, values: [Result<&str, ValueError>; 4], unknowns: Unknowns) -> Row {
    let [movie_id, title, released, rating] = values;
    let mut fields = Fields::of(line, |text| format!("{text:?}"));
    let id = fields.keep("movie_id", movie_id.unwrap_or_default(), movie_id.and_then(model::new_movie_id));
    let title = fields.keep_or_unknown("title", title.unwrap_or_default(), unknowns, title.and_then(model::title));
    let year = released.and_then(model::released);
    let year = fields.keep_or_unknown("released", released.unwrap_or_default(), unknowns, year);
    let stars = rating.and_then(model::rating);
    let stars = fields.keep_or_unknown("rating", rating.unwrap_or_default(), unknowns, stars);
    fields.finish(id, |movie_id| Movie { movie_id, title, released: year, rating: stars })
}

fn text(field: Option<&[u8]>) -> Result<&str, ValueError> {
    std::str::from_utf8(field.ok_or(ValueError::Missing)?).map_err(|_| ValueError::NotUtf8)
}
