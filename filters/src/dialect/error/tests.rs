use super::*;
use crate::rejection::{ErrorKind, Rejection};
use std::fmt::Write;
use std::time::Duration;

const DIALECTS: [Dialect; 4] = [Dialect::OpenAi, Dialect::Responses, Dialect::Anthropic, Dialect::Gemini];

/// One rejection of each kind.
fn all() -> Vec<Rejection> {
    use ErrorKind::*;
    let kinds = [
        InvalidRequest,
        Authentication,
        Permission,
        NotFound,
        Method,
        RequestTimeout,
        TooLarge,
        RateLimit,
        Internal,
        Upstream,
        Unavailable,
        UpstreamTimeout,
    ];
    let make = |kind| {
        let mut r = Rejection::client(kind, "some_code", "Say \"why\".\n").detail("never shown");
        match kind {
            InvalidRequest => r.param = Some("model".into()),
            RateLimit => r.retry_after = Some(Duration::from_millis(1500)),
            Method => r.allow = Some("GET, HEAD"),
            _ => {}
        }
        r
    };
    kinds.into_iter().map(make).collect()
}

/// The golden files are what clients depend on: a change of them is a change of the API. `SALLYPORT_BLESS=1` writes them.
#[test]
fn errors_are_told_as_the_golden_files_say() {
    for dialect in DIALECTS {
        let mut text = String::new();
        for r in all() {
            let out = render(&r, dialect, "0198-id");
            writeln!(text, "# {:?}\n{}", r.kind, out.status).unwrap();
            for (n, v) in &out.headers {
                writeln!(text, "{n}: {}", v.to_str().unwrap()).unwrap();
            }
            writeln!(text, "{}\n", std::str::from_utf8(&out.body).unwrap()).unwrap();
        }
        let event = event(&all()[9], dialect, "0198-id", 42);
        writeln!(text, "# event\n{}", std::str::from_utf8(&event).unwrap()).unwrap();
        let path =
            format!("{}/tests/golden/errors-{dialect:?}.txt", env!("CARGO_MANIFEST_DIR")).to_lowercase();
        let path = path.replacen(&env!("CARGO_MANIFEST_DIR").to_lowercase(), env!("CARGO_MANIFEST_DIR"), 1);
        if std::env::var_os("SALLYPORT_BLESS").is_some() {
            std::fs::write(&path, &text).unwrap();
        }
        assert_eq!(text, std::fs::read_to_string(&path).unwrap(), "{path}");
    }
}

/// LESSONS.md: "Empty bodies on 401/403; OpenAI-shaped errors on Anthropic routes; no Retry-After."
#[test]
fn every_error_has_a_body_of_its_dialect_and_tells_no_detail() {
    for dialect in DIALECTS {
        for r in all() {
            let out = render(&r, dialect, "id");
            let v: serde_json::Value = serde_json::from_slice(&out.body).unwrap();
            assert_eq!(v["error"]["message"], "Say \"why\".\n");
            assert_eq!(v["type"] == "error", dialect == Dialect::Anthropic);
            assert!(!String::from_utf8_lossy(&out.body).contains("never shown"));
            let retry = out.headers.iter().find(|(n, _)| n == "retry-after").map(|(_, v)| v.clone());
            assert_eq!(retry, (r.kind == ErrorKind::RateLimit).then(|| "2".parse().unwrap()));
        }
    }
}

/// A Gemini client reads an array where it asked for one.
#[test]
fn an_array_of_one_where_the_answer_would_be_an_array() {
    use crate::body::RequestBody;
    use crate::codec::gemini::Framing;
    use crate::surface::{Named, Surface};
    let mut x = crate::testing::World::new().call(Surface::Generate, "{}");
    for (stream, framing, want) in
        [(true, Framing::Array, &b"[{}]"[..]), (true, Framing::Sse, b"{}"), (false, Framing::Array, b"{}")]
    {
        x.body = RequestBody::unread(Some(Named { model: "m".into(), stream, framing }));
        assert_eq!(framed(&x, Bytes::from_static(b"{}")), want);
    }
}

/// The provider's words in Google's shape, under a status that Google has.
#[test]
fn a_providers_error_in_googles_words() {
    let e = UpstreamError {
        message: Some("busy".into()),
        kind: Some("overloaded_error".into()),
        ..Default::default()
    };
    for (kind, status, want) in [
        (ErrorKind::Unavailable, 529, (503, "UNAVAILABLE")),
        (ErrorKind::InvalidRequest, 422, (400, "INVALID_ARGUMENT")),
        (ErrorKind::RateLimit, 429, (429, "RESOURCE_EXHAUSTED")),
        (ErrorKind::Upstream, 500, (500, "INTERNAL")),
        (ErrorKind::Upstream, 502, (502, "UNAVAILABLE")),
    ] {
        let (status, body) = pass_on(kind, status, &e, None, Dialect::Gemini, "id");
        let v: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, v["error"]["status"].as_str().unwrap()), want);
        assert_eq!((&v["error"]["code"], &v["error"]["message"]), (&status.into(), &"busy".into()));
    }
}
