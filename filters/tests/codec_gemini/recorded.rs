//! Real traffic.

use crate::support::{client, collect, data, decode, encode};
use sallyport_filters::codec::gemini::{self, Framing, Options, Platform};
use sallyport_filters::ir::block::Body;
use sallyport_filters::ir::{Losses, Reply};
use serde_json::{Value, json};
use std::path::PathBuf;

/// The recorded calls: `SALLYPORT_RECORDED`, or beside the workspace.
fn cases() -> Vec<PathBuf> {
    let workspace = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let beside = ["../../shared/recorded", "../../../shared/recorded"].map(|p| workspace.join(p));
    let own = std::env::var_os("SALLYPORT_RECORDED").map(PathBuf::from);
    let all = own.into_iter().chain(beside).map(|p| p.join("gemini")).find(|p| p.is_dir());
    let Some(dir) = all else {
        eprintln!("SKIPPED: no recorded calls (SALLYPORT_RECORDED)");
        return Vec::new();
    };
    let mut out: Vec<_> = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    out.sort();
    out.retain(|p| p.is_dir());
    out
}

fn read(path: PathBuf) -> Option<Vec<u8>> {
    std::fs::read(path).ok()
}

/// Google's other spellings of the same request, made one.
fn normal(v: Value) -> Value {
    fn camel(v: Value) -> Value {
        match v {
            Value::Object(m) => {
                let raw = |k: &str| {
                    matches!(
                        k,
                        "args" | "response" | "parametersJsonSchema" | "responseJsonSchema" | "labels"
                    )
                };
                m.into_iter()
                    .map(|(k, v)| {
                        let k = k.split('_').enumerate().fold(String::new(), |s, (i, w)| {
                            let (a, b) = w.split_at(usize::from(i > 0 && !w.is_empty()));
                            s + &a.to_uppercase() + b
                        });
                        let v = if raw(&k) { v } else { camel(v) };
                        (k, v)
                    })
                    .collect()
            }
            Value::Array(a) => a.into_iter().map(camel).collect(),
            v => v,
        }
    }
    let mut v = camel(v);
    // The role of instructions says nothing.
    if let Some(s) = v.get_mut("systemInstruction").and_then(Value::as_object_mut) {
        s.remove("role");
    }
    // All functions in one entry, schemas as JSON Schema.
    let mut functions = Vec::new();
    let mut others = Vec::new();
    for tool in v.get("tools").and_then(Value::as_array).cloned().unwrap_or_default() {
        for (k, inner) in tool.as_object().unwrap().clone() {
            if k == "functionDeclarations" {
                functions.extend(inner.as_array().unwrap().clone());
            } else {
                others.push(json!({ k: inner }));
            }
        }
    }
    for f in &mut functions {
        let f = f.as_object_mut().unwrap();
        if let Some(p) = f.remove("parameters") {
            let p = serde_json::value::to_raw_value(&p).unwrap();
            f.insert("parametersJsonSchema".into(), gemini::to_json_schema(&p).value());
        }
        f.entry("description").or_insert("".into());
    }
    if !functions.is_empty() {
        others.insert(0, json!({"functionDeclarations": functions}));
    }
    if !others.is_empty() {
        v["tools"] = others.into();
    }
    if let Some(g) = v.get_mut("generationConfig").and_then(Value::as_object_mut) {
        if g.get("responseModalities") == Some(&json!(["TEXT"])) {
            g.remove("responseModalities");
        }
        if let Some(s) = g.remove("responseSchema") {
            let s = serde_json::value::to_raw_value(&s).unwrap();
            g.insert("responseJsonSchema".into(), gemini::to_json_schema(&s).value());
        }
        for n in g.values_mut() {
            if let Some(f) = n.as_f64() {
                *n = f.into();
            }
        }
    }
    if v["generationConfig"] == json!({}) {
        v.as_object_mut().unwrap().remove("generationConfig");
    }
    v
}

#[test]
fn requests_come_out_as_they_went_in() {
    let mut n = 0;
    for case in cases() {
        let meta: Value = serde_json::from_slice(&read(case.join("meta.json")).unwrap()).unwrap();
        let path = meta["path"].as_str().unwrap();
        // Some folders hold a call to another API.
        let Some((model, method)) = path.rsplit('/').next().and_then(|m| m.split_once(':')) else { continue };
        let Some(body) = read(case.join("request.json")) else { continue };
        let name = case.display();
        let platform = if path.contains("/projects/") { Platform::Vertex } else { Platform::GeminiApi };
        // Files of Cloud Storage on the Gemini API were recorded as Vertex calls are: both are tried.
        let mut losses = Losses::default();
        let c = if method == "countTokens" {
            gemini::decode_count_request(&body, model)
        } else {
            gemini::decode_request(&body, model, method.starts_with("stream"))
        };
        let c = c.unwrap_or_else(|e| panic!("{name}: {e}"));
        let again = gemini::encode_request(&c, model, &Options::of(platform), &mut losses);
        assert_eq!(losses.0, [], "{name}");
        let mut got: Value = serde_json::from_slice(&again).unwrap();
        let mut want = normal(serde_json::from_slice(&body).unwrap());
        // What the encoder adds knowingly.
        if want["toolConfig"].get("includeServerSideToolInvocations").is_none()
            && let Some(t) = got.get_mut("toolConfig").and_then(Value::as_object_mut)
        {
            t.remove("includeServerSideToolInvocations");
        }
        got = normal(got);
        strip_dummies(&mut got);
        strip_dummies(&mut want);
        assert_eq!(got, want, "{name}");
        n += 1;
    }
    println!("{n} recorded requests");
}

/// Signatures that only keep Google quiet are taken out and put in again where the model wants them.
fn strip_dummies(v: &mut Value) {
    match v {
        Value::Object(m) => {
            m.retain(|k, v| {
                k != "thoughtSignature"
                    || !v.as_str().is_some_and(|s| {
                        s.starts_with("skip_thought")
                            || s.starts_with("c2tpcF90aG91Z2h0")
                            || s.starts_with("context_eng")
                    })
            });
            m.values_mut().for_each(strip_dummies);
        }
        Value::Array(a) => a.iter_mut().for_each(strip_dummies),
        _ => {}
    }
}

/// The same by another way: the counts of the last `usageMetadata`.
fn check(name: &str, r: &Reply, all: &[Value]) {
    let usage = all.iter().filter_map(|v| v.get("usageMetadata")).next_back();
    if let (Some(u), Some(t)) = (usage, r.tokens) {
        let n = |k: &str| u.get(k).and_then(Value::as_u64).unwrap_or(0);
        assert_eq!(t.usage.input, n("promptTokenCount") + n("toolUsePromptTokenCount"), "{name}");
        assert_eq!(t.usage.output, n("candidatesTokenCount") + n("thoughtsTokenCount"), "{name}");
        assert_eq!(t.usage.input + t.usage.output, n("totalTokenCount"), "{name}");
    }
    let parts = || {
        let c = all.iter().filter_map(|v| v.pointer("/candidates/0/content/parts"));
        c.flat_map(|p| p.as_array().unwrap())
    };
    let text: String = parts()
        .filter(|p| p.get("thought") != Some(&Value::Bool(true)))
        .filter_map(|p| p.get("text")?.as_str())
        .collect();
    let content = || r.choices.iter().flat_map(|c| &c.content);
    assert_eq!(content().filter_map(|b| b.as_text()).collect::<String>(), text, "{name}");
    let count = |k: &str| parts().filter(|p| p.get(k).is_some()).count();
    let calls = content().filter(|b| matches!(b.body, Body::ToolCall(_))).count();
    assert_eq!(calls, count("functionCall"), "{name}");
    let servers = content().filter(|b| matches!(b.body, Body::Server { .. })).count();
    assert_eq!(servers, count("toolCall") + count("toolResponse") + count("executableCode"), "{name}");
    // Every signature is somewhere.
    let told = String::from_utf8(gemini::encode_reply(r, &client())).unwrap();
    for s in parts().filter_map(|p| p.get("thoughtSignature")?.as_str()) {
        assert!(told.contains(s), "{name}");
    }
    for support in all.iter().filter_map(|v| v.pointer("/candidates/0/groundingMetadata/groundingSupports")) {
        for s in support.as_array().unwrap() {
            let words = s["segment"]["text"].as_str().unwrap();
            let cited = content().any(|b| match &b.body {
                Body::Text { text, citations, .. } => {
                    citations.iter().filter_map(|c| c.range).any(|(a, b)| {
                        text.chars().skip(a as usize).take((b - a) as usize).collect::<String>() == words
                    })
                }
                _ => false,
            });
            assert!(cited, "{name}: {words}");
        }
    }
    // And the way through the front and back changes nothing but the model's name, and ids of calls stay.
    let mut want = r.clone();
    want.model = "alias".into();
    want.created = None;
    if want.tokens.is_none() {
        want.service_tier = None;
    }
    let mut again = gemini::decode_reply(told.as_bytes()).unwrap();
    for c in again.choices.iter_mut().chain(&mut want.choices).flat_map(|c| &mut c.logprobs) {
        assert!(!c.text().is_empty());
    }
    assert_eq!(again, want, "{name}");
    again = collect(decode(&encode(&crate::support::events(r), Framing::Sse)));
    assert_eq!(again, want, "{name}");
}

#[test]
fn answers_are_understood() {
    let (mut whole, mut streams) = (0, 0);
    for case in cases() {
        let name = case.display().to_string();
        let meta: Value = serde_json::from_slice(&read(case.join("meta.json")).unwrap()).unwrap();
        let path = meta["path"].as_str().unwrap();
        if path.ends_with(":countTokens") {
            let body = read(case.join("response.json")).unwrap();
            let n = gemini::decode_count_reply(&body).unwrap();
            assert_eq!(gemini::decode_count_reply(&gemini::encode_count_reply(n)).unwrap(), n);
        } else if !path.ends_with("enerateContent") {
            continue;
        } else if let Some(body) = read(case.join("response.json")) {
            let r = gemini::decode_reply(&body).unwrap_or_else(|e| panic!("{name}: {e}"));
            check(&name, &r, &[serde_json::from_slice(&body).unwrap()]);
            whole += 1;
        } else if let Some(body) = read(case.join("response.sse")) {
            let body = String::from_utf8(body).unwrap();
            let events = decode(&body);
            assert_eq!(events.last(), Some(&sallyport_filters::ir::StreamEvent::End), "{name}");
            let all: Vec<Value> = data(&body).iter().map(|d| serde_json::from_str(d).unwrap()).collect();
            check(&name, &collect(events), &all);
            streams += 1;
        }
    }
    println!("{whole} recorded answers, {streams} recorded streams");
}
