//! `usageMetadata`. <https://ai.google.dev/api/generate-content#UsageMetadata>
//!
//! Of the input, what Google's own tools put into the prompt is counted apart; of the output, the thoughts.

use super::json::Json;
use super::lenient::{Int, List};
use super::wire::{Modality, Usage as Wire};
use crate::codec::tiers;
use crate::ir::reply::{Tokens, Usage};

fn count(n: Option<Int>) -> u64 {
    n.map_or(0, Int::count)
}

fn audio(details: Option<&List<Modality<'_>>>) -> u64 {
    let all = details.map_or(&[][..], |d| &d.0);
    all.iter()
        .filter(|m| m.kind.as_ref().is_some_and(|k| k.as_str() == "AUDIO"))
        .map(|m| count(m.tokens))
        .fold(0, u64::saturating_add)
}

/// Reads a `usageMetadata` object of an answer that passes as it is. None: null, or no counts.
pub fn decode_usage(raw: &[u8]) -> Option<Usage> {
    read(&super::lenient::read::<Wire<'_>>(raw).ok()?).map(|t| t.usage)
}

/// Reads it. None: it has no counts (a blocked prompt on Vertex).
pub(super) fn read(u: &Wire<'_>) -> Option<Tokens> {
    if u.prompt.is_none() && u.candidates.is_none() && u.total.is_none() && u.thoughts.is_none() {
        return None;
    }
    let reasoning = count(u.thoughts);
    let input = count(u.prompt).saturating_add(count(u.tool_use));
    Some(Tokens {
        usage: Usage {
            input,
            // Never more than all.
            cached_input: count(u.cached).min(input),
            cache_write: 0,
            cache_write_1h: 0,
            output: count(u.candidates).saturating_add(reasoning),
            reasoning,
        },
        audio_input: audio(u.prompt_details.as_ref()).saturating_add(audio(u.tool_use_details.as_ref())),
        audio_output: audio(u.candidates_details.as_ref()),
        estimated: false,
    })
}

/// The service tier: the Gemini API's word, or Vertex' kind of traffic in the same words.
pub(super) fn tier(u: &Wire<'_>) -> Option<String> {
    if let Some(tier) = &u.service_tier {
        return Some(tier.as_str().to_ascii_lowercase());
    }
    let word = match u.traffic.as_ref()?.as_str() {
        "ON_DEMAND" => "standard",
        "ON_DEMAND_FLEX" => "flex",
        "ON_DEMAND_PRIORITY" => "priority",
        other => return Some(other.to_ascii_lowercase()),
    };
    Some(word.to_owned())
}

/// Writes the member.
pub(super) fn write(json: &mut Json, t: &Tokens, tier: Option<&str>) {
    // Cache writes have no place of their own; they are part of the prompt. Estimates look like counts.
    let Tokens { usage, audio_input, audio_output, estimated: _ } = t;
    let Usage { input, cached_input, cache_write: _, cache_write_1h: _, output, reasoning } = *usage;
    json.key("usageMetadata");
    json.object();
    json.member("promptTokenCount", &input);
    if cached_input > 0 {
        json.member("cachedContentTokenCount", &cached_input);
    }
    json.member("candidatesTokenCount", &output.saturating_sub(reasoning));
    if reasoning > 0 {
        json.member("thoughtsTokenCount", &reasoning);
    }
    json.member("totalTokenCount", &input.saturating_add(output));
    details(json, "promptTokensDetails", input, *audio_input);
    details(json, "candidatesTokensDetails", output.saturating_sub(reasoning), *audio_output);
    json.maybe("serviceTier", tier.and_then(tiers::google));
    json.end_object();
}

fn details(json: &mut Json, name: &str, all: u64, audio: u64) {
    if audio == 0 {
        return;
    }
    json.key(name);
    json.array();
    for (kind, n) in [("TEXT", all.saturating_sub(audio)), ("AUDIO", audio)] {
        json.object();
        json.member("modality", kind);
        json.member("tokenCount", &n);
        json.end_object();
    }
    json.end_array();
}
