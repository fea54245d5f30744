//! What a client makes of an answer: strict readers that know the order of events and what must agree with what.

mod object;
mod responses;

pub(crate) use object::object;

use super::super::client::Answer;
use super::{Call, Format, Said, Stop};
use serde_json::Value;

/// One event: its name (empty: none) and its data.
pub(crate) type Event = (String, String);

/// Cuts a stream into events; each must be whole.
pub(crate) fn cut(text: &str) -> Vec<Event> {
    assert!(text.is_empty() || text.ends_with("\n\n"), "a stream that ends in mid-event: {text:?}");
    let event = |block: &str| {
        let field = |name: &str| block.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default().trim();
        (field("event:").to_owned(), field("data:").to_owned())
    };
    // Comments keep the connection alive and mean nothing.
    text.split("\n\n").filter(|b| !b.is_empty() && !b.starts_with(':')).map(event).collect()
}

/// An answer, whole or streamed, as its content type says.
pub(crate) fn answer(format: Format, got: &Answer) -> Said {
    got.expect(200);
    let kind = got.head.get("content-type").unwrap_or_default();
    if kind.starts_with("text/event-stream") {
        return stream(format, &got.text());
    }
    assert!(kind.starts_with("application/json"), "{:?}", got.head);
    whole(format, &got.json())
}

/// A whole answer.
pub(crate) fn whole(format: Format, got: &Value) -> Said {
    match format {
        Format::Chat => chat(got),
        Format::Responses => responses::whole(got),
        Format::Messages => messages(got),
    }
}

/// A streamed one.
pub(crate) fn stream(format: Format, text: &str) -> Said {
    match format {
        Format::Chat => chat_stream(text),
        Format::Responses => responses::stream(text),
        Format::Messages => messages_stream(text),
    }
}

fn text_of(v: &Value) -> String {
    v.as_str().unwrap_or_default().to_owned()
}

fn n(v: &Value) -> u64 {
    v.as_u64().unwrap_or_else(|| panic!("no count: {v}"))
}

fn chat_usage(u: &Value) -> [u64; 4] {
    assert_eq!(n(&u["total_tokens"]), n(&u["prompt_tokens"]) + n(&u["completion_tokens"]), "{u}");
    [
        n(&u["prompt_tokens"]),
        n(&u["prompt_tokens_details"]["cached_tokens"]),
        n(&u["completion_tokens"]),
        n(&u["completion_tokens_details"]["reasoning_tokens"]),
    ]
}

fn chat_stop(word: &Value, refused: bool) -> Stop {
    match word.as_str().unwrap_or_else(|| panic!("no finish_reason: {word}")) {
        "stop" if refused => Stop::Declined,
        "stop" => Stop::End,
        "length" => Stop::Length,
        "tool_calls" => Stop::Tools,
        "content_filter" => Stop::Declined,
        other => panic!("finish_reason {other}"),
    }
}

/// The proofs among the entries of `reasoning_details`.
fn proofs(details: &Value) -> String {
    let all = details.as_array().into_iter().flatten();
    all.flat_map(|d| [&d["signature"], &d["data"]]).filter_map(Value::as_str).collect()
}

fn chat(got: &Value) -> Said {
    assert_eq!(got["object"], "chat.completion", "{got}");
    assert!(got["id"].is_string() && got["created"].is_u64() && got["model"] == "m", "{got}");
    let choices = got["choices"].as_array().unwrap();
    assert_eq!((choices.len(), &choices[0]["index"]), (1, &Value::from(0)), "{got}");
    let m = &choices[0]["message"];
    assert_eq!(m["role"], "assistant", "{got}");
    let calls = m["tool_calls"].as_array().into_iter().flatten().map(|c| {
        assert_eq!(c["type"], "function", "{c}");
        let f = &c["function"];
        Call { id: text_of(&c["id"]), name: text_of(&f["name"]), arguments: text_of(&f["arguments"]) }
    });
    let refusal = text_of(&m["refusal"]);
    Said {
        thought: text_of(&m["reasoning_content"]),
        proof: proofs(&m["reasoning_details"]),
        text: text_of(&m["content"]),
        stop: chat_stop(&choices[0]["finish_reason"], !refusal.is_empty()),
        refusal,
        calls: calls.collect(),
        usage: chat_usage(&got["usage"]),
    }
}

fn chat_stream(text: &str) -> Said {
    let mut events = cut(text);
    assert_eq!(events.pop().unwrap().1, "[DONE]", "{text}");
    let mut said = Said::default();
    let (mut finish, mut id) = (Value::Null, None);
    for (k, (name, data)) in events.iter().enumerate() {
        assert_eq!(name, "", "Chat's events have no names: {text}");
        let chunk: Value = serde_json::from_str(data).unwrap();
        assert_eq!(chunk["object"], "chat.completion.chunk", "{data}");
        assert_eq!(&chunk["id"], id.get_or_insert_with(|| chunk["id"].clone()), "{text}");
        assert!(chunk["model"] == "m" && chunk["created"].is_u64(), "{data}");
        let choices = chunk["choices"].as_array().unwrap();
        if choices.is_empty() {
            assert_eq!(k + 1, events.len(), "the usage comes last: {text}");
            said.usage = chat_usage(&chunk["usage"]);
            continue;
        }
        let (c, d) = (&choices[0], &choices[0]["delta"]);
        assert!(finish.is_null(), "nothing follows the finish_reason: {text}");
        assert_eq!(k == 0, d["role"] == "assistant", "the role comes once, at first: {text}");
        said.thought += d["reasoning_content"].as_str().unwrap_or_default();
        said.proof += &proofs(&d["reasoning_details"]);
        said.text += d["content"].as_str().unwrap_or_default();
        said.refusal += d["refusal"].as_str().unwrap_or_default();
        for call in d["tool_calls"].as_array().into_iter().flatten() {
            let at = n(&call["index"]) as usize;
            if at == said.calls.len() {
                assert_eq!(call["type"], "function", "{data}");
                let name = text_of(&call["function"]["name"]);
                said.calls.push(Call { id: text_of(&call["id"]), name, arguments: String::new() });
            } else {
                assert_eq!(at + 1, said.calls.len(), "calls come one after the other: {text}");
                assert!(call["id"].is_null() && call["function"]["name"].is_null(), "said twice: {data}");
            }
            said.calls[at].arguments += call["function"]["arguments"].as_str().unwrap_or_default();
        }
        finish = c["finish_reason"].clone();
    }
    said.stop = chat_stop(&finish, !said.refusal.is_empty());
    said
}

fn messages_usage(u: &Value) -> [u64; 4] {
    let cached = n(&u["cache_read_input_tokens"]);
    let input = n(&u["input_tokens"]) + cached + n(&u["cache_creation_input_tokens"]);
    let reasoning = u["output_tokens_details"]["thinking_tokens"].as_u64().unwrap_or_default();
    [input, cached, n(&u["output_tokens"]), reasoning]
}

fn messages_stop(word: &Value) -> Stop {
    match word.as_str().unwrap_or_else(|| panic!("no stop_reason: {word}")) {
        "end_turn" => Stop::End,
        "max_tokens" => Stop::Length,
        "tool_use" => Stop::Tools,
        "refusal" => Stop::Declined,
        other => panic!("stop_reason {other}"),
    }
}

fn messages(got: &Value) -> Said {
    assert_eq!((&got["type"], &got["role"]), (&"message".into(), &"assistant".into()), "{got}");
    assert!(got["id"].is_string() && got["model"] == "m", "{got}");
    let mut said = Said { usage: messages_usage(&got["usage"]), ..Said::default() };
    for block in got["content"].as_array().unwrap() {
        take(&mut said, block);
    }
    said.stop = messages_stop(&got["stop_reason"]);
    said
}

/// Takes in a complete block. A refusal is a text here.
fn take(said: &mut Said, block: &Value) {
    match block["type"].as_str().unwrap() {
        "text" => said.text += block["text"].as_str().unwrap(),
        "thinking" => {
            said.thought += block["thinking"].as_str().unwrap();
            said.proof += block["signature"].as_str().unwrap();
        }
        "tool_use" => {
            assert!(block["input"].is_object(), "{block}");
            let arguments = block["input"].to_string();
            said.calls.push(Call { id: text_of(&block["id"]), name: text_of(&block["name"]), arguments });
        }
        other => panic!("a block of type {other}: {block}"),
    }
}

fn messages_stream(text: &str) -> Said {
    let (mut said, mut open, mut next, mut ended) = (Said::default(), None::<Value>, 0, false);
    let mut input = String::new();
    for (k, (name, data)) in cut(text).into_iter().enumerate() {
        let e: Value = serde_json::from_str(&data).unwrap();
        assert_eq!(e["type"], *name, "{data}");
        assert_eq!(k == 0, name == "message_start", "{text}");
        assert!(!ended, "nothing follows message_stop: {text}");
        match &*name {
            "ping" => {}
            "message_start" => {
                let m = &e["message"];
                assert!(m["content"].as_array().is_some_and(Vec::is_empty) && m["stop_reason"].is_null());
                assert_eq!(m["model"], "m", "{data}");
                messages_usage(&m["usage"]);
            }
            "content_block_start" => {
                assert!(open.is_none(), "one block at a time: {text}");
                assert_eq!(n(&e["index"]), next, "{text}");
                open = Some(e["content_block"].clone());
                input.clear();
            }
            "content_block_delta" => {
                assert_eq!(n(&e["index"]), next, "{text}");
                let block = open.as_mut().unwrap_or_else(|| panic!("no block is open: {text}"));
                let d = &e["delta"];
                let (kind, field) = match d["type"].as_str().unwrap() {
                    "text_delta" => ("text", "text"),
                    "thinking_delta" => ("thinking", "thinking"),
                    "signature_delta" => ("thinking", "signature"),
                    "input_json_delta" => {
                        assert_eq!(block["type"], "tool_use", "{text}");
                        input += d["partial_json"].as_str().unwrap();
                        continue;
                    }
                    other => panic!("a delta of type {other}"),
                };
                assert_eq!(block["type"], kind, "{text}");
                block[field] =
                    format!("{}{}", block[field].as_str().unwrap(), d[field].as_str().unwrap()).into();
            }
            "content_block_stop" => {
                assert_eq!(n(&e["index"]), next, "{text}");
                let mut block = open.take().unwrap();
                if block["type"] == "tool_use" {
                    assert_eq!(block["input"], serde_json::json!({}), "the input comes as deltas: {text}");
                    block["input"] =
                        serde_json::from_str(&input).unwrap_or_else(|e| panic!("{e}: {input:?}"));
                }
                take(&mut said, &block);
                next += 1;
            }
            "message_delta" => {
                assert!(open.is_none(), "a block is still open: {text}");
                said.stop = messages_stop(&e["delta"]["stop_reason"]);
                said.usage = messages_usage(&e["usage"]);
            }
            "message_stop" => ended = true,
            other => panic!("an event {other}: {text}"),
        }
    }
    assert!(ended, "no message_stop: {text}");
    said
}
