//! What must hold of the codecs for any input: shared by the fuzz targets and by tests/fuzz_codecs.rs.

use bytes::{Bytes, BytesMut};
use sallyport_filters::codec::chat::ChatOptions;
use sallyport_filters::codec::eventstream::{FrameDecoder, Kind, encode_event};
use sallyport_filters::codec::tool_names::{self, Rules};
use sallyport_filters::codec::{
    DecodeError, StreamDecoder, StreamEncoder, chat, converse, custom_tools, embeddings, gemini, messages,
    rerank, responses,
};
use sallyport_filters::event::Piece;
use sallyport_filters::ir::block::Body;
use sallyport_filters::ir::{Conversation, Losses, Reply, StreamEvent};
use sallyport_filters::sse::EventStream;

const CLAUDE: &str = "us.anthropic.claude-sonnet-4-5-20250929-v1:0";
const NOVA: &str = "us.amazon.nova-2-lite-v1:0";

fn is_json(bytes: &[u8]) {
    let read = serde_json::from_slice::<&serde_json::value::RawValue>(bytes);
    assert!(read.is_ok(), "{}", String::from_utf8_lossy(bytes));
}

/// A request that is taken can be told to every upstream, in JSON.
pub(crate) fn requests(data: &[u8]) {
    let decoded = [
        chat::decode_request(data),
        responses::decode_request(data),
        messages::decode_request(data),
        gemini::decode_request(data, "m", false),
    ];
    for mut c in decoded.into_iter().flatten() {
        gemini::extract_conversation(&mut c);
        told(&c, &Rules::CHAT, |c, l| chat::encode_request(c, "m", &ChatOptions::openai(), l));
        told(&c, &Rules::CHAT, |c, l| chat::encode_request(c, "m", &ChatOptions::compatible(), l));
        told(&c, &Rules::RESPONSES, |c, l| {
            responses::encode_request(c, "gpt-5", &responses::RequestOptions::default(), l)
        });
        for model in ["claude-sonnet-4-5", "claude-opus-4-8"] {
            told(&c, &Rules::ANTHROPIC, |c, l| {
                messages::encode_request(c, model, &messages::RequestOptions::default(), l)
            });
        }
        for platform in [gemini::Platform::GeminiApi, gemini::Platform::Vertex] {
            told(&c, &Rules::GEMINI, |c, l| {
                gemini::encode_request(c, "gemini-3-pro-preview", &gemini::Options::of(platform), l)
            });
        }
        for model in [CLAUDE, NOVA] {
            told(&c, &Rules::CONVERSE, |c, l| converse::encode_request(c, model, l));
        }
    }
}

fn told(c: &Conversation, rules: &Rules, encode: impl Fn(&Conversation, &mut Losses) -> Vec<u8>) {
    let mut losses = Losses::default();
    is_json(&encode(c, &mut losses));
    let mut c = c.clone();
    let _ = custom_tools::wrap(&mut c, &mut losses);
    let _ = tool_names::flatten(&mut c, rules);
    is_json(&encode(&c, &mut losses));
}

fn replies_of(data: &[u8]) -> impl Iterator<Item = Reply> {
    let decoded: [Result<Reply, DecodeError>; 6] = [
        chat::decode_reply(data),
        responses::decode_reply(data),
        messages::decode_reply(data),
        gemini::decode_reply(data),
        converse::decode_reply_of(data, converse::Model::of(CLAUDE)),
        converse::decode_reply_of(data, converse::Model::of(NOVA)),
    ];
    decoded.into_iter().flatten()
}

/// Chat's decoder takes no call without a name; the others pass on what a model made of one.
fn named(reply: &Reply) -> bool {
    let mut blocks = reply.choices.iter().flat_map(|c| &c.content);
    blocks.all(|b| !matches!(&b.body, Body::ToolCall(call) if call.name.is_empty()))
}

/// An answer that is taken can be told to every client, who can read it.
pub(crate) fn replies(data: &[u8]) {
    for reply in replies_of(data) {
        let own = chat::encode_reply(&reply, &chat::EncodeReply::default());
        assert!(!named(&reply) || chat::decode_reply(&own).is_ok(), "{}", String::from_utf8_lossy(&own));
        let mut signed = reply.clone();
        gemini::embed_reply(&mut signed);
        is_json(&chat::encode_reply(&signed, &chat::EncodeReply::default()));
        let own = responses::encode_reply(&reply, &responses::EncodeReply::default());
        assert!(responses::decode_reply(&own).is_ok(), "{}", String::from_utf8_lossy(&own));
        let own = messages::encode_reply(&reply, &messages::EncodeReply::default());
        assert!(messages::decode_reply(&own).is_ok(), "{}", String::from_utf8_lossy(&own));
        is_json(&gemini::encode_reply(&reply, &gemini::EncodeReply::default()));
    }
    let _ = gemini::parse_error(data);
    let _ = converse::error::describe(400, None, data);
}

/// Sizes of chunks, as the input itself says them.
fn sizes(data: &[u8]) -> impl Iterator<Item = usize> {
    data.iter().cycle().map(|b| usize::from(*b) % 48 + 1)
}

/// What a stream means, up to the first thing that is wrong with it.
fn meant(decoder: &mut dyn StreamDecoder, data: &[u8], mut cuts: impl Iterator<Item = usize>) -> Told {
    let (mut sse, mut told) = (EventStream::new(), Told::default());
    let whole = Bytes::copy_from_slice(data);
    let mut at = 0;
    while at < whole.len() && !told.failed {
        let end = whole.len().min(at.saturating_add(cuts.next().unwrap_or(usize::MAX)));
        let mut look = |piece: Piece<'_>| {
            if let (Piece::Sse { name, data }, false) = (piece, told.failed) {
                told.failed = decoder.event(name, data, &mut told.events).is_err();
            }
        };
        let pushed = sse.push(whole.slice(at..end), |e| look(e.piece)).is_ok();
        told.failed |= !pushed;
        at = end;
    }
    if !told.failed {
        sse.finish(|e| {
            if let Piece::Sse { name, data } = e.piece {
                told.failed |= decoder.event(name, data, &mut told.events).is_err();
            }
        });
        decoder.finish(&mut told.events);
    }
    told
}

/// Gemini's calls have no ids; where the answer has none either, those of the gateway's are drawn by lot.
fn without_ids(mut told: Told) -> Told {
    for event in &mut told.events {
        if let StreamEvent::BlockStart { block, .. } = event
            && let Body::ToolCall(call) = &mut block.body
        {
            call.id.clear();
        }
    }
    told
}

#[derive(Debug, Default, PartialEq)]
struct Told {
    events: Vec<StreamEvent>,
    failed: bool,
}

/// Any cut of a stream's bytes means the same; what it means can be told to every client.
pub(crate) fn streams(data: &[u8]) {
    let new: [fn() -> Box<dyn StreamDecoder>; 4] = [
        || Box::new(chat::Decoder::new()),
        || Box::new(responses::Decoder::new()),
        || Box::new(messages::Decoder::new()),
        || Box::new(gemini::Decoder::new()),
    ];
    for new in new {
        let once = meant(&mut *new(), data, std::iter::empty());
        retold(&once.events);
        let cut = meant(&mut *new(), data, sizes(data));
        assert_eq!(without_ids(once), without_ids(cut));
    }
    // Lines `name {json}`, as in tests/golden/bedrock: what is in AWS's frames.
    for model in [CLAUDE, NOVA] {
        let (mut decoder, mut events) = (converse::Decoder::new(model, "id"), Vec::new());
        for line in data.split(|b| *b == b'\n') {
            let at = line.iter().position(|b| *b == b' ').unwrap_or(line.len());
            let (name, payload) = line.split_at(at);
            if decoder.event(name, payload, &mut events).is_err() {
                break;
            }
        }
        decoder.finish(&mut events);
        retold(&events);
    }
}

/// Every line that an encoder writes after `data: ` is JSON.
fn retold(events: &[StreamEvent]) {
    let mut encoders: [Box<dyn StreamEncoder>; 4] = [
        Box::new(chat::Encoder::new(chat::EncodeReply { include_usage: true, ..Default::default() })),
        Box::new(responses::Encoder::new(responses::EncodeReply::default())),
        Box::new(messages::Encoder::new(messages::EncodeReply::default())),
        Box::new(gemini::Encoder::new(gemini::EncodeReply::default(), gemini::Framing::Sse)),
    ];
    for encoder in &mut encoders {
        let mut out = BytesMut::new();
        events.iter().for_each(|e| encoder.event(e, &mut out));
        for line in out.as_ref().split(|b| *b == b'\n') {
            match line.strip_prefix(b"data: ") {
                Some(b"[DONE]") | None => {}
                Some(json) => is_json(json.strip_suffix(b"\r").unwrap_or(json)),
            }
        }
    }
}

/// AWS's frames: any cut gives the same ones, and what is written is read.
pub(crate) fn frames(data: &[u8]) {
    let read = |bytes: &[u8], mut cuts: Box<dyn Iterator<Item = usize> + '_>| {
        let (mut frames, mut seen, mut at) = (FrameDecoder::new(), Vec::new(), 0);
        while at < bytes.len() {
            let end = bytes.len().min(at.saturating_add(cuts.next().unwrap_or(usize::MAX)));
            frames.push(&bytes[at..end]);
            at = end;
            loop {
                match frames.next_frame() {
                    Ok(Some(frame)) => seen.push(Ok((format!("{:?}", frame.kind()), frame.payload.to_vec()))),
                    Ok(None) => break,
                    Err(e) => {
                        seen.push(Err(e));
                        return seen;
                    }
                }
            }
        }
        seen
    };
    let once = read(data, Box::new(std::iter::empty()));
    assert_eq!(once, read(data, Box::new(sizes(data))));
    let mut written = BytesMut::new();
    if encode_event("messageStart", data, &mut written).is_ok()
        && encode_event("x", b"{}", &mut written).is_ok()
    {
        let back = read(&written, Box::new(sizes(data)));
        let want = Ok((format!("{:?}", Kind::Event("messageStart")), data.to_vec()));
        assert_eq!((back.len(), &back[0]), (2, &want));
        // One wrong byte is found.
        let at = data.iter().map(|b| usize::from(*b)).sum::<usize>() % written.len();
        let mut wrong = written.to_vec();
        wrong[at] ^= 1;
        let seen = read(&wrong, Box::new(sizes(data)));
        assert!(seen.iter().filter(|f| f.is_ok()).count() < 2, "byte {at}");
    }
}

/// Embeddings and rankings: requests and answers.
pub(crate) fn asides(data: &[u8]) {
    use embeddings::bedrock::Kind;
    if let Ok(r) = embeddings::decode_request(data) {
        for kind in [Kind::Titan1, Kind::Titan2, Kind::Cohere3, Kind::Cohere4] {
            let bodies = embeddings::bedrock::encode_requests(&r, kind, &mut Losses::default());
            bodies.iter().for_each(|b| is_json(b));
        }
    }
    for kind in [Kind::Titan2, Kind::Cohere4] {
        if let Ok(reply) = embeddings::bedrock::decode_replies(kind, [(data, None), (data, Some(u64::MAX))]) {
            for base64 in [false, true] {
                if let Ok(body) = embeddings::encode_reply(&reply, "m", base64) {
                    is_json(&body);
                }
            }
        }
    }
    if let Ok(r) = rerank::decode_request(data) {
        for kind in [rerank::bedrock::Kind::Cohere, rerank::bedrock::Kind::Amazon] {
            is_json(&rerank::bedrock::encode_request(&r, kind, &mut Losses::default()));
        }
        if let Ok(reply) =
            rerank::bedrock::decode_reply(br#"{"results":[{"index":9,"relevance_score":0.5}]}"#)
        {
            is_json(&rerank::encode_reply(&reply, &r, "id"));
        }
    }
    if let Ok(reply) = rerank::bedrock::decode_reply(data) {
        let asked = br#"{"model":"m","query":"q","documents":["a"],"return_documents":true}"#;
        if let Ok(r) = rerank::decode_request(asked) {
            is_json(&rerank::encode_reply(&reply, &r, "id"));
        }
    }
    if let Ok(r) = gemini::decode_embed_request(data) {
        is_json(&gemini::encode_embed_content(&r));
        for platform in [gemini::Platform::GeminiApi, gemini::Platform::Vertex] {
            is_json(&gemini::encode_embed_request(&r, "m", &gemini::Options::of(platform)));
        }
    }
    if let Ok(r) = gemini::decode_embed_reply(data) {
        is_json(&gemini::encode_embed_reply(&r, false));
        is_json(&gemini::encode_embed_reply(&r, true));
    }
}
