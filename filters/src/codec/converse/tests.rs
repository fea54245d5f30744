use super::error::{describe, judge_stream};
use super::*;
use crate::codec::StreamDecoder;
use crate::codec::eventstream::{FrameDecoder, encode_event, encode_exception};
use crate::codec::messages::Abilities;
use crate::dialect::fault::{Fault, UpstreamError};
use crate::ir::StreamEvent;
use crate::rejection::ErrorKind;
use bytes::BytesMut;
use proptest::prelude::*;

#[test]
fn models_are_known_by_their_ids() {
    for (id, same) in [
        ("anthropic.claude-v2:1", "claude-v2"),
        ("us.anthropic.claude-3-7-sonnet-20250219-v1:0", "claude-3-7-sonnet-latest"),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-1-20250805-v1:0",
            "claude-opus-4-1",
        ),
    ] {
        assert_eq!(Model::of(id), Model { family: Family::Claude, claude: Abilities::of(same) }, "{id}");
    }
    for (id, family) in [
        ("us.amazon.nova-lite-v1:0", Family::Nova),
        ("us.amazon.nova-2-lite-v1:0", Family::Nova2),
        ("us.deepseek.r1-v1:0", Family::DeepSeek),
        ("openai.gpt-oss-120b-1:0", Family::OpenAi),
        ("ai21.jamba-1-5-large-v1:0", Family::Other),
        (
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/mi1dadi0g15f",
            Family::Unknown,
        ),
    ] {
        assert_eq!(Model::of(id).family, family, "{id}");
    }
}

#[test]
fn errors_are_understood() {
    let message = br#"{"message":"no"}"#;
    let cases = [
        (
            400,
            Some("ValidationException:http://internal.amazon.com/coral/"),
            ErrorKind::InvalidRequest,
            Fault::ClientsOwn,
        ),
        (403, Some("AccessDeniedException"), ErrorKind::Upstream, Fault::CredentialsOrCredit),
        (
            403,
            Some("com.amazon.coral.service#ExpiredTokenException"),
            ErrorKind::Upstream,
            Fault::CredentialsOrCredit,
        ),
        (429, Some("ThrottlingException"), ErrorKind::RateLimit, Fault::Retryable),
        (400, Some("ServiceQuotaExceededException"), ErrorKind::RateLimit, Fault::Retryable),
        (429, Some("ModelNotReadyException"), ErrorKind::Unavailable, Fault::Retryable),
        (408, Some("ModelTimeoutException"), ErrorKind::UpstreamTimeout, Fault::Retryable),
        (424, Some("ModelErrorException"), ErrorKind::Upstream, Fault::Retryable),
        (404, Some("ResourceNotFoundException"), ErrorKind::NotFound, Fault::ClientsOwn),
        (500, None, ErrorKind::Upstream, Fault::Retryable),
        (503, None, ErrorKind::Unavailable, Fault::Retryable),
        (400, None, ErrorKind::InvalidRequest, Fault::ClientsOwn),
    ];
    for (status, name, kind, fault) in cases {
        let d = describe(status, name, message);
        assert_eq!((d.kind, d.fault), (kind, fault), "{status} {name:?}");
        assert_eq!(d.error.message.as_deref(), Some("no"));
    }
    let typed = describe(403, None, br#"{"__type":"com.amazon#UnrecognizedClientException","Message":"x"}"#);
    assert_eq!(typed.error.kind.as_deref(), Some("UnrecognizedClientException"));
    assert_eq!(typed.error.message.as_deref(), Some("x"));
    let held = br#"{"message":"Model use case details have not been submitted for this account."}"#;
    assert_eq!(describe(404, Some("ResourceNotFoundException"), held).fault, Fault::CredentialsOrCredit);
    let e = |kind: &str, code: Option<&str>| UpstreamError {
        kind: Some(kind.into()),
        code: code.map(str::to_owned),
        ..UpstreamError::default()
    };
    assert_eq!(judge_stream(&e("throttlingException", None)).0, ErrorKind::RateLimit);
    assert_eq!(judge_stream(&e("modelStreamErrorException", Some("500"))).1, Fault::Retryable);
    assert_eq!(judge_stream(&e("modelStreamErrorException", Some("400"))).1, Fault::ClientsOwn);
    assert_eq!(judge_stream(&e("validationException", None)).0, ErrorKind::InvalidRequest);
    assert_eq!(judge_stream(&e("InternalError", None)).1, Fault::Retryable);
}

#[test]
fn claudes_own_events_come_out_verbatim() {
    let start = br#"{"type":"message_start","message": {"id":"msg_1"}}"#;
    let stop = br#"{"type":"message_stop","amazon-bedrock-invocationMetrics":{"inputTokenCount":1}}"#;
    let mut bytes = BytesMut::new();
    encode_event("chunk", &invoke::wrap(start), &mut bytes).unwrap();
    encode_event("chunk", &invoke::wrap(stop), &mut bytes).unwrap();
    encode_exception("throttlingException", br#"{"message":"slow down"}"#, &mut bytes).unwrap();
    encode_event("chunk", br#"{"bytes":"!"}"#, &mut bytes).unwrap();
    let mut frames = FrameDecoder::new();
    frames.push(&bytes);
    let (mut unwrapper, mut out) = (invoke::Unwrapper::default(), BytesMut::new());
    let mut next = || unwrapper.frame(&frames.next_frame().unwrap().unwrap(), &mut out);
    assert_eq!(next(), Ok(invoke::Unwrapped::Event));
    assert_eq!(next(), Ok(invoke::Unwrapped::Event));
    let Ok(invoke::Unwrapped::Error(e)) = next() else { panic!() };
    assert_eq!((e.kind.as_deref(), e.message.as_deref()), (Some("throttlingException"), Some("slow down")));
    assert_eq!(next().unwrap_err().field, "chunk.bytes");
    let expected =
        [&b"event: message_start\ndata: "[..], start, b"\n\nevent: message_stop\ndata: ", stop, b"\n\n"];
    assert_eq!(out, expected.concat());
}

#[test]
fn paths_encode_what_is_no_letter() {
    let arn = "arn:aws:bedrock:us-east-1:1:application-inference-profile/ab";
    assert_eq!(
        path(arn, Operation::InvokeStream),
        "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aapplication-inference-profile%2Fab/invoke-with-response-stream"
    );
    assert_eq!(path("../../x?y#z%", Operation::Invoke), "/model/..%2F..%2Fx%3Fy%23z%25/invoke");
}

/// Data of the wrong shape is an error that names the event; an unknown event is none.
#[test]
fn odd_events() {
    let mut decoder = Decoder::default();
    let mut out = Vec::new();
    let e = decoder.event(b"contentBlockDelta", br#"{"contentBlockIndex":-1,"delta":{}}"#, &mut out);
    assert_eq!(e.unwrap_err().field, "contentBlockDelta");
    decoder.event(b"somethingNew", b"{}", &mut out).unwrap();
    // Deltas without a block they belong to change nothing.
    decoder
        .event(
            b"contentBlockDelta",
            br#"{"contentBlockIndex":7,"delta":{"toolUse":{"input":"x"}}}"#,
            &mut out,
        )
        .unwrap();
    decoder.event(b"contentBlockStop", br#"{"contentBlockIndex":9}"#, &mut out).unwrap();
    decoder.finish(&mut out);
    assert!(matches!(out[..], [StreamEvent::Start { .. }]));
}

proptest! {
    #[test]
    fn nonsense_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), at in 0usize..6) {
        let names: [&[u8]; 6] =
            [b"messageStart", b"contentBlockStart", b"contentBlockDelta", b"messageStop", b"metadata", b"xException"];
        let mut out = Vec::new();
        let _ = Decoder::default().event(names[at], &bytes, &mut out);
        let _ = decode_reply(&bytes);
        let _ = describe(400, None, &bytes);
        let _ = invoke::Unwrapper::default().chunk(&bytes);
    }

    #[test]
    fn odd_json_never_panics(
        pieces in prop::collection::vec(
            proptest::sample::select(vec![
                "{", "}", "[", "]", ",", ":", "\"text\"", "\"contentBlockIndex\"", "0", "-1", "1e999", "null",
                "\"delta\"", "\"start\"", "\"toolUse\"", "\"image\"", "\"reasoningContent\"", "\"output\"",
                "\"message\"", "\"content\"", "\"usage\"", "\"cacheDetails\"", "\"citation\"", "\"location\"",
            ]),
            0..40,
        ),
    ) {
        let text = pieces.concat();
        let mut out = Vec::new();
        let mut decoder = Decoder::default();
        for name in [&b"contentBlockStart"[..], b"contentBlockDelta", b"contentBlockStop", b"metadata"] {
            let _ = decoder.event(name, text.as_bytes(), &mut out);
        }
        let whole = format!(r#"{{"output":{{"message":{{"content":[{text}]}}}}}}"#);
        let _ = decode_reply(whole.as_bytes());
    }
}
