//! Traffic recorded from Bedrock.

use super::support::{collect, conversation, events};
use sallyport_filters::codec::converse::{self, Operation, error};
use sallyport_filters::dialect::fault::Fault;
use sallyport_filters::ir::block::Body;
use sallyport_filters::ir::{Losses, Origin};
use sallyport_filters::rejection::ErrorKind;
use serde_json::{Value, json};
use std::path::PathBuf;

struct Case {
    name: String,
    path: String,
    status: u64,
    request: Value,
    json: Option<Vec<u8>>,
    frames: Option<Vec<u8>>,
}

impl Case {
    fn model(&self) -> String {
        let encoded = self.path.strip_prefix("/model/").unwrap().split('/').next().unwrap();
        percent_encoding::percent_decode_str(encoded).decode_utf8().unwrap().into_owned()
    }
}

fn cases() -> Vec<Case> {
    let root = std::env::var_os("SALLYPORT_RECORDED").map_or_else(
        || PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/recorded")),
        PathBuf::from,
    );
    let Ok(dir) = std::fs::read_dir(root.join("bedrock")) else {
        eprintln!("SKIPPED: no recorded traffic at {} (set SALLYPORT_RECORDED)", root.display());
        return Vec::new();
    };
    let mut cases = Vec::new();
    for entry in dir {
        let dir = entry.unwrap().path();
        let read = |name: &str| std::fs::read(dir.join(name)).ok();
        let meta: Value = serde_json::from_slice(&read("meta.json").unwrap()).unwrap();
        let path = meta["path"].as_str().unwrap().to_owned();
        // Some cases begin with a call of another provider.
        if path.starts_with("/model/") {
            cases.push(Case {
                name: dir.file_name().unwrap().to_string_lossy().into_owned(),
                path,
                status: meta["status"].as_u64().unwrap(),
                request: serde_json::from_slice(&read("request.json").unwrap()).unwrap(),
                json: read("response.json"),
                frames: read("response.eventstream"),
            });
        }
    }
    assert!(cases.len() > 40, "the recordings are there");
    cases
}

#[test]
fn every_answer_decodes() {
    for case in cases() {
        let model = converse::Model::of(&case.model());
        let content = if let Some(bytes) = &case.frames {
            let whole = collect(events(bytes, bytes.len(), &case.model()));
            for step in [1, 7, 1000] {
                assert_eq!(collect(events(bytes, step, &case.model())), whole, "{}", case.name);
            }
            whole
        } else if case.status == 200 {
            converse::decode_reply_of(case.json.as_ref().unwrap(), model).unwrap()
        } else {
            let e = error::describe(case.status as u16, None, case.json.as_ref().unwrap());
            assert_eq!((e.kind, e.fault), (ErrorKind::InvalidRequest, Fault::ClientsOwn));
            assert_eq!(e.error.message.as_deref(), Some("The provided model identifier is invalid."));
            continue;
        };
        let usage = content.tokens.unwrap().usage;
        assert!(usage.input > 0 && usage.output > 0, "{}", case.name);
        let choice = &content.choices[0];
        assert!(choice.stop.is_some() && !choice.content.is_empty(), "{}", case.name);
        for b in &choice.content {
            assert!(!matches!(b.body, Body::Opaque { .. }), "{}: {b:?}", case.name);
        }
        if let Some(json) = &case.json {
            let said: Value = serde_json::from_slice(json).unwrap();
            assert_eq!(usage.input + usage.output, said["usage"]["totalTokens"], "{}", case.name);
        }
    }
}

/// A sealed thought of Claude's is, unwrapped, what Anthropic's own API calls it.
#[test]
fn sealed_thoughts_are_anthropics() {
    let Some(case) = cases().into_iter().find(|c| c.name == "bedrock_model_thinking_part_redacted_stream")
    else {
        return;
    };
    let reply = collect(events(&case.frames.clone().unwrap(), 100, &case.model()));
    let Body::Thinking(t) = &reply.choices[0].content[0].body else { panic!() };
    let signature = t.signature.as_ref().unwrap();
    assert!(t.redacted && signature.value.starts_with("EtkECk"));
    assert_eq!(signature.origin, Origin::Anthropic);
    assert_eq!(reply.choices[0].content.len(), 3);
}

/// Each request that Bedrock took is written again as it was, apart from spellings that mean the same.
#[test]
fn accepted_requests_are_written_again() {
    for case in cases().iter().filter(|c| c.status == 200) {
        let model = case.model();
        let operation =
            if case.path.ends_with("-stream") { Operation::ConverseStream } else { Operation::Converse };
        assert_eq!(converse::path(&model, operation), case.path);
        let c = conversation(&case.request);
        let mut losses = Losses::default();
        let said = converse::encode_request(&c, &model, &mut losses);
        let mut said: Value = serde_json::from_slice(&said).unwrap();
        assert!(losses.first_serious().is_none(), "{}: {losses:?}", case.name);
        let mut meant = case.request.clone();
        normal(&mut said);
        normal(&mut meant);
        assert_eq!(said, meant, "{}", case.name);
    }
}

/// Empty is absent; success is what no status means.
fn normal(v: &mut Value) {
    let o = v.as_object_mut().unwrap();
    for name in ["system", "inferenceConfig", "toolConfig"] {
        if o.get(name).is_some_and(|v| *v == json!([]) || *v == json!({})) {
            o.remove(name);
        }
    }
    for m in o["messages"].as_array_mut().unwrap() {
        for b in m["content"].as_array_mut().unwrap() {
            if let Some(r) = b.get_mut("toolResult").and_then(Value::as_object_mut)
                && r.get("status") == Some(&json!("success"))
            {
                r.remove("status");
            }
        }
    }
}
