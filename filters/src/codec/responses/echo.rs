//! What a response object repeats of its request.

use super::encode_request::instructions;
use super::request_body::{Extra, OutFormat, Text};
use super::tools::{Out, OutChoice};
use crate::ir::settings::Effort;
use crate::ir::tool::ToolChoice;
use crate::ir::{Conversation, Raw};

/// The request's settings, as the response object repeats them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Echo {
    pub(super) instructions: Option<String>,
    pub(super) tools: Option<Raw>,
    pub(super) tool_choice: Option<Raw>,
    pub(super) text: Option<Raw>,
    pub(super) effort: Option<&'static str>,
    pub(super) summary: Option<String>,
    pub(super) temperature: Option<f64>,
    pub(super) top_p: Option<f64>,
    pub(super) max_output_tokens: Option<u64>,
    pub(super) max_tool_calls: Option<Raw>,
    pub(super) parallel_tool_calls: Option<bool>,
    pub(super) top_logprobs: Option<u32>,
    pub(super) truncation: Option<Raw>,
    pub(super) service_tier: Option<String>,
    pub(super) prompt_cache_key: Option<String>,
    pub(super) prompt_cache_retention: Option<String>,
    pub(super) safety_identifier: Option<String>,
    pub(super) metadata: Vec<(String, String)>,
}

impl Echo {
    /// What the answer to this request repeats. Take it from the request as the client wrote it: before its tools are
    /// renamed or wrapped for an upstream.
    pub fn of(c: &Conversation) -> Self {
        let s = &c.settings;
        let tools: Vec<Out<'_>> = c.tools.iter().map(|t| Out::new(t, Some(false), true)).collect();
        let choice = c.tool_choice.as_ref().unwrap_or(&ToolChoice::Auto);
        let extra = |name: &str| c.extra.iter().find(|(path, _)| path == name).map(|(_, v)| v.clone());
        let format = s.format.as_ref().map_or(OutFormat::Text, OutFormat::of);
        let verbosity = Some(s.verbosity.as_deref().unwrap_or("medium"));
        let reasoning = s.reasoning.as_ref();
        Self {
            instructions: instructions(&c.messages).0.map(str::to_owned),
            tools: Raw::of(&tools).ok(),
            tool_choice: extra("tool_choice").or_else(|| Raw::of(&OutChoice(choice, &c.tools)).ok()),
            text: Raw::of(&Text { format: Some(format), verbosity, extra: Extra::default() }).ok(),
            effort: reasoning.and_then(|r| r.effort).map(Effort::word),
            summary: reasoning.and_then(|r| r.summary.clone()),
            temperature: s.temperature,
            top_p: s.top_p,
            max_output_tokens: s.max_tokens,
            max_tool_calls: extra("max_tool_calls"),
            parallel_tool_calls: s.parallel_tools,
            top_logprobs: s.top_logprobs,
            truncation: extra("truncation"),
            service_tier: s.service_tier.clone(),
            prompt_cache_key: s.cache_key.clone(),
            prompt_cache_retention: s.cache_retention.clone(),
            safety_identifier: s.user.clone(),
            metadata: s.metadata.clone(),
        }
    }
}
