//! Stored responses: `GET`, `DELETE`, `cancel`, `input_items`, and what `previous_response_id` refers to.
//!
//! A background response is done after `gap` × its output tokens; until then it is in progress and can be
//! cancelled.

use crate::sim::call::{Answer, State, Turn};
use crate::sim::fault::Fault;
use crate::sim::script::Script;
use crate::sim::stats::lock;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, VecDeque};
use std::time::Instant;

/// Responses kept; the oldest goes first.
const KEPT: usize = 1000;

/// A stored response.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) in_progress: Value,
    pub(crate) finished: Value,
    /// Input items.
    pub(crate) input: Vec<Value>,
    /// When it is finished.
    pub(crate) ready: Instant,
    /// Background responses: their events.
    pub(crate) script: Option<Script>,
}

impl Stored {
    fn now(&self) -> &Value {
        if Instant::now() >= self.ready { &self.finished } else { &self.in_progress }
    }
}

/// The store.
#[derive(Debug, Default)]
pub(crate) struct Store {
    responses: HashMap<String, Stored>,
    order: VecDeque<String>,
}

impl Store {
    pub(crate) fn put(&mut self, id: String, response: Stored) {
        if self.order.len() == KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.responses.remove(&oldest);
        }
        self.order.push_back(id.clone());
        self.responses.insert(id, response);
    }

    pub(crate) fn clear(&mut self) {
        self.responses.clear();
        self.order.clear();
    }

    fn find(&mut self, id: &str) -> Result<&mut Stored, Fault> {
        self.responses.get_mut(id).ok_or_else(|| Fault {
            param: Some("id".into()),
            ..Fault::new(404, format!("Response with id '{id}' not found."))
        })
    }
}

/// Tokens of the conversation that a request goes on with.
pub(crate) fn previous_tokens(state: &State, request: &Map<String, Value>) -> Result<u32, Fault> {
    let Some(id) = request.get("previous_response_id").and_then(Value::as_str) else { return Ok(0) };
    let mut store = lock(&state.store);
    let previous = store.find(id).map_err(|_| Fault {
        param: Some("previous_response_id".into()),
        code: Some("previous_response_not_found"),
        ..Fault::new(400, format!("Previous response with id '{id}' not found."))
    })?;
    Ok(previous.finished["usage"]["total_tokens"].as_u64().unwrap_or(0) as u32)
}

fn id<'t>(turn: &Turn<'t>) -> &'t str {
    turn.id.unwrap_or_default()
}

fn parameter<'q>(turn: &Turn<'q>, name: &str) -> Option<&'q str> {
    turn.query.split('&').filter_map(|p| p.split_once('=')).find(|(k, _)| *k == name).map(|(_, v)| v)
}

/// `GET /v1/responses/{id}`, with `stream=true` the events again (`starting_after=n`: those behind number n).
pub(crate) fn get(turn: &Turn<'_>) -> Result<Answer, Fault> {
    let mut store = lock(&turn.state.store);
    let stored = store.find(id(turn))?;
    if parameter(turn, "stream") != Some("true") {
        return Ok(Answer::json(stored.now()));
    }
    let script = stored.script.clone().ok_or_else(|| {
        Fault::new(400, "Only responses created with background=true and stream=true can be streamed again.")
    })?;
    let after = parameter(turn, "starting_after").and_then(|n| n.parse::<usize>().ok());
    Ok(Answer::Events(script.skip(after.map_or(0, |n| n + 1))))
}

/// `DELETE /v1/responses/{id}`.
pub(crate) fn delete(turn: &Turn<'_>) -> Result<Answer, Fault> {
    let mut store = lock(&turn.state.store);
    store.find(id(turn))?;
    store.responses.remove(id(turn));
    store.order.retain(|other| other != id(turn));
    Ok(Answer::json(&json!({"id": id(turn), "object": "response", "deleted": true})))
}

/// `POST /v1/responses/{id}/cancel`.
pub(crate) fn cancel(turn: &Turn<'_>) -> Result<Answer, Fault> {
    let mut store = lock(&turn.state.store);
    let stored = store.find(id(turn))?;
    if stored.in_progress["background"] != true {
        return Err(Fault::new(400, "Cannot cancel a synchronous response."));
    }
    if Instant::now() < stored.ready {
        stored.finished = stored.in_progress.clone();
        stored.finished["status"] = json!("cancelled");
        stored.ready = Instant::now();
    }
    Ok(Answer::json(&stored.finished))
}

/// `GET /v1/responses/{id}/input_items`: newest first, unless `order=asc`.
pub(crate) fn input_items(turn: &Turn<'_>) -> Result<Answer, Fault> {
    let mut store = lock(&turn.state.store);
    let mut items = store.find(id(turn))?.input.clone();
    if parameter(turn, "order") != Some("asc") {
        items.reverse();
    }
    let limit = parameter(turn, "limit").and_then(|n| n.parse().ok()).unwrap_or(20);
    if let Some(after) = parameter(turn, "after")
        && let Some(at) = items.iter().position(|i| i["id"] == after)
    {
        items.drain(..=at);
    }
    let has_more = items.len() > limit;
    items.truncate(limit);
    let id_of = |item: Option<&Value>| item.map(|i| i["id"].clone());
    Ok(Answer::json(&json!({"object": "list", "data": items, "first_id": id_of(items.first()),
        "last_id": id_of(items.last()), "has_more": has_more})))
}
