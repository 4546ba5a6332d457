//! What a connection sends, one request after the other.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};
use http_body_util::Full;
use hyper::Request;
use hyper::body::Bytes;

/// A request that can be sent.
pub type Ask = Request<Full<Bytes>>;

/// The request that an answer leads to.
pub type Make = Arc<dyn Fn(&Bytes) -> Result<Ask> + Send + Sync>;

/// What all connections send.
#[derive(Clone)]
pub enum Script {
    /// These, over and over, each connection beginning elsewhere.
    Again(Arc<[Ask]>),
    /// What each of these answers leads to, once, through whichever connection is free.
    Once(Arc<Deck>, Make),
    /// What the connection's own answer leads to, then what the answer to that leads to, and so on.
    Follow(Arc<[Bytes]>, Make),
}

/// Answers that are used up.
#[derive(Default)]
pub struct Deck {
    answers: Vec<Bytes>,
    next: AtomicUsize,
}

/// One connection's place in a script.
pub struct Place {
    script: Script,
    at: usize,
    last: Option<Bytes>,
}

impl Deck {
    /// All of these.
    pub fn new(answers: Vec<Bytes>) -> Self {
        Self { answers, next: AtomicUsize::new(0) }
    }

    fn draw(&self) -> Option<&Bytes> {
        self.answers.get(self.next.fetch_add(1, Ordering::Relaxed))
    }
}

impl Script {
    /// Where connection `number` of `connections` begins.
    pub fn begin(&self, number: usize, connections: usize) -> Place {
        let at = match self {
            Self::Again(requests) => requests.len() * number / connections.max(1),
            Self::Once(..) | Self::Follow(..) => number,
        };
        Place { script: self.clone(), at, last: None }
    }
}

impl Place {
    /// What is to be sent now.
    ///
    /// # Errors
    /// When there is nothing left, or an answer is not what it should be.
    pub fn next(&mut self) -> Result<Ask> {
        match &self.script {
            Script::Again(requests) => {
                let request = requests.get(self.at % requests.len().max(1)).context("there is nothing to send")?;
                self.at += 1;
                Ok(request.clone())
            }
            Script::Once(deck, make) => make(deck.draw().context("everything that was made ahead is used up")?),
            Script::Follow(first, make) => match self.last.take() {
                Some(answer) => make(&answer),
                None => make(first.get(self.at).context("a connection has nothing to begin with")?),
            },
        }
    }

    /// Notes the answer.
    pub fn answered(&mut self, answer: Bytes) {
        if matches!(self.script, Script::Follow(..)) {
            self.last = Some(answer);
        }
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Again(_) => "Again",
            Self::Once(..) => "Once",
            Self::Follow(..) => "Follow",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(place: &mut Place) -> String {
        place.next().unwrap().uri().path().to_owned()
    }

    fn make() -> Make {
        Arc::new(|answer| Ok(Request::get(format!("/{}", std::str::from_utf8(answer)?)).body(Full::default())?))
    }

    fn answers() -> Vec<Bytes> {
        ["a", "b"].map(|text| Bytes::from_static(text.as_bytes())).to_vec()
    }

    #[test]
    fn connections_begin_apart_and_go_round() {
        let requests: Arc<[Ask]> = answers().iter().map(|answer| make()(answer).unwrap()).collect();
        let mut second = Script::Again(requests).begin(1, 2);
        assert_eq!([path(&mut second), path(&mut second), path(&mut second)], ["/b", "/a", "/b"]);
    }

    #[test]
    fn what_is_used_up_is_used_by_nobody_else() {
        let script = Script::Once(Arc::new(Deck::new(answers())), make());
        let (mut one, mut other) = (script.begin(0, 2), script.begin(1, 2));
        assert_eq!([path(&mut one), path(&mut other)], ["/a", "/b"]);
        assert!(one.next().is_err());
    }

    #[test]
    fn a_chain_goes_on_from_the_answer() {
        let mut second = Script::Follow(answers().into(), make()).begin(1, 2);
        assert_eq!(path(&mut second), "/b");
        second.answered(Bytes::from_static(b"c"));
        assert_eq!(path(&mut second), "/c");
    }
}
