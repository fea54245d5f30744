//! `POST /v1/responses`, `/compact` and `/input_tokens`.

mod events;
mod items;

use crate::sim::call::{Answer, Turn};
use crate::sim::fault::{Dialect, Fault};
use crate::sim::openai::store::{Stored, previous_tokens};
use crate::sim::openai::{required, rules};
use crate::sim::reply::{Reply, Usage};
use crate::sim::stats::lock;
use items::Item;
use serde_json::{Map, Value, json};
use std::time::{Duration, Instant};

/// Fields that come back as they were sent, and what stands there otherwise.
fn echoed() -> [(&'static str, Value); 19] {
    [
        ("background", json!(false)),
        ("frequency_penalty", json!(0.0)),
        ("instructions", json!(null)),
        ("max_output_tokens", json!(null)),
        ("max_tool_calls", json!(null)),
        ("metadata", json!({})),
        ("parallel_tool_calls", json!(true)),
        ("presence_penalty", json!(0.0)),
        ("previous_response_id", json!(null)),
        ("prompt_cache_key", json!(null)),
        ("reasoning", json!({"effort": null, "summary": null})),
        ("safety_identifier", json!(null)),
        ("store", json!(true)),
        ("temperature", json!(1.0)),
        ("text", json!({"format": {"type": "text"}, "verbosity": "medium"})),
        ("tool_choice", json!("auto")),
        ("tools", json!([])),
        ("top_p", json!(1.0)),
        ("truncation", json!("disabled")),
    ]
}

/// A response object without output: what all its later states have in common.
#[derive(Clone, Debug)]
struct Draft(Map<String, Value>);

impl Draft {
    fn new(id: &str, turn: &Turn<'_>, request: &Map<String, Value>) -> Self {
        let mut fields = Map::new();
        for (name, default) in echoed() {
            let value = request.get(name).filter(|v| !v.is_null()).cloned().unwrap_or(default);
            fields.insert(name.to_owned(), value);
        }
        for (name, value) in [
            ("id", json!(id)),
            ("object", json!("response")),
            ("created_at", json!(turn.now)),
            ("completed_at", json!(null)),
            ("error", json!(null)),
            ("incomplete_details", json!(null)),
            ("model", json!(turn.model)),
            ("output", json!([])),
            ("service_tier", json!("default")),
            ("top_logprobs", json!(0)),
            ("usage", json!(null)),
            ("user", request.get("user").cloned().unwrap_or_default()),
        ] {
            fields.insert(name.to_owned(), value);
        }
        Self(fields)
    }

    fn with_status(&self, status: &str) -> Value {
        let mut fields = self.0.clone();
        fields.insert("status".to_owned(), json!(status));
        Value::Object(fields)
    }

    fn finished(&self, turn: &Turn<'_>, reply: &Reply, items: &[Item<'_>]) -> Value {
        let status = if reply.truncated { "incomplete" } else { "completed" };
        let mut response = self.with_status(status);
        response["output"] = items.iter().map(|i| i.json(status)).collect();
        if reply.truncated {
            response["incomplete_details"] = json!({"reason": "max_output_tokens"});
        } else {
            response["completed_at"] = json!(turn.now);
        }
        if !turn.behaviour.no_usage {
            response["usage"] = usage(reply.usage);
        }
        response
    }
}

fn usage(u: Usage) -> Value {
    json!({
        "input_tokens": u.input,
        "input_tokens_details": {"cached_tokens": u.cached, "cache_write_tokens": u.cache_write},
        "output_tokens": u.output,
        "output_tokens_details": {"reasoning_tokens": u.reasoning},
        "total_tokens": u.input + u.output,
    })
}

/// Answers a response.
pub(crate) fn create(mut turn: Turn<'_>) -> Result<Answer, Fault> {
    if turn.ask.instructions.is_none() {
        required(turn.ask.input, "input")?;
    }
    let request = request(&turn)?;
    if !turn.behaviour.lax {
        rules::responses(&turn)?;
    }
    let mut reply = Reply::to(&turn.ask, &turn.ask.tally(), turn.behaviour);
    reply.usage.input += previous_tokens(turn.state, &request)?;
    let id = turn.dice.hex("resp_", 50);
    let items = items::of(&mut turn, &reply, &request);
    let draft = Draft::new(&id, &turn, &request);
    let flag = |name: &str, default| request.get(name).and_then(Value::as_bool).unwrap_or(default);
    let background = flag("background", false);
    let finished = draft.finished(&turn, &reply, &items);
    let streams = turn.ask.streams();
    let script = (streams || background).then(|| events::script(&draft, &items, &finished, background));
    let answer = match &script {
        Some(script) if streams => Answer::Events(script.clone()),
        _ if background => Answer::json(&draft.with_status("queued")),
        _ => Answer::json(&finished),
    };
    if flag("store", true) {
        let thinking_time = turn.behaviour.gap.unwrap_or_default() * reply.usage.output;
        let wait = if background && !streams { thinking_time } else { Duration::ZERO };
        lock(&turn.state.store).put(
            id,
            Stored {
                in_progress: draft.with_status("in_progress"),
                finished,
                input: items::input(&mut turn.dice, request.get("input")),
                ready: Instant::now() + wait,
                script: script.filter(|_| background),
            },
        );
    }
    Ok(answer)
}

fn request(turn: &Turn<'_>) -> Result<Map<String, Value>, Fault> {
    serde_json::from_slice(turn.body).map_err(|e| Fault::unreadable(Dialect::OpenAi, &e))
}

/// Answers `POST /v1/responses/compact`: the conversation as one opaque item.
pub(crate) fn compact(mut turn: Turn<'_>) -> Result<Answer, Fault> {
    let request = request(&turn)?;
    let mut used = Reply::to(&turn.ask, &turn.ask.tally(), turn.behaviour).usage;
    used.input += previous_tokens(turn.state, &request)?;
    let mut output: Vec<Value> = items::input(&mut turn.dice, request.get("input"))
        .into_iter()
        .filter(|item| item.get("role").and_then(Value::as_str) == Some("user"))
        .collect();
    output.push(json!({"id": turn.dice.hex("cmp_", 50), "type": "compaction",
        "encrypted_content": turn.dice.alnum("gAAAAAB", 120)}));
    Ok(Answer::json(&json!({"id": turn.dice.hex("resp_", 50), "object": "response.compaction",
        "created_at": turn.now, "output": output, "usage": usage(used)})))
}

/// Answers `POST /v1/responses/input_tokens`.
pub(crate) fn input_tokens(turn: &Turn<'_>) -> Answer {
    Answer::json(&json!({"object": "response.input_tokens", "input_tokens": turn.ask.tally().tokens()}))
}
