use super::*;
use proptest::prelude::*;

fn frames(bytes: &[u8], step: usize) -> Result<Vec<Frame>, FrameError> {
    let mut decoder = FrameDecoder::new();
    let mut out = Vec::new();
    for chunk in bytes.chunks(step.max(1)) {
        decoder.push(chunk);
        while let Some(f) = decoder.next_frame()? {
            out.push(f);
        }
    }
    Ok(out)
}

/// Known bytes, from the AWS SDKs' shared vectors ("empty_message", "payload_no_headers").
#[test]
fn known_frames() {
    let empty = hex::decode("000000100000000005c248eb7d98c8ff").unwrap();
    let f = frames(&empty, 1).unwrap();
    assert_eq!((f.len(), f[0].payload.len(), f[0].kind()), (1, 0, Kind::Other));
    let plain = hex::decode("0000001d00000000fd528c5a7b27666f6f273a27626172277dc3653936").unwrap();
    let f = frames(&plain, 7).unwrap();
    assert_eq!(&f[0].payload[..], b"{'foo':'bar'}");
    let mut out = BytesMut::new();
    encode(&[], b"{'foo':'bar'}", &mut out).unwrap();
    assert_eq!(out, plain);
}

#[test]
fn every_type_of_header_and_kind_of_frame() {
    let all = [
        (":message-type", HeaderValue::String("error")),
        (":error-code", HeaderValue::String("InternalError")),
        (":error-message", HeaderValue::String("An internal server error occurred")),
        ("b", HeaderValue::Bool(true)),
        ("c", HeaderValue::Bool(false)),
        ("d", HeaderValue::Byte(-1)),
        ("e", HeaderValue::Short(-2)),
        ("f", HeaderValue::Int(-3)),
        ("g", HeaderValue::Long(-4)),
        ("h", HeaderValue::Bytes(b"\xff\0")),
        ("i", HeaderValue::Timestamp(1_732_000_000_000)),
        ("j", HeaderValue::Uuid(*b"0123456789abcdef")),
    ];
    let mut out = BytesMut::new();
    encode(&all, b"", &mut out).unwrap();
    encode_event("messageStart", b"{}", &mut out).unwrap();
    encode_exception("throttlingException", b"{}", &mut out).unwrap();
    let f = frames(&out, 5).unwrap();
    assert_eq!(f[0].headers().map(Result::unwrap).collect::<Vec<_>>(), all);
    assert_eq!(
        f[0].kind(),
        Kind::Error { code: "InternalError", message: "An internal server error occurred" }
    );
    assert_eq!(f[1].kind(), Kind::Event("messageStart"));
    assert_eq!(f[1].text(":content-type"), Some("application/json"));
    assert_eq!(f[2].kind(), Kind::Exception("throttlingException"));
}

#[test]
fn too_large_is_refused_before_it_is_held() {
    let mut prelude = Vec::from(u32::MAX.to_be_bytes());
    prelude.extend(0u32.to_be_bytes());
    prelude.extend(crc32fast::hash(&prelude).to_be_bytes());
    let e = frames(&prelude, 12).unwrap_err();
    assert_eq!(e, FrameError::Length { total: u32::MAX, headers: 0 });
    let long = "x".repeat(256);
    assert_eq!(
        encode(&[(&long, HeaderValue::Bool(true))], b"", &mut BytesMut::new()),
        Err(FrameError::Headers)
    );
}

#[test]
fn a_failed_decoder_stays_failed() {
    let mut decoder = FrameDecoder::new();
    decoder.push(&[0; 16]);
    assert_eq!(decoder.next_frame(), Err(FrameError::PreludeChecksum));
    let mut good = BytesMut::new();
    encode_event("x", b"{}", &mut good).unwrap();
    decoder.push(&good);
    assert_eq!(decoder.next_frame(), Err(FrameError::PreludeChecksum));
}

proptest! {
    #[test]
    fn any_split_gives_the_same_frames(
        payloads in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 1..6),
        step in 1usize..64,
    ) {
        let mut bytes = BytesMut::new();
        for p in &payloads {
            encode_event("chunk", p, &mut bytes).unwrap();
        }
        let whole = frames(&bytes, bytes.len()).unwrap();
        prop_assert_eq!(&frames(&bytes, step).unwrap(), &whole);
        prop_assert_eq!(whole.iter().map(|f| f.payload.to_vec()).collect::<Vec<_>>(), payloads);
    }

    #[test]
    fn a_flipped_bit_is_found(at in 0usize..1000, bit in 0u8..8) {
        let mut bytes = BytesMut::new();
        encode_event("contentBlockDelta", br#"{"delta":{"text":"hello"}}"#, &mut bytes).unwrap();
        let at = at % bytes.len();
        bytes[at] ^= 1 << bit;
        prop_assert!(frames(&bytes, 9).is_err());
    }

    #[test]
    fn nonsense_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = frames(&bytes, 13);
        for h in Headers::new(&bytes) {
            let _ = h;
        }
    }
}
