//! Small requests to the services that give out credentials, over the gateway's own connections.

use super::super::Pools;
use super::super::connection::{Connection, OpenError};
use super::super::endpoint::Endpoint;
use super::{AuthError, Authorizer};
use bytes::{Bytes, BytesMut};
use http::header::{ACCEPT, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use pingora_core::protocols::http::HttpTask;
use sallyport_config::model::{
    Duration as Time, HttpVersions, KindSettings, OpenaiCompatibleSettings, ProviderKind,
    Upstream as Settings,
};
use sallyport_config::snapshot::Provider;
use sallyport_filters::outgoing::Outgoing;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;
use url::Url;

/// No token is longer.
const MAX_ANSWER: usize = 256 * 1024;
/// A metadata service is on the same machine or nowhere.
const NEAR: Time = Time::secs(2);

/// Whose address it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The cloud's own (its documents or its platform give it): it may be private, as a private endpoint of STS is.
    Cloud,
    /// The same, on this machine's own network: not there means not there.
    Metadata,
    /// Out of the configuration: as for a provider's `base_url`, only public ones and those that are listed.
    Configured,
}

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Ask {
    what: &'static str,
    method: Method,
    url: Url,
    trust: Trust,
    headers: HeaderMap,
    body: Bytes,
}

/// An answer with a good status.
#[derive(Debug)]
pub(crate) struct Answer {
    what: &'static str,
    pub(crate) body: Bytes,
}

impl Ask {
    /// A request. `what`: the service's name, for errors.
    pub(crate) fn new(what: &'static str, method: Method, url: Url, trust: Trust) -> Self {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        Self { what, method, url, trust, headers, body: Bytes::new() }
    }

    /// With a form as its body.
    pub(crate) fn form(mut self, fields: &[(&str, &str)]) -> Self {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        self.body = form.finish().into();
        self.headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded; charset=utf-8"),
        );
        self
    }

    /// With JSON as its body.
    pub(crate) fn json(mut self, body: &serde_json::Value) -> Self {
        self.body = body.to_string().into();
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self
    }

    /// With a header; its value may be a secret.
    pub(crate) fn header(mut self, name: &str, value: &str) -> Result<Self, AuthError> {
        let bad = || AuthError::Setup(format!("{}: `{name}` cannot be sent as a header", self.what));
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        let mut value = HeaderValue::from_str(value).map_err(|_| bad())?;
        value.set_sensitive(true);
        self.headers.insert(name, value);
        Ok(self)
    }

    /// Where it goes.
    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// As the engine would send it: what a signer signs.
    pub(crate) fn outgoing(&self) -> Outgoing {
        let path_and_query = match self.url.query() {
            Some(query) => format!("{}?{query}", self.url.path()),
            None => self.url.path().to_owned(),
        };
        Outgoing {
            path_and_query,
            headers: self.headers.clone(),
            body: self.body.clone(),
            splices: Vec::new(),
        }
    }

    /// Takes the headers of a signed request.
    pub(crate) fn signed(mut self, out: Outgoing) -> Self {
        self.headers = out.headers;
        self
    }
}

impl Answer {
    /// As JSON of a form.
    pub(crate) fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, AuthError> {
        // Not serde's own words: they may quote a token.
        serde_json::from_slice(&self.body).map_err(|_| self.bad("not the JSON that its documents say"))
    }

    /// As text.
    pub(crate) fn text(&self) -> Result<&str, AuthError> {
        std::str::from_utf8(&self.body).map_err(|_| self.bad("not text"))
    }

    /// The answer is of no use.
    pub(crate) fn bad(&self, why: &str) -> AuthError {
        AuthError::Answer { what: self.what, why: why.to_owned() }
    }
}

/// Sends them.
#[derive(Clone)]
pub(crate) struct Client {
    pools: Arc<Pools>,
    settings: Settings,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Client")
    }
}

impl Client {
    /// Over these connections.
    pub(crate) fn new(pools: Arc<Pools>, settings: &Settings) -> Self {
        Self { pools, settings: settings.clone() }
    }

    /// Sends a request and reads the answer.
    ///
    /// # Errors
    /// Also any status but 2xx.
    pub(crate) async fn ask(&self, ask: Ask) -> Result<Answer, AuthError> {
        let what = ask.what;
        let unreachable = |why: String| AuthError::Unreachable { what, why };
        let mut settings = self.settings.clone();
        match ask.trust {
            Trust::Configured => {}
            Trust::Cloud => settings.allow_networks = everywhere(),
            Trust::Metadata => {
                settings.allow_networks = everywhere();
                settings.connect_timeout = settings.connect_timeout.min(NEAR);
            }
        }
        let provider =
            service(&ask.url).ok_or_else(|| unreachable("its address is not one of HTTP".into()))?;
        // Of its own for each request: they are rare, and so its addresses are always fresh.
        let endpoint = Endpoint::new(Arc::new(provider), &settings, Authorizer::none());
        let out = ask.outgoing();
        let patience: Duration = settings.idle_timeout.get();
        let opened = Connection::open(&self.pools, &endpoint, &ask.method, &out, patience).await;
        let mut connection = opened.map_err(|e| match e {
            OpenError::Endpoint(e) => unreachable(e.to_string()),
            e => unreachable(format!("{}: {e}", endpoint.provider.authority)),
        })?;
        let read = read(&mut connection).await;
        Box::pin(connection.abandon(&self.pools)).await;
        let (status, body) = read.map_err(unreachable)?;
        if (200..300).contains(&status) {
            Ok(Answer { what, body })
        } else {
            Err(AuthError::Refused { what, status, story: story(&body, &ask) })
        }
    }
}

async fn read(connection: &mut Connection) -> Result<(u16, Bytes), String> {
    let mut status = 0;
    let mut body = BytesMut::new();
    loop {
        match connection.next().await.map_err(|e| e.to_string())? {
            HttpTask::Header(head, _) if head.status.is_informational() => {}
            HttpTask::Header(head, end) => {
                status = head.status.as_u16();
                if end {
                    break;
                }
            }
            HttpTask::Body(piece, end) => {
                body.extend_from_slice(&piece.unwrap_or_default());
                if body.len() > MAX_ANSWER {
                    return Err(format!("an answer of more than {MAX_ANSWER} bytes"));
                }
                if end {
                    break;
                }
            }
            HttpTask::Failed(e) => return Err(e.to_string()),
            HttpTask::UpgradedBody(..) | HttpTask::Trailer(_) | HttpTask::Done => break,
        }
    }
    Ok((status, body.freeze()))
}

/// A service as an endpoint has it.
pub(crate) fn service(url: &Url) -> Option<Provider> {
    let bracketed = url.host_str()?;
    let host = bracketed.trim_start_matches('[').trim_end_matches(']');
    Some(Provider {
        name: "credentials".into(),
        kind: ProviderKind::OpenaiCompatible,
        tls: match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        },
        host: host.into(),
        port: url.port_or_known_default()?,
        authority: url.port().map_or_else(|| bracketed.into(), |port| format!("{bracketed}:{port}").into()),
        base_path: "".into(),
        api_key: None,
        settings: KindSettings::OpenaiCompatible(OpenaiCompatibleSettings::default()),
        headers: Vec::new(),
        http: HttpVersions::H1,
        ca_file: None,
        tls_name: host.into(),
        passthrough: Arc::default(),
        enabled: true,
        generation: 0,
        managed: true,
    })
}

fn everywhere() -> Vec<IpNet> {
    vec![
        IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::UNSPECIFIED, 0)),
        IpNet::V6(Ipv6Net::new_assert(Ipv6Addr::UNSPECIFIED, 0)),
    ]
}

/// Fields of forms that are no secrets: what a refusal may repeat.
const OPEN: [&str; 14] = [
    "Action",
    "Version",
    "RoleArn",
    "RoleSessionName",
    "ExternalId",
    "grant_type",
    "client_id",
    "client_assertion_type",
    "scope",
    "audience",
    "resource",
    "requested_token_type",
    "subject_token_type",
    "api-version",
];

/// A refusal in the service's own words, short, on one line, and without a secret that was sent.
fn story(body: &[u8], ask: &Ask) -> String {
    let text = String::from_utf8_lossy(body);
    let told = match serde_json::from_str::<serde_json::Value>(&text) {
        Ok(json) => {
            let word = |pointer: &str| json.pointer(pointer).and_then(serde_json::Value::as_str);
            let code = word("/error").or_else(|| word("/error/status")).or_else(|| word("/code"));
            let message = ["/error_description", "/error/message", "/message", "/Message"];
            let message = message.iter().find_map(|p| word(p));
            [code, message].into_iter().flatten().collect::<Vec<_>>().join(": ")
        }
        Err(_) => {
            let tags = [super::aws::sts::tag(&text, "Code"), super::aws::sts::tag(&text, "Message")];
            tags.into_iter().flatten().collect::<Vec<_>>().join(": ")
        }
    };
    let sent = url::form_urlencoded::parse(&ask.body).filter(|(name, _)| !OPEN.contains(&&**name));
    let sent = sent.map(|(_, value)| value.into_owned());
    let headers = ask.headers.values().filter(|v| v.is_sensitive());
    let headers = headers.filter_map(|v| Some(v.to_str().ok()?.trim_start_matches("Bearer ").to_owned()));
    let secret = |s: &String| s.len() >= 8 && told.contains(s.as_str());
    if sent.chain(headers).any(|s| secret(&s)) {
        return "(its words repeat what was sent, and are not shown)".into();
    }
    let line: String = told.chars().map(|c| if c.is_control() { ' ' } else { c }).take(300).collect();
    if line.trim().is_empty() { "(no reason is given)".into() } else { line }
}
