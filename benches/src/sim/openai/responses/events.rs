//! The event stream of a response.

use super::Draft;
use super::items::{Item, part};
use crate::sim::script::{Script, Writer};
use serde_json::{Value, json};

/// All events.
pub(super) fn script(draft: &Draft, items: &[Item<'_>], finished: &Value, background: bool) -> Script {
    let mut out = Events(Writer::default());
    let begun = draft.with_status("in_progress");
    if background {
        let queued = draft.with_status("queued");
        out.put("response.created", json!({"response": queued}));
        out.put("response.queued", json!({"response": queued}));
    } else {
        out.put("response.created", json!({"response": begun}));
    }
    out.put("response.in_progress", json!({"response": begun}));
    for (index, item) in items.iter().enumerate() {
        out.item(index, item, finished["output"][index].clone());
    }
    let last = if finished["status"] == "incomplete" { "response.incomplete" } else { "response.completed" };
    out.put(last, json!({"response": finished}));
    out.0.finish()
}

struct Events(Writer);

impl Events {
    /// An event with its type and number.
    fn put(&mut self, kind: &str, mut data: Value) {
        data["type"] = json!(kind);
        data["sequence_number"] = json!(self.0.len());
        self.0.json(kind, &data);
    }

    /// Deltas: what is the same in all of them is serialised once.
    fn deltas<'t>(&mut self, kind: &str, place: &Value, tokens: impl Iterator<Item = &'t str>) {
        let place = place.to_string();
        let place = place.trim_end_matches('}');
        let head = format!("{{\"type\":\"{kind}\",{},\"delta\":", place.trim_start_matches('{'));
        let mut data = Vec::with_capacity(64);
        for token in tokens {
            data.clear();
            let _ = serde_json::to_writer(&mut data, token); // into memory: cannot fail
            let number = format!(",\"sequence_number\":{}}}", self.0.len());
            self.0.token(kind, &[head.as_bytes(), &data, number.as_bytes()]);
        }
    }

    fn item(&mut self, index: usize, item: &Item<'_>, finished: Value) {
        self.put("response.output_item.added", json!({"output_index": index, "item": item.begun()}));
        match item {
            Item::Reasoning { id, summary: Some(text), .. } => {
                let place = json!({"item_id": id, "output_index": index, "summary_index": 0});
                let with = |key: &str, value: Value| {
                    let mut data = place.clone();
                    data[key] = value;
                    data
                };
                let empty = json!({"type": "summary_text", "text": ""});
                let full = json!({"type": "summary_text", "text": text.string});
                self.put("response.reasoning_summary_part.added", with("part", empty));
                self.deltas("response.reasoning_summary_text.delta", &place, text.tokens());
                self.put("response.reasoning_summary_text.done", with("text", json!(text.string)));
                self.put("response.reasoning_summary_part.done", with("part", full));
            }
            Item::Reasoning { .. } => {}
            Item::Message { id, text } => {
                let place = json!({"item_id": id, "output_index": index, "content_index": 0});
                let with = |values: &[(&str, Value)]| {
                    let mut data = place.clone();
                    for (key, value) in values {
                        data[*key] = value.clone();
                    }
                    data
                };
                self.put("response.content_part.added", with(&[("part", part(""))]));
                self.deltas("response.output_text.delta", &with(&[("logprobs", json!([]))]), text.tokens());
                let done = with(&[("text", json!(text.string)), ("logprobs", json!([]))]);
                self.put("response.output_text.done", done);
                self.put("response.content_part.done", with(&[("part", part(&text.string))]));
            }
            Item::Call { id, call, .. } => {
                let place = json!({"item_id": id, "output_index": index});
                self.deltas("response.function_call_arguments.delta", &place, call.pieces().tokens());
                self.put(
                    "response.function_call_arguments.done",
                    json!({"item_id": id, "output_index": index, "arguments": call.arguments, "name": call.name}),
                );
            }
        }
        self.put("response.output_item.done", json!({"output_index": index, "item": finished}));
    }
}
