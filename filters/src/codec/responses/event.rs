//! An event of the stream as it is written.

use super::object::Object;
use super::output::{Part, SummaryPart};
use crate::codec::out;
use crate::ir::Raw;
use bytes::BytesMut;
use serde::Serialize;
use serde_json::value::RawValue;

/// Any event: each kind has its members. One struct, so that writing the frequent ones costs no more than their own
/// members.
#[derive(Default, Serialize)]
pub(super) struct Event<'a> {
    pub(super) r#type: &'static str,
    pub(super) sequence_number: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response: Option<Object<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) output_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) summary_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) item: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) part: Option<Part<'a>>,
    #[serde(rename = "part", skip_serializing_if = "Option::is_none")]
    pub(super) summary: Option<SummaryPart<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) delta: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) text: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) logprobs: Option<&'a [Box<RawValue>]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) arguments: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) input: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) annotation_index: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) annotation: Option<&'a Raw>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(super) error: Option<Flat<'a>>,
}

/// An `error` event: the documented members stand at the top, what SDKs raise an exception from stands inside. Both,
/// so that every reader finds what it looks for.
#[derive(Serialize)]
pub(super) struct Flat<'a> {
    code: &'a str,
    message: &'a str,
    param: Option<&'a str>,
    error: Nested<'a>,
}

#[derive(Serialize)]
struct Nested<'a> {
    r#type: &'a str,
    code: &'a str,
    message: &'a str,
    param: Option<&'a str>,
}

impl<'a> Event<'a> {
    /// An event about the output at this index.
    pub(super) fn at(index: usize) -> Self {
        Self { output_index: Some(index), ..Self::default() }
    }

    /// An `error` event.
    pub(super) fn error(kind: &'a str, code: &'a str, message: &'a str) -> Self {
        let error = Nested { r#type: kind, code, message, param: None };
        Self { r#type: "error", error: Some(Flat { code, message, param: None, error }), ..Self::default() }
    }
}

/// Appends an event.
pub(super) fn write(event: &Event<'_>, out: &mut BytesMut) {
    out.extend_from_slice(b"event: ");
    out.extend_from_slice(event.r#type.as_bytes());
    out.extend_from_slice(b"\ndata: ");
    let mut json = Vec::with_capacity(512);
    // Strings and raw JSON always serialise.
    out::write(event, &mut json);
    out.extend_from_slice(&json);
    out.extend_from_slice(b"\n\n");
}
