//! What one call carries through the chain.

use crate::body::RequestBody;
use crate::ir::Conversation;
use crate::kept::Turn;
use crate::rejection::Rejection;
use crate::surface::{Dialect, Surface};
use crate::usage::Meter;
use http::{HeaderMap, Method};
use sallyport_config::snapshot::{Key, Owner, Provider, Snapshot, Team};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use time::OffsetDateTime;
use uuid::Uuid;

/// The request line and head, as filters may read them.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// Method.
    pub method: &'a Method,
    /// Path without the query, as sent.
    pub path: &'a str,
    /// Query without `?`.
    pub query: Option<&'a str>,
    /// Headers, as sent.
    pub headers: &'a HeaderMap,
}

/// Who calls.
#[derive(Clone, Debug)]
pub struct Principal {
    /// The virtual key.
    pub key: Arc<Key>,
    /// The key's team, if it has one.
    pub team: Option<Arc<Team>>,
    /// The user or service account that owns the key, if one does.
    pub owner: Option<Arc<Owner>>,
}

/// An upstream chosen for an attempt.
#[derive(Clone, Debug)]
pub struct Target {
    /// Whom to call.
    pub provider: Arc<Provider>,
    /// The model's name there; None: the call has no model, or it goes as asked.
    pub model: Option<Arc<str>>,
}

/// One call. Filters see this, never a socket.
#[derive(Debug)]
pub struct Exchange {
    /// Request id (UUIDv7): the call log's primary key.
    pub id: Uuid,
    /// When the request head had arrived.
    pub started: Instant,
    /// The same instant on the wall clock.
    pub started_at: OffsetDateTime,
    /// The configuration and state that this call is judged by, from its first to its last byte.
    pub snapshot: Arc<Snapshot>,
    /// Which API.
    pub surface: Surface,
    /// Which dialect errors are told in.
    pub dialect: Dialect,
    /// `{id}` of the path, percent-decoded.
    pub path_id: Option<String>,
    /// Method and path of a call that passes unread: what the log has in place of a model.
    pub passed: Option<Box<str>>,
    /// The client's address.
    pub client_ip: Option<IpAddr>,
    /// `User-Agent`, cut to 200 bytes.
    pub user_agent: Option<String>,
    /// Set by `auth`.
    pub principal: Option<Principal>,
    /// The request body; empty until the first filter that needs it.
    pub body: RequestBody,
    /// The upstream of the current (or last) attempt.
    pub target: Option<Target>,
    /// Attempts begun.
    pub attempts: u16,
    /// Token counting; set by `usage`.
    pub meter: Option<Meter>,
    /// `usage` asked the upstream for the usage chunk on the client's behalf: it is taken out of the answer.
    pub usage_added: bool,
    /// The request as the conversation IR, once an upstream of another dialect was tried.
    pub conversation: Option<Arc<Conversation>>,
    /// Set where the call continues or becomes a response that the gateway keeps.
    pub turn: Option<Box<Turn>>,
    /// Fields of the client's that the upstream of the current (or last) attempt did not get to see: its dialect has no
    /// words for them.
    pub dropped: Vec<String>,
    /// The upstream of the current (or last) attempt has answered with a good status: it has read the prompt, and counts
    /// its tokens.
    pub accepted: bool,
    /// When the call ended; None: it goes on, or ends now.
    pub ended: Option<Instant>,
    /// Nano-dollars; set by `cost`.
    pub cost_nanos: Option<i64>,
    /// How it ended; filled by the engine while it goes on.
    pub outcome: Outcome,
}

/// How a call ended, as far as it is known.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Status sent to the client; 0: none was.
    pub status: u16,
    /// Why it failed, where the gateway ended it.
    pub rejection: Option<Rejection>,
    /// An error answer of the upstream was passed on: its code or type.
    pub upstream_error: Option<String>,
    /// The client left before the end.
    pub cancelled: bool,
    /// The answer is an event stream.
    pub streamed: bool,
    /// The upstream's own request id.
    pub upstream_request_id: Option<String>,
    /// Bytes of a request body that passed unread.
    pub bytes_in: u64,
    /// Bytes of the response body sent so far.
    pub bytes_out: u64,
    /// When the first body byte went to the client.
    pub first_byte: Option<Instant>,
}

impl Exchange {
    /// A new call at the moment its head has arrived.
    pub fn new(snapshot: Arc<Snapshot>, surface: Surface, dialect: Dialect) -> Self {
        Self {
            id: Uuid::now_v7(),
            started: Instant::now(),
            started_at: OffsetDateTime::now_utc(),
            snapshot,
            surface,
            dialect,
            path_id: None,
            passed: None,
            client_ip: None,
            user_agent: None,
            principal: None,
            body: RequestBody::default(),
            target: None,
            attempts: 0,
            meter: None,
            usage_added: false,
            conversation: None,
            turn: None,
            dropped: Vec::new(),
            accepted: false,
            ended: None,
            cost_nanos: None,
            outcome: Outcome::default(),
        }
    }

    /// The model that the client asked for.
    pub fn model_asked(&self) -> Option<&str> {
        self.body.model()
    }

    /// Id of the object that the provider keeps (`resp_…`), where the client can come back to it.
    pub fn object_id(&self) -> Option<&str> {
        let meter = self.meter.as_ref()?;
        // One of the background is there to be asked for, also where it is not stored for long.
        meter.object_id().or_else(|| meter.made().filter(|_| self.body.background()))
    }

    /// The provider makes the answer in the background: it has not told the tokens, and will.
    pub fn awaited(&self) -> bool {
        let counted = self.meter.as_ref().is_some_and(|m| m.by_own_model().is_some());
        self.surface == Surface::Responses && self.body.background() && !counted && self.object_id().is_some()
    }

    /// The model that was asked of the provider in the current (or last) attempt.
    pub fn model_served(&self) -> Option<&str> {
        let target = self.target.as_ref()?;
        target.model.as_deref().or_else(|| self.body.model())
    }
}
