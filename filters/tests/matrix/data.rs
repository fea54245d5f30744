//! The inputs: requests a front, answers a wire. Written by hand, in tests/golden/matrix/{fronts,wires}.

use bytes::{Bytes, BytesMut};
use sallyport_filters::codec::Wire;
use sallyport_filters::codec::eventstream::{encode_event, encode_exception};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// What clients speak.
pub(crate) const FRONTS: [Wire; 4] = [Wire::Chat, Wire::Responses, Wire::Messages, Wire::Gemini];

/// Upstreams by the name of their file.
pub(crate) const UPSTREAMS: [&str; 6] =
    ["compatible", "azure", "responses", "messages", "gemini", "converse"];

/// A case: its name, the front's request, the upstream's answer (none: only the request is looked at).
pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) ask: &'static str,
    pub(crate) answer: Option<&'static str>,
}

const fn case(name: &'static str, ask: &'static str, answer: Option<&'static str>) -> Case {
    Case { name, ask, answer }
}

/// Those with a whole answer. Not every wire has all of them.
pub(crate) const CASES: [Case; 13] = [
    case("text", "text", Some("text")),
    case("tools", "tools", Some("tools")),
    case("parallel", "parallel", Some("parallel")),
    case("images", "images", None),
    case("document", "document", None),
    case("thinking", "thinking", Some("thinking")),
    case("structured", "structured", Some("structured")),
    case("refusal", "text", Some("refusal")),
    case("filter", "text", Some("filter")),
    case("blocked", "text", Some("blocked")),
    case("length", "text", Some("length")),
    case("sequence", "text", Some("sequence")),
    case("signed call", "tools", Some("parallel")),
];

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/matrix"))
}

fn read(name: &str) -> Map<String, Value> {
    let text = std::fs::read_to_string(folder().join(name)).unwrap();
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"))
}

pub(crate) fn name_of(front: Wire) -> &'static str {
    match front {
        Wire::Chat => "chat",
        Wire::Responses => "responses",
        Wire::Messages => "messages",
        Wire::Gemini => "gemini",
        Wire::Converse => "converse",
    }
}

/// The requests of a front, by case.
pub(crate) fn requests(front: Wire) -> Map<String, Value> {
    read(&format!("fronts/{}.json", name_of(front)))
}

/// The answers of an upstream, by case.
pub(crate) struct Answers {
    wire: Wire,
    all: Map<String, Value>,
}

impl Answers {
    pub(crate) fn of(upstream: &str, wire: Wire) -> Self {
        Self { wire, all: read(&format!("wires/{upstream}.json")) }
    }

    pub(crate) fn whole(&self, case: &str) -> Option<Vec<u8>> {
        Some(self.all.get(case)?.get("whole")?.to_string().into_bytes())
    }

    /// The stream as the provider would send it.
    pub(crate) fn stream(&self, case: &str) -> Option<Bytes> {
        let events = self.events(case)?;
        let bytes = self.bytes(events);
        if self.wire == Wire::Chat && events.iter().all(|e| e.get("error").is_none()) {
            return Some([&bytes[..], b"data: [DONE]\n\n"].concat().into());
        }
        Some(bytes)
    }

    pub(crate) fn events(&self, case: &str) -> Option<&[Value]> {
        Some(self.all.get(case)?.get("events")?.as_array()?)
    }

    /// Events in the wire's framing.
    pub(crate) fn bytes(&self, events: &[Value]) -> Bytes {
        let mut out = BytesMut::new();
        for e in events {
            let name = e["type"].as_str().unwrap_or_default();
            let sse = match self.wire {
                Wire::Chat => format!("data: {e}\n\n"),
                Wire::Responses | Wire::Messages => format!("event: {name}\ndata: {e}\n\n"),
                Wire::Gemini => format!("data: {e}\r\n\r\n"),
                Wire::Converse => {
                    let (name, payload) = e.as_object().unwrap().iter().next().unwrap();
                    let write = if name.ends_with("Exception") { encode_exception } else { encode_event };
                    write(name, payload.to_string().as_bytes(), &mut out).unwrap();
                    continue;
                }
            };
            out.extend_from_slice(sse.as_bytes());
        }
        out.freeze()
    }

    /// Error answers: `{status, headers, body}`.
    pub(crate) fn errors(&self) -> Vec<Value> {
        self.all["errors"].as_array().unwrap().clone()
    }
}
