//! A raw HTTP/1.1 client: sends what it is told in the pieces that it is told, and notices how an answer ends.

use super::wait::within;
use super::wire::{Head, Wire};
use std::fmt::Write as _;
use std::io;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// A connection to the gateway.
#[derive(Debug)]
pub(crate) struct Client {
    wire: Wire<TcpStream>,
}

/// A complete answer.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    /// Status line and headers.
    pub(crate) head: Head,
    /// The body.
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// Status.
    pub(crate) fn status(&self) -> u16 {
        self.head.status()
    }
    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
    /// The body as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("{e} in {:?}", self.text()))
    }
    /// The gateway's id of the call.
    pub(crate) fn id(&self) -> String {
        self.head.id().to_owned()
    }
    /// Asserts the status, showing the body if it is another.
    #[track_caller]
    pub(crate) fn expect(&self, status: u16) -> &Self {
        assert_eq!(self.status(), status, "{:?} {}", self.head, self.text());
        self
    }
}

impl Client {
    /// Connects to 127.0.0.1.
    pub(crate) async fn connect(port: u16) -> Self {
        let socket =
            within("a connection to the gateway", TcpStream::connect(("127.0.0.1", port))).await.unwrap();
        socket.set_nodelay(true).unwrap();
        Self::over(socket)
    }

    /// Over a connection that is there.
    pub(crate) fn over(socket: TcpStream) -> Self {
        Self { wire: Wire::new(socket) }
    }

    /// Sends bytes; an error: the gateway has closed.
    pub(crate) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.wire.inner.write_all(bytes.as_ref()).await?;
        self.wire.inner.flush().await
    }

    /// Sends bytes.
    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        within("the gateway to take bytes", self.try_send(bytes)).await.unwrap();
    }

    /// The next head.
    pub(crate) async fn head(&mut self) -> Head {
        within("a response head", self.wire.head())
            .await
            .unwrap()
            .expect("the gateway closed instead of answering")
    }

    /// The next chunk of a chunked answer (empty: the last one); an error: cut.
    pub(crate) async fn chunk(&mut self) -> io::Result<Vec<u8>> {
        within("a chunk", self.wire.chunk()).await
    }

    /// Chunks until the text so far ends with `end`.
    pub(crate) async fn chunks_through(&mut self, end: &str) -> String {
        let mut text = String::new();
        while !text.ends_with(end) {
            let chunk = self.chunk().await.unwrap_or_else(|e| panic!("{e} after {text:?}"));
            assert!(!chunk.is_empty(), "the stream ended after {text:?}, before {end:?}");
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        text
    }

    /// Chunks until `enough` says so of the text so far.
    pub(crate) async fn chunks_until(&mut self, enough: impl Fn(&str) -> bool) -> String {
        let mut text = String::new();
        while !enough(&text) {
            let chunk = self.chunk().await.unwrap_or_else(|e| panic!("{e} after {text:?}"));
            assert!(!chunk.is_empty(), "the stream ended after {text:?}");
            text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
        text
    }

    /// All chunks that are left, to an orderly end.
    pub(crate) async fn rest_of_chunks(&mut self) -> String {
        let mut all = Vec::new();
        loop {
            let chunk = self
                .chunk()
                .await
                .unwrap_or_else(|e| panic!("{e} after {:?}", String::from_utf8_lossy(&all)));
            if chunk.is_empty() {
                return String::from_utf8(all).unwrap();
            }
            all.extend(chunk);
        }
    }

    /// The body that `head` announces; an error: cut before its end.
    pub(crate) async fn try_body(&mut self, head: &Head) -> io::Result<Vec<u8>> {
        let until_close = !matches!(head.status(), 204 | 304) && !head.has("content-length");
        within("a response body", self.wire.body(head, until_close)).await
    }

    /// A whole answer.
    pub(crate) async fn answer(&mut self) -> Answer {
        let head = self.head().await;
        let body = self.try_body(&head).await.unwrap_or_else(|e| panic!("{e} in the body of {head:?}"));
        Answer { head, body }
    }

    /// A whole answer; None: closed before its first byte.
    pub(crate) async fn try_answer(&mut self) -> Option<Answer> {
        let head = within("a response head or the end", self.wire.head()).await.ok().flatten()?;
        let body = self.try_body(&head).await.unwrap_or_else(|e| panic!("{e} in the body of {head:?}"));
        Some(Answer { head, body })
    }

    /// The next answer to a HEAD request: no body, whatever its headers announce.
    pub(crate) async fn head_answer(&mut self) -> Head {
        self.head().await
    }

    /// The first line of the next answer; None: closed without one.
    pub(crate) async fn first_line(&mut self) -> Option<String> {
        self.wire.head().await.ok().flatten().map(|head| head.line)
    }

    /// All that comes until the connection ends, in order or not.
    pub(crate) async fn try_rest(&mut self) -> Vec<u8> {
        self.wire.rest().await.unwrap_or_default()
    }

    /// True when the gateway closes without sending anything more.
    pub(crate) async fn closed(&mut self) -> bool {
        within("the gateway to close the connection", self.wire.closed()).await
    }

    /// One request with a length, and its answer; the connection stays.
    pub(crate) async fn call(
        &mut self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Answer {
        self.send(request(method, path, headers, body)).await;
        self.answer().await
    }
}

/// A request with a length (none when the body is empty and the method GET, HEAD or DELETE).
pub(crate) fn request(method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = request_line(method, path, headers);
    if !body.is_empty() || !matches!(method, "GET" | "HEAD" | "DELETE") {
        let _ = write!(text, "content-length: {}\r\n", body.len());
    }
    text.push_str("\r\n");
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(body);
    bytes
}

/// A request with a chunked body, in chunks of `size`.
pub(crate) fn chunked_request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
    size: usize,
) -> Vec<u8> {
    let mut text = request_line(method, path, headers);
    text.push_str("transfer-encoding: chunked\r\n\r\n");
    let mut bytes = text.into_bytes();
    for piece in body.chunks(size) {
        bytes.extend(super::answer::chunk(piece));
    }
    bytes.extend_from_slice(super::answer::LAST_CHUNK);
    bytes
}

fn request_line(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let mut text = format!("{method} {path} HTTP/1.1\r\nhost: 127.0.0.1\r\n");
    let json = !headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("content-type"));
    if json && !matches!(method, "GET" | "HEAD" | "DELETE") {
        text.push_str("content-type: application/json\r\n");
    }
    for (name, value) in headers {
        let _ = write!(text, "{name}: {value}\r\n");
    }
    text
}
