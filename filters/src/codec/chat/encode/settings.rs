//! Settings.

use super::wire::{Field, FormatOut, KindOut, ReasoningOut, RequestOut, SchemaOut};
use crate::codec::chat::options::{ChatOptions, ReasoningWords};
use crate::ir::loss::Losses;
use crate::ir::settings::{Effort, Format, Reasoning, Settings};

const NONE: &str = "the model's provider has no such setting";

/// Says all settings, or notes why not.
pub(super) fn encode<'a>(s: &'a Settings, o: &ChatOptions, out: &mut RequestOut<'a>, losses: &mut Losses) {
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
        // Said with the request itself.
        stream: _,
        stream_usage: _,
        modalities,
        audio,
        store,
        previous_response,
        background,
        encrypted_reasoning,
    } = s;
    let has_tools = !out.tools.is_empty();
    let fields = &mut out.settings.0;
    let mut say = |name: &'static str, value: Option<Field<'a>>| {
        if let Some(value) = value {
            fields.push((name, value));
        }
    };
    let limit = if o.max_completion_tokens { "max_completion_tokens" } else { "max_tokens" };
    say(limit, max_tokens.map(Field::Whole));
    say("temperature", temperature.map(Field::Float));
    say("top_p", top_p.map(Field::Float));
    if o.top_k {
        say("top_k", top_k.map(Field::Whole));
    } else if top_k.is_some() {
        losses.add("top_k", NONE);
    }
    say("stop", (!stop.is_empty()).then(|| Field::Texts(stop.iter().map(String::as_str).collect())));
    say("n", n.map(|n| Field::Whole(n.into())));
    say(o.seed, seed.map(Field::Signed));
    if o.logprobs {
        say("logprobs", logprobs.map(Field::Bool));
        say("top_logprobs", top_logprobs.map(|n| Field::Whole(n.into())));
        say("logit_bias", logit_bias.as_ref().map(|b| Field::Raw(&b.0)));
    } else {
        if *logprobs == Some(true) {
            losses.add("logprobs", NONE);
        }
        if top_logprobs.is_some_and(|n| n > 0) {
            losses.add("top_logprobs", NONE);
        }
        if logit_bias.is_some() {
            losses.add("logit_bias", NONE);
        }
    }
    say("presence_penalty", presence_penalty.map(Field::Float));
    say("frequency_penalty", frequency_penalty.map(Field::Float));
    if let Some(r) = reasoning {
        let (name, value) = thinking(r, o, losses);
        say(name, value);
    }
    if let Some(f) = format {
        say("response_format", Some(Field::Format(answer(f, o, losses))));
    }
    // Without tools OpenAI refuses the switch, and it means nothing.
    let parallel = parallel_tools.filter(|_| has_tools);
    if o.parallel {
        say("parallel_tool_calls", parallel.map(Field::Bool));
    } else if parallel == Some(false) {
        losses.add("parallel_tools", NONE);
    }
    if o.service_tier {
        // Anthropic's word for "no priority".
        let word = service_tier.as_deref().map(|t| if t == "standard_only" { "default" } else { t });
        say("service_tier", word.map(Field::Text));
    } else if service_tier.is_some() {
        losses.hint("service_tier", NONE);
    }
    if o.user {
        say("user", user.as_deref().map(Field::Text));
    } else if user.is_some() {
        losses.hint("user", NONE);
    }
    if o.account {
        say("verbosity", verbosity.as_deref().map(Field::Text));
        say("prompt_cache_key", cache_key.as_deref().map(Field::Text));
        say("prompt_cache_retention", cache_retention.as_deref().map(Field::Text));
        say("store", store.map(Field::Bool));
        // OpenAI takes labels for what it stores only.
        if *store == Some(true) && !metadata.is_empty() {
            let pairs = metadata.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
            say("metadata", Some(Field::Pairs(pairs)));
        } else if !metadata.is_empty() {
            losses.hint("metadata", "it is kept only with answers that are stored");
        }
    } else {
        let told = [
            ("verbosity", verbosity.is_some()),
            ("prompt_cache_key", cache_key.is_some()),
            ("prompt_cache_retention", cache_retention.is_some()),
            ("store", *store == Some(true)),
            ("metadata", !metadata.is_empty()),
        ];
        for (name, _) in told.into_iter().filter(|(_, told)| *told) {
            losses.hint(name, NONE);
        }
    }
    if !modalities.is_empty() {
        let all = std::iter::once("text").chain(modalities.iter().map(String::as_str)).collect();
        say("modalities", Some(Field::Texts(all)));
    }
    say("audio", audio.as_ref().map(|a| Field::Raw(&a.0)));
    if previous_response.is_some() {
        losses.add("previous_response_id", "the model's provider does not have that response");
    }
    if *background == Some(true) {
        losses.add("background", "the model's provider cannot answer later");
    }
    if *encrypted_reasoning {
        // Clients ask for it with every call, in case there is some.
        losses.hint("include", "the model's provider does not give out sealed reasoning");
    }
}

/// How hard to think.
fn thinking<'a>(r: &Reasoning, o: &ChatOptions, losses: &mut Losses) -> (&'static str, Option<Field<'a>>) {
    let Reasoning { enabled, adaptive, effort, budget, summary } = r;
    let off = *enabled == Some(false) || *effort == Some(Effort::None);
    let word = effort.or(budget.map(Effort::of_budget)).map(Effort::word);
    match o.reasoning {
        ReasoningWords::Effort => {
            if summary.is_some() {
                losses
                    .hint("reasoning.summary", "the model's provider decides what it shows of its thoughts");
            }
            let word = match (enabled, effort) {
                // Models that do not think refuse the word, so the switch is not told as `none`.
                (Some(false), None) => {
                    losses.hint("reasoning", "the model's provider cannot switch it off apart from effort");
                    None
                }
                // "As you like" is the default.
                _ => word,
            };
            ("reasoning_effort", word.map(Field::Text))
        }
        ReasoningWords::Object => {
            let told = word.is_some() || budget.is_some();
            let out = ReasoningOut {
                effort: effort.map(Effort::word),
                max_tokens: budget.filter(|_| effort.is_none()),
                enabled: if off && effort.is_none() {
                    Some(false)
                } else {
                    (!told && (*enabled == Some(true) || *adaptive)).then_some(true)
                },
                exclude: (summary.as_deref() == Some("omitted")).then_some(true),
            };
            ("reasoning", Some(Field::Reasoning(out)))
        }
        ReasoningWords::None => {
            // Not to be asked to think is no loss.
            if summary.is_some() || !off && (word.is_some() || *enabled == Some(true) || *adaptive) {
                losses.hint("reasoning", NONE);
            }
            ("reasoning", None)
        }
        ReasoningWords::Switch => {
            if summary.is_some() {
                losses.hint("reasoning.summary", "the model's provider always shows its thoughts");
            }
            let on = *enabled == Some(true) || *adaptive || word.is_some();
            let kind = match (off, on) {
                (true, _) => "disabled",
                (false, true) => "enabled",
                (false, false) => return ("thinking", None),
            };
            if !off && word.is_some() {
                losses.hint("reasoning", "the model's provider knows only on and off");
            }
            ("thinking", Some(Field::Kind(KindOut { kind })))
        }
    }
}

/// The answer's form.
fn answer<'a>(f: &'a Format, o: &ChatOptions, losses: &mut Losses) -> FormatOut<'a> {
    let plain = |kind| FormatOut { kind, json_schema: None };
    match f {
        Format::Text => plain("text"),
        Format::JsonObject => plain("json_object"),
        Format::JsonSchema { .. } if !o.schema => {
            losses.add("format", "the model's provider takes no schema, only \"some JSON\"");
            plain("json_object")
        }
        Format::JsonSchema { name, description, schema, strict } => FormatOut {
            kind: "json_schema",
            json_schema: Some(SchemaOut {
                // A name is wanted here, and other dialects have none.
                name: name.as_deref().unwrap_or("answer"),
                description: description.as_deref(),
                schema: &schema.0,
                strict: *strict,
            }),
        },
    }
}
