//! Small requests to addresses that an administrator has entered (identity providers), over the gateway's own
//! connections: one resolver, one TLS, one guard against private networks.

use super::Upstreams;
use super::auth::Authorizer;
use super::auth::http::service;
use super::endpoint::Endpoint;
use super::whole::{WholeError, ask};
use bytes::Bytes;
use http::header::{ACCEPT_ENCODING, CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use http::{HeaderValue, Request, Response};
use sallyport_config::model::{Duration as Time, Upstream as Settings};
use sallyport_filters::outgoing::Outgoing;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;
use url::Url;

/// Bytes of an answer: a discovery document has 5 KB, a large key set 50.
const MAX_ANSWER: usize = 1024 * 1024;
/// From the first look-up to the last byte: somebody waits in a browser.
const PATIENCE: Duration = Duration::from_secs(15);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Not an address that can be asked.
    #[error("`{0}` is not an http or https address")]
    Address(String),
    /// The request did not get through, or its answer did not come back.
    #[error("{authority}: {why}")]
    Failed {
        /// Host and port.
        authority: String,
        /// What happened.
        why: String,
    },
}

/// Sends a request; the answer may have any status, and redirects are not followed.
///
/// # Errors
/// There is no answer: a private address that `upstream.allow_networks` does not list, no connection, no valid
/// certificate, more than 1 MiB, more than 15 s.
pub async fn fetch(
    ups: &Upstreams,
    request: Request<Bytes>,
    settings: &Settings,
) -> Result<Response<Bytes>, FetchError> {
    let (parts, body) = request.into_parts();
    let address = || FetchError::Address(parts.uri.to_string());
    let url = Url::parse(&parts.uri.to_string()).map_err(|_| address())?;
    let provider = service(&url).ok_or_else(address)?;
    let mut settings = settings.clone();
    settings.first_byte_timeout = settings.first_byte_timeout.min(Time::secs(PATIENCE.as_secs()));
    let mut headers = parts.headers;
    for name in [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        headers.remove(name);
    }
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let path_and_query = parts.uri.path_and_query().map_or("/", |p| p.as_str()).to_owned();
    let out = Outgoing { path_and_query, headers, body, splices: Vec::new() };
    let endpoint = Endpoint::new(Arc::new(provider), &settings, Authorizer::none());
    let failed = |why: String| FetchError::Failed { authority: endpoint.provider.authority.to_string(), why };
    let room = AtomicUsize::new(MAX_ANSWER);
    let once = || {
        tokio::time::timeout(PATIENCE, Box::pin(ask(ups, &endpoint, &parts.method, &out, &settings, &room)))
    };
    let mut got = once().await;
    // A pooled connection that was closed meanwhile.
    if matches!(got, Ok(Err(WholeError::Broken { stale: true, .. }))) {
        got = once().await;
    }
    let got = got.map_err(|_| failed(format!("no whole answer within {PATIENCE:?}")))?;
    let got = got.map_err(|e| failed(e.to_string()))?;
    let mut response = Response::new(got.body);
    *response.status_mut() = got.status;
    *response.headers_mut() = got.headers;
    Ok(response)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    /// A server that gives this answer to whatever comes, and what it was asked.
    async fn server(answer: String) -> (u16, tokio::sync::mpsc::UnboundedReceiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (to, asked) = tokio::sync::mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let mut got = vec![0; 4096];
                let n = socket.read(&mut got).await.unwrap();
                let _ = to.send(String::from_utf8_lossy(&got[..n]).into_owned());
                let _ = socket.write_all(answer.as_bytes()).await;
            }
        });
        (port, asked)
    }

    fn open() -> Settings {
        Settings { allow_networks: vec!["127.0.0.0/8".parse().unwrap()], ..Settings::default() }
    }

    async fn get(uri: String, settings: &Settings) -> Result<Response<Bytes>, FetchError> {
        let dir = tempfile::tempdir().unwrap();
        let ups = Upstreams::new(settings, dir.path()).unwrap();
        fetch(&ups, Request::get(uri).body(Bytes::new()).unwrap(), settings).await
    }

    #[tokio::test]
    async fn any_status_is_an_answer_and_redirects_are_not_followed() {
        let (port, mut asked) = server(
            "HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 2\r\n\r\nhi".into(),
        )
        .await;
        let got = get(format!("http://127.0.0.1:{port}/a?b=c"), &open()).await.unwrap();
        assert_eq!((got.status().as_u16(), &got.body()[..]), (302, &b"hi"[..]));
        let asked = asked.recv().await.unwrap().to_lowercase();
        assert!(asked.starts_with("get /a?b=c http/1.1\r\n"), "{asked}");
        assert!(asked.contains(&format!("host: 127.0.0.1:{port}\r\n")), "{asked}");
    }

    /// Lessons, Control plane: SSRF through whatever address an administrator may enter.
    #[tokio::test]
    async fn private_addresses_are_refused_before_anybody_is_asked() {
        let (port, mut asked) = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".into()).await;
        for host in ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0"] {
            let error = get(format!("http://{host}:{port}/"), &Settings::default()).await.unwrap_err();
            assert!(matches!(error, FetchError::Failed { .. }), "{host}: {error}");
        }
        assert!(asked.try_recv().is_err(), "somebody was asked");
        assert!(matches!(get("ftp://example.com/".into(), &open()).await, Err(FetchError::Address(_))));
    }

    #[tokio::test]
    async fn an_answer_without_end_is_cut() {
        let body = "x".repeat(MAX_ANSWER + 1);
        let (port, _asked) =
            server(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len())).await;
        let error = get(format!("http://127.0.0.1:{port}/"), &open()).await.unwrap_err();
        assert!(error.to_string().contains("too large"), "{error}");
    }
}
