//! What must hold for any input: shared by the fuzz targets and by tests/fuzz_bodies.rs.

use bytes::Bytes;
use sallyport_filters::body::{RequestBody, Splice};
use sallyport_filters::event::{Event, Fate, Piece};
use sallyport_filters::key::VirtualKey;
use sallyport_filters::sse::{EventStream, first_event_of};
use sallyport_filters::surface::{Dialect, Surface};
use sallyport_filters::usage::Meter;

fn spliced(raw: &[u8], (range, new): Splice) -> Bytes {
    [&raw[..range.start], &new, &raw[range.end..]].concat().into()
}

/// A JSON body that is taken is JSON to others too, names the model that they read, and stays so after splices.
pub(crate) fn body(data: &[u8]) {
    for surface in [Surface::Chat, Surface::Responses, Surface::Messages] {
        let Ok(b) = RequestBody::parse(Bytes::copy_from_slice(data), None, surface) else { continue };
        assert!(serde_json::from_slice::<&serde_json::value::RawValue>(data).is_ok());
        if let Ok(v) = serde_json::from_slice::<serde_json::Value>(data) {
            assert_eq!(b.model(), v["model"].as_str());
            assert_eq!(b.stream(), v["stream"].as_bool().unwrap_or(false));
        }
        if let Some(s) = b.splice_model("new \"model\"\u{e9}") {
            let again = RequestBody::parse(spliced(data, s), None, surface).expect("still valid");
            assert_eq!(again.model(), Some("new \"model\"\u{e9}"));
        }
        if let Some(s) = b.splice_include_usage()
            && surface == Surface::Chat
        {
            let again = RequestBody::parse(spliced(data, s), None, surface).expect("still valid");
            assert!(again.include_usage() && again.model() == b.model());
        }
    }
}

/// A form that is taken names the new model after a splice.
pub(crate) fn multipart(data: &[u8]) {
    let t = Some("multipart/form-data; boundary=b");
    let Ok(b) = RequestBody::parse(Bytes::copy_from_slice(data), t, Surface::Audio) else { return };
    if let Some(s) = b.splice_model("new") {
        let again = RequestBody::parse(spliced(data, s), t, Surface::Audio).expect("still valid");
        assert_eq!(again.model(), Some("new"));
    }
}

/// Kept events come out byte for byte, however the stream is cut; the same events are seen.
pub(crate) fn sse(data: &[u8]) {
    let Some((cut, data)) = data.split_first() else { return };
    let whole = Bytes::copy_from_slice(data);
    let run = |size: usize| {
        let (mut s, mut out, mut seen) = (EventStream::new(), Vec::new(), Vec::new());
        let mut look = |e: &mut Event<'_>| {
            if let Piece::Sse { name, data } = e.piece {
                seen.push((name.to_vec(), data.to_vec()));
            }
        };
        let mut at = 0;
        while at < whole.len() {
            let end = (at + size).min(whole.len());
            out.extend(s.push(whole.slice(at..end), &mut look).expect("small"));
            at = end;
        }
        out.extend(s.finish(&mut look));
        (out.concat(), seen)
    };
    let (once, cut) = (run(usize::MAX / 2), run(usize::from(*cut) + 1));
    assert_eq!(once.0, data);
    assert_eq!(once, cut);
    for dialect in [Dialect::OpenAi, Dialect::Responses, Dialect::Anthropic, Dialect::Gemini] {
        let _ = first_event_of(dialect, data);
    }
    let mut s = EventStream::new();
    let _ = s.push(whole, |e| e.fate = Fate::Drop);
}

/// Only a text that is formatted as a key is one.
pub(crate) fn key(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if VirtualKey::parse(text).is_ok() {
        assert!(text.len() == 39 && text.starts_with("sp-"));
    }
    let _ = VirtualKey::display_prefix(text);
}

/// A body's usage does not depend on how it is cut; no event makes a meter fail.
pub(crate) fn meter(data: &[u8]) {
    let Some((cut, data)) = data.split_first() else { return };
    for surface in [Surface::Chat, Surface::Responses, Surface::Messages] {
        let count = |size: usize| {
            let mut m = Meter::new(surface);
            for piece in data.chunks(size) {
                m.on_event(&Event { piece: Piece::Body(piece), fate: Fate::Keep });
            }
            (m.finish(), m.complete(), m.object_id().map(str::to_owned))
        };
        assert_eq!(count(usize::from(*cut) + 1), count(data.len().max(1)));
        for name in [&b""[..], b"message_start", b"message_delta", b"response.completed", b"error"] {
            Meter::new(surface).on_event(&Event { piece: Piece::Sse { name, data }, fate: Fate::Keep });
        }
    }
}
