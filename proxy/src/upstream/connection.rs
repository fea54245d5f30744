//! One request on one pooled connection: written in one go, its answer read task by task.

use super::Pools;
use super::endpoint::{Endpoint, EndpointError, Peers};
use bytes::{BufMut, BytesMut};
use http::{HeaderName, HeaderValue, Method, Version, header};
use pingora_core::protocols::http::HttpTask;
use pingora_core::protocols::http::client::HttpSession;
use pingora_core::protocols::http::v1::client::HttpSession as H1;
use pingora_core::upstreams::peer::{HttpPeer, Peer};
use pingora_core::{BError, Error, ErrorType};
use pingora_http::RequestHeader;
use sallyport_filters::outgoing::Outgoing;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;

/// Bodies up to this size are copied behind the head and go out in the same write; larger ones are written from
/// where they are. 64 KiB is what one `write` to a socket takes without splitting.
const ONE_WRITE: usize = 64 * 1024;

/// Why there is no connection, or why the request did not get onto it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// No address that may be used.
    #[error("{0}")]
    Endpoint(#[from] EndpointError),
    /// No connection within the time.
    #[error("{0}")]
    Timeout(BError),
    /// Refused, reset, or TLS failed.
    #[error("{0}")]
    Connect(BError),
    /// The connection broke while the request was written.
    #[error("{error}")]
    Write {
        /// What happened.
        error: BError,
        /// It came out of the pool: it may have been dead for long.
        reused: bool,
    },
    /// The request cannot be written in HTTP.
    #[error("{0}")]
    Request(String),
}

/// A request that is on its way.
pub(crate) struct Connection {
    session: HttpSession<()>,
    peers: Arc<Peers>,
    index: usize,
    raw: bool,
    parked: Option<BError>,
    /// It came out of the pool.
    pub(crate) reused: bool,
}

impl Connection {
    fn peer(&self) -> &HttpPeer {
        &self.peers.list[self.index]
    }

    /// Connects (or takes a pooled connection) and writes the whole request.
    pub(crate) async fn open(
        pools: &Pools,
        endpoint: &Endpoint,
        method: &Method,
        out: &Outgoing,
        write_timeout: Duration,
    ) -> Result<Self, OpenError> {
        let peers = endpoint.peers().await?;
        let mut last = None;
        // Another address of the same name is tried at once; two, so that a name with many dead addresses does not
        // take the time of all attempts.
        for _ in 0..peers.list.len().min(2) {
            let Some(peer) = endpoint.pick(&peers) else { break };
            let index = peers.list.iter().position(|p| std::ptr::eq(p, peer)).unwrap_or_default();
            let got = if endpoint.raw {
                pools.raw.get_stream(peer).await.map(|(s, reused)| (Transport::Raw(s), reused))
            } else {
                pools.http.get_http_session(peer).await.map(|(s, reused)| (Transport::Http(s), reused))
            };
            match got {
                Ok((transport, reused)) => {
                    let connect = |session| Self {
                        session,
                        peers: peers.clone(),
                        index,
                        raw: endpoint.raw,
                        parked: None,
                        reused,
                    };
                    let authority = &endpoint.provider.authority;
                    let write = async {
                        match transport {
                            Transport::Raw(stream) => write_h1(stream, peer, authority, method, out).await,
                            Transport::Http(HttpSession::H1(h)) => {
                                write_h1(h.into_inner(), peer, authority, method, out).await
                            }
                            Transport::Http(s) => {
                                write_h2(s, endpoint.provider.tls, authority, method, out).await
                            }
                        }
                    };
                    return match pingora_timeout::timeout(write_timeout, write).await {
                        Ok(Ok(session)) => Ok(connect(session)),
                        Ok(Err(WriteError::Io(error))) => Err(OpenError::Write { error, reused }),
                        Ok(Err(WriteError::Request(why))) => Err(OpenError::Request(why)),
                        Err(_) => {
                            endpoint.turn();
                            Err(OpenError::Timeout(Error::explain(
                                ErrorType::WriteTimedout,
                                format!("the upstream did not take the request within {write_timeout:?}"),
                            )))
                        }
                    };
                }
                Err(e) => {
                    endpoint.turn();
                    last = Some(e);
                }
            }
        }
        let e = last.unwrap_or_else(|| Error::explain(ErrorType::ConnectError, "no address"));
        Err(match e.etype() {
            ErrorType::ConnectTimedout | ErrorType::TLSHandshakeTimedout => OpenError::Timeout(e),
            _ => OpenError::Connect(e),
        })
    }

    /// The next piece of the answer. May be dropped while it waits.
    pub(crate) async fn next(&mut self) -> Result<HttpTask, BError> {
        if let Some(e) = self.parked.take() {
            return Err(e);
        }
        match &mut self.session {
            HttpSession::H1(h) => h.read_response_task().await,
            HttpSession::H2(h) => {
                if h.response_header().is_none() {
                    h.read_response_header().await?;
                    let end = h.check_response_end_or_error()?;
                    let head = h.response_header().cloned();
                    let head = head.ok_or_else(|| Error::explain(ErrorType::H2Error, "no response head"))?;
                    return Ok(HttpTask::Header(Box::new(head), end));
                }
                match h.read_response_body().await? {
                    Some(b) => {
                        let end = h.check_response_end_or_error()?;
                        Ok(HttpTask::Body(Some(b), end))
                    }
                    None => {
                        let trailers = h.read_trailers().await?;
                        Ok(trailers.map_or(HttpTask::Done, |t| HttpTask::Trailer(Some(Box::new(t)))))
                    }
                }
            }
            HttpSession::Custom(_) => {
                Err(Error::explain(ErrorType::InternalError, "no custom protocol is in use"))
            }
        }
    }

    /// Keeps an error for the next [`Connection::next`]: what came before it is passed on first.
    pub(crate) fn park(&mut self, e: BError) {
        self.parked = Some(e);
    }

    /// The answer is complete: the connection goes back into the pool.
    pub(crate) async fn release(self, pools: &Pools, keepalive: Duration) {
        let peer = &self.peers.list[self.index];
        match self.session {
            HttpSession::H1(mut h) if self.raw => {
                h.respect_keepalive();
                if let Some(stream) = h.reuse().await {
                    pools.raw.release_stream(stream, peer.reuse_hash(), Some(keepalive));
                }
            }
            mut s => {
                if let HttpSession::H1(h) = &mut s {
                    h.respect_keepalive();
                }
                // Boxed: a state of 4 KB, most of it for the HTTP/2 half.
                Box::pin(pools.http.release_http_session(s, peer, Some(keepalive))).await;
            }
        }
    }

    /// Gives the answer up. HTTP/1.1: the connection is closed; HTTP/2: the stream is reset.
    pub(crate) async fn abandon(mut self, pools: &Pools) {
        self.session.shutdown().await;
        if let HttpSession::H2(_) = self.session {
            let peer = self.peer().clone();
            pools.http.release_http_session(self.session, &peer, None).await;
        }
    }
}

enum Transport {
    Raw(pingora_core::protocols::Stream),
    Http(HttpSession<()>),
}

enum WriteError {
    Io(BError),
    Request(String),
}

fn io(e: std::io::Error) -> WriteError {
    WriteError::Io(Error::because(ErrorType::WriteError, "writing the request", e))
}

/// Head and body of a small request in one buffer.
fn h1_head(authority: &str, method: &Method, out: &Outgoing) -> Result<BytesMut, WriteError> {
    // Path and headers were made from checked parts, but the path is the client's: nothing may end the line.
    if out.path_and_query.bytes().any(|b| b <= b' ' || b == 0x7f) {
        return Err(WriteError::Request("the path holds a character that HTTP does not allow".into()));
    }
    let len = out.len();
    let mut w = BytesMut::with_capacity(1024 + if len <= ONE_WRITE { len } else { 0 });
    w.put_slice(method.as_str().as_bytes());
    w.put_u8(b' ');
    w.put_slice(out.path_and_query.as_bytes());
    w.put_slice(b" HTTP/1.1\r\nhost: ");
    w.put_slice(authority.as_bytes());
    w.put_slice(b"\r\n");
    for (name, value) in &out.headers {
        put_header(&mut w, name, value);
    }
    if len > 0 || !matches!(*method, Method::GET | Method::HEAD | Method::DELETE) {
        put_header(&mut w, &header::CONTENT_LENGTH, &HeaderValue::from(len));
    }
    w.put_slice(b"\r\n");
    Ok(w)
}

fn put_header(w: &mut BytesMut, name: &HeaderName, value: &HeaderValue) {
    w.put_slice(name.as_str().as_bytes());
    w.put_slice(b": ");
    w.put_slice(value.as_bytes());
    w.put_slice(b"\r\n");
}

async fn write_h1(
    mut stream: pingora_core::protocols::Stream,
    peer: &HttpPeer,
    authority: &str,
    method: &Method,
    out: &Outgoing,
) -> Result<HttpSession<()>, WriteError> {
    let mut head = h1_head(authority, method, out)?;
    if out.len() <= ONE_WRITE {
        out.write_body(&mut head);
        stream.write_all(&head).await.map_err(io)?;
    } else {
        stream.write_all(&head).await.map_err(io)?;
        for segment in out.segments() {
            stream.write_all(&segment).await.map_err(io)?;
        }
    }
    stream.flush().await.map_err(io)?;
    Ok(HttpSession::H1(H1::new_with_options(stream, peer)))
}

async fn write_h2(
    mut session: HttpSession<()>,
    tls: bool,
    authority: &str,
    method: &Method,
    out: &Outgoing,
) -> Result<HttpSession<()>, WriteError> {
    let uri = http::Uri::builder()
        .scheme(if tls { "https" } else { "http" })
        .authority(authority)
        .path_and_query(out.path_and_query.as_str())
        .build()
        .map_err(|e| WriteError::Request(format!("the path cannot be sent: {e}")))?;
    let build = || -> Result<RequestHeader, BError> {
        let mut head = RequestHeader::build_no_case(method.clone(), b"/", Some(out.headers.len() + 1))?;
        head.set_uri(uri);
        head.set_version(Version::HTTP_2);
        for (name, value) in &out.headers {
            head.append_header(name.clone(), value.clone())?;
        }
        head.insert_header(header::CONTENT_LENGTH, out.len())?;
        Ok(head)
    };
    let head = build().map_err(WriteError::Io)?;
    session.write_request_header(Box::new(head)).await.map_err(WriteError::Io)?;
    let mut body = BytesMut::with_capacity(out.len());
    if out.splices.is_empty() {
        session.write_request_body(out.body.clone(), true).await.map_err(WriteError::Io)?;
    } else {
        out.write_body(&mut body);
        session.write_request_body(body.freeze(), true).await.map_err(WriteError::Io)?;
    }
    session.finish_request_body().await.map_err(WriteError::Io)?;
    Ok(session)
}
