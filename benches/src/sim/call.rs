//! One call: read it, decide its fate, answer.

mod fate;
mod reading;
mod respond;
mod sigv4;

use crate::sim::body::{BrokenOff, SimBody};
use crate::sim::control;
use crate::sim::directive::Behaviour;
use crate::sim::endpoint::{Endpoint, route};
use crate::sim::fault::{Dialect, Fault};
use crate::sim::ids::Dice;
use crate::sim::memory::Memory;
use crate::sim::openai::store::Store;
use crate::sim::prompt::Ask;
use crate::sim::script::Script;
use crate::sim::server::SimOptions;
use crate::sim::stats::{Guard, Stats, lock};
use crate::sim::{anthropic, bedrock, gemini, neutral, openai, platform};
use bytes::Bytes;
use fate::Fate;
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response};
use hyper::body::Incoming;
use reading::{authenticate, direct, read, read_whole};
use respond::{JSON, respond};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

/// What all calls share.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) options: SimOptions,
    pub(crate) stats: Arc<Stats>,
    /// Responses that clients may ask for again.
    pub(crate) store: Mutex<Store>,
    /// Calls behind sealed thoughts.
    pub(crate) memory: Mutex<Memory>,
    number: AtomicU64,
}

impl State {
    pub(crate) fn new(options: SimOptions) -> Self {
        Self {
            options,
            stats: Arc::default(),
            store: Mutex::default(),
            memory: Mutex::default(),
            number: AtomicU64::new(0),
        }
    }

    /// Forgets everything but what is open. The dice start again too: a seeded run can be repeated.
    pub(crate) fn reset(&self) {
        self.stats.reset();
        lock(&self.store).clear();
        lock(&self.memory).clear();
        self.number.store(0, Relaxed);
    }
}

/// A request, read.
pub(crate) struct Turn<'a> {
    pub(crate) state: &'a State,
    pub(crate) endpoint: Endpoint,
    /// The id in the path.
    pub(crate) id: Option<&'a str>,
    pub(crate) query: &'a str,
    pub(crate) is_azure: bool,
    pub(crate) body: &'a Bytes,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) ask: Ask<'a>,
    pub(crate) behaviour: &'a Behaviour,
    pub(crate) model: String,
    pub(crate) dice: Dice,
    /// Seconds since the epoch.
    pub(crate) now: u64,
}

/// What a dialect answers.
pub(crate) enum Answer {
    /// A JSON document.
    Json(Bytes),
    /// Something else in one piece.
    Binary(&'static str, Bytes),
    /// An event stream.
    Events(Script),
    /// Something else that comes bit by bit.
    Pieces(&'static str, Script),
    /// An AWS event stream.
    Frames(Script),
}

impl Answer {
    pub(crate) fn json(value: &impl serde::Serialize) -> Self {
        // serialising a value of ours into memory fails for nothing but maps with keys that are no strings
        Self::Json(Bytes::from(serde_json::to_vec(value).unwrap_or_default()))
    }
}

/// Everything that is decided before time passes.
struct Plan {
    behaviour: Behaviour,
    fate: Fate,
    endpoint: Endpoint,
    outcome: Result<Answer, Fault>,
    request_id: String,
}

/// Answers one request. `Err` makes the server close the connection (or reset the stream).
pub(crate) async fn serve(
    state: Arc<State>,
    request: Request<Incoming>,
) -> Result<Response<SimBody>, BrokenOff> {
    let (parts, body) = request.into_parts();
    if let Some(path) = parts.uri.path().strip_prefix("/__sim/") {
        let (status, value) = control::answer(&state, &parts.method, path);
        let mut guard = Guard::new(&Arc::default());
        guard.completed();
        return respond(status, JSON, SimBody::whole(Bytes::from(value.to_string()), guard), None);
    }
    let mut guard = Guard::new(&state.stats);
    let dialect = dialect(&parts);
    let body = read_whole(body, &parts, state.options.max_body).await?;
    let plan = match body {
        Some(body) => {
            let plan = decide(&state, &parts, &body, dialect);
            state.stats.record(parts, body);
            plan
        }
        None => Plan::refusal(&state, Fault::new(413, "Request exceeds the maximum size"), dialect),
    };
    if plan.fate.hang {
        std::future::pending::<()>().await;
    }
    if let Some(latency) = plan.behaviour.latency {
        tokio::time::sleep(latency).await;
    }
    if plan.fate.drop {
        guard.broken_off();
        return Err(BrokenOff);
    }
    plan.answer(dialect, guard, &state.options.name)
}

fn dialect(parts: &Parts) -> Dialect {
    let path = parts.uri.path();
    // models of OpenAI's may have colons in their names
    if (parts.method != Method::GET || path.contains("/v1beta/") || path.contains("/openai/"))
        && let Some(place) = platform::find(path)
    {
        return place.dialect;
    }
    let is_anthropic =
        parts.headers.contains_key("anthropic-version") || parts.uri.path().contains("/v1/messages");
    if is_anthropic { Dialect::Anthropic } else { Dialect::OpenAi }
}

fn request_id(dialect: Dialect, dice: &mut Dice) -> String {
    match dialect {
        Dialect::OpenAi => dice.hex("req_", 32),
        Dialect::Anthropic => dice.alnum("req_011C", 20),
        Dialect::Azure | Dialect::Bedrock => {
            let hex = dice.hex("", 32);
            format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
        }
        Dialect::Gemini => dice.alnum("", 22),
    }
}

fn decide(state: &State, parts: &Parts, body: &Bytes, dialect: Dialect) -> Plan {
    let mut behaviour = state.options.defaults.clone();
    let mut dice = Dice::new(behaviour.seed, state.number.fetch_add(1, Relaxed));
    let request_id = request_id(dialect, &mut dice);
    let refuse = |endpoint: Endpoint, behaviour: Behaviour, fault: Fault, request_id: String| {
        state.stats.count(endpoint);
        Plan { behaviour, fate: Fate::default(), endpoint, outcome: Err(fault), request_id }
    };
    let (endpoint, id) = match route(&parts.method, parts.uri.path(), dialect) {
        Ok(found) => found,
        Err(fault) => return refuse(Endpoint::Other, behaviour, fault, request_id),
    };
    let query = parts.uri.query().unwrap_or("");
    if dialect == Dialect::Azure
        && let Err(fault) = openai::azure::check(parts.uri.path(), query)
    {
        return refuse(endpoint, behaviour, fault, request_id);
    }
    let signature = match &state.options.aws_secret {
        Some(secret) if dialect == Dialect::Bedrock => sigv4::check(parts, body, secret),
        _ => Ok(()),
    };
    if let Err(fault) = authenticate(state, &parts.headers, query, dialect).and(signature) {
        return refuse(endpoint, behaviour, fault, request_id);
    }
    let neutral = match neutral::of(endpoint, body) {
        Ok(neutral) => neutral,
        Err(e) => return refuse(endpoint, behaviour, Fault::unreadable(dialect, &e), request_id),
    };
    let text = neutral.as_deref().unwrap_or(body);
    let (ask, model) = match read(endpoint, &parts.headers, text, body, dialect, id) {
        Ok(read) => read,
        Err(fault) => return refuse(endpoint, behaviour, fault, request_id),
    };
    if let Err(fault) = direct(&mut behaviour, &parts.headers, &model) {
        return refuse(endpoint, behaviour, fault, request_id);
    }
    state.stats.count(endpoint);
    let before = if model.is_empty() { 0 } else { state.stats.count_model(&model) };
    if behaviour.seed != state.options.defaults.seed {
        dice = Dice::new(behaviour.seed, before);
    }
    let fate = Fate::decide(&behaviour, before, &mut dice);
    if fate.hang || fate.drop {
        let outcome = Ok(Answer::Json(Bytes::new())); // nobody will see it
        return Plan { behaviour, fate, endpoint, outcome, request_id };
    }
    if let Some(status) = fate.status {
        let outcome = Err(Fault::injected(dialect, status, &behaviour));
        return Plan { behaviour, fate, endpoint, outcome, request_id };
    }
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    let turn = Turn {
        state,
        endpoint,
        id,
        query,
        is_azure: dialect == Dialect::Azure,
        body,
        headers: &parts.headers,
        ask,
        behaviour: &behaviour,
        model,
        dice,
        now,
    };
    let outcome = match (endpoint, dialect) {
        (Endpoint::Messages | Endpoint::CountTokens, _)
        | (Endpoint::RawPredict | Endpoint::StreamRawPredict | Endpoint::VertexCount, _)
        | (Endpoint::Models | Endpoint::Model, Dialect::Anthropic) => anthropic::answer(turn),
        (_, Dialect::Gemini) => gemini::answer(turn),
        (_, Dialect::Bedrock) => bedrock::answer(turn),
        _ => openai::answer(turn),
    };
    Plan { behaviour, fate, endpoint, outcome, request_id }
}

impl Plan {
    fn refusal(state: &State, fault: Fault, dialect: Dialect) -> Self {
        let mut dice = Dice::new(0, state.number.fetch_add(1, Relaxed));
        state.stats.count(Endpoint::Other);
        Self {
            behaviour: state.options.defaults.clone(),
            fate: Fate::default(),
            endpoint: Endpoint::Other,
            outcome: Err(fault),
            request_id: request_id(dialect, &mut dice),
        }
    }
}
