//! A client's own body on other platforms.

use super::*;
use crate::testing::{any_json, any_text, spaces, write_members};
use proptest::prelude::*;

fn spliced(body: &str, platform: Platform, betas: &[&str]) -> String {
    String::from_utf8(apply(body.as_bytes(), &splices(body.as_bytes(), platform, betas, false).unwrap()))
        .unwrap()
}

#[test]
fn only_what_must_change_changes() {
    let body = r#"{ "model" : "claude", "max_tokens":1, "stream": true , "messages":[ ] }"#;
    for (platform, betas, want) in [
        (Platform::Anthropic, &["a"][..], body),
        (
            Platform::Bedrock,
            &[],
            r#"{"anthropic_version":"bedrock-2023-05-31", "max_tokens":1, "messages":[ ] }"#,
        ),
        (
            Platform::Bedrock,
            &["a-1", "b-2"],
            r#"{"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["a-1","b-2"], "max_tokens":1, "messages":[ ] }"#,
        ),
        (
            Platform::Vertex,
            &["a-1"],
            r#"{"anthropic_version":"vertex-2023-10-16", "max_tokens":1, "stream": true , "messages":[ ] }"#,
        ),
    ] {
        assert_eq!(spliced(body, platform, betas), want);
    }
    for (body, want) in [
        (r#"{"a":1,"model":"m","stream":true}"#, r#"{"anthropic_version":"bedrock-2023-05-31","a":1}"#),
        (r#"{"a":1,"model":"m"}"#, r#"{"anthropic_version":"bedrock-2023-05-31","a":1}"#),
        (r#"{"stream":true,"mod\u0065l":"m"}"#, r#"{"anthropic_version":"bedrock-2023-05-31"}"#),
        (r"{}", r#"{"anthropic_version":"bedrock-2023-05-31"}"#),
        (
            r#"{"model":"m","anthropic_version":"vertex-2023-10-16"}"#,
            r#"{"anthropic_version":"bedrock-2023-05-31"}"#,
        ),
    ] {
        assert_eq!(spliced(body, Platform::Bedrock, &[]), want, "{body}");
    }
    let with = r#"{"anthropic_beta":["b","c"],"model":"m"}"#;
    assert_eq!(
        spliced(with, Platform::Bedrock, &["a", "b"]),
        r#"{"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["b","c","a"]}"#
    );
    let count = br#"{"model":"m","messages":[]}"#;
    assert_eq!(
        apply(count, &splices(count, Platform::Vertex, &[], true).unwrap()),
        br#"{"anthropic_version":"vertex-2023-10-16","model":"m","messages":[]}"#
    );
    assert!(splices(b"[]", Platform::Bedrock, &[], false).is_err());
    assert!(splices(b"\xff", Platform::Vertex, &[], false).is_err());
}

#[test]
fn an_encoded_body_says_the_same() {
    let c = decode_request(br#"{"model":"m","max_tokens":5,"stream":true,"messages":[{"role":"user","content":"hi"}],"anthropic_version":"x"}"#)
        .unwrap();
    let options = |platform| RequestOptions { platform, betas: vec!["b-1".into()], ..own() };
    assert_eq!(
        lossless(&c, &options(Platform::Bedrock)).to_string(),
        r#"{"anthropic_version":"bedrock-2023-05-31","anthropic_beta":["b-1"],"max_tokens":5,"messages":[{"role":"user","content":"hi"}]}"#
    );
    assert_eq!(
        lossless(&c, &options(Platform::Vertex)).to_string(),
        r#"{"anthropic_version":"vertex-2023-10-16","max_tokens":5,"messages":[{"role":"user","content":"hi"}],"stream":true}"#
    );
}

proptest! {
    #[test]
    fn the_rest_stays(
        members in proptest::collection::vec((prop_oneof![any_text(), Just("stream".into()), Just("model".into())], any_json()), 0..6),
        white in proptest::collection::vec(any::<u8>(), 1..8),
        vertex in any::<bool>(),
    ) {
        let mut map = serde_json::Map::new();
        map.extend(members);
        let list: Vec<_> = map.iter().map(|(k, v)| (k.as_str(), v)).collect();
        let mut body = String::new();
        write_members(&list, &mut spaces(white), &mut body);
        let platform = if vertex { Platform::Vertex } else { Platform::Bedrock };
        let got: Value = serde_json::from_str(&spliced(&body, platform, &[])).unwrap();
        let mut want = map.clone();
        want.remove("model");
        if !vertex {
            want.remove("stream");
        }
        want.insert("anthropic_version".into(), platform.version().unwrap().into());
        prop_assert_eq!(got, Value::Object(want));
    }
}
