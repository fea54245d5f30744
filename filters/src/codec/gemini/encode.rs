//! A request for Google.

use super::json::Json;
use super::model::Model;
use super::{Options, Platform, contents, functions, settings};
use crate::ir::{Conversation, Losses};

/// Top-level fields that only Google has, and that go to it as they are, whoever sent them.
const OWN: [&str; 4] = ["safetySettings", "cachedContent", "modelArmorConfig", "store"];

/// Encodes the body of `generateContent` and `streamGenerateContent`. The model's name belongs into the path; here it
/// only decides how to say what models differ in (levels or budgets of thought, signatures).
pub fn encode_request(c: &Conversation, model: &str, options: &Options, losses: &mut Losses) -> Vec<u8> {
    let mut json = Json::with_room();
    json.object();
    write(&mut json, c, model, options, losses);
    json.end_object();
    json.out
}

/// The members of the body.
pub(super) fn write(json: &mut Json, c: &Conversation, model: &str, options: &Options, losses: &mut Losses) {
    // The model is in the path, `tools`, `tool_choice` and `settings` are looked at by those who write them.
    let Conversation { model: _, messages: _, tools: _, tool_choice: _, settings, extra } = c;
    let model = Model::of(model);
    let unsaid = contents::write(json, c, model, options, losses);
    functions::write(json, c, model, options, losses);
    let mut config = Json::default();
    config.object();
    let top = settings::write(&mut config, settings, model, options, losses);
    let own = extra.iter().filter_map(|(k, v)| Some((k.strip_prefix("generationConfig.")?, v)));
    for (k, v) in own {
        match k.strip_prefix("thinkingConfig.") {
            Some(_) => losses.add(format!("generationConfig.{k}"), "unknown to the gateway"),
            None => config.raw_member(k, v.text()),
        }
    }
    config.end_object();
    if config.out.len() > 2 {
        json.key("generationConfig");
        json.written(&config.out);
    }
    json.maybe("serviceTier", top.service_tier);
    if !top.labels.is_empty() {
        json.key("labels");
        json.object();
        for (k, v) in &top.labels {
            json.member(k, v);
        }
        json.end_object();
    }
    for (k, v) in extra {
        let only_vertex = k == "modelArmorConfig" && options.platform != Platform::Vertex;
        let only_gemini = k == "store" && options.platform != Platform::GeminiApi;
        if OWN.contains(&k.as_str()) && !only_vertex && !only_gemini {
            json.raw_member(k, v.text());
        } else if !["generationConfig.", "toolConfig."].iter().any(|own| k.starts_with(own))
            && (!contents::is_part_field(k) || unsaid.contains(&k.as_str()))
        {
            losses.add(k, "the model's provider has no such field");
        }
    }
}
