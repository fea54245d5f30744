//! Items of `output` as they are written.

use crate::ir::Raw;
use serde::Serialize;
use serde_json::value::RawValue;

/// An item of `output`.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum OutItem<'a> {
    Message {
        id: &'a str,
        status: &'static str,
        role: &'static str,
        content: &'a [Part<'a>],
    },
    FunctionCall {
        id: &'a str,
        status: &'static str,
        arguments: &'a str,
        call_id: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
    },
    CustomToolCall {
        id: &'a str,
        status: &'static str,
        call_id: &'a str,
        input: &'a str,
        name: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        namespace: Option<&'a str>,
    },
    Reasoning {
        id: &'a str,
        summary: Vec<SummaryPart<'a>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        encrypted_content: Option<&'a str>,
    },
    WebSearchCall {
        id: &'a str,
        status: &'static str,
        action: Action<'a>,
    },
    ImageGenerationCall {
        id: &'a str,
        status: &'static str,
        result: &'a str,
    },
}

/// `action` of a `web_search_call`.
#[derive(Serialize)]
pub(super) struct Action<'a> {
    pub(super) r#type: &'static str,
    pub(super) query: &'a str,
}

/// A part of a message.
#[derive(Clone, Copy, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Part<'a> {
    OutputText { text: &'a str, annotations: &'a [Raw], logprobs: &'a [Box<RawValue>] },
    Refusal { refusal: &'a str },
}

/// A part of a summary.
#[derive(Clone, Copy, Serialize)]
pub(super) struct SummaryPart<'a> {
    pub(super) r#type: &'static str,
    pub(super) text: &'a str,
}

impl<'a> SummaryPart<'a> {
    pub(super) const fn new(text: &'a str) -> Self {
        Self { r#type: "summary_text", text }
    }
}
