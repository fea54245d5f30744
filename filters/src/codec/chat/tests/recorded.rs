//! Real traffic: everything that a provider accepted or said.

use super::*;
use crate::testing::recorded;

fn read(path: &std::path::Path) -> Option<Vec<u8>> {
    std::fs::read(path).ok()
}

#[test]
fn recorded_calls() {
    let (mut requests, mut replies) = (0, 0);
    for case in recorded("openai-chat").unwrap_or_default() {
        let name = case.display().to_string();
        let meta: Value = serde_json::from_slice(&read(&case.join("meta.json")).unwrap()).unwrap();
        let path = meta["path"].as_str().unwrap();
        if !path.ends_with("/chat/completions") {
            continue;
        }
        let body = read(&case.join("request.json")).unwrap();
        let c = decode_request(&body).unwrap_or_else(|e| panic!("{name}: {e}"));
        same_request(&name, &body, &c);
        requests += 1;
        // One case asked a server that is none.
        if meta["status"] != 200 || path.starts_with("/bin/") {
            continue;
        }
        let body = read(&case.join("response.json")).unwrap();
        let r = decode_reply(&body).unwrap_or_else(|e| panic!("{name}: {e}"));
        same_reply(&name, &body, &c, &r);
        replies += 1;
    }
    println!("{requests} recorded requests, {replies} recorded replies");
}

fn same_request(name: &str, body: &[u8], c: &Conversation) {
    let mut want: Value = serde_json::from_slice(body).unwrap();
    let mut o = ChatOptions::openai();
    o.max_completion_tokens = want.get("max_tokens").is_none();
    let (got, losses) = told(c, &o);
    want["model"] = "up".into();
    let object = want.as_object_mut().unwrap();
    for loss in losses.0 {
        assert!(object.remove(&loss.field).is_some(), "{name}: {loss:?}");
    }
    if object["stream"] == false {
        object.remove("stream");
    }
    for m in object["messages"].as_array_mut().unwrap() {
        // One text is a string; no content is null.
        let content = &mut m.as_object_mut().unwrap().entry("content").or_insert(Value::Null);
        if let [Value::Object(part)] = content.as_array().map_or(&[][..], Vec::as_slice)
            && part["type"] == "text"
        {
            **content = part["text"].clone();
        }
    }
    assert_eq!(got, want, "{name}");
}

fn same_reply(name: &str, body: &[u8], c: &Conversation, r: &Reply) {
    let x = EncodeReply { model: r.model.clone(), ..EncodeReply::of(c, "x", 1) };
    let bytes = encode_reply(r, &x);
    assert_eq!(&decode_reply(&bytes).unwrap(), r, "{name}");
    let (got, want): (Value, Value) =
        (serde_json::from_slice(&bytes).unwrap(), serde_json::from_slice(body).unwrap());
    for (g, w) in got["choices"].as_array().unwrap().iter().zip(want["choices"].as_array().unwrap()) {
        assert_eq!(g["finish_reason"], w["finish_reason"], "{name}");
        assert_eq!(
            g["message"]["content"],
            w["message"].get("content").cloned().unwrap_or_default(),
            "{name}"
        );
    }
    for field in ["id", "created", "service_tier"] {
        assert_eq!(got.get(field), want.get(field), "{name} {field}");
    }
    for field in ["/usage/prompt_tokens", "/usage/total_tokens", "/usage/prompt_tokens_details/cached_tokens"]
    {
        let zero = |v: &Value| v.pointer(field).and_then(Value::as_u64).unwrap_or_default();
        assert_eq!(zero(&got), zero(&want), "{name} {field}");
    }
    let streamed = laws::stream_of(r);
    assert_eq!(
        &collect(events(&sse(&streamed, &EncodeReply { include_usage: true, ..x })).unwrap()),
        r,
        "{name}"
    );
}
