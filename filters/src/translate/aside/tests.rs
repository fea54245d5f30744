use super::*;
use crate::body::RequestBody;
use crate::codec::gemini::Framing;
use crate::ir::Tokens;
use crate::surface::Named;
use crate::testing::{World, target};
use bytes::Bytes;
use serde_json::{Value, json};

fn ask(surface: Surface, provider: &str, body: Value) -> (Translation, Value, Vec<String>, String) {
    let w = World::new();
    let mut x = w.call(surface, "{}");
    let named = Named { model: "m".into(), stream: false, framing: Framing::Array };
    let raw = Bytes::from(body.to_string());
    x.body = RequestBody::unread(Some(named)).read(raw, None, surface).unwrap();
    let to = target(&w.snapshot, provider, Some("real"));
    let wire = way(to.provider.kind, "m", surface).unwrap();
    let back = crate::translate::Back { wire, framing: crate::translate::Framing::Sse, errors: wire };
    let (t, encoded, operation) = Translation::aside(&x, back, &to, false).unwrap();
    let path = crate::outgoing::address::address(&to.provider, wire, operation, "m", false).unwrap();
    let path = path.strip_prefix("/base/v1").unwrap().to_owned();
    (t, serde_json::from_slice(&encoded.body).unwrap(), encoded.dropped, path)
}

fn told(t: &Translation, body: Value) -> (Value, Option<Tokens>) {
    let r = t.reply(body.to_string().as_bytes()).unwrap();
    (serde_json::from_slice(&r.body).unwrap(), r.tokens)
}

#[test]
fn counts() {
    let whole = json!({"generateContentRequest": {"model": "models/m", "contents": [{"parts": [{"text": "hi"}]}],
        "systemInstruction": {"parts": [{"text": "Be short."}]}, "generationConfig": {"temperature": 0.5, "topK": 7}}});
    let (t, sent, dropped, path) = ask(Surface::GeminiCountTokens, "openai", whole.clone());
    assert_eq!(path, "/responses/input_tokens");
    let keys: Vec<_> = sent.as_object().unwrap().keys().map(String::as_str).collect();
    assert!(keys.iter().all(|k| ["model", "input", "instructions", "text"].contains(k)), "{sent}");
    assert_eq!((&sent["model"], dropped.len()), (&json!("real"), 0));
    let answer = json!({"object": "response.input_tokens", "input_tokens": 12});
    assert_eq!(told(&t, answer), (json!({"totalTokens": 12}), None));

    let (t, sent, _, path) = ask(Surface::GeminiCountTokens, "anthropic", whole);
    assert_eq!(path, "/messages/count_tokens");
    assert_eq!(sent["messages"][0]["content"], "hi", "{sent}");
    assert!(sent.get("max_tokens").is_none() && sent.get("temperature").is_none(), "{sent}");
    assert_eq!(told(&t, json!({"input_tokens": 9})).0, json!({"totalTokens": 9}));
    assert!(t.reply(b"{}").is_err());
}

#[test]
fn nobody_else_has_them() {
    let way = |kind, surface| way(kind, "m", surface);
    assert_eq!(way(ProviderKind::Anthropic, Surface::GeminiEmbed), None);
    assert_eq!(way(ProviderKind::OpenaiCompatible, Surface::GeminiCountTokens), None);
    assert_eq!(way(ProviderKind::Openai, Surface::Generate), None);
    assert_eq!(way(ProviderKind::Openai, Surface::Rerank), None);
}
