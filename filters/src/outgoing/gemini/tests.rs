use crate::body::RequestBody;
use crate::codec::gemini::Framing;
use crate::outgoing::Outgoing;
use crate::surface::{Named, Surface};
use crate::testing::{World, request, target};
use bytes::Bytes;
use http::HeaderMap;

fn out(surface: Surface, named: Named, body: &str, to: Option<&str>) -> (String, String) {
    let w = World::new();
    let mut x = w.call(surface, "{}");
    let raw = Bytes::copy_from_slice(body.as_bytes());
    x.body = RequestBody::unread(Some(named)).read(raw, None, surface).unwrap();
    let headers = HeaderMap::new();
    let client =
        request("/v1/models/..%2Fx:generateContent", Some("key=sp-x&alt=sse&access_token=t"), &headers);
    let out = Outgoing::new(client, &x, &target(&w.snapshot, "openai", to));
    let mut body = Vec::new();
    out.write_body(&mut body);
    (out.path_and_query, String::from_utf8(body).unwrap())
}

fn named(model: &str, stream: bool, framing: Framing) -> Named {
    Named { model: model.into(), stream, framing }
}

/// The path is made anew: nothing of the client's but what was understood goes into it.
#[test]
fn the_model_of_the_route_is_in_the_path() {
    let sse = |model: &str| named(model, true, Framing::Sse);
    for (surface, name, to, want) in [
        (Surface::Generate, sse("m"), None, "models/m:streamGenerateContent?alt=sse"),
        (
            Surface::Generate,
            sse("m"),
            Some("gemini-3-pro"),
            "models/gemini-3-pro:streamGenerateContent?alt=sse",
        ),
        (Surface::Generate, named("m", true, Framing::Array), None, "models/m:streamGenerateContent"),
        (Surface::Generate, named("m", false, Framing::Sse), None, "models/m:generateContent"),
        (
            Surface::Generate,
            named("tunedModels/a b", false, Framing::Sse),
            None,
            "tunedModels/a%20b:generateContent",
        ),
        (
            Surface::Generate,
            named("m", false, Framing::Sse),
            Some("../x?y"),
            "models/%2E%2E/x%3Fy:generateContent",
        ),
        (Surface::GeminiCountTokens, named("a:b", false, Framing::Sse), None, "models/a%3Ab:countTokens"),
        (Surface::GeminiEmbed, named("m", false, Framing::Sse), None, "models/m:embedContent"),
    ] {
        let (path, body) = out(surface, name, r#"{"contents":[]}"#, to);
        assert_eq!(path, format!("/base/v1/{want}"));
        assert_eq!(body, r#"{"contents":[]}"#, "the body has no model");
    }
    let batch = r#"{"requests":[{"model":"models/m"},{"model":"models/m"}]}"#;
    let (path, body) = out(Surface::GeminiBatchEmbed, named("m", false, Framing::Sse), batch, Some("real"));
    assert_eq!(path, "/base/v1/models/real:batchEmbedContents");
    assert_eq!(body, r#"{"requests":[{"model":"models/real"},{"model":"models/real"}]}"#);
}
