//! What translation costs: `cargo bench -p sallyport-benches --bench translation`.
//!
//! Streams are 500 text events as providers send them, cut, decoded and encoded for the other dialect; throughput is
//! that of the upstream's bytes. Requests are an agent's 60 KB: instructions, 20 tools, a conversation with tool calls.

#![allow(clippy::unwrap_used, reason = "a benchmark")]
#![allow(missing_docs)]

use bytes::{Bytes, BytesMut};
use divan::counter::BytesCount;
use divan::{Bencher, black_box};
use sallyport_filters::codec::{StreamDecoder, StreamEncoder, chat, gemini, messages, responses};
use sallyport_filters::event::{Fate, Piece};
use sallyport_filters::ir::{Conversation, Losses};
use sallyport_filters::sse::EventStream;
use serde_json::{Value, json};

// The binary's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    divan::main();
}

const EVENTS: usize = 500;

fn anthropic_stream() -> Bytes {
    let mut s = String::from(concat!(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-5\",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null,\"usage\":{\"input_tokens\":25,\"output_tokens\":1}}}\n\n",
        "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    ));
    for n in 0..EVENTS {
        s.push_str(&format!(
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\" some words and more {n}\"}}}}\n\n"
        ));
    }
    s.push_str(concat!(
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n",
        "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\",\"stop_sequence\":null},\"usage\":{\"output_tokens\":500}}\n\n",
        "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    ));
    s.into()
}

fn chat_stream() -> Bytes {
    let chunk = |delta: &str, finish: &str| {
        format!(
            "data: {{\"id\":\"chatcmpl-1\",\"object\":\"chat.completion.chunk\",\"created\":1741569952,\"model\":\"gpt-5\",\"service_tier\":\"default\",\"system_fingerprint\":\"fp_44709d6fcb\",\"choices\":[{{\"index\":0,\"delta\":{delta},\"logprobs\":null,\"finish_reason\":{finish}}}],\"usage\":null}}\n\n"
        )
    };
    let mut s = chunk(r#"{"role":"assistant","content":"","refusal":null}"#, "null");
    for n in 0..EVENTS {
        s.push_str(&chunk(&format!(r#"{{"content":" some words and more {n}"}}"#), "null"));
    }
    s.push_str(&chunk("{}", "\"stop\""));
    s.push_str("data: [DONE]\n\n");
    s.into()
}

/// Through the cutter, a decoder and an encoder, in pieces of 16 KB as they come from a socket.
fn translate(stream: &Bytes, decoder: &mut dyn StreamDecoder, encoder: &mut dyn StreamEncoder) -> usize {
    let (mut cutter, mut events, mut out, mut len) = (EventStream::new(), Vec::new(), BytesMut::new(), 0);
    let mut at = 0;
    while at < stream.len() {
        let piece = stream.slice(at..(at + 16_384).min(stream.len()));
        at += piece.len();
        cutter
            .push(piece, |e| {
                e.fate = Fate::Drop;
                if let Piece::Sse { name, data } = e.piece {
                    decoder.event(name, data, &mut events).unwrap();
                }
            })
            .unwrap();
        for event in events.drain(..) {
            encoder.event(&event, &mut out);
        }
        len += out.len();
        black_box(&out);
        out.clear();
    }
    assert!(len > stream.len() / 4);
    len
}

#[divan::bench]
fn stream_anthropic_to_chat(b: Bencher) {
    let s = anthropic_stream();
    b.counter(BytesCount::new(s.len())).bench(|| {
        translate(&s, &mut messages::Decoder::new(), &mut chat::Encoder::new(chat::EncodeReply::default()))
    });
}

#[divan::bench]
fn stream_anthropic_to_responses(b: Bencher) {
    let s = anthropic_stream();
    b.counter(BytesCount::new(s.len())).bench(|| {
        translate(
            &s,
            &mut messages::Decoder::new(),
            &mut responses::Encoder::new(responses::EncodeReply::default()),
        )
    });
}

#[divan::bench]
fn stream_chat_to_anthropic(b: Bencher) {
    let s = chat_stream();
    b.counter(BytesCount::new(s.len())).bench(|| {
        translate(
            &s,
            &mut chat::Decoder::new(),
            &mut messages::Encoder::new(messages::EncodeReply::default()),
        )
    });
}

/// What of a translation is the cutting of the stream alone.
#[divan::bench]
fn stream_cut_only(b: Bencher) {
    let s = chat_stream();
    b.counter(BytesCount::new(s.len())).bench(|| {
        let mut cutter = EventStream::new();
        cutter.push(s.clone(), |e| e.fate = Fate::Drop).unwrap().len()
    });
}

/// An agent's request of about 60 KB in Anthropic's format.
fn anthropic_request() -> Vec<u8> {
    let tools: Vec<Value> = (0..20)
        .map(|n| {
            json!({"name": format!("tool_{n}"), "description": "What the tool does, and when. ".repeat(30),
                "input_schema": {"type": "object", "properties": {
                    "path": {"type": "string", "description": "The absolute path of the file to work on"},
                    "limit": {"type": "integer", "description": "How many lines, at most"}}, "required": ["path"]}})
        })
        .collect();
    let mut messages = vec![json!({"role": "user", "content": "Please look at the code and mend it."})];
    for n in 0..20 {
        let id = format!("toolu_{n:024}");
        messages.push(json!({"role": "assistant", "content": [
            {"type": "text", "text": "I look at the next file."},
            {"type": "tool_use", "id": id, "name": "tool_1", "input": {"path": format!("/src/file_{n}.rs")}}]}));
        messages.push(json!({"role": "user", "content": [
            {"type": "tool_result", "tool_use_id": id, "content": "fn main() {\n    println!(\"hello\");\n}\n".repeat(30)}]}));
    }
    serde_json::to_vec(&json!({"model": "claude-sonnet-5", "max_tokens": 32000, "stream": true,
        "system": [{"type": "text", "text": "You are a careful programmer. ".repeat(200), "cache_control": {"type": "ephemeral"}}],
        "tools": tools, "messages": messages}))
    .unwrap()
}

fn conversation() -> Conversation {
    messages::decode_request(&anthropic_request()).unwrap()
}

#[divan::bench]
fn request_60k_anthropic_to_chat(b: Bencher) {
    let body = anthropic_request();
    assert!((50_000..70_000).contains(&body.len()), "{}", body.len());
    b.counter(BytesCount::new(body.len())).bench(|| {
        let c = messages::decode_request(&body).unwrap();
        chat::encode_request(&c, "gpt-5", &chat::ChatOptions::openai(), &mut Losses::default())
    });
}

#[divan::bench]
fn request_60k_anthropic_to_responses(b: Bencher) {
    let body = anthropic_request();
    b.counter(BytesCount::new(body.len())).bench(|| {
        let c = messages::decode_request(&body).unwrap();
        responses::encode_request(&c, "gpt-5", &responses::RequestOptions::default(), &mut Losses::default())
    });
}

#[divan::bench]
fn request_60k_anthropic_to_gemini(b: Bencher) {
    let body = anthropic_request();
    b.counter(BytesCount::new(body.len())).bench(|| {
        let c = messages::decode_request(&body).unwrap();
        gemini::encode_request(&c, "gemini-3-pro", &gemini::Options::default(), &mut Losses::default())
    });
}

#[divan::bench]
fn request_60k_chat_to_anthropic(b: Bencher) {
    let body =
        chat::encode_request(&conversation(), "gpt-5", &chat::ChatOptions::openai(), &mut Losses::default());
    b.counter(BytesCount::new(body.len())).bench(|| {
        let c = chat::decode_request(&body).unwrap();
        messages::encode_request(
            &c,
            "claude-sonnet-5",
            &messages::RequestOptions::default(),
            &mut Losses::default(),
        )
    });
}

fn responses_request() -> Vec<u8> {
    responses::encode_request(
        &conversation(),
        "gpt-5",
        &responses::RequestOptions::default(),
        &mut Losses::default(),
    )
}

#[divan::bench]
fn request_60k_responses_to_anthropic(b: Bencher) {
    let body = responses_request();
    b.counter(BytesCount::new(body.len())).bench(|| {
        let c = responses::decode_request(&body).unwrap();
        messages::encode_request(
            &c,
            "claude-sonnet-5",
            &messages::RequestOptions::default(),
            &mut Losses::default(),
        )
    });
}

/// To a server that speaks Chat only, as most that are compatible with OpenAI do.
#[divan::bench]
fn request_60k_responses_to_chat(b: Bencher) {
    let body = responses_request();
    b.counter(BytesCount::new(body.len())).bench(|| {
        let c = responses::decode_request(&body).unwrap();
        chat::encode_request(&c, "gpt-5", &chat::ChatOptions::compatible(), &mut Losses::default())
    });
}
