use super::*;
use crate::body::RequestBody;
use crate::codec::gemini::Framing;
use crate::outgoing::{Outgoing, betas};
use crate::surface::Named;
use crate::testing::{World, headers, provider, request};
use crate::translate;
use bytes::Bytes;
use sallyport_config::model::{BedrockSettings, VertexSettings};
use serde_json::{Value, json};
use std::sync::Arc;

const CLAUDE: &str = "us.anthropic.claude-x-v1:0";

fn target(kind: ProviderKind, model: &str) -> Target {
    let mut p = provider("p", kind);
    p.base_path = "/v1".into();
    match &mut p.settings {
        KindSettings::Vertex(s) => {
            *s = VertexSettings { project: "pr".into(), location: "eu".into(), ..Default::default() }
        }
        KindSettings::Bedrock(s) => *s = BedrockSettings::default(),
        _ => {}
    }
    Target { provider: Arc::new(p), model: Some(model.into()) }
}

fn call(surface: Surface, body: &Value) -> Exchange {
    let mut x =
        World::new().call(surface, if surface == Surface::CountTokens { r#"{"model":"m"}"# } else { "{}" });
    let gemini = surface == Surface::GeminiCountTokens;
    let named = gemini.then(|| Named { model: "m".into(), stream: false, framing: Framing::Array });
    let raw = Bytes::from(body.to_string());
    x.body = RequestBody::unread(named).read(raw, None, surface).unwrap();
    x
}

/// The path and the body of a count, and what the client gets for `answer`.
fn count(surface: Surface, body: &Value, to: &Target, answer: &Value) -> (String, Value, Value) {
    let x = call(surface, body);
    let h = headers(&[("anthropic-beta", "b-1, b-2")]);
    let r = request("/v1/messages/count_tokens", None, &h);
    let way = translate::way(&to.provider, to.model.as_deref().unwrap(), surface).unwrap();
    let back = way.back(&to.provider).unwrap();
    let (t, encoded) = Translation::count(&x, &betas(&h), back, to, false).unwrap();
    assert_eq!(encoded.dropped, Vec::<String>::new());
    let out = Outgoing::count(r, &x, to, back.wire, encoded.body).unwrap();
    assert!(t.reply(b"{}").is_err() && t.reply(b"nothing").is_err());
    let reply = t.reply(answer.to_string().as_bytes()).unwrap();
    assert!(reply.tokens.is_none(), "a count is no usage");
    let told = serde_json::from_slice(&reply.body).unwrap();
    (out.path_and_query, serde_json::from_slice(&out.body).unwrap(), told)
}

fn asked() -> Value {
    json!({"model": "m", "system": "Be short.", "messages": [{"role": "user", "content": "hi"}],
        "tools": [{"name": "f", "input_schema": {"type": "object"}}]})
}

fn gemini_asked() -> Value {
    json!({"generateContentRequest": {"model": "models/m", "contents": [{"parts": [{"text": "hi"}]}],
        "systemInstruction": {"parts": [{"text": "Be short."}]}, "generationConfig": {"temperature": 0.5, "topK": 7}}})
}

#[test]
fn every_kind_for_a_client_of_anthropics() {
    let of = |kind, model, answer| count(Surface::CountTokens, &asked(), &target(kind, model), &answer);
    let told = json!({"input_tokens": 12});

    let (path, sent, got) = of(ProviderKind::Openai, "real", json!({"object": "x", "input_tokens": 12}));
    assert_eq!((path.as_str(), &got), ("/v1/responses/input_tokens", &told));
    let keys: Vec<_> = sent.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(keys.iter().all(|k| ["model", "input", "instructions", "text", "tools"].contains(k)), "{sent}");

    let (path, sent, got) = of(ProviderKind::Gemini, "real", json!({"totalTokens": 12}));
    assert_eq!((path.as_str(), &got), ("/v1/models/real:countTokens", &told));
    assert_eq!(sent["generateContentRequest"]["contents"][0]["parts"][0]["text"], "hi", "{sent}");

    let (path, sent, got) = of(ProviderKind::Vertex, "gemini-x", json!({"totalTokens": 12}));
    assert_eq!(
        (path.as_str(), &got),
        ("/v1/projects/pr/locations/eu/publishers/google/models/gemini-x:countTokens", &told)
    );
    assert_eq!(sent["contents"][0]["parts"][0]["text"], "hi", "{sent}");

    let (path, sent, got) = of(ProviderKind::Bedrock, "amazon.nova-x", json!({"inputTokens": 12}));
    assert_eq!((path.as_str(), &got), ("/v1/model/amazon.nova-x/count-tokens", &told));
    let converse = &sent["input"]["converse"];
    assert_eq!(converse["messages"][0]["content"][0]["text"], "hi", "{sent}");
    assert!(converse.get("inferenceConfig").is_none() && converse["toolConfig"].is_object(), "{sent}");
}

/// The client's own bytes, in the form of InvokeModel; of the model behind the inference profile.
#[test]
fn claude_on_bedrock() {
    let mut body = asked();
    body["thinking"] = json!({"type": "enabled", "budget_tokens": 2000});
    let to = target(ProviderKind::Bedrock, CLAUDE);
    let (path, sent, got) = count(Surface::CountTokens, &body, &to, &json!({"inputTokens": 3}));
    assert_eq!(
        (path.as_str(), got),
        ("/v1/model/anthropic.claude-x-v1%3A0/count-tokens", json!({"input_tokens": 3}))
    );
    let inner = STANDARD.decode(sent["input"]["invokeModel"]["body"].as_str().unwrap()).unwrap();
    let mut inner: Value = serde_json::from_slice(&inner).unwrap();
    let more = inner.as_object_mut().unwrap();
    assert_eq!(more.remove("max_tokens"), Some(json!(2001)));
    assert_eq!(more.remove("anthropic_version"), Some(json!("bedrock-2023-05-31")));
    assert_eq!(more.remove("anthropic_beta"), Some(json!(["b-1", "b-2"])));
    body.as_object_mut().unwrap().remove("model");
    assert_eq!(inner, body);
}

#[test]
fn claude_on_vertex_as_it_is() {
    let x = call(Surface::CountTokens, &asked());
    let to = target(ProviderKind::Vertex, "claude-x@1");
    let h = headers(&[("anthropic-version", "2023-06-01")]);
    assert_eq!(
        translate::way(&to.provider, "claude-x@1", Surface::CountTokens),
        Some(Way::Platform(Platform::Vertex))
    );
    let r = request("/v1/messages/count_tokens", None, &h);
    let out = Outgoing::on_platform(r, &x, &to, Platform::Vertex).unwrap();
    assert_eq!(
        out.path_and_query,
        "/v1/projects/pr/locations/eu/publishers/anthropic/models/count-tokens:rawPredict"
    );
    let mut sent = Vec::new();
    out.write_body(&mut sent);
    let mut want = asked();
    want["model"] = json!("claude-x@1");
    want["anthropic_version"] = json!("vertex-2023-10-16");
    assert_eq!(serde_json::from_slice::<Value>(&sent).unwrap(), want);
}

#[test]
fn every_kind_for_a_client_of_geminis() {
    let of = |kind, model, answer| {
        count(Surface::GeminiCountTokens, &gemini_asked(), &target(kind, model), &answer)
    };
    let told = json!({"totalTokens": 9});

    let (path, sent, got) = of(ProviderKind::Openai, "real", json!({"input_tokens": 9}));
    assert_eq!((path.as_str(), &got, &sent["model"]), ("/v1/responses/input_tokens", &told, &json!("real")));

    let (path, sent, got) = of(ProviderKind::Anthropic, "real", json!({"input_tokens": 9}));
    assert_eq!((path.as_str(), &got), ("/v1/messages/count_tokens", &told));
    assert_eq!(sent["messages"][0]["content"], "hi", "{sent}");
    assert!(sent.get("max_tokens").is_none() && sent.get("temperature").is_none(), "{sent}");

    let (path, sent, got) = of(ProviderKind::Vertex, "claude-x@1", json!({"input_tokens": 9}));
    assert!(path.ends_with("/publishers/anthropic/models/count-tokens:rawPredict"), "{path}");
    assert_eq!((&sent["model"], &got), (&json!("claude-x@1"), &told), "{sent}");

    let (path, sent, got) = of(ProviderKind::Bedrock, CLAUDE, json!({"inputTokens": 9}));
    assert_eq!((path.as_str(), &got), ("/v1/model/anthropic.claude-x-v1%3A0/count-tokens", &told));
    assert_eq!(sent["input"]["converse"]["system"][0]["text"], "Be short.", "{sent}");
}

#[test]
fn where_the_gateway_estimates() {
    for surface in [Surface::CountTokens, Surface::GeminiCountTokens] {
        for kind in [ProviderKind::AzureOpenai, ProviderKind::OpenaiCompatible] {
            assert_eq!(translate::way(&provider("p", kind), "m", surface), Some(Way::Estimated));
        }
    }
    assert!(check_count(&call(Surface::CountTokens, &asked())).is_ok());
    assert!(check_count(&call(Surface::GeminiCountTokens, &gemini_asked())).is_ok());
    let wrong = check_count(&call(Surface::CountTokens, &json!({"model": "m"}))).unwrap_err();
    assert!(wrong.message.contains("messages"), "{}", wrong.message);
    assert_eq!(count_reply(Surface::CountTokens, 3), br#"{"input_tokens":3}"#);
    assert_eq!(count_reply(Surface::GeminiCountTokens, 3), br#"{"totalTokens":3}"#);
}

#[test]
fn what_bedrock_says_of_models_that_it_does_not_count_for() {
    let to = target(ProviderKind::Bedrock, CLAUDE);
    let says = |to: &Target, status, text: &str| {
        count_refused(to, Surface::CountTokens, Fault::ClientsOwn, status, text.as_bytes())
    };
    assert!(says(&to, 400, "The provided model doesn't support counting tokens."));
    assert!(says(&to, 400, "Invocation of model ID x with on-demand throughput isn't supported."));
    assert!(says(&to, 404, "not found"));
    assert!(!says(&to, 400, "messages.0: Field required"));
    assert!(!says(&to, 429, "support counting"));
    assert!(!says(&target(ProviderKind::Anthropic, "m"), 404, "not found"));
    assert!(!count_refused(&to, Surface::Messages, Fault::ClientsOwn, 404, b""));
}
