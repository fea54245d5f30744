//! Writing a request for an upstream.

use super::extras::Extras;
use super::models::Abilities;
use super::thinking::{self, Mode, Plan};
use super::turns::{self, Turns};
use super::write::{Json, Object};
use super::{Platform, RequestOptions, say, tools};
use crate::codec::ROOM;
use crate::ir::settings::Format;
use crate::ir::{Conversation, Losses, Raw, Role, Settings, Tool, ToolChoice};
use std::collections::HashSet;

/// Encodes a request for `/v1/messages`, Bedrock's InvokeModel or Vertex's rawPredict. `model`: the provider's name
/// for the model; also where the body does not carry it, since it decides what is accepted.
///
/// It belongs to the API version `2023-06-01` (header `anthropic-version`): `2026-10-21` has no settings of sampling.
/// <https://platform.claude.com/docs/en/api/versioning>
pub fn encode_request(
    c: &Conversation,
    model: &str,
    options: &RequestOptions,
    losses: &mut Losses,
) -> Vec<u8> {
    encode(c, model, options, false, losses)
}

/// Encodes a request for `/v1/messages/count_tokens`: what does not change the number of input tokens is left out.
pub fn encode_count_tokens_request(
    c: &Conversation,
    model: &str,
    options: &RequestOptions,
    losses: &mut Losses,
) -> Vec<u8> {
    encode(c, model, options, true, losses)
}

fn encode(
    c: &Conversation,
    model: &str,
    options: &RequestOptions,
    count: bool,
    losses: &mut Losses,
) -> Vec<u8> {
    let Conversation { model: _, messages: _, tools, tool_choice, settings, extra } = c;
    let abilities = options.abilities.unwrap_or_else(|| Abilities::of(model));
    let extras = Extras::new(extra);
    let turns =
        turns::arrange(c, abilities, options.own_front, |at| !at.is_empty() && extras.has(at), losses);
    let sent = usable(tools, tool_choice.as_ref(), losses);
    let mut ignored = Losses::default();
    // A count is the same for every way of sampling.
    let judged = if count { &mut ignored } else { &mut *losses };
    let plan = thinking::plan(settings, tool_choice.as_ref(), &turns.turns, abilities, options, judged);
    let Say { stop, service_tier, user, format } = rest(settings, options.own_front, judged);

    let mut json = Json::with_capacity(ROOM);
    json.object(|o| {
        let version = options.platform.version();
        let betas = options.platform == Platform::Bedrock && !options.betas.is_empty();
        if options.platform.names_model(count) {
            o.str("model", model);
        }
        if let Some(v) = version {
            extras.done("anthropic_version");
            o.str("anthropic_version", v);
        }
        if betas {
            extras.done("anthropic_beta");
            o.value("anthropic_beta", &options.betas);
        }
        if !count {
            o.number("max_tokens", plan.max_tokens);
        }
        messages(o, &turns, &extras, &plan, options);
        if !sent.is_empty() {
            o.list("tools", &sent, |json, tool| tools::write(json, tool, losses));
        }
        if let Some(choice) =
            tools::write_choice(tool_choice.as_ref(), settings.parallel_tools, &sent, losses)
        {
            o.raw("tool_choice", choice.text());
        }
        write_thinking(o, &plan, &extras);
        output_config(o, plan.effort, format, &extras);
        if !count {
            sampling(o, &plan, &stop);
            if let Some(tier) = service_tier {
                o.str("service_tier", tier);
            }
            if user.is_some() || extras.has("metadata") {
                o.object("metadata", |m| {
                    if let Some(user) = user {
                        m.str("user_id", user);
                    }
                    extras.say("metadata", m);
                });
            }
            // Bedrock says it by the path.
            if settings.stream && options.platform != Platform::Bedrock {
                o.raw("stream", "true");
            }
        }
        // What was said above, or replaced.
        let said =
            [Some("thinking"), version.and(Some("anthropic_version")), betas.then_some("anthropic_beta")];
        extras.say_top(o, &said);
    });
    extras.report(losses);
    json.into_bytes()
}

fn messages(
    o: &mut Object<'_, Vec<u8>>,
    turns: &Turns<'_>,
    extras: &Extras<'_>,
    plan: &Plan,
    options: &RequestOptions,
) {
    if !turns.system.is_empty() {
        say::content(o.key("system"), &turns.system, extras);
    }
    let last = turns.turns.len().saturating_sub(1);
    o.list("messages", turns.turns.iter().enumerate(), |json, (i, turn)| {
        let ends = i == last && turn.role == Role::Assistant && !options.own_front;
        json.object(|m| {
            m.str(
                "role",
                match turn.role {
                    Role::User => "user",
                    Role::Assistant => "assistant",
                    Role::System | Role::Developer => "system",
                },
            );
            if !turn.blocks.is_empty() {
                let think = matches!(plan.mode, Mode::Budget(_) | Mode::Adaptive);
                say::turn(m.key("content"), &turn.blocks, ends, think, extras);
            }
            extras.say(&turn.at.0, m);
        });
    });
}

/// The tools that are sent: those that can be said and, where only some may be used, are among these.
fn usable<'a>(tools: &'a [Tool], choice: Option<&ToolChoice>, losses: &mut Losses) -> Vec<&'a Tool> {
    let allowed = match choice {
        Some(ToolChoice::Allowed { names, .. }) => Some(names.iter().collect::<HashSet<_>>()),
        _ => None,
    };
    let mut sent = Vec::with_capacity(tools.len());
    for tool in tools {
        // One that may not be used need not be known.
        if allowed.as_ref().is_some_and(|a| !a.contains(&tool.name)) {
            continue;
        }
        match tools::misfit(tool) {
            None => sent.push(tool),
            Some(why) => losses.add(tools::spot(tool, None), why),
        }
    }
    sent
}

fn write_thinking(o: &mut Object<'_, Vec<u8>>, plan: &Plan, extras: &Extras<'_>) {
    let kind = match plan.mode {
        Mode::Unsaid => {
            if let Some(raw) = extras.get("thinking") {
                o.raw("thinking", raw.text());
                extras.done("thinking");
            }
            return;
        }
        Mode::Off => "disabled",
        Mode::Budget(_) => "enabled",
        Mode::Adaptive => "adaptive",
    };
    o.object("thinking", |t| {
        t.str("type", kind);
        if let Mode::Budget(n) = plan.mode {
            t.number("budget_tokens", n.into());
        }
        if let Some(display) = &plan.display {
            t.str("display", display);
        }
        extras.say("thinking", t);
    });
}

fn output_config(
    o: &mut Object<'_, Vec<u8>>,
    effort: Option<&str>,
    format: Option<&Raw>,
    extras: &Extras<'_>,
) {
    if effort.is_none() && format.is_none() && !extras.has("output_config") {
        return;
    }
    o.object("output_config", |c| {
        if let Some(effort) = effort {
            c.str("effort", effort);
        }
        if let Some(schema) = format {
            c.object("format", |f| {
                f.str("type", "json_schema");
                f.raw("schema", schema.text());
                extras.say("output_config.format", f);
                extras.say("output_format", f);
            });
        }
        extras.say("output_config", c);
    });
}

fn sampling(o: &mut Object<'_, Vec<u8>>, plan: &Plan, stop: &[&str]) {
    if let Some(t) = plan.temperature {
        o.value("temperature", &t);
    }
    if let Some(t) = plan.top_p {
        o.value("top_p", &t);
    }
    if let Some(k) = plan.top_k {
        o.number("top_k", k);
    }
    if !stop.is_empty() {
        o.value("stop_sequences", &stop);
    }
}

/// What is said of the settings beside thinking and sampling.
struct Say<'a> {
    stop: Vec<&'a str>,
    service_tier: Option<&'static str>,
    user: Option<&'a str>,
    format: Option<&'a Raw>,
}

const NONE: &str = "the model's provider has no such setting";

fn rest<'a>(s: &'a Settings, own: bool, losses: &mut Losses) -> Say<'a> {
    let Settings {
        // Said elsewhere.
        max_tokens: _,
        temperature: _,
        top_p: _,
        top_k: _,
        reasoning: _,
        parallel_tools: _,
        stream: _,
        // Anthropic's streams and thoughts always have these.
        stream_usage: _,
        encrypted_reasoning: _,
        stop,
        n,
        seed,
        logprobs,
        top_logprobs,
        presence_penalty,
        frequency_penalty,
        logit_bias,
        format,
        verbosity,
        service_tier,
        user,
        metadata,
        cache_key,
        cache_retention,
        modalities,
        audio,
        store,
        previous_response,
        background,
    } = s;
    // Things that change the answer, unless they say the default.
    let serious = [
        ("n", n.is_some_and(|n| n > 1)),
        ("seed", seed.is_some()),
        ("logprobs", *logprobs == Some(true)),
        ("top_logprobs", top_logprobs.is_some_and(|n| n > 0)),
        ("presence_penalty", presence_penalty.is_some_and(|p| p != 0.0)),
        ("frequency_penalty", frequency_penalty.is_some_and(|p| p != 0.0)),
        ("logit_bias", logit_bias.as_ref().is_some_and(|b| b.text() != "{}")),
        ("modalities", modalities.iter().any(|m| m != "text")),
        ("audio", audio.is_some()),
        ("previous_response", previous_response.is_some()),
        ("background", *background == Some(true)),
        ("format", matches!(format, Some(Format::JsonObject))),
    ];
    for (field, _) in serious.iter().filter(|(_, lost)| *lost) {
        losses.add(*field, NONE);
    }
    // Hints and bookkeeping. (A stored answer can still be had only from whoever stored it; the answer is the same.)
    let harmless = [
        ("verbosity", verbosity.is_some()),
        ("metadata", !metadata.is_empty()),
        ("cache_key", cache_key.is_some()),
        ("cache_retention", cache_retention.is_some()),
        ("store", *store == Some(true)),
    ];
    for (field, _) in harmless.iter().filter(|(_, lost)| *lost) {
        losses.hint(*field, NONE);
    }
    let service_tier = match service_tier.as_deref() {
        None => None,
        Some("auto") => Some("auto"),
        Some("standard_only" | "default") => Some("standard_only"),
        Some(_) => {
            losses.hint("service_tier", "the model's provider has no such tier");
            None
        }
    };
    let (stop, blank): (Vec<&str>, Vec<&str>) =
        stop.iter().map(String::as_str).partition(|t| own || !t.trim().is_empty());
    if !blank.is_empty() {
        losses.add("stop", "the model's provider takes no white space as the end of an answer");
    }
    let format = match format {
        // Its name and description are for the other provider's bookkeeping; all schemas are strict here.
        Some(Format::JsonSchema { schema, name: _, description: _, strict: _ }) => Some(schema),
        Some(Format::JsonObject | Format::Text) | None => None,
    };
    Say { stop, service_tier, user: user.as_deref(), format }
}
