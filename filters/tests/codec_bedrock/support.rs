//! What the tests share: frames to events, events to a reply, Converse's request read back.

use bytes::BytesMut;
use sallyport_filters::codec::StreamDecoder;
use sallyport_filters::codec::converse::Decoder;
use sallyport_filters::codec::eventstream::{FrameDecoder, encode_event, encode_exception};
use sallyport_filters::ir::block::{Block, Body, CacheTtl, Media, Source, Thinking, ToolCall, ToolResult};
use sallyport_filters::ir::collect::Collector;
use sallyport_filters::ir::settings::{Format, Reasoning, Settings};
use sallyport_filters::ir::tool::{Tool, ToolBody, ToolChoice};
use sallyport_filters::ir::{Conversation, Message, Origin, Raw, Reply, Role, Signature, StreamEvent};
use serde_json::Value;

/// Bytes of a stream, in pieces of `step`, as events.
pub(crate) fn events(bytes: &[u8], step: usize, model: &str) -> Vec<StreamEvent> {
    let mut frames = FrameDecoder::new();
    let mut decoder = Decoder::new(model, "");
    let mut out = Vec::new();
    for chunk in bytes.chunks(step.max(1)) {
        frames.push(chunk);
        while let Some(frame) = frames.next_frame().unwrap() {
            decoder.frame(&frame, &mut out).unwrap();
        }
    }
    decoder.finish(&mut out);
    out
}

pub(crate) fn collect(events: Vec<StreamEvent>) -> Reply {
    well_ordered(&events);
    let mut collector = Collector::default();
    for e in events {
        collector.push(e);
    }
    assert!(collector.ended(), "the stream has an end");
    let mut reply = collector.finish().unwrap();
    reply.model.clear();
    reply
}

/// The order that ir/stream.rs demands.
pub(crate) fn well_ordered(events: &[StreamEvent]) {
    let first = events.first();
    assert!(matches!(first, Some(StreamEvent::Start { .. } | StreamEvent::Error(_))), "a start comes first");
    assert!(events.iter().filter(|e| matches!(e, StreamEvent::Start { .. })).count() <= 1);
    let ends = events.iter().position(|e| matches!(e, StreamEvent::End));
    assert!(ends.is_none_or(|at| at == events.len() - 1), "an end comes last");
    let mut open = Vec::new();
    let mut next = 0;
    for e in events {
        match e {
            StreamEvent::BlockStart { index, .. } => {
                assert_eq!(*index, next, "blocks count from 0");
                next += 1;
                open.push(*index);
            }
            StreamEvent::BlockDelta { index, .. } => assert!(open.contains(index)),
            StreamEvent::BlockStop { index, .. } => {
                assert!(open.contains(index));
                open.retain(|o| o != index);
            }
            StreamEvent::Stop { .. } => assert!(open.is_empty(), "blocks end before the answer does"),
            _ => {}
        }
    }
}

/// Lines `name {json}` as frames; names that end with `Exception` are exceptions.
pub(crate) fn frames(lines: &str) -> BytesMut {
    let mut out = BytesMut::new();
    for line in lines.lines().filter(|l| !l.trim().is_empty()) {
        let (name, json) = line.split_once(' ').unwrap();
        let write = if name.ends_with("Exception") { encode_exception } else { encode_event };
        write(name, json.as_bytes(), &mut out).unwrap();
    }
    out
}

/// Reads a Converse request, in so far as clients of the recorded traffic write one. For tests only: no client
/// speaks Converse to the gateway.
pub(crate) fn conversation(r: &Value) -> Conversation {
    let mut c = Conversation::default();
    let list = |v: &Value| v.as_array().cloned().unwrap_or_default();
    let system = blocks(&list(&r["system"]));
    if !system.is_empty() {
        c.messages.push(Message::new(Role::System, system));
    }
    for m in list(&r["messages"]) {
        let role = if m["role"] == "user" { Role::User } else { Role::Assistant };
        c.messages.push(Message::new(role, blocks(&list(&m["content"]))));
    }
    for t in list(&r["toolConfig"]["tools"]) {
        let text = |v: &Value| v.as_str().map(str::to_owned);
        let (name, body) = match t.get("toolSpec") {
            Some(spec) => {
                let parameters = Some(raw(&spec["inputSchema"]["json"]));
                (text(&spec["name"]), ToolBody::Function { parameters, strict: spec["strict"].as_bool() })
            }
            None => {
                let kind = sallyport_filters::ir::block::ServerKind::Other;
                (None, ToolBody::Server { kind, origin: Origin::Other, raw: raw(&t) })
            }
        };
        c.tools.push(Tool {
            name: name.unwrap_or_default(),
            description: text(&t["toolSpec"]["description"]),
            body,
            cache: None,
            extra: Vec::new(),
            at: Default::default(),
        });
    }
    let choice = &r["toolConfig"]["toolChoice"];
    if choice["any"].is_object() {
        c.tool_choice = Some(ToolChoice::Required);
    }
    if let Some(name) = choice["tool"]["name"].as_str() {
        c.tool_choice = Some(ToolChoice::Named(name.to_owned()));
    }
    let i = &r["inferenceConfig"];
    c.settings = Settings {
        max_tokens: i["maxTokens"].as_u64(),
        temperature: i["temperature"].as_f64(),
        top_p: i["topP"].as_f64(),
        stop: list(&i["stopSequences"]).iter().map(|s| s.as_str().unwrap().to_owned()).collect(),
        service_tier: r["serviceTier"]["type"].as_str().map(str::to_owned),
        ..Settings::default()
    };
    let a = &r["additionalModelRequestFields"];
    c.settings.top_k = a["top_k"].as_u64().or(a["inferenceConfig"]["topK"].as_u64());
    c.settings.reasoning = reasoning(a);
    if let Some(schema) = r["outputConfig"]["textFormat"]["structure"]["jsonSchema"]["schema"].as_str() {
        let schema = Raw::parse(schema).unwrap();
        c.settings.format = Some(Format::JsonSchema { name: None, description: None, schema, strict: None });
    }
    for own in ["guardrailConfig", "performanceConfig"] {
        if let Some(v) = r.get(own) {
            c.extra.push((own.to_owned(), raw(v)));
        }
    }
    c
}

fn reasoning(a: &Value) -> Option<Reasoning> {
    use sallyport_filters::ir::settings::Effort;
    let t = &a["thinking"];
    let word = a["output_config"]["effort"].as_str();
    let word = word.or(a["reasoning_effort"].as_str()).or(a["reasoning_config"].as_str());
    (t.is_object() || word.is_some()).then(|| Reasoning {
        enabled: Some(true),
        adaptive: t["type"] == "adaptive",
        budget: t["budget_tokens"].as_u64().map(|b| b as u32),
        effort: word.and_then(Effort::parse),
        summary: None,
    })
}

pub(crate) fn raw(v: &Value) -> Raw {
    Raw::of(v).unwrap()
}

fn blocks(list: &[Value]) -> Vec<Block> {
    let mut out: Vec<Block> = Vec::new();
    for b in list {
        let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
        let body = if let Some(t) = b["text"].as_str() {
            Block::text(t).body
        } else if b["cachePoint"].is_object() {
            let hour = b["cachePoint"]["ttl"] == "1h";
            out.last_mut().unwrap().cache = Some(if hour { CacheTtl::Hour } else { CacheTtl::Default });
            continue;
        } else if let Some(m) = b.get("image") {
            Body::Image(medium(m, "image"))
        } else if let Some(m) = b.get("document") {
            Body::Document(medium(m, "application"))
        } else if let Some(call) = b.get("toolUse") {
            Body::ToolCall(ToolCall {
                id: text(&call["toolUseId"]),
                name: text(&call["name"]),
                arguments: call["input"].to_string(),
                ..ToolCall::default()
            })
        } else if let Some(r) = b.get("toolResult") {
            Body::ToolResult(ToolResult {
                call_id: text(&r["toolUseId"]),
                content: blocks(r["content"].as_array().unwrap()),
                is_error: r["status"] == "error",
                ..ToolResult::default()
            })
        } else if let Some(t) = b["reasoningContent"].get("reasoningText") {
            Body::Thinking(Thinking {
                text: text(&t["text"]),
                signature: t["signature"].as_str().map(|s| Signature::new(Origin::Anthropic, s)),
                ..Thinking::default()
            })
        } else {
            panic!("a block that this reader does not know: {b}");
        };
        out.push(Block::new(body));
    }
    out
}

fn medium(m: &Value, kind: &str) -> Media {
    let mime = match m["format"].as_str().unwrap() {
        "txt" => "text/plain".to_owned(),
        "md" => "text/markdown".to_owned(),
        f => format!("{kind}/{f}"),
    };
    Media {
        mime: Some(mime),
        source: Source::Base64(m["source"]["bytes"].as_str().unwrap().to_owned()),
        name: m["name"].as_str().map(str::to_owned),
        detail: None,
        context: None,
        citations: false,
    }
}
