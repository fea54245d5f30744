//! What a model says, apart from any wire format: told by stub upstreams in theirs ([`super::tell`]), and heard by
//! clients in theirs ([`super::hear`]). Between the two stands the translation.

use super::gateway::UPSTREAM_KEY;
use super::samples::{Sample, price};
use serde_json::{Value, json};

/// A wire format, of a client or of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// OpenAI's Chat Completions.
    Chat,
    /// OpenAI's Responses.
    Responses,
    /// Anthropic's Messages.
    Messages,
}

/// All of them.
pub(crate) const WIRES: [Wire; 3] = [Wire::Chat, Wire::Responses, Wire::Messages];

impl Wire {
    /// The path at the gateway and at a provider.
    pub(crate) fn path(self) -> &'static str {
        match self {
            Self::Chat => "/v1/chat/completions",
            Self::Responses => "/v1/responses",
            Self::Messages => "/v1/messages",
        }
    }

    /// The format of a path.
    pub(crate) fn of(path: &str) -> Self {
        let path = path.split('?').next().unwrap_or_default();
        *WIRES.iter().find(|w| w.path() == path).unwrap_or_else(|| panic!("an unexpected path: {path}"))
    }

    /// input, cached_input, cache_write, cache_write_1h, output, reasoning, as an upstream of the format says them.
    pub(crate) fn usage(self) -> [u64; 6] {
        self.sample().usage
    }

    /// What that costs by [`price`].
    pub(crate) fn nanos(self) -> i64 {
        self.sample().nanos
    }

    fn sample(self) -> &'static Sample {
        super::samples::SAMPLES.iter().find(|s| s.path == self.path()).unwrap()
    }
}

/// A kind of upstream: the kind in the configuration, the name of a model there, and the format that it is spoken to in
/// by a client of another one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Upstream {
    /// Kind of the provider, and its name here.
    pub(crate) kind: &'static str,
    /// Model, as asked for and as served.
    pub(crate) model: &'static str,
    /// Its format.
    pub(crate) wire: Wire,
}

/// OpenAI, Anthropic, and a server that imitates OpenAI.
pub(crate) const UPSTREAMS: [Upstream; 3] = [OPENAI, ANTHROPIC, COMPATIBLE];
/// OpenAI.
pub(crate) const OPENAI: Upstream = Upstream { kind: "openai", model: "gpt-5", wire: Wire::Responses };
/// Anthropic.
pub(crate) const ANTHROPIC: Upstream =
    Upstream { kind: "anthropic", model: "claude-sonnet-4-5", wire: Wire::Messages };
/// vLLM and the like.
pub(crate) const COMPATIBLE: Upstream =
    Upstream { kind: "openai-compatible", model: "llama-4", wire: Wire::Chat };

/// The pairs of a client's format and an upstream that need a translation.
pub(crate) const TRANSLATED: [(Wire, Upstream); 5] = [
    (Wire::Chat, ANTHROPIC),
    (Wire::Responses, ANTHROPIC),
    (Wire::Responses, COMPATIBLE),
    (Wire::Messages, OPENAI),
    (Wire::Messages, COMPATIBLE),
];

/// One gateway in front of all [`UPSTREAMS`], which live at `url`; prices for all models.
pub(crate) fn everything(url: &str) -> Value {
    let mut prices = serde_json::Map::new();
    let (mut providers, mut models) = (Vec::new(), Vec::new());
    for up in UPSTREAMS {
        providers.push(super::setups::provider(up.kind, up.kind, url));
        models.push(json!({"name": up.model, "routes": [{"provider": up.kind}]}));
        prices.insert(up.model.to_owned(), price());
    }
    json!({"providers": providers, "models": models, "prices": {"models": prices},
        "upstream": {"max_attempts": 1}})
}

/// The header by which the gateway shows its key to a provider of a kind.
pub(crate) fn credential(kind: &str) -> (&'static str, String) {
    match kind {
        "anthropic" => ("x-api-key", UPSTREAM_KEY.to_owned()),
        _ => ("authorization", format!("Bearer {UPSTREAM_KEY}")),
    }
}

/// Why the model stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It has said all.
    End,
    /// The limit of tokens.
    Length,
    /// It wants a tool's result.
    Tools,
    /// A filter of the provider's.
    Safety,
}

/// A call of a tool: id, name, arguments in pieces.
pub(crate) type ToolCall = (&'static str, &'static str, &'static [&'static str]);

/// An answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    /// Text in pieces, and the proof.
    pub(crate) thinking: Option<(&'static [&'static str], &'static str)>,
    /// Text in pieces.
    pub(crate) text: &'static [&'static str],
    /// Calls of tools.
    pub(crate) calls: &'static [ToolCall],
    /// Its end.
    pub(crate) stop: Stop,
}

const PLAIN: Scene =
    Scene { thinking: None, text: &["Hé", "llo ", "👋\n\"quoted\" \\ "], calls: &[], stop: Stop::End };

/// Just text.
pub(crate) const TEXT: Scene = PLAIN;
/// Cut by the limit of tokens.
pub(crate) const CUT_SHORT: Scene = Scene { stop: Stop::Length, ..PLAIN };
/// Cut by the provider's filter.
pub(crate) const FILTERED: Scene = Scene { stop: Stop::Safety, ..PLAIN };
/// One call after a text; its arguments cut at awkward places.
pub(crate) const ONE_CALL: Scene = Scene {
    text: &["Let me see."],
    calls: &[("call_a1", "weather", &["{\"ci", "ty\": \"Z\\u00fc", "rich \\\"ZH\\\"\"", ", \"n\": 1.50}"])],
    stop: Stop::Tools,
    ..PLAIN
};
/// Two calls at once, one without arguments, no text.
pub(crate) const TWO_CALLS: Scene = Scene {
    text: &[],
    calls: &[
        ("call_a1", "weather", &["{\"city\"", ":\"Bern\"}"]),
        ("call_b2", "clock", &["{}"]),
        ("call_c3", "weather", &["{\"city\":", "\"Rom\"}"]),
    ],
    stop: Stop::Tools,
    ..PLAIN
};
/// A thought, then a text.
pub(crate) const THOUGHT: Scene =
    Scene { thinking: Some((&["First ", "I think."], "SIGNATURE+/abc==")), ..PLAIN };
/// A thought, then a call.
pub(crate) const THOUGHT_AND_CALL: Scene = Scene {
    thinking: Some((&["I need ", "the weather."], "SIGNATURE+/xyz==")),
    text: &[],
    calls: &[("call_a1", "weather", &["{\"city\":", "\"Bern\"}"])],
    stop: Stop::Tools,
};
