//! Requests that are worth measuring, and any other from a file.

use serde_json::{Value, json};
use std::io;
use std::path::Path;

/// A built-in request body, or a file's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A chat completion, request of 1 KB, answer of about 1 KB.
    Chat1k,
    /// A chat completion as agents send it: 60 KB of messages and tools, answer of about 1 KB.
    Chat60k,
    /// A streamed chat completion of 100 tokens.
    Stream100,
    /// The content of a file.
    File(String),
}

/// Events of [`Kind::Stream100`]: role, 100 tokens, finish, end mark.
const STREAM_EVENTS: usize = 103;

impl Kind {
    /// By name; anything else is a file.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        match name {
            "chat-1k" => Self::Chat1k,
            "chat-60k" => Self::Chat60k,
            "stream-100" => Self::Stream100,
            file => Self::File(file.to_owned()),
        }
    }

    /// The body, for a model with directives of the simulator appended (`gap=20;stamp`).
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn body(&self, model: &str, directives: &str) -> io::Result<Vec<u8>> {
        let own = match self {
            Self::Stream100 => "tokens=100",
            _ => "bytes=600",
        };
        let model = if directives.is_empty() {
            format!("{model};{own}")
        } else {
            format!("{model};{own};{directives}")
        };
        let value = match self {
            Self::Chat1k => padded(json!({"model": model, "temperature": 0.7}), 1024),
            Self::Chat60k => agent(&model),
            Self::Stream100 => padded(json!({"model": model, "stream": true}), 1024),
            Self::File(path) => return std::fs::read(Path::new(path)),
        };
        Ok(value.to_string().into_bytes())
    }

    /// How many events the answer has, if that is known.
    #[must_use]
    pub fn events(&self) -> Option<usize> {
        matches!(self, Self::Stream100).then_some(STREAM_EVENTS)
    }
}

/// Adds a conversation that fills the body up to `size` bytes.
fn padded(mut request: Value, size: usize) -> Value {
    let system = "You are a helpful assistant. Answer briefly.";
    let message =
        |text: &str| json!([{"role": "system", "content": system}, {"role": "user", "content": text}]);
    request["messages"] = message("");
    let missing = size.saturating_sub(request.to_string().len());
    request["messages"] = message(&prose(missing));
    request
}

/// Some text of exactly `bytes` bytes.
fn prose(bytes: usize) -> String {
    "Tell me about the castle, its gate and the people who leave through it. "
        .chars()
        .cycle()
        .take(bytes)
        .collect()
}

/// 60 KB: a long system prompt, 24 tools, and turns with code in them (line breaks and quotes are escaped in JSON).
fn agent(model: &str) -> Value {
    let tools: Vec<Value> = (0..24)
        .map(|n| {
            json!({"type": "function", "function": {"name": format!("tool_{n}"), "description": prose(400),
                "parameters": {"type": "object", "required": ["path"], "additionalProperties": false, "properties": {
                    "path": {"type": "string", "description": "Absolute path of the file."},
                    "limit": {"type": "integer", "description": "Lines at most."}}}}})
        })
        .collect();
    let mut messages = vec![json!({"role": "system", "content": prose(12_000)})];
    let code = "fn main() {\n    println!(\"hello\");\n}\n".repeat(40);
    while json!(messages).to_string().len() + json!(tools).to_string().len() < 60_000 {
        messages.push(json!({"role": "user", "content": prose(800)}));
        messages.push(json!({"role": "assistant", "content": code}));
    }
    messages.push(json!({"role": "user", "content": "Go on."}));
    json!({"model": model, "messages": messages, "tools": tools})
}

/// A whole HTTP/1.1 request.
#[must_use]
pub fn request(method: &str, path: &str, host: &str, headers: &[(String, String)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\ncontent-length: {}\r\n", body.len());
    let has = |name: &str| headers.iter().any(|(k, _)| k.eq_ignore_ascii_case(name));
    if !has("content-type") {
        head.push_str("content-type: application/json\r\n");
    }
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("\r\n");
    let mut request = head.into_bytes();
    request.extend_from_slice(body);
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_as_named() {
        assert_eq!(Kind::Chat1k.body("m", "").unwrap().len(), 1024);
        assert_eq!(Kind::Stream100.body("m", "gap=1").unwrap().len(), 1024);
        let big = Kind::Chat60k.body("m", "").unwrap().len();
        assert!((60_000..65_000).contains(&big), "{big}");
        assert!(Kind::parse("/no/such/file").body("m", "").is_err());
    }
}
