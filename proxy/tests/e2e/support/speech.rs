//! One conversation in every wire format: what a provider says ([`say`]), what a client hears ([`hear`]) and asks
//! ([`ask`]). Written here once more, apart from the gateway's codecs, so that both cannot be wrong in the same way.

pub(crate) mod ask;
pub(crate) mod hear;
pub(crate) mod say;

use serde_json::{Value, json};

/// A wire format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Chat,
    Responses,
    Messages,
}

impl Format {
    /// Where it is spoken.
    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Responses => "/v1/responses",
            Self::Messages => "/v1/messages",
        }
    }
}

/// What clients speak.
pub(crate) const FRONTS: [Format; 3] = [Format::Chat, Format::Responses, Format::Messages];

/// Kinds of provider.
pub(crate) const KINDS: [&str; 3] = ["openai", "anthropic", "openai-compatible"];

/// What a kind of provider is spoken to in when the client speaks `front`.
pub(crate) fn back(front: Format, kind: &str) -> Format {
    match (kind, front) {
        ("anthropic", _) => Format::Messages,
        ("openai", Format::Chat) | ("openai-compatible", _) => Format::Chat,
        _ => Format::Responses,
    }
}

/// Every front with every kind of provider.
pub(crate) fn pairs() -> impl Iterator<Item = (Format, &'static str)> {
    FRONTS.into_iter().flat_map(|front| KINDS.map(|kind| (front, kind)))
}

/// Those that change the format.
pub(crate) fn translated() -> impl Iterator<Item = (Format, &'static str)> {
    pairs().filter(|(front, kind)| back(*front, kind) != *front)
}

/// Why an answer ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Stop {
    #[default]
    End,
    Length,
    Tools,
    /// The model declines, or a filter cut the answer.
    Declined,
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Call {
    pub(crate) id: String,
    pub(crate) name: String,
    /// JSON text, to the byte.
    pub(crate) arguments: String,
}

/// An answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) thought: String,
    /// What proves the thought; comes back verbatim. Chat servers have none.
    pub(crate) proof: String,
    pub(crate) text: String,
    pub(crate) refusal: String,
    pub(crate) calls: Vec<Call>,
    pub(crate) stop: Stop,
    /// Input, of it cached, output, of it reasoning.
    pub(crate) usage: [u64; 4],
}

/// The counts of every answer: each different, each kind there.
pub(crate) const USAGE: [u64; 4] = [100, 40, 50, 20];

/// By [`super::samples::price`].
pub(crate) const NANOS: i64 = 60 * 1000 + 40 * 100 + 30 * 10_000 + 20 * 20_000;

impl Said {
    /// A text.
    pub(crate) fn text(text: &str) -> Self {
        Self { text: text.into(), usage: USAGE, ..Self::default() }
    }
    /// A thought before the rest.
    pub(crate) fn thinking(mut self, thought: &str, proof: &str) -> Self {
        self.thought = thought.into();
        self.proof = proof.into();
        self
    }
    /// One more call.
    pub(crate) fn call(mut self, id: &str, name: &str, arguments: &str) -> Self {
        self.calls.push(Call { id: id.into(), name: name.into(), arguments: arguments.into() });
        self.stop = Stop::Tools;
        self
    }
    /// Ends otherwise.
    pub(crate) fn stop(mut self, stop: Stop) -> Self {
        self.stop = stop;
        self
    }
}

/// `{"text": …}` and the like, in pieces of `n` characters: as models speak.
pub(crate) fn pieces(text: &str, n: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    chars.chunks(n).map(|c| c.iter().collect()).collect()
}

/// An event with a name.
pub(crate) fn named(data: &Value) -> String {
    format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap())
}

/// An error of a provider's API in its own shape.
pub(crate) fn error_body(format: Format, kind: &str, message: &str) -> String {
    match format {
        Format::Messages => {
            json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"})
        }
        _ => json!({"error": {"message": message, "type": kind, "param": null, "code": null}}),
    }
    .to_string()
}

/// The same as an event of a stream.
pub(crate) fn error_event(format: Format, kind: &str, message: &str) -> String {
    match format {
        Format::Chat => format!("data: {}\n\n", error_body(format, kind, message)),
        Format::Messages => format!("event: error\ndata: {}\n\n", error_body(format, kind, message)),
        Format::Responses => named(&json!({
            "type": "error", "code": kind, "message": message, "param": null, "sequence_number": 9})),
    }
}
