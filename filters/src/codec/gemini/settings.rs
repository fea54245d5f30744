//! `generationConfig` and the settings around it.

use super::json::Json;
use super::lenient::{Int, Num, Str};
use super::model::Model;
use super::wire::Config;
use super::{Options, Platform, schema, thinking};
use crate::codec::DecodeError;
use crate::ir::settings::{Format, Settings};
use crate::ir::{Conversation, Losses, Raw};

/// Reads it.
pub(super) fn read(config: Config<'_>, c: &mut Conversation) -> Result<(), DecodeError> {
    let Config {
        max_tokens,
        temperature,
        top_p,
        top_k,
        stop,
        n,
        seed,
        logprobs,
        top_logprobs,
        presence,
        frequency,
        mime,
        schema,
        json_schema,
        modalities,
        thinking,
        other,
    } = config;
    let field = |name: &str| format!("generationConfig.{name}");
    let s = &mut c.settings;
    let positive = |v: Option<Int>, name: &str| match v {
        None => Ok(None),
        Some(Int(n)) => {
            u64::try_from(n).map(Some).map_err(|_| DecodeError::new(field(name), "must not be negative"))
        }
    };
    let small = |v: Option<Int>, name: &str| {
        positive(v, name)?
            .map(|n| u32::try_from(n).map_err(|_| DecodeError::new(field(name), "is too large")))
            .transpose()
    };
    s.max_tokens = positive(max_tokens, "maxOutputTokens")?;
    s.top_k = positive(top_k, "topK")?;
    s.n = small(n, "candidateCount")?;
    s.top_logprobs = small(top_logprobs, "logprobs")?;
    let float = |v: Option<Num>| v.map(|n| n.0);
    s.temperature = float(temperature);
    s.top_p = float(top_p);
    s.presence_penalty = float(presence);
    s.frequency_penalty = float(frequency);
    s.seed = seed.map(|n| n.0);
    s.logprobs = logprobs;
    s.stop = stop.unwrap_or_default().0.into_iter().map(Str::own).collect();
    for m in modalities.unwrap_or_default().0 {
        match m.as_str() {
            // Every dialect's default.
            "TEXT" | "text" | "MODALITY_UNSPECIFIED" => {}
            other => s.modalities.push(other.to_ascii_lowercase()),
        }
    }
    s.reasoning = thinking.as_ref().map(thinking::read).transpose()?;
    let mut extra = |name: &str, raw: &serde_json::value::RawValue| {
        c.extra.push((field(name), Raw(raw.to_owned())));
    };
    let mime = mime.as_ref().map(Str::as_str).unwrap_or_default();
    let given = json_schema.map(schema::ordered).or_else(|| schema.map(schema::to_json_schema));
    s.format = match (mime, given) {
        ("application/json", Some(schema)) => {
            Some(Format::JsonSchema { name: None, description: None, schema, strict: None })
        }
        ("application/json", None) => Some(Format::JsonObject),
        ("text/plain", None) => Some(Format::Text),
        ("", None) => None,
        // `text/x.enum`: one of some words, which no other dialect has.
        (mime, _) => {
            if let (false, Ok(mime)) = (mime.is_empty(), Raw::of(&mime)) {
                extra("responseMimeType", &mime.0);
            }
            if let Some(raw) = json_schema {
                extra("responseJsonSchema", raw);
            }
            if let Some(raw) = schema {
                extra("responseSchema", raw);
            }
            None
        }
    };
    for (name, raw) in other {
        extra(&super::request::canonical(&name), raw);
    }
    for (given, name) in [(thinking.map(|t| t.other), "thinkingConfig")] {
        for (inner, raw) in given.unwrap_or_default() {
            extra(&format!("{name}.{inner}"), raw);
        }
    }
    Ok(())
}

/// The members that `write` leaves for the top of the request.
#[derive(Debug, Default)]
pub(super) struct Top {
    pub(super) service_tier: Option<&'static str>,
    pub(super) labels: Vec<(String, String)>,
}

/// Writes the members of `generationConfig`.
pub(super) fn write(
    json: &mut Json,
    settings: &Settings,
    model: Model,
    options: &Options,
    losses: &mut Losses,
) -> Top {
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
        reasoning,
        format,
        verbosity,
        parallel_tools,
        service_tier,
        user,
        metadata,
        cache_key,
        cache_retention,
        // The path says it.
        stream: _,
        // Gemini's streams always say it.
        stream_usage: _,
        modalities,
        audio,
        store,
        previous_response,
        background,
        // Signatures travel in the answer anyway.
        encrypted_reasoning: _,
    } = settings;
    const NO: &str = "the model's provider has no such setting";
    json.maybe("maxOutputTokens", *max_tokens);
    json.maybe("temperature", *temperature);
    json.maybe("topP", *top_p);
    json.maybe("topK", *top_k);
    if !stop.is_empty() {
        json.member("stopSequences", stop);
    }
    json.maybe("candidateCount", *n);
    match seed.map(i32::try_from) {
        None => {}
        Some(Ok(seed)) => json.member("seed", &seed),
        Some(Err(_)) => losses.add("seed", "the model's provider takes seeds of 32 bits only"),
    }
    json.maybe("responseLogprobs", *logprobs);
    json.maybe("logprobs", *top_logprobs);
    json.maybe("presencePenalty", *presence_penalty);
    json.maybe("frequencyPenalty", *frequency_penalty);
    if logit_bias.is_some() {
        losses.add("logit_bias", NO);
    }
    if let Some(r) = reasoning {
        thinking::write(json, r, model, losses);
    }
    write_format(json, format.as_ref(), options, losses);
    write_modalities(json, modalities, audio.as_ref(), losses);
    if verbosity.is_some() {
        // A hint on style that changes no fact of the answer.
        losses.hint("verbosity", NO);
    }
    if *parallel_tools == Some(false) {
        losses.add("parallel_tools", "the model may always call several functions at once");
    }
    if user.is_some() {
        losses.hint("user", NO);
    }
    if cache_key.is_some() {
        losses.hint("prompt_cache_key", "the model's provider finds cached prompts by itself");
    }
    if cache_retention.is_some() {
        losses.hint("prompt_cache_retention", NO);
    }
    if *store == Some(true) {
        losses.add("store", "the model's provider does not store answers");
    }
    if previous_response.is_some() {
        losses.add("previous_response_id", "the model's provider does not store answers");
    }
    if *background == Some(true) {
        losses.add("background", "the model's provider does not answer later");
    }
    let mut top = Top::default();
    if let Some(tier) = service_tier {
        match (options.platform, tier.as_str()) {
            (_, "auto" | "unspecified") => {}
            (Platform::GeminiApi, "flex") => top.service_tier = Some("flex"),
            (Platform::GeminiApi, "priority") => top.service_tier = Some("priority"),
            (Platform::GeminiApi, "default" | "standard" | "standard_only") => {
                top.service_tier = Some("standard");
            }
            (Platform::Vertex, "default" | "standard" | "standard_only") => {}
            _ => losses.hint("service_tier", "the model's provider has no such tier in its requests"),
        }
    }
    if options.platform == Platform::Vertex
        && metadata.iter().all(|(k, v)| is_label(k, true) && is_label(v, false))
    {
        top.labels.clone_from(metadata);
    } else if !metadata.is_empty() {
        losses.hint("metadata", "the model's provider takes no such labels");
    }
    top
}

/// <https://cloud.google.com/compute/docs/labeling-resources#requirements>
fn is_label(text: &str, key: bool) -> bool {
    let start = text.chars().next();
    text.chars().count() <= 63
        && text.chars().all(|c| c.is_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'))
        && (!key || start.is_some_and(char::is_lowercase))
}

fn write_format(json: &mut Json, format: Option<&Format>, options: &Options, losses: &mut Losses) {
    match format {
        None => {}
        Some(Format::Text) => json.member("responseMimeType", "text/plain"),
        Some(Format::JsonObject) => json.member("responseMimeType", "application/json"),
        // Gemini keeps to every schema; a name says nothing to it.
        Some(Format::JsonSchema { name: _, description, schema, strict: _ }) => {
            json.member("responseMimeType", "application/json");
            let described = description.as_ref().and_then(|d| schema::described(schema, d));
            let schema = described.as_ref().unwrap_or(schema);
            if options.json_schema {
                json.raw_member("responseJsonSchema", schema::plain(schema).text());
            } else {
                json.member("responseSchema", &schema::from_json_schema(schema, "format", losses));
            }
        }
    }
}

/// Kinds of output, and the voice (`{"voice":…,"format":…}` in OpenAI's words).
fn write_modalities(json: &mut Json, modalities: &[String], audio: Option<&Raw>, losses: &mut Losses) {
    let has = |kind: &str| modalities.iter().any(|m| m == kind);
    let mut kinds = Vec::new();
    // Models that speak only speak.
    if has("text") && modalities.len() > 1 || has("image") && !has("audio") {
        kinds.push("TEXT".to_owned());
    }
    if has("audio") {
        kinds.clear();
    }
    kinds.extend(modalities.iter().filter(|m| *m != "text").map(|m| m.to_ascii_uppercase()));
    if !kinds.is_empty() {
        json.member("responseModalities", &kinds);
    }
    let Some(audio) = audio.map(Raw::value) else { return };
    if let Some(voice) = audio.get("voice").and_then(serde_json::Value::as_str) {
        json.key("speechConfig");
        json.object();
        json.key("voiceConfig");
        json.object();
        json.key("prebuiltVoiceConfig");
        json.object();
        json.member("voiceName", voice);
        json.end_object();
        json.end_object();
        json.end_object();
    }
    if audio.get("format").is_some_and(|f| f != "pcm16") {
        losses.add("audio.format", "the model's provider answers audio as PCM only (`pcm16`)");
    }
}
