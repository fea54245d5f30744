use super::*;
use Operation::{CountTokens, Embedding, Embeddings, Generate, Other};
use Wire::{Chat, Converse, Gemini, Messages, Responses};
use sallyport_config::model::{AzureOpenaiSettings, ProviderKind, VertexSettings};

fn at(kind: ProviderKind, settings: Option<KindSettings>, base: &str) -> Provider {
    let mut p = crate::testing::provider("p", kind);
    p.base_path = base.into();
    p.settings = settings.unwrap_or_else(|| KindSettings::default_of(kind));
    p
}

fn check(p: &Provider, rows: &[(Wire, Operation<'_>, &str, bool, Option<&str>)]) {
    for (wire, operation, model, stream, want) in rows {
        let got = address(p, *wire, *operation, model, *stream);
        assert_eq!(got.as_deref(), *want, "{wire:?} {operation:?} {model} {stream}");
    }
}

#[test]
fn openai_and_what_is_compatible_with_it() {
    for kind in [ProviderKind::Openai, ProviderKind::OpenaiCompatible] {
        check(
            &at(kind, None, "/v1"),
            &[
                (Chat, Generate, "m", true, Some("/v1/chat/completions")),
                (Responses, Generate, "m", false, Some("/v1/responses")),
                (Responses, CountTokens, "m", false, Some("/v1/responses/input_tokens")),
                (Chat, Embeddings, "m", false, Some("/v1/embeddings")),
                (Chat, Other("/images/edits"), "m", false, Some("/v1/images/edits")),
                (Messages, Generate, "m", false, None),
                (Gemini, Generate, "m", false, None),
            ],
        );
    }
}

#[test]
fn azure_in_both_apis() {
    check(
        &at(ProviderKind::AzureOpenai, None, ""),
        &[
            (Chat, Generate, "gpt-5", true, Some("/openai/v1/chat/completions")),
            (Responses, Generate, "gpt-5", true, Some("/openai/v1/responses")),
            (Chat, Embeddings, "e", false, Some("/openai/v1/embeddings")),
            (Messages, Generate, "x", false, None),
        ],
    );
    let dated = AzureOpenaiSettings { api_version: Some("2024-10-21".into()), ..Default::default() };
    check(
        &at(ProviderKind::AzureOpenai, Some(KindSettings::AzureOpenai(dated)), "/gw"),
        &[
            (
                Chat,
                Generate,
                "my gpt/5",
                true,
                Some("/gw/openai/deployments/my%20gpt%2F5/chat/completions?api-version=2024-10-21"),
            ),
            (
                Chat,
                Embeddings,
                "..",
                false,
                Some("/gw/openai/deployments/%2E%2E/embeddings?api-version=2024-10-21"),
            ),
            (Responses, Generate, "gpt-5", false, Some("/gw/openai/responses?api-version=2024-10-21")),
        ],
    );
}

#[test]
fn anthropic_itself() {
    check(
        &at(ProviderKind::Anthropic, None, "/v1"),
        &[
            (Messages, Generate, "m", true, Some("/v1/messages")),
            (Messages, CountTokens, "m", false, Some("/v1/messages/count_tokens")),
            (Chat, Generate, "m", false, None),
            (Messages, Embeddings, "m", false, None),
        ],
    );
}

#[test]
fn gemini_api() {
    check(
        &at(ProviderKind::Gemini, None, "/v1beta"),
        &[
            (Gemini, Generate, "gemini-3-pro", false, Some("/v1beta/models/gemini-3-pro:generateContent")),
            (
                Gemini,
                Generate,
                "models/gemini-3-pro",
                true,
                Some("/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse"),
            ),
            (Gemini, CountTokens, "a/b", false, Some("/v1beta/models/a%2Fb:countTokens")),
            (Gemini, Embedding, "tunedModels/t", false, Some("/v1beta/tunedModels/t:embedContent")),
            (Gemini, Embeddings, "e?x", false, Some("/v1beta/models/e%3Fx:batchEmbedContents")),
            (Chat, Generate, "m", false, None),
        ],
    );
}

#[test]
fn vertex_with_two_publishers() {
    let settings =
        VertexSettings { project: "p-1".into(), location: "us-east5".into(), ..Default::default() };
    let root = "/v1/projects/p-1/locations/us-east5";
    let p = at(ProviderKind::Vertex, Some(KindSettings::Vertex(settings)), "/v1");
    for (wire, operation, model, stream, want) in [
        (Gemini, Generate, "gemini-3-pro", false, "publishers/google/models/gemini-3-pro:generateContent"),
        (Gemini, Generate, "g", true, "publishers/google/models/g:streamGenerateContent?alt=sse"),
        (Gemini, CountTokens, "g", false, "publishers/google/models/g:countTokens"),
        (Gemini, Embeddings, "e", false, "publishers/google/models/e:predict"),
        (Gemini, Generate, "endpoints/12", false, "endpoints/12:generateContent"),
        (
            Messages,
            Generate,
            "claude-sonnet-4-5@20250929",
            false,
            "publishers/anthropic/models/claude-sonnet-4-5@20250929:rawPredict",
        ),
        (Messages, Generate, "c", true, "publishers/anthropic/models/c:streamRawPredict"),
        (Messages, CountTokens, "c", false, "publishers/anthropic/models/count-tokens:rawPredict"),
    ] {
        let want = format!("{root}/{want}");
        check(&p, &[(wire, operation, model, stream, Some(want.as_str()))]);
    }
    check(&p, &[(Chat, Generate, "m", false, None), (Converse, Generate, "m", false, None)]);
}

#[test]
fn bedrock_by_id_and_by_arn() {
    let arn = "arn:aws:bedrock:us-east-1:1:inference-profile/us.x";
    let encoded = "arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.x";
    check(
        &at(ProviderKind::Bedrock, None, ""),
        &[
            (Converse, Generate, "a.b-v1:0", false, Some("/model/a.b-v1%3A0/converse")),
            (Converse, Generate, arn, true, Some(&format!("/model/{encoded}/converse-stream"))),
            (Messages, Generate, "a", false, Some("/model/a/invoke")),
            (Messages, Generate, "a", true, Some("/model/a/invoke-with-response-stream")),
            (Messages, CountTokens, "a", false, Some("/model/a/count-tokens")),
            (Chat, Embeddings, "..", false, Some("/model/%2E%2E/invoke")),
            (Chat, Generate, "a", false, None),
        ],
    );
}
