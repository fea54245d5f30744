//! A conversation as the body of Converse and ConverseStream (which differ in the path only).

use super::additional::Additional;
use super::blocks::{Blocks, Place};
use super::content::Content;
use super::media::Names;
use super::model::Model;
use super::settings::{self, Inference, Output, Tier};
use super::{reasoning, tools};
use crate::codec::{ROOM, out};
use crate::ir::{Conversation, Losses, Message, Raw, Role};
use serde::Serialize;
use std::collections::BTreeMap;

/// What the configuration adds to a request.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What kind of model it is, where its id does not say it (application inference profiles, imported models).
    pub model: Option<Model>,
    /// `guardrailConfig`: `{"guardrailIdentifier", "guardrailVersion", "trace"}`, for streams also
    /// `"streamProcessingMode"`. Stands before the client's.
    pub guardrail: Option<Raw>,
    /// `performanceConfig`: `{"latency": "optimized"}`. Stands before the client's.
    pub performance: Option<Raw>,
    /// `requestMetadata`, beside the client's metadata.
    pub request_metadata: Vec<(String, String)>,
    /// Fields of the model's own format, for `additionalModelRequestFields`.
    pub additional: Vec<(String, Raw)>,
    /// Names for Claude's `anthropic_beta` (a client of Anthropic's says them in a header).
    pub betas: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    messages: Vec<Turn<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    system: Vec<Content<'a>>,
    #[serde(skip_serializing_if = "is_default")]
    inference_config: Inference<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_config: Option<tools::ToolConfig<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guardrail_config: Option<&'a Raw>,
    #[serde(skip_serializing_if = "Option::is_none")]
    project_identifier: Option<&'a Raw>,
    #[serde(skip_serializing_if = "Additional::is_empty")]
    additional_model_request_fields: Additional,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_variables: Option<&'a Raw>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    additional_model_response_field_paths: Vec<&'static str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    request_metadata: BTreeMap<&'a str, &'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    performance_config: Option<&'a Raw>,
    #[serde(skip_serializing_if = "Option::is_none")]
    service_tier: Option<Tier<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    output_config: Option<Output<'a>>,
}

fn is_default(i: &Inference<'_>) -> bool {
    *i == Inference::default()
}

/// Turns alternate at Bedrock: neighbours of one role are one turn.
#[derive(Debug, Serialize)]
struct Turn<'a> {
    role: &'static str,
    content: Vec<Content<'a>>,
}

/// Encodes a request for a model (id, ARN or inference profile, which belongs into the path). What cannot be said
/// goes to `losses`.
pub fn encode_request(c: &Conversation, model: &str, losses: &mut Losses) -> Vec<u8> {
    encode_request_with(c, model, &Options::default(), losses)
}

/// The same with what the configuration adds.
pub fn encode_request_with(c: &Conversation, model: &str, options: &Options, losses: &mut Losses) -> Vec<u8> {
    let Conversation { model: _, messages, tools: _, tool_choice: _, settings: _, extra: _ } = c;
    let model = options.model.unwrap_or_else(|| Model::of(model));
    let mut additional = Additional::default();
    // First, so that the client's own words stand before ours.
    let own = settings::extra(c, options, model, &mut additional, losses);
    let (system, turns) = write(messages, model, losses);
    let (tool_config, forced) = tools::write(c, model, &mut additional, losses);
    let thinks = reasoning::write(c, model, forced, &mut additional, losses);
    let said = settings::write(c, options, model, thinks, &mut additional, losses);
    let request = Request {
        messages: turns,
        system,
        inference_config: said.inference,
        tool_config,
        guardrail_config: own.guardrail,
        project_identifier: own.project,
        additional_model_request_fields: additional,
        prompt_variables: own.prompt_variables,
        additional_model_response_field_paths: said.response_fields,
        request_metadata: said.metadata,
        performance_config: own.performance,
        service_tier: said.tier,
        output_config: said.output,
    };
    // Structs of strings and numbers always serialise (a float that is no number becomes null).
    let mut body = Vec::with_capacity(ROOM);
    out::write(&request, &mut body);
    body
}

fn write<'a>(
    messages: &'a [Message],
    model: Model,
    losses: &mut Losses,
) -> (Vec<Content<'a>>, Vec<Turn<'a>>) {
    let mut blocks = Blocks { model, names: Names::default(), losses };
    let mut system = Vec::new();
    let mut turns: Vec<Turn<'a>> = Vec::new();
    for (n, message) in messages.iter().enumerate() {
        let Message { role, content, name, at } = message;
        let around = if at.0.is_empty() { format!("messages[{n}]") } else { at.0.to_string() };
        if name.is_some() {
            blocks.losses.hint(format!("{around}.name"), "Bedrock's messages have no names");
        }
        let (role, place) = match role {
            Role::System | Role::Developer if turns.is_empty() => {
                blocks.write(content, Place::System, &around, &mut system);
                continue;
            }
            Role::System | Role::Developer => placed(&turns, model, &around, blocks.losses),
            Role::User => ("user", Place::User),
            Role::Assistant => ("assistant", Place::Assistant),
        };
        match turns.last_mut() {
            Some(last) if last.role == role => blocks.write(content, place, &around, &mut last.content),
            _ => {
                let mut said = Vec::with_capacity(content.len());
                blocks.write(content, place, &around, &mut said);
                // A turn without content is an error; one that was blank says nothing.
                if !said.is_empty() {
                    turns.push(Turn { role, content: said });
                }
            }
        }
    }
    for turn in &mut turns {
        results_first(&mut turn.content);
    }
    (system, turns)
}

/// How instructions in mid-conversation are sent: as such right after a user's turn, where the model takes them, else
/// as a turn of the user, in their place (moving them to the front would change what they apply to).
fn placed(turns: &[Turn<'_>], model: Model, around: &str, losses: &mut Losses) -> (&'static str, Place) {
    if model.claude.system_anywhere && turns.last().is_some_and(|t| t.role != "assistant") {
        return ("system", Place::User);
    }
    losses.hint(
        format!("{around}.role"),
        "the model takes instructions only at the beginning; these are sent as a turn of the user",
    );
    ("user", Place::User)
}

/// Results stand before everything else in a turn, which joining turns may have changed. A cache point stays behind
/// its block.
fn results_first(content: &mut Vec<Content<'_>>) {
    let is_result = |c: &Content<'_>| matches!(c, Content::ToolResult(_));
    let begin = content.iter().position(|c| !is_result(c) && !matches!(c, Content::CachePoint(_)));
    if !begin.is_some_and(|at| content[at..].iter().any(is_result)) {
        return;
    }
    let (mut results, mut rest) = (Vec::with_capacity(content.len()), Vec::new());
    let mut after_result = true;
    for block in content.drain(..) {
        after_result = if matches!(block, Content::CachePoint(_)) { after_result } else { is_result(&block) };
        if after_result { results.push(block) } else { rest.push(block) }
    }
    results.append(&mut rest);
    *content = results;
}
