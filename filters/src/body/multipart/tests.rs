use super::*;
use crate::body::RequestBody;
use crate::surface::Surface;
use bytes::Bytes;
use futures::StreamExt;
use proptest::prelude::*;

const TYPE: &str = "multipart/form-data; boundary=XyZ";

fn parse(body: &[u8]) -> Result<RequestBody, Rejection> {
    RequestBody::parse(Bytes::copy_from_slice(body), Some(TYPE), Surface::Audio)
}

fn part(name: &str, more: &str, content: &str) -> String {
    format!("--XyZ\r\nContent-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n{content}\r\n")
}

const FILE: &str = "; filename=\"a \\\"b\\\" model.wav\"\r\nContent-Type: audio/wav";

#[test]
fn the_model_is_found_wherever_it_stands() {
    let file = part("file", FILE, "RIFF\r\n\r\n--XyY name=\"model\"\r\n\r\nno");
    let model = part("model", "", "whisper-1");
    for text in [
        format!("{file}{model}--XyZ--\r\n"),
        format!("{model}{file}--XyZ--"),
        format!("\r\n{model}--XyZ--\r\n"),
        format!("{}{model}{file}--XyZ--", part("stream", "", "true")),
    ] {
        let b = parse(text.as_bytes()).unwrap();
        assert_eq!(b.model(), Some("whisper-1"), "{text}");
        assert_eq!(b.stream(), text.contains("stream"));
        let (range, new) = b.splice_model("gpt-4o-transcribe").unwrap();
        let got = [&b.raw[..range.start], &new, &b.raw[range.end..]].concat();
        assert_eq!(parse(&got).unwrap().model(), Some("gpt-4o-transcribe"));
        assert_eq!(got.len(), text.len() + "gpt-4o-transcribe".len() - "whisper-1".len());
    }
    let empty = parse(format!("{}--XyZ--", part("model", "", "")).as_bytes()).unwrap();
    assert_eq!(empty.model(), Some(""));
    assert!(empty.splice_model("a\r\nb").is_none());
    assert_eq!(parse(b"--XyZ--\r\n").unwrap().model(), None);
}

/// Frameworks cut these differently: refused.
#[test]
fn what_can_be_cut_in_two_ways_is_refused() {
    let m = part("model", "", "a");
    for text in [
        String::new(),
        "{}".into(),
        m.clone(),
        format!("preamble\r\n{m}--XyZ--"),
        format!("{m}--XyZ--trailer"),
        format!("{m}{m}--XyZ--"),
        format!("{m}--XyZ \r\n\r\n--XyZ--"),
        m.replace("\r\n", "\n") + "--XyZ--",
        part("model", "", "--XyZ--"),
        format!("{}--XyZ--", part("file", "", "x\r\n--XyZa\r\ny")),
        format!("{}--XyZ--", part("mod\\el", "", "a")),
        format!("{}--XyZ--", part("x", "; name=\"model\"", "a")),
        format!("{}--XyZ--", part("x", "; name*=utf-8''model", "a")),
        format!("{}--XyZ--", part("x", "\r\nContent-Disposition: form-data; name=\"model\"", "a")),
        format!("{}--XyZ--", part("x", "\r\n folded: 1", "a")),
        format!("{}--XyZ--", part("model", "; filename=\"f\"", "a")),
        format!("{}--XyZ--", part("model", "\r\nContent-Transfer-Encoding: base64", "YQ==")),
        format!("{}--XyZ--", part("model", "", &"a".repeat(MAX_FIELD + 1))),
        "--XyZ\r\nContent-Type: text/plain\r\n\r\na\r\n--XyZ--".into(),
        "--XyZ\r\nContent-Disposition: attachment; name=\"model\"\r\n\r\na\r\n--XyZ--".into(),
        "--XyZ\r\nContent-Disposition: form-data; name=\"model\r\n\r\na\r\n--XyZ--".into(),
        format!("{}--XyZ--", part("x", "", "").repeat(MAX_PARTS + 1)),
        format!("{}--XyZ--", part("x", &format!("\r\nA: {}", "a".repeat(MAX_HEAD)), "")),
    ] {
        assert!(parse(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn boundaries() {
    for (t, want) in [
        ("multipart/form-data; boundary=abc", Some("abc")),
        ("multipart/form-data; charset=utf-8; boundary=\"a b\"", Some("a b")),
        ("multipart/form-data;boundary=----WebKit1; x=y", Some("----WebKit1")),
        ("multipart/form-data", None),
        ("multipart/form-data; boundary=", None),
        ("multipart/form-data; boundary=a; boundary=b", None),
        ("multipart/form-data; boundary=\"a", None),
        ("multipart/form-data; boundary=\"a\\\"b\"", None),
        ("multipart/form-data; boundary=a\"b", None),
    ] {
        assert_eq!(boundary(t).as_deref(), want, "{t}");
    }
    assert!(boundary(&format!("m; boundary={}", "a".repeat(71))).is_none());
}

/// The fields that `multer` reads, as (name, content).
fn oracle(body: &[u8]) -> Option<Vec<(Option<String>, Vec<u8>)>> {
    let stream = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::copy_from_slice(body))]).boxed();
    let mut form = multer::Multipart::new(stream, "XyZ");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut out = Vec::new();
        while let Some(field) = form.next_field().await.ok()? {
            out.push((field.name().map(str::to_owned), field.bytes().await.ok()?.to_vec()));
        }
        Some(out)
    })
}

proptest! {
    /// Whatever we take, an independent reader reads the same way.
    #[test]
    fn we_read_as_multer_does(
        parts in proptest::collection::vec(
            ("(model|stream|file|a b|é)", "(; filename=\"x\")?(\r\nX-Y: z)?", "[a-z\r\n-]{0,12}(--XyZ|\r\n--XyZ|\r\n--Xy)?[a-z\r\n-]{0,4}"),
            0..4,
        ),
        end in "(--XyZ--|--XyZ--\r\n|--XyZ|)",
    ) {
        let text: String = parts.iter().map(|(n, m, c)| part(n, m, c)).collect::<String>() + &end;
        if let Ok(body) = parse(text.as_bytes()) {
            let fields = oracle(text.as_bytes());
            prop_assert!(fields.is_some(), "multer refuses {:?}", text);
            let fields = fields.unwrap_or_default();
            let model = fields.iter().find(|(n, _)| n.as_deref() == Some("model"));
            prop_assert_eq!(body.model().map(str::as_bytes), model.map(|(_, c)| c.as_slice()), "{:?}", text);
        }
    }
}
