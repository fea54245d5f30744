//! An incremental decoder of `Transfer-Encoding: chunked`.

/// Chunk sizes above this are refused.
const CHUNK_MAX: u64 = 1 << 32;

/// Where in the format the decoder stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// In the hexadecimal size.
    Size,
    /// Behind the size, up to the line feed (extensions, carriage return).
    SizeEnd,
    /// In the data.
    Data,
    /// The line end behind the data.
    DataEnd,
    /// At the start of a trailer line (or of the last, empty one).
    Trailer,
    /// Inside a trailer line.
    TrailerLine,
    /// All read.
    Done,
}

/// The input is not chunked encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

/// The decoder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chunked {
    state: State,
    left: u64,
    digits: u8,
}

impl Chunked {
    pub(crate) fn new() -> Self {
        Self { state: State::Size, left: 0, digits: 0 }
    }

    /// True behind the last byte of the message.
    pub(crate) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Reads `input`, hands data to `out`, and says how much belonged to the message.
    pub(crate) fn feed(&mut self, input: &[u8], mut out: impl FnMut(&[u8])) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < input.len() && self.state != State::Done {
            let byte = input[at];
            match self.state {
                State::Data => {
                    let n = (input.len() - at).min(usize::try_from(self.left).unwrap_or(usize::MAX));
                    out(&input[at..at + n]);
                    at += n;
                    self.left -= n as u64;
                    if self.left == 0 {
                        self.state = State::DataEnd;
                    }
                    continue;
                }
                State::Size => match char::from(byte).to_digit(16) {
                    Some(digit) => {
                        self.left = self.left * 16 + u64::from(digit);
                        self.digits += 1;
                        if self.left > CHUNK_MAX || self.digits > 16 {
                            return Err(Malformed);
                        }
                    }
                    None if self.digits > 0 && matches!(byte, b'\r' | b';' | b' ') => {
                        self.state = State::SizeEnd
                    }
                    None => return Err(Malformed),
                },
                State::SizeEnd if byte == b'\n' => {
                    self.state = if self.left == 0 { State::Trailer } else { State::Data };
                    self.digits = 0;
                }
                State::SizeEnd | State::Done => {}
                State::DataEnd => match byte {
                    b'\r' => {}
                    b'\n' => self.state = State::Size,
                    _ => return Err(Malformed),
                },
                State::Trailer => match byte {
                    b'\r' => {}
                    b'\n' => self.state = State::Done,
                    _ => self.state = State::TrailerLine,
                },
                State::TrailerLine if byte == b'\n' => self.state = State::Trailer,
                State::TrailerLine => {}
            }
            at += 1;
        }
        Ok(at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] =
        b"5\r\nhello\r\n1;ext=\"x\"\r\n \r\n0A\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\nHTTP/1.1";

    #[test]
    fn survives_any_split() {
        for size in 1..MESSAGE.len() {
            let (mut chunked, mut out, mut used) = (Chunked::new(), Vec::new(), 0);
            for piece in MESSAGE.chunks(size) {
                used += chunked.feed(piece, |data| out.extend_from_slice(data)).unwrap();
            }
            assert_eq!(out, b"hello 0123456789");
            assert!(chunked.is_done());
            assert_eq!(used, MESSAGE.len() - "HTTP/1.1".len(), "split at {size}");
        }
    }

    #[test]
    fn refuses_nonsense() {
        for bad in [&b"x\r\n"[..], b"\r\n", b"1\r\nab", b"fffffffff\r\n"] {
            assert_eq!(Chunked::new().feed(bad, |_| {}), Err(Malformed), "{bad:?}");
        }
        let mut cut = Chunked::new();
        cut.feed(b"5\r\nhel", |_| {}).unwrap();
        assert!(!cut.is_done());
    }
}
