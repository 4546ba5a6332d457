//! Finding what was tampered with.
//!
//! 1. Every checkpoint has to be signed by a key of ours; what it says of a chain is remembered.
//! 2. Every row has to have the hash of its columns, the hash of the row before it, and the number after it. The first one
//!    has the number 1, or follows its chain's anchor.
//! 3. Where a checkpoint names a row, the row has to be there with that hash.
//! 4. An anchor may not be older than its chain, nor stand for rows that a checkpoint saw written after what was dropped.

use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use shared::db::{Conn, DbError};
use shared::token::keys::VerifyingKey;
use uuid::Uuid;

use super::chain::{self, hex};
use super::checkpoint::{SignedHead, Statement};
use super::model::Row;
use super::proof::Prover;
use super::queue::beginning_of;
use super::store::{self, Anchor};
use crate::keys::KekRing;

/// Rows or checkpoints that are read at once.
const AT_ONCE: i64 = 2000;
/// A row may be written later than it happened, while the database is away.
const LATE: TimeDelta = TimeDelta::minutes(10);

/// Something that should not be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The chain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub writer: Option<Uuid>,
    /// The row's number in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<i64>,
    /// `edited`, `broken`, `missing`, `cut`, `rewritten`, `checkpoint` or `anchor`.
    pub fault: &'static str,
    /// The same in words.
    pub text: String,
}

/// What was read, and what was found.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verified {
    /// Chains.
    pub writers: u64,
    /// Rows.
    pub events: u64,
    /// Checkpoints, those kept elsewhere included.
    pub checkpoints: u64,
    /// Checkpoints whose key is gone and whose key encryption key is not configured: only the table vouches for them.
    pub unproven: u64,
    /// Rows behind the last checkpoint of their chain: if these were cut off, nobody could tell yet.
    pub unwitnessed: u64,
    /// What should not be.
    pub findings: Vec<Finding>,
}

/// Why nothing can be said.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The database gave no answer.
    #[error(transparent)]
    Database(#[from] DbError),
    /// A checkpoint that was kept elsewhere proves nothing.
    #[error("line {line} of the kept checkpoints: {reason}")]
    Kept {
        /// From 1.
        line: usize,
        /// Why.
        reason: String,
    },
}

/// Reads everything, as of one moment. `keys` are the public signing keys of today, `kept` checkpoints from elsewhere.
///
/// # Errors
/// [`VerifyError`]; findings are no error.
pub async fn verify(
    conn: &mut Conn,
    keys: Vec<VerifyingKey>,
    keks: Option<&KekRing>,
    kept: &[String],
) -> Result<Verified, VerifyError> {
    let keys = keys.into_iter().map(|key| (key.kid().to_owned(), key)).collect();
    let mut transaction = store::begin_reading(conn).await?;
    let mut work = Work { prover: Prover { keys, keks }, signed: HashMap::new(), report: Verified::default() };
    work.read_checkpoints(&mut transaction, kept).await?;
    let anchors = store::list_anchors(&mut transaction).await?;
    work.read_chains(&mut transaction, anchors.into_iter().map(|anchor| (anchor.writer, anchor)).collect()).await?;
    transaction.rollback().await.map_err(DbError::from)?;
    Ok(work.report)
}

/// What was signed about one chain: number, hash, and when that was last said.
type Signed = BTreeMap<i64, (String, DateTime<Utc>)>;

struct Work<'a> {
    prover: Prover<'a>,
    signed: HashMap<Uuid, Signed>,
    report: Verified,
}

/// A chain that is being read.
struct Chain {
    writer: Uuid,
    seq: i64,
    hash: Vec<u8>,
    signed: Signed,
}

impl Work<'_> {
    fn find(&mut self, writer: Uuid, seq: i64, fault: &'static str, text: String) {
        self.report.findings.push(Finding { writer: Some(writer), seq: Some(seq), fault, text });
    }

    async fn read_checkpoints(&mut self, conn: &mut Conn, kept: &[String]) -> Result<(), VerifyError> {
        let mut after = (DateTime::<Utc>::UNIX_EPOCH, Uuid::nil());
        let mut others = HashMap::new();
        loop {
            let checkpoints = store::list_checkpoints(conn, after, AT_ONCE).await?;
            let Some(last) = checkpoints.last() else { break };
            after = (last.at, last.checkpoint_id);
            for checkpoint in &checkpoints {
                self.report.checkpoints += 1;
                match self.prover.check(checkpoint) {
                    Ok(proven) => {
                        if proven.is_vouched_for {
                            let json = checkpoint.public_jwk.to_string();
                            others.extend(
                                VerifyingKey::from_jwk(json.as_bytes()).ok().map(|key| (checkpoint.kid.clone(), key)),
                            );
                        } else {
                            self.report.unproven += 1;
                        }
                        self.remember(proven.statement);
                    }
                    Err(error) => {
                        let text = format!("checkpoint {} of {}: {error}", checkpoint.checkpoint_id, checkpoint.at);
                        self.report.findings.push(Finding { writer: None, seq: None, fault: "checkpoint", text });
                    }
                }
            }
        }
        for (at, jws) in kept.iter().enumerate() {
            let statement = self.prover.check_kept(jws, &others);
            let statement = statement.map_err(|error| VerifyError::Kept { line: at + 1, reason: error.to_string() })?;
            self.report.checkpoints += 1;
            self.remember(statement);
        }
        Ok(())
    }

    fn remember(&mut self, statement: Statement) {
        let at = DateTime::from_timestamp(statement.iat, 0).unwrap_or_default();
        for SignedHead { writer, seq, hash } in statement.heads {
            let signed = self.signed.entry(writer).or_default();
            match signed.get_mut(&seq) {
                None => {
                    signed.insert(seq, (hash, at));
                }
                Some((before, last)) if *before == hash => *last = at.max(*last),
                Some(_) => {
                    let text = format!("row {seq} of {writer} was signed with two different hashes");
                    self.find(writer, seq, "rewritten", text);
                }
            }
        }
    }

    async fn read_chains(&mut self, conn: &mut Conn, mut anchors: HashMap<Uuid, Anchor>) -> Result<(), DbError> {
        let mut chain: Option<Chain> = None;
        let mut after = (Uuid::nil(), 0);
        loop {
            let rows = store::list_chains(conn, after, AT_ONCE).await?;
            let Some(last) = rows.last() else { break };
            after = (last.writer, last.seq);
            for row in rows {
                let mut current = match chain.take() {
                    Some(current) if current.writer == row.writer => current,
                    ended => {
                        if let Some(ended) = ended {
                            self.end(ended);
                        }
                        self.begin(row.writer, anchors.remove(&row.writer))
                    }
                };
                self.look_at(&mut current, row);
                chain = Some(current);
            }
        }
        if let Some(ended) = chain {
            self.end(ended);
        }
        // Chains that have gone whole, by their partition or by somebody's hand.
        let whole: Vec<Uuid> = anchors.keys().chain(self.signed.keys()).copied().collect();
        for writer in whole {
            let anchor = anchors.remove(&writer);
            if anchor.is_some() || self.signed.contains_key(&writer) {
                let chain = self.begin(writer, anchor);
                self.end(chain);
            }
        }
        Ok(())
    }

    /// Where the chain goes on, and whether it may do so from there.
    fn begin(&mut self, writer: Uuid, anchor: Option<Anchor>) -> Chain {
        self.report.writers += 1;
        let mut signed = self.signed.remove(&writer).unwrap_or_default();
        let Some(anchor) = anchor else {
            return Chain { writer, seq: 0, hash: chain::beginning(writer).to_vec(), signed };
        };
        let later = signed.split_off(&anchor.seq);
        if beginning_of(writer).is_none_or(|begun| begun > anchor.until + LATE) {
            let text = format!("the anchor says that rows ended before {}, when the chain had not begun", anchor.until);
            self.find(writer, anchor.seq, "anchor", text);
        } else if let Some((seq, (_, at))) = signed.iter().find(|(_, (_, at))| *at > anchor.until + LATE) {
            let text = format!(
                "the anchor says that rows up to {} ended before {}, but at {at} the last one was {seq}: rows were taken out",
                anchor.seq, anchor.until
            );
            self.find(writer, *seq, "anchor", text);
        }
        let chain = Chain { writer, seq: anchor.seq, hash: anchor.hash, signed: later };
        self.compare(&chain);
        chain
    }

    fn look_at(&mut self, chain: &mut Chain, row: Row) {
        self.report.events += 1;
        let (writer, seq) = (row.writer, row.seq);
        if seq != chain.seq + 1 {
            let text = match seq > chain.seq {
                true => format!("rows {} to {} are gone", chain.seq + 1, seq - 1),
                false => format!("row {seq} stands there again"),
            };
            self.find(writer, chain.seq + 1, "missing", text);
        }
        if row.prev_hash != chain.hash {
            let text = format!("row {seq} does not follow the row before it: one was taken out, moved or replaced");
            self.find(writer, seq, "broken", text);
        }
        if chain::hash(&row).as_slice() != row.hash.as_slice() {
            self.find(writer, seq, "edited", format!("row {seq} is not what was written: it was changed or moved"));
        }
        (chain.seq, chain.hash) = (seq, row.hash);
        self.compare(chain);
    }

    /// A row that was signed has the hash that was signed.
    fn compare(&mut self, chain: &Chain) {
        if let Some((signed, at)) = chain.signed.get(&chain.seq)
            && *signed != hex(&chain.hash)
        {
            let text =
                format!("row {} is not the one that was signed at {at}: it or one before it was rewritten", chain.seq);
            self.find(chain.writer, chain.seq, "rewritten", text);
        }
    }

    fn end(&mut self, chain: Chain) {
        let last = chain.signed.last_key_value();
        match last {
            Some((seq, (_, at))) if *seq > chain.seq => {
                let text = format!("rows {} to {seq} are gone, the last of which was signed at {at}", chain.seq + 1);
                self.find(chain.writer, chain.seq + 1, "cut", text);
            }
            _ => {
                let behind = chain.seq - last.map_or(0, |(seq, _)| *seq);
                self.report.unwitnessed += u64::try_from(behind).unwrap_or_default();
            }
        }
    }
}
