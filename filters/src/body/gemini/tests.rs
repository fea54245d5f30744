use super::super::RequestBody;
use crate::codec::gemini::Framing;
use crate::rejection::ErrorKind;
use crate::surface::{Named, Surface};
use bytes::Bytes;

fn named(model: &str, stream: bool) -> RequestBody {
    RequestBody::unread(Some(Named { model: model.into(), stream, framing: Framing::Sse }))
}

fn read(model: &str, surface: Surface, body: &str) -> Result<RequestBody, String> {
    let body = Bytes::copy_from_slice(body.as_bytes());
    named(model, true).read(body, Some("application/json"), surface).map_err(|e| {
        assert_eq!(e.kind, ErrorKind::InvalidRequest);
        format!("{}: {}", e.code, e.param.unwrap_or_default())
    })
}

fn spliced(b: &RequestBody, new: &str) -> String {
    let mut text = String::from_utf8(b.raw.to_vec()).unwrap();
    let mut all: Vec<_> = b.splice_repeated(new).collect();
    assert!(all.is_sorted_by_key(|(r, _)| r.start));
    all.reverse();
    for (range, bytes) in all {
        text.replace_range(range, std::str::from_utf8(&bytes).unwrap());
    }
    text
}

#[test]
fn the_path_names_the_model() {
    let unread = named("gemini-x", true);
    assert_eq!((unread.model(), unread.stream()), (Some("gemini-x"), true), "before the body is there");
    let b = read("gemini-x", Surface::Generate, r#"{"contents":[{"parts":[{"text":"model"}]}]}"#).unwrap();
    assert_eq!((b.model(), b.stream(), b.model_span()), (Some("gemini-x"), true, None));
    assert!(b.splice_model("y").is_none() && b.splice_repeated("y").next().is_none());
}

/// LESSONS.md, Enforcement: what two readers could understand differently is refused.
#[test]
fn a_body_that_names_another_model_is_refused() {
    for body in [
        r#"{"model":"models/other","contents":[]}"#,
        r#"{"mod\u0065l":"models/other","contents":[]}"#,
        r#"{"model":"models/x","model":"models/other"}"#,
        r#"{"requests":[{"model":"models/x"},{"model":"models/other"}]}"#,
        r#"{"generateContentRequest":{"model":"models/other"}}"#,
        r#"{"generate_content_request":{"model":"models/other"}}"#,
        r#"{"model":"tunedModels/x"}"#,
    ] {
        assert_eq!(
            read("x", Surface::Generate, body).err().as_deref(),
            Some("ambiguous_field: model"),
            "{body}"
        );
    }
    let wrong = r#"{"requests":[{"model":7}]}"#;
    assert_eq!(read("x", Surface::GeminiBatchEmbed, wrong).err().as_deref(), Some("invalid_type: model"));
    for body in ["", "[]", "{", "{}x", r#"{"a":1,}"#] {
        let e = read("x", Surface::Generate, body).err().unwrap();
        assert_eq!(e, "invalid_json: ", "{body}");
    }
}

/// Google wants the model again in each request of a batch.
#[test]
fn a_repeated_model_is_spliced() {
    let body = r#"{ "requests": [ {"model":"models/x","content":{"parts":[{"text":"models/x"}]}}, {"model": "models\/x" }, {"model":null} ], "model":"x" }"#;
    let b = read("x", Surface::GeminiBatchEmbed, body).unwrap();
    assert_eq!(
        spliced(&b, "the-\"real\"-one"),
        r#"{ "requests": [ {"model":"models/the-\"real\"-one","content":{"parts":[{"text":"models/x"}]}}, {"model": "models/the-\"real\"-one" }, {"model":null} ], "model":"models/the-\"real\"-one" }"#
    );
    let b =
        read("x", Surface::GeminiCountTokens, r#"{"generateContentRequest":{"model":"models/x"}}"#).unwrap();
    assert_eq!(spliced(&b, "tunedModels/y"), r#"{"generateContentRequest":{"model":"tunedModels/y"}}"#);
}

/// Contents are cached at the provider, for an account that many share.
#[test]
fn cached_contents_of_others_are_out_of_reach() {
    for body in [
        r#"{"cachedContent":"cachedContents/abc"}"#,
        r#"{"cached_content":"cachedContents/abc"}"#,
        r#"{"generateContentRequest":{"cachedContent":"cachedContents/abc"}}"#,
    ] {
        let e = read("x", Surface::Generate, body).err().unwrap();
        assert_eq!(e, "unsupported_parameter: cachedContent", "{body}");
    }
    assert!(read("x", Surface::Generate, r#"{"cachedContent":null}"#).is_ok());
}
