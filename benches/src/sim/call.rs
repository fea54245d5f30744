//! One call: read it, decide its fate, answer.

use crate::sim::body::{BrokenOff, End, Pace, SimBody};
use crate::sim::control;
use crate::sim::directive::{Behaviour, Chance};
use crate::sim::endpoint::{Endpoint, route};
use crate::sim::fault::{Dialect, Fault};
use crate::sim::ids::Dice;
use crate::sim::multipart;
use crate::sim::openai::store::Store;
use crate::sim::prompt::Ask;
use crate::sim::script::{Mark, Script, Writer};
use crate::sim::server::SimOptions;
use crate::sim::stats::{Guard, Stats, lock};
use crate::sim::{anthropic, openai};
use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

const SSE: &str = "text/event-stream; charset=utf-8";
const JSON: &str = "application/json";

/// What all calls share.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) options: SimOptions,
    pub(crate) stats: Arc<Stats>,
    /// Responses that clients may ask for again.
    pub(crate) store: Mutex<Store>,
    number: AtomicU64,
}

impl State {
    pub(crate) fn new(options: SimOptions) -> Self {
        Self { options, stats: Arc::default(), store: Mutex::default(), number: AtomicU64::new(0) }
    }

    /// Forgets everything but what is open. The dice start again too: a seeded run can be repeated.
    pub(crate) fn reset(&self) {
        self.stats.reset();
        lock(&self.store).clear();
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

/// Which of the possible misfortunes happen to this call.
#[derive(Default)]
struct Fate {
    hang: bool,
    drop: bool,
    status: Option<u16>,
    error_event: Option<usize>,
    cut: Option<usize>,
    stall: Option<usize>,
}

impl Fate {
    fn decide(behaviour: &Behaviour, before: u64, dice: &mut Dice) -> Self {
        if behaviour.first.is_some_and(|first| before >= u64::from(first)) {
            return Self::default();
        }
        fn falls<T: Copy>(chance: Option<Chance<T>>, dice: &mut Dice) -> Option<T> {
            chance.filter(|c| dice.flip(c.p)).map(|c| c.value)
        }
        Self {
            hang: falls(behaviour.hang, dice).is_some(),
            drop: falls(behaviour.drop, dice).is_some(),
            status: falls(behaviour.status, dice),
            error_event: falls(behaviour.error_event, dice),
            cut: falls(behaviour.cut, dice),
            stall: falls(behaviour.stall, dice),
        }
    }
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

/// The request's body; `None` if it is too long. An error means that the client left in the middle of it.
async fn read_whole(mut body: Incoming, parts: &Parts, max: usize) -> Result<Option<Bytes>, BrokenOff> {
    if body.size_hint().lower() > max as u64 && parts.headers.contains_key(EXPECT) {
        return Ok(None); // the client waits for leave to send it
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BrokenOff)?.into_data() else { continue };
        length += data.len();
        if length > max {
            // read on, so that the client is not cut off before it sees the answer
            rest.clear();
        } else if first.is_empty() {
            first = data; // most bodies are one frame: no copy
        } else {
            if rest.is_empty() {
                let all = usize::try_from(body.size_hint().lower()).unwrap_or(0) + length;
                rest.reserve(all.min(max));
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok((length <= max).then(|| if rest.is_empty() { first } else { rest.freeze() }))
}

fn dialect(parts: &Parts) -> Dialect {
    let is_anthropic =
        parts.headers.contains_key("anthropic-version") || parts.uri.path().contains("/v1/messages");
    if is_anthropic { Dialect::Anthropic } else { Dialect::OpenAi }
}

fn request_id(dialect: Dialect, dice: &mut Dice) -> String {
    match dialect {
        Dialect::OpenAi => dice.hex("req_", 32),
        Dialect::Anthropic => dice.alnum("req_011C", 20),
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
    if let Err(fault) = authenticate(state, &parts.headers, dialect) {
        return refuse(endpoint, behaviour, fault, request_id);
    }
    let (ask, model) = match read(endpoint, &parts.headers, body, dialect) {
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
        query: parts.uri.query().unwrap_or(""),
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
        | (Endpoint::Models | Endpoint::Model, Dialect::Anthropic) => anthropic::answer(turn),
        _ => openai::answer(turn),
    };
    Plan { behaviour, fate, endpoint, outcome, request_id }
}

fn authenticate(state: &State, headers: &HeaderMap, dialect: Dialect) -> Result<(), Fault> {
    let Some(key) = &state.options.auth else { return Ok(()) };
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let bearer = header("authorization").and_then(|v| v.split_once(' ')).map(|(_, token)| token.trim());
    let given = bearer.or_else(|| header("x-api-key")).or_else(|| header("api-key"));
    if given == Some(key.as_str()) {
        return Ok(());
    }
    Err(match (dialect, given) {
        (Dialect::Anthropic, None) => Fault::new(401, "x-api-key header is required"),
        (Dialect::Anthropic, Some(_)) => Fault::new(401, "invalid x-api-key"),
        (Dialect::OpenAi, None) => Fault::new(
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization header using \
             Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        ),
        (Dialect::OpenAi, Some(given)) => Fault {
            code: Some("invalid_api_key"),
            ..Fault::new(401, format!("Incorrect API key provided: {}***.", given.get(..4).unwrap_or("")))
        },
    })
}

/// Reads the body as far as the call has one; gives the model name beside it.
fn read<'b>(
    endpoint: Endpoint,
    headers: &HeaderMap,
    body: &'b Bytes,
    dialect: Dialect,
) -> Result<(Ask<'b>, String), Fault> {
    match endpoint {
        Endpoint::Models
        | Endpoint::Model
        | Endpoint::ResponseGet
        | Endpoint::ResponseDelete
        | Endpoint::ResponseCancel
        | Endpoint::ResponseInputItems => Ok((Ask::default(), String::new())),
        Endpoint::ImageEdits | Endpoint::Transcriptions => {
            let form = multipart::parse(headers, body)
                .ok_or_else(|| Fault::new(400, "Invalid multipart form data."))?;
            let model = form.text("model").unwrap_or_default().to_owned();
            Ok((Ask::default(), model))
        }
        _ => {
            let ask = Ask::parse(body).map_err(|e| Fault::unreadable(dialect, &e))?;
            let model = match (&ask.model, endpoint) {
                (Some(model), _) => model.clone().into_owned(),
                (None, Endpoint::Moderations | Endpoint::ImageGenerations) => String::new(),
                (None, _) if dialect == Dialect::OpenAi => {
                    return Err(Fault::new(400, "you must provide a model parameter"));
                }
                (None, _) => return Err(Fault::missing(dialect, "model")),
            };
            Ok((ask, model))
        }
    }
}

/// Directives: headers first, then the model name, which wins.
fn direct(behaviour: &mut Behaviour, headers: &HeaderMap, model: &str) -> Result<(), Fault> {
    let refuse = |e: crate::sim::directive::DirectiveError| Fault::new(400, format!("simulator: {e}"));
    for (name, value) in headers {
        if let Some(key) = name.as_str().strip_prefix("x-sim-") {
            behaviour.apply(key, value.to_str().unwrap_or_default()).map_err(refuse)?;
        }
    }
    behaviour.apply_model(model).map_err(refuse)
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

    fn answer(self, dialect: Dialect, guard: Guard, name: &str) -> Result<Response<SimBody>, BrokenOff> {
        let Self { behaviour, fate, endpoint, outcome, request_id } = self;
        let mut length = None;
        let mut retry_after = None;
        let (status, content_type, body) = match outcome {
            Err(fault) => {
                retry_after = fault.retry_after.clone();
                let (content_type, body) = if fault.html {
                    ("text/html", fault.page())
                } else {
                    (JSON, fault.body(dialect, &request_id).to_string())
                };
                (fault.status, content_type, SimBody::whole(Bytes::from(body), guard))
            }
            Ok(Answer::Events(script)) => {
                let script = fate.spoil(script, &behaviour, endpoint, dialect, &request_id);
                (200, SSE, play(script, &behaviour, &fate, guard))
            }
            Ok(Answer::Pieces(content_type, script)) => {
                (200, content_type, play(script, &behaviour, &fate, guard))
            }
            Ok(Answer::Json(bytes)) => {
                let (body, promised) = whole(bytes, &behaviour, &fate, guard);
                length = promised;
                (200, JSON, body)
            }
            Ok(Answer::Binary(content_type, bytes)) => {
                let (body, promised) = whole(bytes, &behaviour, &fate, guard);
                length = promised;
                (200, content_type, body)
            }
        };
        let mut response = respond(status, content_type, body, length)?;
        let headers = response.headers_mut();
        let mut put = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        match dialect {
            Dialect::OpenAi => {
                put("x-request-id", &request_id);
                put("openai-version", "2020-10-01");
                put("openai-processing-ms", &behaviour.latency.map_or(0, |l| l.as_millis()).to_string());
            }
            Dialect::Anthropic => put("request-id", &request_id),
        }
        put("x-sim-name", name);
        if let Some(seconds) = retry_after {
            put("retry-after", &seconds);
        }
        Ok(response)
    }
}

fn respond(
    status: u16,
    content_type: &'static str,
    body: SimBody,
    length: Option<usize>,
) -> Result<Response<SimBody>, BrokenOff> {
    let mut response =
        Response::builder().status(status).header(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(length) = length {
        response = response.header(CONTENT_LENGTH, length);
    }
    response.body(body).map_err(|_| BrokenOff)
}

/// A body in one piece, unless it is to break off: then the length that was promised comes with it.
fn whole(bytes: Bytes, behaviour: &Behaviour, fate: &Fate, guard: Guard) -> (SimBody, Option<usize>) {
    let Some(keep) = fate.cut.or(fate.stall) else { return (SimBody::whole(bytes, guard), None) };
    let length = bytes.len();
    let end = keep.min(length);
    let marks = if end == 0 { Vec::new() } else { vec![Mark { end, token: false }] };
    let script = Script { bytes: bytes.slice(..end), marks };
    (SimBody::played(script, pace(behaviour), fate.end(), guard), Some(length))
}

fn play(mut script: Script, behaviour: &Behaviour, fate: &Fate, guard: Guard) -> SimBody {
    if let Some(keep) = fate.cut.or(fate.stall) {
        script.truncate(keep);
    }
    let script = script.with_eol(behaviour.eol);
    let script = match behaviour.split {
        Some(size) => script.split(size),
        None => script,
    };
    SimBody::played(script, pace(behaviour), fate.end(), guard)
}

fn pace(behaviour: &Behaviour) -> Pace {
    Pace {
        gap: behaviour.gap.unwrap_or_default(),
        burst: behaviour.burst.unwrap_or(1),
        // a stamp that is cut into pieces could not be found again
        stamp: behaviour.stamp && behaviour.split.is_none(),
    }
}

impl Fate {
    fn end(&self) -> End {
        match (self.cut, self.stall) {
            (Some(_), _) => End::Cut,
            (None, Some(_)) => End::Stall,
            (None, None) => End::Clean,
        }
    }

    /// Puts the error event in.
    fn spoil(
        &self,
        mut script: Script,
        behaviour: &Behaviour,
        endpoint: Endpoint,
        dialect: Dialect,
        request_id: &str,
    ) -> Script {
        let Some(after) = self.error_event else { return script };
        script.truncate(after);
        let status = if dialect == Dialect::Anthropic { 529 } else { 500 };
        let fault = Fault::injected(dialect, status, behaviour);
        let mut error = Writer::default();
        match endpoint {
            Endpoint::Messages => error.json("error", &fault.body(dialect, request_id)),
            Endpoint::Responses => error.json(
                "error",
                &json!({"type": "error", "sequence_number": script.marks.len(), "code": fault.kind(dialect),
                    "message": fault.message, "param": null}),
            ),
            _ => error.json("", &fault.body(dialect, request_id)),
        }
        script.append(&error.finish());
        script
    }
}
