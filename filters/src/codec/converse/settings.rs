//! Settings: those that Converse has a place for, those that only a family's own fields have, and those that none has.

use super::additional::Additional;
use super::model::{Family, Model};
use super::request::Options;
use crate::ir::settings::{Format, Settings};
use crate::ir::{Conversation, Losses, Raw};
use serde::Serialize;
use serde_json::json;
use std::collections::BTreeMap;

/// Converse's `InferenceConfiguration`.
#[derive(Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Inference<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top_p: Option<f64>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    stop_sequences: &'a [String],
}

/// Converse's `OutputConfig`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Output<'a> {
    text_format: TextFormat<'a>,
}

#[derive(Debug, Serialize)]
struct TextFormat<'a> {
    r#type: &'static str,
    structure: Structure<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Structure<'a> {
    json_schema: JsonSchema<'a>,
}

#[derive(Debug, Serialize)]
struct JsonSchema<'a> {
    /// JSON text, as a string.
    schema: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
}

/// `{"type": …}` or `{"latency": …}`.
#[derive(Debug, Serialize)]
pub(super) struct Tier<'a> {
    r#type: &'a str,
}

/// What the settings say in a request.
#[derive(Debug, Default)]
pub(super) struct Said<'a> {
    pub(super) inference: Inference<'a>,
    pub(super) output: Option<Output<'a>>,
    pub(super) tier: Option<Tier<'a>>,
    pub(super) metadata: BTreeMap<&'a str, &'a str>,
    /// JSON pointers of fields that the answer should have beside Converse's own.
    pub(super) response_fields: Vec<&'static str>,
}

const NONE: &str = "Bedrock has no such setting";

/// Says all settings but thinking, tools and tool choice. `thinks`: Claude will think.
pub(super) fn write<'a>(
    c: &'a Conversation,
    options: &'a Options,
    model: Model,
    thinks: bool,
    additional: &mut Additional,
    losses: &mut Losses,
) -> Said<'a> {
    let Settings {
        max_tokens,
        temperature,
        top_p,
        top_k,
        stop,
        n,
        seed,
        logprobs,
        top_logprobs,
        presence_penalty,
        frequency_penalty,
        logit_bias,
        reasoning: _,
        format,
        verbosity,
        parallel_tools: _,
        service_tier,
        user,
        metadata,
        cache_key,
        cache_retention,
        stream: _,
        // Streams always end with usage.
        stream_usage: _,
        modalities,
        audio,
        store,
        previous_response,
        background,
        // Signatures are always in the answer.
        encrypted_reasoning: _,
    } = &c.settings;
    let mut said = Said::default();
    said.inference.max_tokens = *max_tokens;
    sampling(*temperature, *top_p, model, thinks, &mut said.inference, losses);
    if let Some(k) = top_k {
        most_likely(*k, model, thinks, additional, losses);
    }
    stops(stop, model, &mut said, losses);
    let serious: [(&str, bool); 12] = [
        ("n", n.is_some_and(|n| n > 1)),
        ("seed", seed.is_some()),
        ("logprobs", *logprobs == Some(true)),
        ("top_logprobs", top_logprobs.is_some_and(|n| n > 0)),
        ("presence_penalty", presence_penalty.is_some_and(|p| p != 0.0)),
        ("frequency_penalty", frequency_penalty.is_some_and(|p| p != 0.0)),
        ("logit_bias", logit_bias.as_ref().is_some_and(|b| !matches!(b.text(), "{}" | "null"))),
        ("modalities", modalities.iter().any(|m| m != "text")),
        ("audio", audio.is_some()),
        ("previous_response_id", previous_response.is_some()),
        ("background", *background == Some(true)),
        ("format", *format == Some(Format::JsonObject)),
    ];
    for (field, set) in serious {
        if set {
            losses.add(field, NONE);
        }
    }
    // They change cost, bookkeeping or style, never what is asked.
    let hints: [(&str, bool); 5] = [
        ("verbosity", verbosity.as_deref().is_some_and(|v| v != "medium")),
        ("user", user.is_some()),
        ("cache_key", cache_key.is_some()),
        ("cache_retention", cache_retention.is_some()),
        ("store", *store == Some(true)),
    ];
    for (field, set) in hints {
        if set {
            losses.hint(field, NONE);
        }
    }
    if let Some(Format::JsonSchema { name, description, schema, strict: _ }) = format {
        // There is no lax form of it.
        let json_schema =
            JsonSchema { schema: schema.text(), name: name.as_deref(), description: description.as_deref() };
        said.output = Some(Output {
            text_format: TextFormat { r#type: "json_schema", structure: Structure { json_schema } },
        });
    }
    said.tier = service_tier.as_deref().and_then(|t| tier(t, losses));
    label(metadata, options, &mut said, losses);
    said
}

/// Temperature and top_p. Claude takes none while it thinks, from 4.7 on none at all, from 4.1 on only one of them;
/// the default 1 is always accepted.
fn sampling(
    temperature: Option<f64>,
    top_p: Option<f64>,
    model: Model,
    thinks: bool,
    said: &mut Inference<'_>,
    losses: &mut Losses,
) {
    let why = match thinks {
        _ if model.newest() => Some("the model takes no settings of sampling"),
        true => Some("the model takes no settings of sampling while it thinks"),
        false => None,
    };
    #[expect(clippy::float_cmp, reason = "exactly the default")]
    let set = |v: Option<f64>| v.filter(|v| why.is_none() || *v != 1.0);
    let (mut warmth, mut nucleus) = (set(temperature), set(top_p));
    if let Some(why) = why {
        if warmth.take().is_some() {
            losses.add("temperature", why);
        }
        // Thinking leaves the uppermost part of it.
        if nucleus.is_some_and(|p| model.newest() || p < 0.95) {
            nucleus = None;
            losses.add("top_p", why);
        }
    }
    if warmth.is_some_and(|t| t > 1.0) {
        losses.add("temperature", "Bedrock's goes from 0 to 1");
        warmth = Some(1.0);
    }
    if warmth.is_some() && model.one_of_sampling() && nucleus.take().is_some() {
        losses.add("top_p", "the model takes only one of temperature and top_p");
    }
    (said.temperature, said.top_p) = (warmth, nucleus);
}

fn most_likely(k: u64, model: Model, thinks: bool, additional: &mut Additional, losses: &mut Losses) {
    match model.family {
        Family::Claude if thinks || model.newest() => {
            losses.add("top_k", "the model takes no such setting, or not while it thinks");
        }
        Family::Claude | Family::Mistral => additional.set("top_k", &k),
        Family::Nova | Family::Nova2 => additional.set("inferenceConfig", &json!({"topK": k})),
        Family::Cohere => additional.set("k", &k),
        _ => losses.add("top_k", "this model has no such setting on Bedrock"),
    }
}

fn stops<'a>(stop: &'a [String], model: Model, said: &mut Said<'a>, losses: &mut Losses) {
    if stop.iter().any(String::is_empty) {
        return losses.add("stop", "a text that ends the answer cannot be empty");
    }
    said.inference.stop_sequences = stop;
    if !stop.is_empty() && model.family == Family::Claude {
        // Which one it was, Converse says only if asked. The first place is the one of whole answers, the second of
        // streams; a place that an answer has not is ignored.
        said.response_fields.extend(["/stop_sequence", "/delta/stop_sequence"]);
    }
}

fn tier<'a>(t: &'a str, losses: &mut Losses) -> Option<Tier<'a>> {
    match t {
        "auto" => None,
        // Anthropic's word for: never the priority tier.
        "default" | "standard" | "standard_only" => Some(Tier { r#type: "default" }),
        "flex" | "priority" | "reserved" => Some(Tier { r#type: t }),
        _ => {
            losses.hint("service_tier", "Bedrock has no such tier");
            None
        }
    }
}

/// `requestMetadata`: at most 16 pairs of plain characters. The configuration's come first.
fn label<'a>(wanted: &'a [(String, String)], options: &'a Options, said: &mut Said<'a>, losses: &mut Losses) {
    let plain = |s: &str| {
        s.len() <= 256
            && s.chars().all(|c| c.is_ascii_alphanumeric() || c.is_whitespace() || "_:@$#=/+,-.".contains(c))
    };
    for (k, v) in options.request_metadata.iter().chain(wanted) {
        if k.is_empty() || !plain(k) || !plain(v) || said.metadata.len() == 16 {
            losses.hint("metadata", "Bedrock takes 16 pairs of letters, digits, spaces and _:@$#=/+,-. only");
        } else {
            said.metadata.entry(k).or_insert(v);
        }
    }
}

/// Converse's own fields, which a client may send beside its dialect's (as it can through an SDK's `extra_body`).
#[derive(Debug, Default)]
pub(super) struct Own<'a> {
    pub(super) guardrail: Option<&'a Raw>,
    pub(super) performance: Option<&'a Raw>,
    pub(super) prompt_variables: Option<&'a Raw>,
    pub(super) project: Option<&'a Raw>,
}

/// Looks through what the client's dialect has no names for.
pub(super) fn extra<'a>(
    c: &'a Conversation,
    options: &'a Options,
    model: Model,
    additional: &mut Additional,
    losses: &mut Losses,
) -> Own<'a> {
    let mut own = Own::default();
    for (name, value) in &options.additional {
        additional.add(name, value.clone());
    }
    let mut betas = options.betas.clone();
    for (path, value) in &c.extra {
        match path.as_str() {
            "guardrailConfig" => own.guardrail = Some(value),
            "performanceConfig" => own.performance = Some(value),
            "promptVariables" => own.prompt_variables = Some(value),
            "projectIdentifier" => own.project = Some(value),
            "additionalModelRequestFields" => {
                match serde_json::from_str::<BTreeMap<String, Raw>>(value.text()) {
                    Ok(fields) => {
                        for (name, field) in fields {
                            if name == "anthropic_beta" {
                                more_betas(path, &field, &mut betas, losses);
                            } else if !additional.add(&name, field) {
                                losses.hint(format!("{path}.{name}"), "the gateway's configuration sets it");
                            }
                        }
                    }
                    Err(_) => losses.add(path, "it must be an object"),
                }
            }
            "anthropic_beta" if model.may_be_claude() => more_betas(path, value, &mut betas, losses),
            _ => losses.add(path, "Bedrock has no such field"),
        }
    }
    let mut seen = std::collections::HashSet::new();
    betas.retain(|b| seen.insert(b.clone()));
    if !betas.is_empty() && model.may_be_claude() {
        additional.set("anthropic_beta", &betas);
    }
    // What the configuration says is not for a client to change.
    own.guardrail = options.guardrail.as_ref().or(own.guardrail);
    own.performance = options.performance.as_ref().or(own.performance);
    own
}

fn more_betas(path: &str, value: &Raw, betas: &mut Vec<String>, losses: &mut Losses) {
    match serde_json::from_str::<Vec<String>>(value.text()) {
        Ok(more) => betas.extend(more),
        Err(_) => losses.add(path, "it must be a list of names"),
    }
}
