//! Real traffic: everything decodes, and comes back as it was.

use super::*;
use crate::ir::Losses;
use crate::testing::recorded;
use serde_json::{Value, json};
use std::path::PathBuf;

/// Calls of this API, whichever folder they are in.
fn cases() -> Vec<(String, PathBuf)> {
    let mut all = Vec::new();
    for dialect in ["openai-responses", "openai-chat"] {
        let Some(cases) = recorded(dialect) else {
            eprintln!("SKIPPED: no recorded traffic of {dialect}");
            continue;
        };
        for case in cases {
            let meta: Value =
                serde_json::from_slice(&std::fs::read(case.join("meta.json")).unwrap()).unwrap();
            if meta["path"].as_str().unwrap().ends_with("/responses") && meta["status"] == 200 {
                all.push((case.display().to_string(), case));
            }
        }
    }
    all
}

/// One spelling of a request: see the canonical spellings in `decode_request.rs`.
fn normal(mut v: Value) -> Value {
    let o = v.as_object_mut().unwrap();
    o.retain(|_, v| !v.is_null() && *v != json!([]) && *v != json!({}) && *v != json!(false));
    if o.get("truncation") == Some(&json!("disabled")) {
        o.remove("truncation");
    }
    if let Some(user) = o.remove("user") {
        o.insert("safety_identifier".into(), user);
    }
    if let Some(include) = o.get_mut("include").and_then(Value::as_array_mut) {
        include.sort_by_key(|v| v.to_string());
    }
    if let Some(text) = o.get("input").and_then(Value::as_str) {
        o.insert("input".into(), json!([{"role": "user", "content": text}]));
    }
    let mut input = o.get("input").and_then(Value::as_array).cloned().unwrap_or_default();
    for item in &mut input {
        let item = item.as_object_mut().unwrap();
        if item.contains_key("role") {
            item.insert("type".into(), json!("message"));
        }
        let kind = item["type"].as_str().unwrap().to_owned();
        if matches!(&*kind, "message" | "function_call" | "function_call_output") {
            item.remove("status");
            item.remove("id");
            item.remove("phase");
        }
        for field in ["content", "output"] {
            let Some(parts) = item.get_mut(field).and_then(Value::as_array_mut) else { continue };
            for part in parts.iter_mut().filter(|p| p["type"] == "output_text") {
                part.as_object_mut().unwrap().remove("logprobs");
            }
            if let [part] = &parts[..]
                && matches!(part["type"].as_str(), Some("input_text" | "output_text"))
                && part["annotations"].as_array().is_none_or(Vec::is_empty)
            {
                let text = part["text"].clone();
                item.insert(field.into(), text);
            }
        }
    }
    if !o.contains_key("instructions")
        && input.first().is_some_and(|i| i["role"] == "system" && i["content"].is_string())
    {
        let first = input.remove(0);
        o.insert("instructions".into(), first["content"].clone());
    }
    if !input.is_empty() {
        o.insert("input".into(), Value::Array(input));
    } else {
        o.remove("input");
    }
    if let Some(r) = o.get_mut("reasoning").and_then(Value::as_object_mut) {
        r.retain(|_, v| !v.is_null());
        if let Some(summary) = r.remove("generate_summary") {
            r.insert("summary".into(), summary);
        }
    }
    for tool in o.get_mut("tools").and_then(Value::as_array_mut).into_iter().flatten() {
        tool.as_object_mut().unwrap().retain(|_, v| !v.is_null());
    }
    v
}

#[test]
fn requests_come_back_as_they_were() {
    for (name, case) in cases() {
        let body = std::fs::read(case.join("request.json")).unwrap();
        let c = decode_request(&body).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut losses = Losses::default();
        let again = encode_request(&c, &c.model, &RequestOptions::NATIVE, &mut losses);
        assert_eq!(losses.first_serious(), None, "{name}");
        let (was, is) = (serde_json::from_slice(&body).unwrap(), serde_json::from_slice(&again).unwrap());
        assert_eq!(normal(was), normal(is), "{name}");
        let twice = decode_request(&again).unwrap();
        if !c.extra.iter().any(|(path, _)| path.contains('[')) {
            assert_eq!(twice, c, "{name}");
        }
    }
}

#[test]
fn whole_answers_come_back_as_they_were() {
    for (name, case) in cases() {
        let Ok(body) = std::fs::read(case.join("response.json")) else { continue };
        let reply = decode_reply(&body).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut was: Value = serde_json::from_slice(&body).unwrap();
        // Made by hand, with a word that the API does not have.
        if was["status"] == "complete" {
            was["status"] = json!("completed");
        }
        let is: Value = serde_json::from_slice(&encode_reply(&reply, &asked())).unwrap();
        for same in ["id", "status", "created_at", "incomplete_details", "error"] {
            // A background answer is not finished; this one is told to a client that waits for it.
            if was["status"] != "queued" && was["status"] != "in_progress" {
                assert_eq!(was[same], is[same], "{name} {same}");
            }
        }
        assert_eq!(is["model"], "alias");
        for count in ["input_tokens", "output_tokens", "total_tokens", "output_tokens_details"] {
            assert_eq!(was["usage"][count], is["usage"][count], "{name} {count}");
        }
        let is = serde_json::to_vec(&is).unwrap();
        let mut again = decode_reply(&is).unwrap();
        again.model.clone_from(&reply.model);
        if reply.choices[0].stop.is_some() {
            assert_eq!(again, reply, "{name}");
        }
    }
}

#[test]
fn streams_say_what_their_last_event_says() {
    let mut seen = 0;
    for (name, case) in cases() {
        let Ok(text) = std::fs::read(case.join("response.sse")) else { continue };
        let events = decode_stream(&text);
        let last = String::from_utf8(text).unwrap();
        let Some(last) = last.lines().rev().filter_map(|l| l.strip_prefix("data: ")).find_map(|l| {
            let v: Value = serde_json::from_str(l).ok()?;
            (v["type"] == "response.completed").then(|| v["response"].to_string())
        }) else {
            // Cut off by whoever recorded it.
            assert!(!events.contains(&StreamEvent::End), "{name}");
            continue;
        };
        seen += 1;
        let mut whole = decode_reply(last.as_bytes()).unwrap();
        let mut streamed = collect(events.clone());
        // One server gives its thoughts a new id in the last event.
        for r in [&mut whole, &mut streamed] {
            // OpenAI rounds them at the end.
            if let Some(probs) = &mut r.choices[0].logprobs {
                *probs = crate::ir::Raw::of(&probs.value().as_array().unwrap().len()).unwrap();
            }
            for b in &mut r.choices[0].content {
                if let crate::ir::block::Body::Thinking(t) = &mut b.body
                    && let Some(s) = &mut t.signature
                {
                    s.id = s.id.take().filter(|id| !id.starts_with("rs_tmp"));
                    // OpenAI seals a thought anew each time that it tells it.
                    s.value = format!("sealed: {}", !s.value.is_empty());
                }
            }
        }
        if name.contains("backfills_missing_results") {
            // Two items have no event of their own: they can only be told at the end.
            for r in [&mut whole, &mut streamed] {
                r.choices[0].content.sort_by_key(|b| format!("{b:?}"));
            }
        }
        assert_eq!(streamed, whole, "{name}");
        // And once more through our own stream.
        let mut again = collect(decode_stream(&encode_stream(&events, &asked())));
        again.model.clone_from(&streamed.model);
        again.id.clone_from(&streamed.id);
        let mut first = collect(events);
        // This format tells a raw thought as a summary.
        for r in [&mut again, &mut first] {
            r.choices[0].logprobs = None;
            for b in &mut r.choices[0].content {
                if let crate::ir::block::Body::Thinking(t) = &mut b.body
                    && !t.text.is_empty()
                {
                    t.summary = vec![std::mem::take(&mut t.text)];
                }
            }
        }
        assert_eq!(again, first, "{name}");
    }
    eprintln!("{seen} streams");
}
