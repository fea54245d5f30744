//! What is written.

use crate::codec::chat::encode::wire::{CallBodyOut, CallOut, PartOut, SealsOut};
use crate::codec::chat::reply::encode::{AnnotationOut, LogprobsOut};
use crate::codec::chat::thoughts::DetailOut;
use serde::Serialize;
use std::borrow::Cow;

/// What every chunk begins with.
#[derive(Serialize)]
pub(super) struct HeadOut<'a> {
    pub(super) id: &'a str,
    pub(super) object: &'static str,
    pub(super) created: i64,
    pub(super) model: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) service_tier: Option<&'a str>,
}

/// A choice of a chunk.
#[derive(Serialize)]
pub(super) struct ChoiceOut<'a> {
    pub(super) index: u32,
    pub(super) delta: DeltaOut<'a>,
    pub(super) logprobs: Option<LogprobsOut<'a>>,
    pub(super) finish_reason: Option<&'static str>,
}

/// What is new.
#[derive(Default, Serialize)]
pub(super) struct DeltaOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) content: Option<Cow<'a, str>>,
    /// `Some(None)`: null.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) refusal: Option<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_content: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reasoning_details: Option<Vec<DetailOut<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) annotations: Option<[AnnotationOut<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) audio: Option<AudioOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) images: Option<[PartOut<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) tool_calls: Option<[CallOut<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) function_call: Option<CallBodyOut<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) extra_content: Option<SealsOut<'a>>,
}

/// More of a sound.
#[derive(Default, Serialize)]
pub(super) struct AudioOut<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) transcript: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) expires_at: Option<i64>,
}

/// An error in mid-stream.
#[derive(Serialize)]
pub(super) struct ErrorOut<'a> {
    pub(super) error: ErrorBody<'a>,
}

#[derive(Serialize)]
pub(super) struct ErrorBody<'a> {
    pub(super) message: &'a str,
    #[serde(rename = "type")]
    pub(super) kind: &'a str,
    pub(super) param: Option<&'a str>,
    pub(super) code: Option<&'a str>,
}
