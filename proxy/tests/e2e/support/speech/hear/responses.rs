//! The Responses API's answers: what is told in deltas, in `done` events and in the last response must be one.

use super::super::{Call, Said, Stop};
use super::{cut, n, text_of};
use serde_json::{Map, Value};

/// A whole answer.
pub(super) fn whole(got: &Value) -> Said {
    assert_eq!((&got["object"], &got["model"]), (&"response".into(), &"m".into()), "{got}");
    assert!(got["id"].as_str().is_some_and(|i| i.starts_with("resp_")) && got["error"].is_null(), "{got}");
    let u = &got["usage"];
    assert_eq!(n(&u["total_tokens"]), n(&u["input_tokens"]) + n(&u["output_tokens"]), "{u}");
    let mut said = Said {
        usage: [
            n(&u["input_tokens"]),
            n(&u["input_tokens_details"]["cached_tokens"]),
            n(&u["output_tokens"]),
            n(&u["output_tokens_details"]["reasoning_tokens"]),
        ],
        ..Said::default()
    };
    for item in got["output"].as_array().unwrap() {
        match item["type"].as_str().unwrap() {
            "reasoning" => {
                for part in
                    ["summary", "content"].iter().flat_map(|f| item[f].as_array().into_iter().flatten())
                {
                    said.thought += part["text"].as_str().unwrap();
                }
                said.proof += item["encrypted_content"].as_str().unwrap_or_default();
            }
            "message" => {
                assert_eq!(item["role"], "assistant", "{item}");
                for part in item["content"].as_array().unwrap() {
                    match part["type"].as_str().unwrap() {
                        "output_text" => {
                            assert!(part["annotations"].is_array(), "{part}");
                            said.text += part["text"].as_str().unwrap();
                        }
                        "refusal" => said.refusal += part["refusal"].as_str().unwrap(),
                        other => panic!("a part {other}"),
                    }
                }
            }
            "function_call" => {
                assert!(item["id"].is_string(), "{item}");
                let [id, name, arguments] = ["call_id", "name", "arguments"].map(|f| text_of(&item[f]));
                said.calls.push(Call { id, name, arguments });
            }
            other => panic!("an item {other}"),
        }
    }
    said.stop = match (got["status"].as_str().unwrap(), got["incomplete_details"]["reason"].as_str()) {
        ("completed", None) if !said.refusal.is_empty() => Stop::Declined,
        ("completed", None) if !said.calls.is_empty() => Stop::Tools,
        ("completed", None) => Stop::End,
        ("incomplete", Some("max_output_tokens")) => Stop::Length,
        ("incomplete", Some("content_filter")) => Stop::Declined,
        other => panic!("{other:?}: {got}"),
    };
    said
}

/// A streamed one.
pub(super) fn stream(text: &str) -> Said {
    let events = cut(text);
    let mut done: Vec<Value> = Vec::new();
    // Of the item that is open: what its deltas have said, by kind of event and part.
    let mut open: Option<(Value, Map<String, Value>)> = None;
    let mut last = Value::Null;
    for (k, (name, data)) in events.iter().enumerate() {
        let e: Value = serde_json::from_str(data).unwrap();
        assert_eq!(e["type"], **name, "{data}");
        assert_eq!(n(&e["sequence_number"]), k as u64, "numbered one by one: {text}");
        assert!(last.is_null(), "nothing follows the end: {text}");
        match &**name {
            "response.created" | "response.in_progress" => {
                assert_eq!(k, usize::from(name.ends_with("in_progress")), "{text}");
                assert_eq!(e["response"]["status"], "in_progress", "{data}");
            }
            "response.output_item.added" => {
                assert!(open.is_none(), "one item at a time: {text}");
                assert_eq!(n(&e["output_index"]) as usize, done.len(), "{text}");
                open = Some((e["item"].clone(), Map::new()));
            }
            "response.output_item.done" => {
                let (begun, _) = open.take().unwrap_or_else(|| panic!("no item is open: {text}"));
                assert_eq!((&begun["id"], &begun["type"]), (&e["item"]["id"], &e["item"]["type"]), "{text}");
                done.push(e["item"].clone());
            }
            "response.completed" | "response.incomplete" => last = e["response"].clone(),
            _ => {
                let (item, heard) = open.as_mut().unwrap_or_else(|| panic!("no item is open: {text}"));
                assert_eq!(n(&e["output_index"]) as usize, done.len(), "{text}");
                assert_eq!(e["item_id"], item["id"], "{text}");
                piece(name, &e, heard, text);
            }
        }
    }
    assert_eq!(last["output"], Value::from(done), "the items of the end are those that were told: {text}");
    whole(&last)
}

/// Deltas, and the `done` event that says them all once more.
fn piece(name: &str, e: &Value, heard: &mut Map<String, Value>, text: &str) {
    let part = e.get("content_index").or_else(|| e.get("summary_index")).unwrap_or(&Value::Null);
    if let Some(kind) = name.strip_suffix(".delta") {
        let so_far = heard.entry(format!("{kind} {part}")).or_insert_with(|| "".into());
        *so_far = format!("{}{}", so_far.as_str().unwrap(), e["delta"].as_str().unwrap()).into();
    } else if let Some(kind) = name.strip_suffix(".done").filter(|k| !k.ends_with("_part")) {
        let field = match kind {
            "response.function_call_arguments" => "arguments",
            "response.refusal" => "refusal",
            _ => "text",
        };
        let want = heard.get(&format!("{kind} {part}")).and_then(Value::as_str).unwrap_or_default();
        assert_eq!(e[field], want, "{name}: {text}");
    } else {
        assert!(name.ends_with("_part.added") || name.ends_with("_part.done"), "an event {name}: {text}");
    }
}
