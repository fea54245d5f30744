//! Real traffic: everything that Anthropic accepted or answered.

use super::*;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;

/// The recorded cases. The test harness swallows what passing tests print; that nothing was tested must be seen.
fn cases() -> Vec<PathBuf> {
    crate::testing::recorded("anthropic").unwrap_or_else(|| {
        let _ = writeln!(
            std::io::stderr(),
            "SKIPPED: no recorded traffic of Anthropic's (set SALLYPORT_RECORDED)"
        );
        Vec::new()
    })
}

/// Spellings of one thing, made one.
fn canonical(v: &mut Value) {
    match v {
        Value::Array(list) => list.iter_mut().for_each(canonical),
        Value::Object(map) => {
            map.retain(|_, v| !v.is_null());
            map.retain(|k, v| match k.as_str() {
                "is_error" | "stream" => *v != json!(false),
                "caller" => *v != json!({"type": "direct"}),
                "ttl" => v != "5m",
                "citations" | "content" => *v != json!([]),
                _ => true,
            });
            for key in ["content", "system"] {
                let text = match map.get(key) {
                    Some(Value::Array(l))
                        if l.len() == 1 && l[0].as_object().is_some_and(|o| o.len() == 2) =>
                    {
                        l[0].get("text").cloned()
                    }
                    _ => None,
                };
                if let Some(text) = text {
                    map.insert(key.to_owned(), text);
                }
            }
            map.values_mut().for_each(canonical);
        }
        _ => {}
    }
}

#[test]
fn recorded_requests_come_back_as_they_were() {
    let (mut n, mut counted) = (0, 0);
    for case in cases() {
        let meta: Value = serde_json::from_slice(&std::fs::read(case.join("meta.json")).unwrap()).unwrap();
        let path = meta["path"].as_str().unwrap();
        let count = path.ends_with("/count_tokens");
        if !count && !path.ends_with("/messages") {
            continue;
        }
        let name = case.display();
        let body = std::fs::read(case.join("request.json")).unwrap();
        let mut want: Value = serde_json::from_slice(&body).unwrap();
        let mut losses = crate::ir::Losses::default();
        let got = if count {
            counted += 1;
            let c = decode_count_tokens(&body).unwrap_or_else(|e| panic!("{name}: {e}"));
            encode_count_tokens_request(&c, &c.model, &own(), &mut losses)
        } else {
            n += 1;
            let c = decode_request(&body).unwrap_or_else(|e| panic!("{name}: {e}"));
            encode_request(&c, &c.model, &own(), &mut losses)
        };
        let mut got: Value = serde_json::from_slice(&got).unwrap();
        canonical(&mut want);
        canonical(&mut got);
        assert_eq!(got, want, "{name}");
        assert_eq!(losses.0, [], "{name}");
    }
    println!("{n} recorded requests, {counted} to count tokens");
}

/// An answer as a client of ours reads it, without what only the account of the provider means.
fn answer(v: &mut Value) {
    canonical(v);
    let map = v.as_object_mut().unwrap();
    for key in ["container", "context_management", "model"] {
        map.remove(key);
    }
    if let Some(usage) = map.get_mut("usage").and_then(Value::as_object_mut) {
        for key in ["inference_geo", "iterations", "server_tool_use"] {
            usage.remove(key);
        }
        // Nothing was thought.
        if usage.get("output_tokens_details").is_some_and(|d| d["thinking_tokens"] == 0) {
            usage.remove("output_tokens_details");
        }
    }
}

#[test]
fn recorded_answers_come_back_as_they_were() {
    let (mut n, mut streams) = (0, 0);
    for case in cases() {
        let meta: Value = serde_json::from_slice(&std::fs::read(case.join("meta.json")).unwrap()).unwrap();
        if !meta["path"].as_str().unwrap().ends_with("/messages") || meta["status"] != 200 {
            continue;
        }
        let name = case.display();
        if let Ok(body) = std::fs::read(case.join("response.json")) {
            n += 1;
            let reply = decode_reply(&body).unwrap();
            let mut want: Value = serde_json::from_slice(&body).unwrap();
            let mut got: Value = serde_json::from_slice(&encode_reply(&reply, &x())).unwrap();
            assert_eq!(got["model"], "alias");
            answer(&mut want);
            answer(&mut got);
            assert_eq!(got, want, "{name}");
        }
        if let Ok(text) = std::fs::read_to_string(case.join("response.sse")) {
            streams += 1;
            let first = events(&text);
            assert!(matches!(first.last(), Some(StreamEvent::End)), "{name}");
            let reply = collect(first.clone());
            // Put together in the plainest way, it is the whole answer.
            let plain = decode_reply(fold(&text).to_string().as_bytes()).unwrap();
            assert_eq!(reply, plain, "{name}");
            // Told again, it says the same.
            let mut again = collect(events(&sse(&first)));
            again.model.clone_from(&reply.model);
            assert_eq!(again, reply, "{name}");
            // And the whole answer that it makes says the same.
            let mut whole = decode_reply(&encode_reply(&reply, &x())).unwrap();
            whole.model.clone_from(&reply.model);
            assert_eq!(whole, reply, "{name}");
            let usage = reply.tokens.unwrap().usage;
            assert!(usage.input > 0 && usage.output > 0, "{name}");
        }
    }
    println!("{n} recorded answers, {streams} streams");
}

/// A stream as a whole message, by a way of its own: trees, as the SDKs do it.
fn fold(sse: &str) -> Value {
    let (mut message, mut inputs) = (Value::Null, std::collections::BTreeMap::<usize, String>::new());
    for (_, data) in split(sse) {
        let e: Value = serde_json::from_str(&data).unwrap();
        let at = usize::try_from(e["index"].as_u64().unwrap_or(0)).unwrap();
        match e["type"].as_str().unwrap() {
            "message_start" => message = e["message"].clone(),
            "content_block_start" => {
                message["content"].as_array_mut().unwrap().push(e["content_block"].clone());
            }
            "content_block_delta" => {
                let d = &e["delta"];
                let block = &mut message["content"][at];
                match d["type"].as_str().unwrap() {
                    "citations_delta" => {
                        if block["citations"].is_null() {
                            block["citations"] = json!([]);
                        }
                        block["citations"].as_array_mut().unwrap().push(d["citation"].clone());
                    }
                    "input_json_delta" => {
                        inputs.entry(at).or_default().push_str(d["partial_json"].as_str().unwrap());
                    }
                    kind => {
                        let key = kind.strip_suffix("_delta").unwrap();
                        let old = block[key].as_str().unwrap().to_owned();
                        block[key] = (old + d[key].as_str().unwrap()).into();
                    }
                }
            }
            "content_block_stop" => {
                if let Some(input) = inputs.get(&at).filter(|i| !i.is_empty()) {
                    message["content"][at]["input"] = serde_json::from_str(input).unwrap();
                }
            }
            "message_delta" => {
                for (k, v) in e["delta"].as_object().unwrap() {
                    message[k] = v.clone();
                }
                for (k, v) in e["usage"].as_object().unwrap() {
                    message["usage"][k] = v.clone();
                }
            }
            _ => {}
        }
    }
    message
}
