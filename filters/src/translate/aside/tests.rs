use super::*;
use crate::body::RequestBody;
use crate::codec::gemini::Framing;
use crate::surface::Named;
use crate::testing::{World, target};
use bytes::Bytes;
use serde_json::{Value, json};

fn ask(surface: Surface, provider: &str, body: Value) -> (Translation, Value, Vec<String>) {
    let w = World::new();
    let mut x = w.call(surface, "{}");
    let named = Named { model: "m".into(), stream: false, framing: Framing::Array };
    let raw = Bytes::from(body.to_string());
    x.body = RequestBody::unread(Some(named)).read(raw, None, surface).unwrap();
    let to = target(&w.snapshot, provider, Some("real"));
    let wire = way(to.provider.kind, surface).unwrap();
    let back = crate::translate::Back { wire, framing: crate::translate::Framing::Sse, errors: wire };
    let (t, encoded) = Translation::aside(&x, back, &to, false).unwrap();
    (t, serde_json::from_slice(&encoded.body).unwrap(), encoded.dropped)
}

fn told(t: &Translation, body: Value) -> (Value, Option<Tokens>) {
    let r = t.reply(body.to_string().as_bytes()).unwrap();
    (serde_json::from_slice(&r.body).unwrap(), r.tokens)
}

#[test]
fn embeddings() {
    let one = json!({"content": {"parts": [{"text": "a"}]}, "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 3});
    for provider in ["openai", "vllm"] {
        let (t, sent, dropped) = ask(Surface::GeminiEmbed, provider, one.clone());
        assert_eq!(
            sent,
            json!({"model": "real", "input": ["a"], "dimensions": 3, "encoding_format": "float"})
        );
        assert_eq!(dropped, ["taskType"]);
        let (body, tokens) = told(
            &t,
            json!({"object": "list", "data": [{"index": 0, "embedding": [0.5, -1]}], "usage": {"prompt_tokens": 4, "total_tokens": 4}}),
        );
        assert_eq!(body["embedding"], json!({"values": [0.5, -1]}));
        assert_eq!(tokens.unwrap().usage, Usage { input: 4, ..Usage::default() });
    }
    let many = json!({"requests": [
        {"model": "models/m", "content": {"parts": [{"text": "a"}]}},
        {"model": "models/m", "content": {"parts": [{"text": "b"}]}},
    ]});
    let (t, sent, ..) = ask(Surface::GeminiBatchEmbed, "openai", many);
    assert_eq!(sent["input"], json!(["a", "b"]));
    let (body, _) =
        told(&t, json!({"data": [{"index": 1, "embedding": [2]}, {"index": 0, "embedding": [1]}]}));
    assert_eq!(body, json!({"embeddings": [{"values": [1]}, {"values": [2]}]}));
    for wrong in [json!({"data": []}), json!({"data": [{"embedding": [1]}]}), json!({"error": {}})] {
        assert!(t.reply(wrong.to_string().as_bytes()).is_err(), "{wrong}");
    }
}

#[test]
fn nobody_else_has_them() {
    assert_eq!(way(ProviderKind::Anthropic, Surface::GeminiEmbed), None);
    assert_eq!(way(ProviderKind::Openai, Surface::Generate), None);
}
