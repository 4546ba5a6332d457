//! The chain: each row's hash covers every column and the hash of the row before it.
//!
//! Canonical form: the number and the time (microseconds since 1970) as eight bytes each, big-endian; then each further
//! column in the table's order, as one byte that says whether it is there, four bytes of length, and its bytes. So no two
//! rows have one form. Another form needs another [`LABEL`].

use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::model::{Record, Row};

/// What every hash begins with.
const LABEL: &[u8] = b"myapi audit v1";

/// A hash.
pub(super) type Hash = [u8; 32];

/// What stands before the first row of a chain.
pub(super) fn beginning(writer: Uuid) -> Hash {
    Sha256::new().chain_update(LABEL).chain_update(writer.as_bytes()).finalize().into()
}

/// The hash that a row has to have, by its own columns.
pub(super) fn hash(row: &Row) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(LABEL);
    hasher.update(row.seq.to_be_bytes());
    hasher.update(row.at.timestamp_micros().to_be_bytes());
    let request_id = row.request_id.map(|id| id.to_string());
    let columns: [Option<&[u8]>; 11] = [
        Some(row.writer.as_bytes()),
        Some(row.event.as_bytes()),
        Some(row.outcome.as_bytes()),
        row.reason.as_deref().map(str::as_bytes),
        row.subject.as_deref().map(str::as_bytes),
        row.client_id.as_deref().map(str::as_bytes),
        row.address.as_deref().map(str::as_bytes),
        request_id.as_deref().map(str::as_bytes),
        Some(row.actor.as_bytes()),
        row.detail.as_deref().map(str::as_bytes),
        Some(&row.prev_hash),
    ];
    for column in columns {
        hasher.update([u8::from(column.is_some())]);
        let bytes = column.unwrap_or_default();
        hasher.update(u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_be_bytes());
        hasher.update(bytes);
    }
    hasher.finalize().into()
}

/// The end of a chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) writer: Uuid,
    pub(super) seq: i64,
    pub(super) hash: Hash,
}

impl Head {
    /// A chain without rows.
    pub(super) fn new(writer: Uuid) -> Self {
        Self { writer, seq: 0, hash: beginning(writer) }
    }

    /// The next row; the head is that row's from now on.
    pub(super) fn append(&mut self, record: Record) -> Row {
        let Record { at, event, address, request_id, actor } = record;
        let mut row = Row {
            at,
            event: event.kind.as_str().to_owned(),
            outcome: event.outcome.as_str().to_owned(),
            reason: event.reason,
            subject: event.subject,
            client_id: event.client_id,
            address,
            request_id,
            actor,
            detail: event.detail,
            writer: self.writer,
            seq: self.seq + 1,
            prev_hash: self.hash.to_vec(),
            hash: Vec::new(),
        };
        let hash = hash(&row);
        row.hash = hash.to_vec();
        (self.seq, self.hash) = (row.seq, hash);
        row
    }
}

/// Bytes as lower-case hexadecimal digits.
pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing into a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{Event, Kind};

    fn record(event: Event) -> Record {
        Record { at: Default::default(), event, address: None, request_id: None, actor: "client".to_owned() }
    }

    #[test]
    fn the_form_is_fixed_for_ever() {
        let mut head = Head::new(Uuid::nil());
        let row = head.append(record(Event::ok(Kind::Login).subject("s").client("c").detail("d")));
        // Computed with another SHA-256 (Python's hashlib) over the form described above.
        insta::assert_snapshot!(hex(&row.hash), @"c83c4fe393336634979cab39ab3b40a39ce39ac50031d73e2dc43ab5e703a55d");
    }

    #[test]
    fn what_moves_from_one_column_to_the_next_changes_the_hash() {
        let of = |event: Event| Head::new(Uuid::nil()).append(record(event)).hash;
        let all = [
            of(Event::ok(Kind::Login).subject("ab")),
            of(Event::ok(Kind::Login).client("ab")),
            of(Event::ok(Kind::Login).subject("a").client("b")),
            of(Event::ok(Kind::Login).subject("").client("ab")),
        ];
        let mut distinct = all.to_vec();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), all.len());
    }
}
