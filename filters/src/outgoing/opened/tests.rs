use super::*;
use crate::testing::provider;
use proptest::prelude::*;
use sallyport_config::model::ProviderKind;
use sallyport_config::pattern::PatternSet;
use std::sync::Arc;

fn opened(kind: ProviderKind, base: &str, patterns: &[&str]) -> Provider {
    let passthrough = Arc::new(PatternSet::new(patterns));
    Provider { base_path: base.into(), passthrough, ..provider("p", kind) }
}

#[test]
fn opened_paths() {
    let p = opened(ProviderKind::Openai, "/v1", &["/v1/files", "/v1/batches*"]);
    for (raw, want) in [
        ("/v1/files", Ok("/v1/files")),
        ("/v1/%66iles", Ok("/v1/files")),
        ("/v1/batches", Ok("/v1/batches")),
        ("/v1/batches/b_1/cancel", Ok("/v1/batches/b_1/cancel")),
        ("/v1/batches/a%20b:c@d", Ok("/v1/batches/a%20b:c@d")),
        ("/v1/batches/%c3%a9", Ok("/v1/batches/%C3%A9")),
        ("/v1/files/f_1", Err(PathError::Closed)),
        ("/v1/Files", Err(PathError::Closed)),
        ("/v1/fine_tuning/jobs", Err(PathError::Closed)),
        ("/", Err(PathError::Ambiguous)),
        ("", Err(PathError::Ambiguous)),
    ] {
        assert_eq!(path(&p, raw), want.map(str::to_owned), "{raw}");
    }
    let closed = opened(ProviderKind::Openai, "/v1", &[]);
    assert_eq!(path(&closed, "/v1/files"), Err(PathError::Closed));
    assert_eq!(split("openai/v1/files"), Some(("openai", "/v1/files")));
    assert_eq!(split("openai"), None);
    assert_eq!(split("/v1"), None);
}

/// LESSONS.md, Enforcement: what is checked must be what is served.
#[test]
fn what_can_be_read_as_another_path_is_refused() {
    let p = opened(ProviderKind::Openai, "/v1", &["*"]);
    for raw in [
        "/v1/files/../organization",
        "/v1/files/..",
        "/v1/./files",
        "/v1/files/%2e%2e/x",
        "/v1/files/%2E./x",
        "/v1/files%2f..%2fx",
        "/v1/files%2Fx",
        "/v1/files%5cx",
        "/v1/files\\x",
        "/v1//files",
        "//evil.example/v1/files",
        "/v1/files/",
        "/v1/files/%252e%252e/x",
        "/v1/files/..;/x",
        "/v1/files;x=1",
        "/v1/files%3fa=b",
        "/v1/files%23a",
        "/v1/files%00",
        "/v1/files%0d%0ax",
        "/v1/files/%ff",
        "/v1/files/...",
        "v1/files",
    ] {
        assert_eq!(path(&p, raw), Err(PathError::Ambiguous), "{raw}");
    }
    let long = format!("/v1/{}", "a".repeat(5000));
    assert_eq!(path(&p, &long), Err(PathError::Ambiguous));
}

/// Model calls are counted, and a stored response is somebody's: no pattern opens a way around that.
#[test]
fn governed_calls_stay_governed() {
    use ProviderKind::{Anthropic, AzureOpenai, Bedrock, Gemini, Openai, OpenaiCompatible, Vertex};
    for (kind, base, raw) in [
        (Openai, "/v1", "/v1/chat/completions"),
        (Openai, "/v1", "/v1/CHAT/completions"),
        (Openai, "/v1", "/v1/%63hat/completions"),
        (Openai, "/v1", "/v1/responses"),
        (Openai, "/v1", "/v1/responses/resp_1"),
        (Openai, "/v1", "/v1/responses/resp_1/anything/new"),
        (Openai, "/v1", "/v1/embeddings"),
        (Openai, "/v1", "/v1/images/edits"),
        (Anthropic, "/v1", "/v1/messages"),
        (Anthropic, "/v1", "/v1/messages/count_tokens"),
        (OpenaiCompatible, "/gw/api", "/gw/api/chat/completions"),
        (OpenaiCompatible, "", "/rerank"),
        (OpenaiCompatible, "/v1", "/v2/rerank"),
        (AzureOpenai, "", "/openai/v1/responses/resp_1"),
        (AzureOpenai, "", "/openai/deployments/gpt/chat/completions"),
        (AzureOpenai, "", "/openai/responses/resp_1"),
        (Gemini, "/v1beta", "/v1beta/models/m:generateContent"),
        (Gemini, "/v1beta", "/v1beta/tunedModels/m:streamGenerateContent"),
        (Vertex, "/v1", "/v1/projects/p/locations/l/publishers/google/models/m:predict"),
        (Vertex, "/v1", "/v1/projects/p/locations/l/endpoints/7:rawPredict"),
        (Bedrock, "", "/model/m/converse"),
        (Bedrock, "", "/model/m/invoke-with-response-stream"),
    ] {
        assert_eq!(path(&opened(kind, base, &["*"]), raw), Err(PathError::Governed), "{raw}");
    }
    for (kind, base, raw) in [
        (Openai, "/v1", "/v1/files"),
        (Openai, "/v1", "/v1/models/ft:gpt"),
        (Openai, "/v1", "/v1/threads/t_1/messages"),
        (Openai, "/v1", "/v1/fine_tuning/jobs"),
        (Anthropic, "/v1", "/v1/messages/batches"),
        (Anthropic, "/v1", "/v1/files"),
        (Gemini, "/v1beta", "/upload/v1beta/files"),
        (Gemini, "/v1beta", "/v1beta/models/m:predictLongRunning"),
        (Vertex, "/v1", "/v1/projects/p/locations/l/batchPredictionJobs"),
    ] {
        assert_eq!(path(&opened(kind, base, &["*"]), raw), Ok(raw.to_owned()), "{raw}");
    }
}

proptest! {
    /// Whatever is sent is in one form, matches what was opened, and no server can read it as a path outside of it.
    #[test]
    fn nothing_escapes(raw in "(/|%2[fFeE]|%5c|\\.|%25|%|;|\\\\|//|[a-z]|é|%c3%a9|\\?|#|%00| ){0,24}") {
        let p = opened(ProviderKind::Openai, "/v1", &["/v1/files/*"]);
        for raw in [raw.clone(), format!("/v1/files/{raw}")] {
            if let Ok(sent) = path(&p, &raw) {
                prop_assert!(sent.starts_with("/v1/files/"), "{raw} -> {sent}");
                prop_assert!(sent.bytes().all(|c| c.is_ascii_graphic() && !b"?#;\\".contains(&c)), "{sent}");
                let lower = sent.to_ascii_lowercase();
                for way_out in ["//", "/./", "/../", "%2f", "%5c", "%2e", "%25", "%00"] {
                    prop_assert!(!lower.contains(way_out), "{raw} -> {sent}");
                }
                prop_assert!(!lower.ends_with("/..") && !lower.ends_with("/."), "{sent}");
                // Checked again, it is the same path.
                prop_assert_eq!(path(&p, &sent), Ok(sent.clone()));
            }
        }
    }

    #[test]
    fn nonsense_never_panics(raw in ".{0,60}") {
        let _ = path(&opened(ProviderKind::AzureOpenai, "", &["*"]), &raw);
        let _ = split(&raw);
    }
}
