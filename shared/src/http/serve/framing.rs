//! Reads along where each request begins and ends, more strictly than hyper, and spoils what others may frame otherwise.
//!
//! Whoever stands in front (a proxy, a cache) has to see the same requests in the same bytes, or one request's body is the
//! next one's head (RFC 9112 section 11.2). hyper follows the RFC where it lets a server choose; of these it takes:
//!
//! - a line that ends with LF alone (section 2.2),
//! - `Transfer-Encoding` together with `Content-Length` (section 6.1), or in front of `chunked`,
//! - a `Content-Length` that is said twice (section 6.3).
//!
//! Here each is refused: the byte that ends its line becomes NUL before hyper sees it, which is 400 and the end of the
//! connection.

/// What is being read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    /// The first line of a request, or the empty lines before it.
    RequestLine,
    /// A line of its head.
    Header,
    /// So many bytes of a body whose length was said.
    Body(u64),
    /// The line with a chunk's size.
    ChunkSize,
    /// A chunk, and the line end behind it.
    Chunk(u64),
    /// That line end.
    ChunkEnd,
    /// Lines behind the last chunk.
    Trailer,
    /// Nothing can be said any more; hyper refuses it.
    Lost,
}

/// How the body of the head that is being read is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Length {
    Unsaid,
    Bytes(u64),
    Chunked,
}

/// For limits of time: where the client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// Between two requests.
    Between,
    /// Sending a head.
    Head,
    /// Sending a body.
    Body,
}

/// What came of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// They may pass, spoiled where they were ambiguous.
    Passed,
    /// The request line is longer than the limit; whether some of it has passed before.
    TargetTooLong { is_begun: bool },
}

/// The place in the stream of one connection.
#[derive(Debug)]
pub(super) struct Framing {
    part: Part,
    length: Length,
    /// Something of the next request is here, if only an empty line before it.
    is_begun: bool,
    /// The line so far, where it came in pieces.
    line: Vec<u8>,
    max_target: usize,
    max_line: usize,
}

impl Framing {
    pub(super) const fn new(max_target: usize, max_line: usize) -> Self {
        Self {
            part: Part::RequestLine,
            length: Length::Unsaid,
            is_begun: false,
            line: Vec::new(),
            max_target,
            max_line,
        }
    }

    pub(super) const fn phase(&self) -> Phase {
        match self.part {
            Part::RequestLine if !self.is_begun => Phase::Between,
            Part::RequestLine | Part::Header | Part::Lost => Phase::Head,
            Part::Body(_) | Part::ChunkSize | Part::Chunk(_) | Part::ChunkEnd | Part::Trailer => Phase::Body,
        }
    }

    /// Goes on by what was read, and spoils what is ambiguous.
    pub(super) fn read(&mut self, mut bytes: &mut [u8]) -> Seen {
        while !bytes.is_empty() {
            let taken = match self.part {
                Part::Lost => return Seen::Passed,
                Part::Body(left) => self.skip(left, bytes.len(), Part::Body, Part::RequestLine),
                Part::Chunk(left) => self.skip(left, bytes.len(), Part::Chunk, Part::ChunkEnd),
                Part::RequestLine | Part::Header | Part::ChunkSize | Part::ChunkEnd | Part::Trailer => {
                    let end = memchr::memchr(b'\n', bytes);
                    let length = self.line.len().saturating_add(end.unwrap_or(bytes.len()));
                    if self.part == Part::RequestLine && length > self.max_target {
                        let is_begun = !self.line.is_empty();
                        self.lose();
                        return Seen::TargetTooLong { is_begun };
                    }
                    self.is_begun = true;
                    let Some(end) = end else {
                        self.keep(bytes);
                        return Seen::Passed;
                    };
                    if !self.end_line(bytes.get(..end).unwrap_or_default()) {
                        bytes.iter_mut().skip(end).take(1).for_each(|byte| *byte = 0);
                        self.lose();
                        return Seen::Passed;
                    }
                    end + 1
                }
            };
            bytes = bytes.get_mut(taken..).unwrap_or_default();
        }
        Seen::Passed
    }

    fn skip(&mut self, left: u64, there: usize, more: impl Fn(u64) -> Part, then: Part) -> usize {
        let taken = usize::try_from(left).map_or(there, |left| left.min(there));
        let rest = left.saturating_sub(taken as u64);
        self.part = if rest == 0 { then } else { more(rest) };
        self.is_begun &= self.part != Part::RequestLine;
        taken
    }

    fn keep(&mut self, bytes: &[u8]) {
        self.line.extend_from_slice(bytes);
        if self.line.len() > self.max_line {
            // hyper stops at its own limit of a head.
            self.lose();
        }
    }

    fn lose(&mut self) {
        self.part = Part::Lost;
        self.line = Vec::new();
    }

    /// True when the line, whose last piece this is, ends as it should and says nothing ambiguous.
    fn end_line(&mut self, last: &[u8]) -> bool {
        if self.line.is_empty() {
            return last.strip_suffix(b"\r").is_some_and(|line| self.take(line));
        }
        let mut whole = std::mem::take(&mut self.line);
        whole.extend_from_slice(last);
        whole.strip_suffix(b"\r").is_some_and(|line| self.take(line))
    }

    fn take(&mut self, line: &[u8]) -> bool {
        match self.part {
            // "A server ... SHOULD ignore at least one empty line" before it (RFC 9112 section 2.2), and hyper does.
            Part::RequestLine if line.is_empty() => {}
            Part::RequestLine => {
                self.length = Length::Unsaid;
                self.part = Part::Header;
            }
            Part::Header if line.is_empty() => {
                self.is_begun = !matches!(self.length, Length::Unsaid | Length::Bytes(0));
                self.part = match self.length {
                    Length::Unsaid | Length::Bytes(0) => Part::RequestLine,
                    Length::Bytes(length) => Part::Body(length),
                    Length::Chunked => Part::ChunkSize,
                };
            }
            Part::Header => return self.header(line),
            Part::ChunkSize => match chunk_size(line) {
                Some(0) => self.part = Part::Trailer,
                Some(size) => self.part = Part::Chunk(size),
                None => return false,
            },
            Part::ChunkEnd => {
                self.part = Part::ChunkSize;
                return line.is_empty();
            }
            Part::Trailer if line.is_empty() => (self.part, self.is_begun) = (Part::RequestLine, false),
            Part::Trailer | Part::Body(_) | Part::Chunk(_) | Part::Lost => {}
        }
        true
    }

    /// False for a header that makes the body's end ambiguous. What is no header at all is for hyper to refuse.
    fn header(&mut self, line: &[u8]) -> bool {
        if !matches!(line.first(), Some(b'c' | b'C' | b't' | b'T')) {
            return true;
        }
        let Some((name, value)) = memchr::memchr(b':', line).and_then(|colon| line.split_at_checked(colon)) else {
            return true;
        };
        let value = trim(value.get(1..).unwrap_or_default());
        let length = if name.eq_ignore_ascii_case(b"content-length") {
            digits(value, 10).map(Length::Bytes)
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            value.eq_ignore_ascii_case(b"chunked").then_some(Length::Chunked)
        } else {
            return true;
        };
        let is_first = self.length == Length::Unsaid;
        self.length = length.unwrap_or(Length::Unsaid);
        is_first && length.is_some()
    }
}

/// Without the whitespace that may stand around a value (RFC 9110 section 5.6.3): no other counts as such.
fn trim(mut value: &[u8]) -> &[u8] {
    while let Some((b' ' | b'\t', rest)) = value.split_first() {
        value = rest;
    }
    while let Some((b' ' | b'\t', rest)) = value.split_last() {
        value = rest;
    }
    value
}

/// The size before any extension.
fn chunk_size(line: &[u8]) -> Option<u64> {
    digits(line.split(|byte| *byte == b';').next().map(trim)?, 16)
}

/// Digits and nothing else: no sign, no prefix, no list. `None` as well for more than there are bytes in the world.
fn digits(text: &[u8], radix: u32) -> Option<u64> {
    let is_digit = |byte: &u8| char::from(*byte).is_digit(radix);
    let text = std::str::from_utf8(text).ok().filter(|text| text.bytes().all(|byte| is_digit(&byte)))?;
    u64::from_str_radix(text, radix).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What hyper gets to see, if the bytes come in pieces of this size.
    fn through(framing: &mut Framing, text: &str, piece: usize) -> String {
        let mut bytes = text.as_bytes().to_vec();
        for piece in bytes.chunks_mut(piece) {
            assert_eq!(framing.read(piece), Seen::Passed);
        }
        String::from_utf8(bytes).unwrap()
    }

    #[rstest::rstest]
    #[case::none("GET / HTTP/1.1\r\nHost: x\r\n\r\n", Phase::Between)]
    #[case::empty_line("\r\n", Phase::Head)]
    #[case::half("GET / HTTP/1.1\r\nHo", Phase::Head)]
    #[case::sized("POST / HTTP/1.1\r\ncontent-length:\t3 \r\n\r\na\nb", Phase::Between)]
    #[case::more("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\na\nb", Phase::Body)]
    #[case::chunked(
        "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3;e=1\r\na\nb\r\n0\r\nT: 1\r\n\r\n",
        Phase::Between
    )]
    #[case::open("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\na\nb\r\n0\r\n", Phase::Body)]
    #[case::two("POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n\n\n\r\nGET / HTTP/1.1\r\n\r\n", Phase::Between)]
    fn what_is_clear_passes_in_any_pieces(#[case] text: &str, #[case] phase: Phase) {
        for piece in [1, 2, 3, 7, 1000] {
            let mut framing = Framing::new(1000, 1000);
            assert_eq!(through(&mut framing, text, piece), text);
            assert_eq!(framing.phase(), phase, "{piece}");
        }
    }

    #[rstest::rstest]
    #[case::lf("GET / HTTP/1.1\nHost: x\r\n\r\n", 14)]
    #[case::both("P / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 60)]
    #[case::twice("P / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 51)]
    #[case::sign("P / HTTP/1.1\r\nContent-Length: +1\r\n\r\n", 33)]
    #[case::chunk("P / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\nx", 45)]
    fn what_is_ambiguous_is_spoiled_where_its_line_ends(#[case] text: &str, #[case] at: usize) {
        for piece in [1, 2, 3, 7, 1000] {
            let seen = through(&mut Framing::new(1000, 1000), text, piece);
            assert_eq!(seen.find('\0'), Some(at), "{seen:?}");
        }
    }

    #[test]
    fn a_request_line_has_a_limit() {
        assert_eq!(
            Framing::new(10, 1000).read(&mut b"GET /12345678".to_vec()),
            Seen::TargetTooLong { is_begun: false }
        );
    }
}
