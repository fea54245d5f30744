//! One HTTP/1.1 connection: a request that is already bytes goes out, an answer is read and checked.

use crate::load::check::Check;
use crate::load::chunked::Chunked;
use crate::load::record::{Problem, Recorder};
use crate::load::{Expect, Plan};
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const BUFFER: usize = 64 << 10;
const HEADERS: usize = 64;

/// How the end of a body is found.
#[derive(Debug)]
enum Framing {
    Length(usize),
    Chunked(Chunked),
    UntilClose,
}

#[derive(Debug)]
struct Head {
    status: u16,
    framing: Framing,
    check: Check,
    keep: bool,
    length: usize,
}

/// A connection and what was read but not used yet.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(plan: &Plan) -> Result<Self, Problem> {
        let stream = TcpStream::connect(plan.addr).await.map_err(|_| Problem::Connect)?;
        stream.set_nodelay(true).map_err(|_| Problem::Connect)?;
        Ok(Self { stream, buffer: Vec::with_capacity(BUFFER) })
    }

    /// One request and its answer; says whether the connection can be used again.
    pub(crate) async fn exchange(
        &mut self,
        request: &[u8],
        expect: &Expect,
        recorder: &mut Recorder,
    ) -> Result<bool, Problem> {
        let begin = Instant::now();
        self.buffer.clear();
        self.stream.write_all(request).await.map_err(|_| Problem::Closed)?;
        let Head { status, mut framing, mut check, keep, length } = self.head().await?;
        let mut at = length;
        let mut first_byte = None;
        let mut bytes = 0;
        loop {
            let now = Instant::now();
            let data = &self.buffer[at..];
            if !data.is_empty() {
                first_byte.get_or_insert(now - begin);
                bytes += data.len();
            }
            let done = match &mut framing {
                Framing::Length(left) => {
                    let n = data.len().min(*left);
                    check.feed(&data[..n], now, recorder);
                    *left -= n;
                    *left == 0
                }
                Framing::Chunked(chunked) => {
                    chunked
                        .feed(data, |data| check.feed(data, now, recorder))
                        .map_err(|_| Problem::Framing)?;
                    chunked.is_done()
                }
                Framing::UntilClose => {
                    check.feed(data, now, recorder);
                    false
                }
            };
            if done {
                break;
            }
            self.buffer.clear();
            at = 0;
            if self.read().await? == 0 {
                if matches!(framing, Framing::UntilClose) {
                    break;
                }
                return Err(Problem::Closed);
            }
        }
        let latency = begin.elapsed();
        if status != expect.status {
            return Err(Problem::Status(status));
        }
        check.finish(expect.events)?;
        recorder.success(first_byte.unwrap_or(latency), latency, bytes);
        Ok(keep)
    }

    async fn read(&mut self) -> Result<usize, Problem> {
        self.stream.read_buf(&mut self.buffer).await.map_err(|_| Problem::Closed)
    }

    async fn head(&mut self) -> Result<Head, Problem> {
        loop {
            if self.read().await? == 0 {
                return Err(Problem::Closed);
            }
            match parse(&self.buffer)? {
                // 100 Continue and the like: the real head follows
                Some(head) if head.status < 200 => {
                    self.buffer.drain(..head.length);
                    if let Some(head) = parse(&self.buffer)? {
                        return Ok(head);
                    }
                }
                Some(head) => return Ok(head),
                None => {}
            }
        }
    }
}

fn parse(buffer: &[u8]) -> Result<Option<Head>, Problem> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(buffer).map_err(|_| Problem::Head)? {
        httparse::Status::Partial => return Ok(None),
        httparse::Status::Complete(length) => length,
    };
    let mut head = Head {
        status: response.code.unwrap_or(0),
        framing: Framing::UntilClose,
        check: Check::Opaque(0),
        keep: response.version == Some(1),
        length,
    };
    for header in response.headers.iter() {
        let value = std::str::from_utf8(header.value).unwrap_or_default();
        if header.name.eq_ignore_ascii_case("content-length") {
            head.framing = Framing::Length(value.parse().map_err(|_| Problem::Head)?);
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") && value.ends_with("chunked") {
            head.framing = Framing::Chunked(Chunked::new());
        } else if header.name.eq_ignore_ascii_case("content-type") {
            head.check = Check::of(value);
        } else if header.name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close") {
            head.keep = false;
        }
    }
    head.keep &= !matches!(head.framing, Framing::UntilClose);
    Ok(Some(head))
}
