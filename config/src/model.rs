//! The typed configuration: what a merged YAML document must look like. One struct a section, every field with
//! its default; the JSON Schema in config/schema.json is generated from here.
//!
//! Durations are written `250ms`, `30s`, `5m`, `1h`; sizes `64KiB`, `32MiB`.

mod admin;
mod kinds;
mod provider;
mod redis;
mod responses;

pub use crate::units::{Duration, Secret, Size};
pub use admin::{Admin, BindAddress, PasswordRules, RateLimit, SecondFactorRules, SessionRules};
pub use kinds::{
    AnthropicSettings, AzureOpenaiSettings, BedrockApi, BedrockSettings, Entra, KindSettings,
    ManagedIdentity, OpenaiCompatibleSettings, OpenaiSettings, ReasoningField, VertexSettings,
    WorkloadIdentity,
};
pub use provider::{HttpVersions, Provider, ProviderKind};
pub use redis::Redis;
pub use responses::{Background, Responses};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

/// The whole document.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where this instance keeps its files (spool, snapshot, private Postgres, master key).
    pub data_dir: DataDir,
    /// Name of this instance in logs and the call log. Default: the host name.
    pub instance: Option<String>,
    /// The gateway's listener.
    pub server: Server,
    /// The admin service.
    pub admin: Admin,
    /// Prometheus metrics.
    pub metrics: Metrics,
    /// The process's own log.
    pub log: Log,
    /// Where the state lives.
    pub database: Database,
    /// Redis, beside Postgres.
    pub redis: Redis,
    /// The key that encrypts secrets at rest.
    pub encryption: Encryption,
    /// How upstreams are called.
    pub upstream: Upstream,
    /// The call log.
    pub call_log: CallLog,
    /// The filters, outermost first. Default: all of them, in the order of [`FILTERS`].
    pub filters: Vec<FilterEntry>,
    /// Calls that go to a provider of another dialect.
    pub translation: Translation,
    /// Responses that are kept for providers without state.
    pub responses: Responses,
    /// Token prices.
    pub prices: Prices,
    /// How a model's name finds its provider.
    pub routing: Routing,
    /// Upstream providers.
    pub providers: Vec<Provider>,
    /// Models that clients may ask for.
    pub models: Vec<Model>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: DataDir::default(),
            instance: None,
            server: Server::default(),
            admin: Admin::default(),
            metrics: Metrics::default(),
            log: Log::default(),
            database: Database::default(),
            redis: Redis::default(),
            encryption: Encryption::default(),
            upstream: Upstream::default(),
            call_log: CallLog::default(),
            // Not empty: a file that forgets them must not open the gate.
            filters: FILTERS.iter().map(|f| FilterEntry { name: (*f).to_owned(), enabled: true }).collect(),
            translation: Translation::default(),
            responses: Responses::default(),
            prices: Prices::default(),
            routing: Routing::default(),
            providers: Vec::new(),
            models: Vec::new(),
        }
    }
}

impl Config {
    /// Name of this instance: the configured one, else the machine's name as the kernel has it.
    pub fn instance_name(&self) -> String {
        self.instance.clone().unwrap_or_else(|| {
            std::fs::read_to_string("/proc/sys/kernel/hostname")
                .map_or_else(|_| String::new(), |n| n.trim().to_owned())
        })
    }
}

/// A directory; default `./data`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(transparent)]
pub struct DataDir(pub PathBuf);

impl Default for DataDir {
    fn default() -> Self {
        Self(PathBuf::from("./data"))
    }
}

/// The gateway's listener and what it grants a client.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Addresses to listen on. HTTP/1.1 and h2c (prior knowledge) on plain ones, ALPN on TLS ones.
    pub listen: Vec<SocketAddr>,
    /// Where clients find the gateway, for what is shown to people (client set-up of a new key): `https://ai.corp`.
    /// Default: the first address of `listen`.
    pub public_url: Option<String>,
    /// Serve TLS on all of `listen`.
    pub tls: Option<TlsFiles>,
    /// Worker threads; 0 = one a core.
    pub threads: usize,
    /// Largest request body; more is answered with 413.
    pub max_body: Size,
    /// The same of a body that passes unread (`providers[].passthrough`).
    pub max_passthrough_body: Size,
    /// Longest time that a request's head may take, once the connection is open (or, on a kept one, after its idle
    /// time).
    pub head_timeout: Duration,
    /// Longest wait for the next bytes of a request body.
    pub body_timeout: Duration,
    /// How long an idle keep-alive connection is kept.
    pub keepalive: Duration,
    /// After SIGTERM: how long new calls are still taken while `/health/ready` says no, so that a load balancer
    /// turns away before connections are refused. Not after SIGINT.
    pub drain_delay: Duration,
    /// After that: how long calls in flight may go on.
    pub drain: Duration,
    /// Longest wait for a slow client to take bytes.
    pub write_timeout: Duration,
}

impl Server {
    /// Where clients find the gateway: as it is set, or the first listener (on this machine, if it listens on all
    /// addresses).
    pub fn public_url(&self) -> String {
        if let Some(url) = &self.public_url {
            return url.clone();
        }
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        match self.listen.first() {
            Some(a) if a.ip().is_unspecified() => format!("{scheme}://localhost:{}", a.port()),
            Some(a) => format!("{scheme}://{a}"),
            None => format!("{scheme}://localhost"),
        }
    }
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: vec![SocketAddr::from(([0, 0, 0, 0], 3000))],
            public_url: None,
            tls: None,
            threads: 0,
            max_body: Size::mib(32),
            max_passthrough_body: Size::mib(512),
            head_timeout: Duration::secs(15),
            body_timeout: Duration::secs(30),
            keepalive: Duration::secs(60),
            drain_delay: Duration::secs(2),
            drain: Duration::secs(30),
            write_timeout: Duration::secs(60),
        }
    }
}

/// A certificate chain and its key, PEM.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct TlsFiles {
    /// PEM file: leaf first, then intermediates.
    pub cert: PathBuf,
    /// PEM file with the private key.
    pub key: PathBuf,
}

/// Prometheus metrics.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// A listener of its own for `/metrics`, without a token.
    pub listen: Option<SocketAddr>,
    /// Bearer token for `/metrics` on the gateway's own listener; without one it is not served there.
    pub token: Option<Secret>,
}

/// The process's own log (stderr).
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// `text` or `json`.
    pub format: LogFormat,
    /// A tracing filter: `info`, `sallyport_proxy=debug,warn`, …
    pub level: String,
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".into() }
    }
}

/// Shape of a log line.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Where the state lives.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Database {
    /// `postgres://user:password@host/db`. Without one, a private Postgres is supervised under `data_dir`.
    pub url: Option<Secret>,
    /// Directory with `initdb` and `postgres` for the private Postgres. Default: PATH and /usr/lib/postgresql/*/bin.
    pub binaries: Option<PathBuf>,
    /// Connections at most.
    pub max_connections: u32,
    /// Longest wait for a connection or a statement.
    pub timeout: Duration,
    /// Keep a connection that listens for changes. False, with `run --role proxy` and `redis.url` only: a gateway
    /// without a connection of its own (behind a proxy that pools transactions) hears of changes by Redis alone, from
    /// the instances that listen; while Redis is away it reads everything every ten seconds.
    pub listen: bool,
}

impl Default for Database {
    fn default() -> Self {
        Self { url: None, binaries: None, max_connections: 8, timeout: Duration::secs(5), listen: true }
    }
}

/// The key that encrypts secrets at rest (AES-256-GCM).
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Encryption {
    /// 32 bytes in base64. Default: `data_dir/master.key`, made with mode 0600 beside the private Postgres.
    pub master_key: Option<Secret>,
    /// Former master keys that may still be read.
    pub previous_keys: Vec<Secret>,
}

/// How upstreams are called.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Upstream {
    /// Longest wait for TCP and TLS.
    pub connect_timeout: Duration,
    /// Longest wait for the response head (a model that thinks without streaming takes minutes).
    pub first_byte_timeout: Duration,
    /// Longest silence inside a response body.
    pub idle_timeout: Duration,
    /// Attempts at most for one call, the first one included.
    pub max_attempts: u32,
    /// Wait before the second attempt on the *same* provider; doubles, with full jitter.
    pub backoff: Duration,
    /// Upper bound of a wait between attempts; a longer Retry-After ends the call instead.
    pub max_backoff: Duration,
    /// Idle connections kept for reuse.
    pub keepalive_pool: usize,
    /// How long an idle connection is kept.
    pub keepalive: Duration,
    /// PEM files with certificate authorities trusted besides the system's.
    pub ca_files: Vec<PathBuf>,
    /// Networks (CIDR) that a provider may have although they are private. Public addresses are always allowed;
    /// loopback, private, link-local and metadata addresses only if listed here.
    #[schemars(with = "Vec<String>")]
    pub allow_networks: Vec<ipnet::IpNet>,
}

impl Default for Upstream {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::secs(5),
            first_byte_timeout: Duration::secs(600),
            idle_timeout: Duration::secs(120),
            max_attempts: 3,
            backoff: Duration::millis(200),
            max_backoff: Duration::secs(5),
            keepalive_pool: 1024,
            keepalive: Duration::secs(50),
            ca_files: Vec::new(),
            allow_networks: Vec::new(),
        }
    }
}

/// The call log: bounded queue → disk spool → store.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct CallLog {
    /// Events waiting for the spool writer; when full, the caller waits for no one: the event is counted as dropped.
    pub queue: usize,
    /// The spool is written and synced at least this often.
    pub flush_interval: Duration,
    /// Disk that the spool may take; past it the oldest segment is dropped, with a metric.
    pub spool_max: Size,
    /// Days that call-log partitions are kept; 0 = for ever.
    pub retention_days: u32,
}

impl Default for CallLog {
    fn default() -> Self {
        Self {
            queue: 65_536,
            flush_interval: Duration::millis(25),
            spool_max: Size::mib(1024),
            retention_days: 90,
        }
    }
}

/// The filters that there are, in their default order.
pub const FILTERS: [&str; 5] = ["log", "auth", "access", "cost", "usage"];

/// One filter of the chain. The order in YAML is the order of the request; the response goes back in reverse.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct FilterEntry {
    /// `log`, `auth`, `access`, `cost` or `usage`.
    #[schemars(extend("enum" = FILTERS))]
    pub name: String,
    /// False: left out of the chain.
    #[serde(default = "yes")]
    pub enabled: bool,
}

const fn yes() -> bool {
    true
}

/// Token prices.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Prices {
    /// A price file. Default: the table that was built in (config/prices.yaml).
    pub file: Option<PathBuf>,
    /// Prices by model name (may hold `*`), over those of the file.
    pub models: BTreeMap<String, Price>,
}

/// Prices of one model in US dollars per million tokens, as providers publish them. An entry is taken as a whole:
/// it does not inherit from the price file.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// Prompt tokens.
    pub input: f64,
    /// Prompt tokens read from the cache; default: as `input`.
    pub cached_input: Option<f64>,
    /// Prompt tokens written to the cache (5 min); default: as `input`.
    pub cache_write: Option<f64>,
    /// Prompt tokens written to the cache (1 h); default: as `cache_write`.
    pub cache_write_1h: Option<f64>,
    /// Completion tokens.
    #[serde(default)]
    pub output: f64,
    /// Completion tokens spent on reasoning; default: as `output`.
    pub reasoning: Option<f64>,
    /// Other prices for calls with a long prompt.
    pub long_prompt: Option<LongPrompt>,
}

/// Prices of a call whose prompt is long; they hold for all of its tokens.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct LongPrompt {
    /// Prompts of more tokens than this (cached ones included) are long.
    pub above: u64,
    /// As in the price itself.
    pub input: f64,
    /// As in the price itself.
    pub cached_input: Option<f64>,
    /// As in the price itself.
    pub cache_write: Option<f64>,
    /// As in the price itself.
    pub cache_write_1h: Option<f64>,
    /// As in the price itself.
    #[serde(default)]
    pub output: f64,
    /// As in the price itself.
    pub reasoning: Option<f64>,
}

/// Calls that go to a provider of another dialect.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(default, deny_unknown_fields)]
pub struct Translation {
    /// What becomes of a field that the provider's dialect has no words for: `refuse` the call (400 that names the
    /// field), or `allow` the loss (the field is left out, and named in `x-sallyport-dropped` and in the call log).
    pub lossy: Lossy,
}

/// What becomes of what cannot be translated.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Lossy {
    /// The call is refused.
    #[default]
    Refuse,
    /// It is left out.
    Allow,
}

impl Lossy {
    /// May something be left out?
    pub const fn allowed(self) -> bool {
        matches!(self, Self::Allow)
    }
}

/// How a model's name finds its provider where no entry of `models` says so.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Routing {
    /// Names of well-known models go to the only enabled provider of their kind: `gpt-`, `o1`, `o3`, `o4`, `chatgpt-`
    /// and `text-embedding-` to `openai`, `claude-` to `anthropic`, `gemini-` to `gemini` or else `vertex`. An entry
    /// of `models` that matches the name comes first, also one that is off.
    pub prefixes: bool,
}

impl Default for Routing {
    fn default() -> Self {
        Self { prefixes: true }
    }
}

/// A model that clients may ask for.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Model {
    /// What the client writes into `model`; `*` matches any run of characters. Exact names win over globs,
    /// among globs the one with the most literal characters wins.
    pub name: String,
    /// False: nobody can call it.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Its upstreams.
    pub routes: Vec<Route>,
    /// What it costs, whichever upstream serves it. Default: what the price table says.
    #[serde(default)]
    pub price: Option<Price>,
    /// Factor of the cost of what goes in: 1.2 charges a fifth more, 0 nothing.
    #[serde(default = "unchanged")]
    pub input_multiplier: f64,
    /// Factor of the cost of what comes out.
    #[serde(default = "unchanged")]
    pub output_multiplier: f64,
}

const fn unchanged() -> f64 {
    1.0
}

/// One upstream of a model.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Name of a provider.
    pub provider: String,
    /// Model name at the provider; default: as asked.
    #[serde(default)]
    pub model: Option<String>,
    /// Share of the traffic; 0 = only when the others failed.
    #[serde(default = "one")]
    pub weight: u32,
}

const fn one() -> u32 {
    1
}
