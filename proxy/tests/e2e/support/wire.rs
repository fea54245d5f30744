//! HTTP/1.1 on the wire, as both ends of the tests read it: heads, lengths, chunks. Strict: what is cut is an error.

use std::io;
use tokio::io::{AsyncRead, AsyncReadExt};

/// A request's or response's first line and headers.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    /// The first line.
    pub(crate) line: String,
    /// Headers in their order, names as sent.
    pub(crate) headers: Vec<(String, String)>,
}

impl Head {
    /// The first value of a header.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        get(&self.headers, name)
    }

    /// Is there such a header?
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// The gateway's id of the call. `x-request-id` is the provider's, where it gave one: clients quote it to them.
    pub(crate) fn id(&self) -> &str {
        assert!(self.has("x-request-id"), "no x-request-id: {self:?}");
        self.get("x-sallyport-request-id").unwrap_or_else(|| panic!("no id of the gateway: {self:?}"))
    }

    /// The status of a response.
    pub(crate) fn status(&self) -> u16 {
        self.line
            .split(' ')
            .nth(1)
            .and_then(|s| s.parse().ok())
            .unwrap_or_else(|| panic!("no status: {:?}", self.line))
    }
}

/// The first value of a header in a list.
pub(crate) fn get<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
}

/// A reader with what it has read too much.
#[derive(Debug)]
pub(crate) struct Wire<R> {
    /// Where bytes come from.
    pub(crate) inner: R,
    buffer: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Wire<R> {
    /// A wire without anything read yet.
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, buffer: Vec::new() }
    }

    /// Reads more; false: the peer has closed in order.
    async fn fill(&mut self) -> io::Result<bool> {
        self.buffer.reserve(64 * 1024);
        Ok(self.inner.read_buf(&mut self.buffer).await? > 0)
    }

    async fn need(&mut self, what: &str) -> io::Result<()> {
        if self.fill().await? {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("closed inside {what}: {:?}", self.seen())))
    }

    fn seen(&self) -> String {
        String::from_utf8_lossy(&self.buffer[..self.buffer.len().min(300)]).into_owned()
    }

    /// Takes bytes up to and with `end`.
    pub(crate) async fn through(&mut self, end: &[u8]) -> io::Result<Vec<u8>> {
        let mut from = 0;
        loop {
            if let Some(at) = find(&self.buffer[from..], end) {
                let rest = self.buffer.split_off(from + at + end.len());
                return Ok(std::mem::replace(&mut self.buffer, rest));
            }
            from = self.buffer.len().saturating_sub(end.len() - 1);
            self.need("a line or head").await?;
        }
    }

    /// Takes exactly `n` bytes.
    pub(crate) async fn exactly(&mut self, n: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() < n {
            self.need("a body of known length").await?;
        }
        let rest = self.buffer.split_off(n);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    /// Takes all up to the end of the connection.
    pub(crate) async fn rest(&mut self) -> io::Result<Vec<u8>> {
        while self.fill().await? {}
        Ok(std::mem::take(&mut self.buffer))
    }

    /// The next head; None: closed in order before its first byte.
    pub(crate) async fn head(&mut self) -> io::Result<Option<Head>> {
        if self.buffer.is_empty() && !self.fill().await? {
            return Ok(None);
        }
        let raw = self.through(b"\r\n\r\n").await?;
        let text = String::from_utf8(raw).map_err(io::Error::other)?;
        let mut lines = text.trim_end().split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let headers = lines
            .map(|l| l.split_once(':').map(|(n, v)| (n.to_owned(), v.trim().to_owned())))
            .collect::<Option<_>>()
            .ok_or_else(|| io::Error::other(format!("a header without a colon: {text:?}")))?;
        Ok(Some(Head { line, headers }))
    }

    /// The next chunk of a chunked body; empty: the last one, its trailer included.
    pub(crate) async fn chunk(&mut self) -> io::Result<Vec<u8>> {
        let line = self.through(b"\r\n").await?;
        let size = std::str::from_utf8(&line).ok().and_then(|l| usize::from_str_radix(l.trim(), 16).ok());
        let size = size.ok_or_else(|| io::Error::other(format!("no chunk size: {line:?}")))?;
        let data = self.exactly(size).await?;
        match &*self.exactly(2).await? {
            b"\r\n" => Ok(data),
            other => Err(io::Error::other(format!("no CRLF behind a chunk: {other:?}"))),
        }
    }

    /// The whole body that `head` announces.
    pub(crate) async fn body(&mut self, head: &Head, until_close: bool) -> io::Result<Vec<u8>> {
        if head.get("transfer-encoding").is_some_and(|v| v.eq_ignore_ascii_case("chunked")) {
            let mut all = Vec::new();
            loop {
                let chunk = self.chunk().await?;
                if chunk.is_empty() {
                    return Ok(all);
                }
                all.extend(chunk);
            }
        }
        match head.get("content-length") {
            Some(n) => self.exactly(n.parse().map_err(io::Error::other)?).await,
            None if until_close => self.rest().await,
            None => Ok(Vec::new()),
        }
    }

    /// True when the peer closes (in order or not) without sending anything more.
    pub(crate) async fn closed(&mut self) -> bool {
        self.buffer.is_empty() && !self.fill().await.unwrap_or(false)
    }
}

/// Where `needle` begins in `hay`.
pub(crate) fn find(hay: &[u8], needle: &[u8]) -> Option<usize> {
    hay.windows(needle.len()).position(|w| w == needle)
}
