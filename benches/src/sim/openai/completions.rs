//! `POST /v1/completions`, the old text API.

use crate::sim::call::{Answer, Turn};
use crate::sim::fault::Fault;
use crate::sim::openai::{ChatUsage, required};
use crate::sim::reply::Reply;
use crate::sim::script::Writer;
use serde_json::{Value, json};

/// Answers a completion.
pub(crate) fn answer(mut turn: Turn<'_>) -> Result<Answer, Fault> {
    required(turn.ask.prompt, "prompt")?;
    let reply = Reply::to(&turn.ask, &turn.ask.tally(), turn.behaviour);
    let id = turn.dice.alnum("cmpl-", 29);
    let finish = if reply.truncated { "length" } else { "stop" };
    let usage = (!turn.behaviour.no_usage).then(|| ChatUsage::from(reply.usage));
    let object = |text: &str, finish: Option<&str>, usage: Value| {
        let mut object = json!({"id": id, "object": "text_completion", "created": turn.now, "model": turn.model,
            "choices": [{"text": text, "index": 0, "logprobs": null, "finish_reason": finish}]});
        if !usage.is_null() {
            object["usage"] = usage;
        }
        object
    };
    if !turn.ask.streams() {
        return Ok(Answer::json(&object(&reply.text.string, Some(finish), json!(usage))));
    }
    let mut out = Writer::default();
    for token in reply.text.tokens() {
        out.token("", &[object(token, None, Value::Null).to_string().as_bytes()]);
    }
    out.json("", &object("", Some(finish), Value::Null));
    if turn.ask.wants_usage() && usage.is_some() {
        let mut last = object("", None, json!(usage));
        last["choices"] = json!([]);
        out.json("", &last);
    }
    out.raw("", &[b"[DONE]"]);
    Ok(Answer::Events(out.finish()))
}
