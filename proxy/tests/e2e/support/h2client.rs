//! An HTTP/2 client by prior knowledge (h2c).

use super::wait::within;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpStream;

/// A whole answer.
#[derive(Debug)]
pub(crate) struct H2Got {
    /// Status.
    pub(crate) status: u16,
    /// Headers.
    pub(crate) headers: hyper::HeaderMap,
    /// Body.
    pub(crate) body: Vec<u8>,
}

/// A connection.
pub(crate) async fn connect(port: u16) -> http2::SendRequest<Full<Bytes>> {
    let socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (sender, connection) =
        http2::Builder::new(TokioExecutor::new()).handshake(TokioIo::new(socket)).await.unwrap();
    tokio::spawn(connection);
    sender
}

/// Sends a POST; the answer's head and its body to come.
pub(crate) async fn start(
    sender: &mut http2::SendRequest<Full<Bytes>>,
    path: &str,
    headers: &[(&str, &str)],
    body: &[u8],
) -> hyper::Response<Incoming> {
    let mut request = hyper::Request::post(format!("http://127.0.0.1{path}"));
    if !headers.iter().any(|(n, _)| n.eq_ignore_ascii_case("content-type")) {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::copy_from_slice(body))).unwrap();
    within("a response head by HTTP/2", sender.send_request(request)).await.unwrap()
}

/// One POST on a connection of its own.
pub(crate) async fn post(port: u16, path: &str, headers: &[(&str, &str)], body: &[u8]) -> H2Got {
    let mut sender = connect(port).await;
    let response = start(&mut sender, path, headers, body).await;
    let (parts, body) = response.into_parts();
    let body = within("a body by HTTP/2", body.collect()).await.unwrap().to_bytes().to_vec();
    H2Got { status: parts.status.as_u16(), headers: parts.headers, body }
}
