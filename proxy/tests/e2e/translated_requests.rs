//! What reaches an upstream that speaks another format: path, credential, headers, body; and what is refused because
//! the upstream's format has no words for it.

use super::support::ask::{ask, turns};
use super::support::gateway::Gateway;
use super::support::hear::hear;
use super::support::scene::{
    ANTHROPIC, COMPATIBLE, OPENAI, TEXT, TRANSLATED, Upstream, Wire, credential, everything,
};
use super::support::setups::{error_type, with};
use super::support::stub::Stub;
use super::support::tell::tell;
use serde_json::{Value, json};

async fn gateway(more: Value) -> (Stub, Gateway) {
    let stub = Stub::answering(|r| tell(r, &TEXT)).await;
    let gateway = Gateway::start(with(everything(&stub.url()), more)).await;
    (stub, gateway)
}

/// LESSONS.md, Protocol: "Accept all; never forward them". The client's own headers stay here, whatever they are.
#[tokio::test]
async fn path_credential_and_headers() {
    let (stub, gateway) = gateway(json!({})).await;
    for (front, up) in TRANSLATED {
        for stream in [false, true] {
            let theirs = [
                ("x-api-key", gateway.key.as_str()),
                ("anthropic-version", "2023-06-01"),
                ("anthropic-beta", "context-management-2025-06-27"),
                ("openai-organization", "org-of-the-client"),
                ("cookie", "session=secret"),
                ("user-agent", "Client/1.0"),
                ("x-stainless-lang", "python"),
                ("accept-encoding", "br, gzip"),
            ];
            let body = ask(front, up.model, stream).to_string();
            let path = format!("{}?beta=true", front.path());
            gateway.client().await.call("POST", &path, &theirs, body.as_bytes()).await.expect(200);
            let sent = stub.received().pop().unwrap();
            let case = format!("{front:?} to {}: {:?}", up.kind, sent.head);
            assert_eq!(sent.target(), up.wire.path(), "{case}");
            let (name, value) = credential(up.kind);
            assert_eq!(sent.head.get(name), Some(value.as_str()), "{case}");
            assert_eq!(sent.head.get("content-type"), Some("application/json"), "{case}");
            assert_eq!(sent.head.has("anthropic-version"), up.kind == ANTHROPIC.kind, "{case}");
            let all = format!("{:?}", sent.head);
            for secret in [gateway.key.as_str(), "org-of-the-client", "session=secret", "context-management"]
            {
                assert!(!all.contains(secret), "{secret} is the client's: {case}");
            }
            assert!(sent.head.get("accept-encoding").is_none_or(|v| v == "identity"), "{case}");
            let body = sent.json();
            assert_eq!(body["model"], up.model, "{case}");
            assert_eq!(body["stream"].as_bool().unwrap_or(false), stream, "{case} {body}");
            if up.wire == Wire::Chat && stream {
                assert_eq!(body["stream_options"]["include_usage"], true, "tokens are counted: {body}");
            }
        }
    }
}

const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk+A8AAQUBAScY42YAAAAASUVORK5CYII=";

/// A request with an image, in the format of a client: base64, and by address.
fn picture(front: Wire, up: Upstream, data: &str) -> Value {
    let mut body = ask(front, up.model, false);
    let url = format!("data:image/png;base64,{data}");
    body[turns(front)][0]["content"] = match front {
        Wire::Chat => json!([{"type": "text", "text": "What?"},
            {"type": "image_url", "image_url": {"url": url}},
            {"type": "image_url", "image_url": {"url": "https://example.com/a.jpg"}}]),
        Wire::Responses => json!([{"type": "input_text", "text": "What?"},
            {"type": "input_image", "detail": "auto", "image_url": url},
            {"type": "input_image", "detail": "auto", "image_url": "https://example.com/a.jpg"}]),
        Wire::Messages => json!([{"type": "text", "text": "What?"},
            {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
            {"type": "image", "source": {"type": "url", "url": "https://example.com/a.jpg"}}]),
    };
    body
}

/// The addresses of the images in a request that reached an upstream.
fn images(wire: Wire, sent: &Value) -> Vec<String> {
    let content = sent[turns(wire)][0]["content"].as_array().unwrap();
    let url = |part: &Value| match wire {
        Wire::Chat => part["image_url"]["url"].as_str().map(str::to_owned),
        Wire::Responses => part["image_url"].as_str().map(str::to_owned),
        Wire::Messages => match part["source"]["type"].as_str()? {
            "url" => part["source"]["url"].as_str().map(str::to_owned),
            _ => Some(format!(
                "data:{};base64,{}",
                part["source"]["media_type"].as_str()?,
                part["source"]["data"].as_str()?
            )),
        },
    };
    content.iter().filter_map(url).collect()
}

#[tokio::test]
async fn images_cross() {
    let (stub, gateway) = gateway(json!({})).await;
    for (front, up) in TRANSLATED {
        let body = picture(front, up, PIXEL).to_string();
        gateway.post(front.path(), body).await.expect(200);
        let sent = stub.received().pop().unwrap().json();
        let want = [format!("data:image/png;base64,{PIXEL}"), "https://example.com/a.jpg".to_owned()];
        assert_eq!(images(up.wire, &sent), want, "{front:?} to {}: {sent}", up.kind);
        assert!(sent[turns(up.wire)][0]["content"].to_string().contains("What?"), "{sent}");
    }
}

/// 20 MB in one image, under the limit of the configuration.
#[tokio::test]
async fn a_large_image() {
    let (stub, gateway) = gateway(json!({})).await;
    let data = "iVBORw0KGgoA".repeat(20 * 1024 * 1024 / 12);
    for (front, up) in TRANSLATED {
        let body = picture(front, up, &data).to_string();
        gateway.post(front.path(), body).await.expect(200);
        let sent = stub.received().pop().unwrap().json();
        let all = images(up.wire, &sent);
        assert!(all[0].strip_prefix("data:image/png;base64,") == Some(&data), "{front:?} to {}", up.kind);
    }
}

/// A schema for the answer.
#[tokio::test]
async fn structured_output() {
    let (stub, gateway) = gateway(json!({})).await;
    let schema = json!({"type": "object", "properties": {"zebra": {"type": "string"}, "apple": {"type": "integer"}},
        "required": ["zebra", "apple"], "additionalProperties": false});
    for (front, up) in TRANSLATED {
        let mut body = ask(front, up.model, false);
        match front {
            Wire::Chat => {
                body["response_format"] = json!({"type": "json_schema",
                    "json_schema": {"name": "zoo", "strict": true, "schema": schema}});
            }
            Wire::Responses => {
                body["text"] = json!({"format":
                    {"type": "json_schema", "name": "zoo", "strict": true, "schema": schema}});
            }
            Wire::Messages => {
                body["output_config"] = json!({"format": {"type": "json_schema", "schema": schema}});
            }
        }
        let answer = gateway.post(front.path(), body.to_string()).await;
        hear(front, &answer);
        let sent = stub.received().pop().unwrap();
        let json = sent.json();
        let got = match up.wire {
            Wire::Chat => &json["response_format"]["json_schema"],
            Wire::Responses => &json["text"]["format"],
            Wire::Messages => &json["output_config"]["format"],
        };
        assert_eq!(got["schema"], schema, "{front:?} to {}: {json}", up.kind);
        if up.wire != Wire::Messages {
            assert!(got["name"].as_str().is_some_and(|n| !n.is_empty()), "OpenAI demands a name: {json}");
            // Anthropic's clients do not say it: all their schemas are strict there.
            let strict = if front == Wire::Messages { Value::Null } else { true.into() };
            assert_eq!(got["strict"], strict, "{json}");
        } else {
            assert_eq!(got["type"], "json_schema", "{json}");
        }
    }
}

/// Fields without words in the upstream's format: front, upstream, field as the client calls it, its value.
fn unsaid() -> [(Wire, Upstream, &'static str, Value); 8] {
    [
        (Wire::Chat, ANTHROPIC, "logit_bias", json!({"50256": -100})),
        (Wire::Chat, ANTHROPIC, "seed", json!(7)),
        (Wire::Chat, ANTHROPIC, "presence_penalty", json!(0.5)),
        (Wire::Chat, ANTHROPIC, "n", json!(2)),
        (Wire::Responses, ANTHROPIC, "background", json!(true)),
        (Wire::Messages, OPENAI, "top_k", json!(5)),
        (Wire::Messages, OPENAI, "stop_sequences", json!(["END"])),
        (
            Wire::Messages,
            COMPATIBLE,
            "context_management",
            json!({"edits": [{"type": "clear_tool_uses_20250919"}]}),
        ),
    ]
}

/// Nothing is lost in silence.
#[tokio::test]
async fn what_cannot_be_said_is_refused_by_name() {
    let (stub, gateway) = gateway(json!({})).await;
    for (front, up, field, value) in unsaid() {
        let mut body = ask(front, up.model, false);
        body[field] = value;
        let got = gateway.post(front.path(), body.to_string()).await;
        let case = format!("{front:?} to {}, {field}: {}", up.kind, got.text());
        assert_eq!(got.status(), 400, "{case}");
        assert_eq!(error_type(front.path(), &got.json()), "invalid_request_error", "{case}");
        let error = &got.json()["error"];
        assert!(error["message"].as_str().unwrap().contains(field), "{case}");
        if front != Wire::Messages {
            assert_eq!(
                (&error["param"], &error["code"]),
                (&field.into(), &"unsupported_parameter".into()),
                "{case}"
            );
        }
        assert!(stub.received().is_empty(), "{case}");
        let call = gateway.logged(&got.id()).await;
        assert_eq!(
            (&call["error_source"], &call["status"]),
            (&"client".into(), &400.into()),
            "{case} {call}"
        );
    }
}

#[tokio::test]
async fn what_cannot_be_said_is_left_out_where_that_is_allowed() {
    let (stub, gateway) = gateway(json!({"translation": {"lossy": "allow"}})).await;
    for (front, up, field, value) in unsaid() {
        let mut body = ask(front, up.model, false);
        body[field] = value;
        let got = gateway.post(front.path(), body.to_string()).await;
        let case = format!("{front:?} to {}, {field}: {:?} {}", up.kind, got.head, got.text());
        hear(front, &got);
        assert_eq!(got.head.get("x-sallyport-dropped"), Some(field), "{case}");
        let sent = stub.received().pop().unwrap().json();
        assert!(sent.get(field).is_none(), "{case} {sent}");
        body["stream"] = true.into();
        let streamed = gateway.post(front.path(), body.to_string()).await;
        assert_eq!(streamed.expect(200).head.get("x-sallyport-dropped"), Some(field), "{case}");
    }
}

/// A body that is no request of the client's format never reaches an upstream.
#[tokio::test]
async fn what_is_no_request() {
    let (stub, gateway) = gateway(json!({})).await;
    for (front, up) in TRANSLATED {
        let list = turns(front);
        for wrong in [json!(7), json!([{"role": "user"}, 7]), json!([{"role": "nobody", "content": "x"}])] {
            let mut body = ask(front, up.model, false);
            body[list] = wrong;
            let got = gateway.post(front.path(), body.to_string()).await;
            let case = format!("{front:?} to {}: {body} {}", up.kind, got.text());
            assert_eq!(got.status(), 400, "{case}");
            assert_eq!(error_type(front.path(), &got.json()), "invalid_request_error", "{case}");
            assert!(got.json()["error"]["message"].as_str().unwrap().contains(list), "{case}");
        }
    }
    assert!(stub.received().is_empty());
}
