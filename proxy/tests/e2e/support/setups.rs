//! Configurations that many tests use, and bodies for them.

use super::gateway::UPSTREAM_KEY;
use serde_json::{Value, json};

/// A provider of a kind at a URL.
pub(crate) fn provider(name: &str, kind: &str, url: &str) -> Value {
    json!({"name": name, "kind": kind, "base_url": url, "api_key": UPSTREAM_KEY})
}

/// Model `m` served by one OpenAI-like upstream as `m`.
pub(crate) fn openai(url: &str) -> Value {
    one("openai", url)
}

/// Model `m` served by one Anthropic-like upstream as `m`.
pub(crate) fn anthropic(url: &str) -> Value {
    one("anthropic", url)
}

fn one(kind: &str, url: &str) -> Value {
    json!({
        "providers": [provider("first", kind, url)],
        "models": [
            {"name": "m", "routes": [{"provider": "first"}]},
            {"name": "alias", "routes": [{"provider": "first", "model": "the-real-one"}]},
        ],
    })
}

/// Model `m` served by `first`, and by `second` only when that fails.
pub(crate) fn two(kind: &str, first: &str, second: &str) -> Value {
    json!({
        "providers": [provider("first", kind, first), provider("second", kind, second)],
        "models": [{"name": "m", "routes": [
            {"provider": "first", "weight": 1},
            {"provider": "second", "weight": 0},
        ]}],
    })
}

/// The same document with more of it (maps merge, everything else is replaced).
pub(crate) fn with(mut document: Value, more: Value) -> Value {
    fn merge(into: &mut Value, from: Value) {
        match (into, from) {
            (Value::Object(into), Value::Object(from)) => {
                for (name, value) in from {
                    merge(into.entry(name).or_insert(Value::Null), value);
                }
            }
            (into, from) => *into = from,
        }
    }
    merge(&mut document, more);
    document
}

/// A request of each dialect that the tests know: path, what the upstream is called, a body for model `m`.
pub(crate) const DIALECTS: [Dialect; 3] = [
    Dialect {
        kind: "openai",
        path: "/v1/chat/completions",
        body: r#"{"model":"m","messages":[{"role":"user","content":"hi"}]}"#,
        stream: r#"{"model":"m","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}]}"#,
    },
    Dialect {
        kind: "openai",
        path: "/v1/responses",
        body: r#"{"model":"m","input":"hi"}"#,
        stream: r#"{"model":"m","stream":true,"input":"hi"}"#,
    },
    Dialect {
        kind: "anthropic",
        path: "/v1/messages",
        body: r#"{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}"#,
        stream: r#"{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}"#,
    },
];

/// One of [`DIALECTS`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    /// Provider kind.
    pub(crate) kind: &'static str,
    /// Path of the main surface.
    pub(crate) path: &'static str,
    /// A request for JSON.
    pub(crate) body: &'static str,
    /// A request for a stream.
    pub(crate) stream: &'static str,
}

/// Asserts that `error` is an error object of the dialect that `path` speaks; its type.
#[track_caller]
pub(crate) fn error_type(path: &str, error: &Value) -> String {
    let inner = &error["error"];
    assert!(inner["message"].as_str().is_some_and(|m| !m.is_empty()), "no message: {error}");
    let kind = inner["type"].as_str().unwrap_or_else(|| panic!("no type: {error}"));
    if path.starts_with("/v1/messages") {
        assert_eq!(error["type"], "error", "Anthropic's envelope: {error}");
    } else {
        assert!(error.get("type").is_none(), "not OpenAI's envelope: {error}");
        for field in ["param", "code"] {
            assert!(inner.get(field).is_some(), "OpenAI's errors have {field}: {error}");
        }
    }
    kind.to_owned()
}
