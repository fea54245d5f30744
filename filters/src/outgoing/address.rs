//! Path and query of a call at its provider.

use crate::codec::Wire;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sallyport_config::model::{AzureOpenaiSettings, KindSettings, VertexSettings};
use sallyport_config::snapshot::Provider;

/// What is asked of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation<'a> {
    /// A turn of a conversation, in the words of the wire: Chat Completions, Responses, Messages, generateContent,
    /// Converse; on Bedrock with Anthropic's wire InvokeModel.
    Generate,
    /// Tokens of such a turn.
    CountTokens,
    /// Embeddings of a list of texts.
    Embeddings,
    /// The embedding of one text; only Gemini has a path of its own for it.
    Embedding,
    /// A ranking of documents.
    Rerank,
    /// Any other call of OpenAI's API: its path behind the version (`/images/generations`).
    Other(&'a str),
}

/// All but RFC 3986's unreserved characters: a model's name is one segment of a path, the `/` and `:` of an ARN
/// included.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// Where the call goes; None: the provider has no such thing. `model`: its name at the provider (on Azure the
/// deployment).
///
/// - Azure: <https://learn.microsoft.com/azure/foundry/openai/reference>
/// - Gemini: <https://ai.google.dev/api/all-methods>
/// - Vertex: <https://cloud.google.com/vertex-ai/generative-ai/docs/reference/rest/v1/projects.locations.publishers.models>,
///   <https://docs.claude.com/en/api/claude-on-vertex-ai>
/// - Bedrock: <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_Operations_Amazon_Bedrock_Runtime.html>
pub fn address(
    provider: &Provider,
    wire: Wire,
    operation: Operation<'_>,
    model: &str,
    stream: bool,
) -> Option<String> {
    let path = match &provider.settings {
        KindSettings::Openai(_) | KindSettings::OpenaiCompatible(_) => openai(wire, operation)?.to_owned(),
        KindSettings::AzureOpenai(settings) => azure(settings, openai(wire, operation)?, model),
        KindSettings::Anthropic(_) => anthropic(wire, operation)?.to_owned(),
        KindSettings::Gemini => {
            format!("/{}:{}", gemini_model(model), gemini(wire, operation, stream)?)
        }
        KindSettings::Vertex(settings) => vertex(settings, wire, operation, model, stream)?,
        KindSettings::Bedrock(_) => {
            let model = if operation == Operation::CountTokens { foundation(model) } else { model };
            format!("/model/{}/{}", segment(model), bedrock(wire, operation, stream)?)
        }
    };
    Some(format!("{}{path}", provider.base_path))
}

/// One segment of a path. Dots alone would mean another path.
fn segment(name: &str) -> String {
    if !name.is_empty() && name.bytes().all(|b| b == b'.') {
        return "%2E".repeat(name.len());
    }
    utf8_percent_encode(name, SEGMENT).to_string()
}

/// A name that may have several segments.
fn segments(name: &str) -> String {
    name.split('/').map(segment).collect::<Vec<_>>().join("/")
}

fn openai(wire: Wire, operation: Operation<'_>) -> Option<&str> {
    Some(match (wire, operation) {
        (Wire::Chat, Operation::Generate) => "/chat/completions",
        (Wire::Responses, Operation::Generate) => "/responses",
        (Wire::Responses, Operation::CountTokens) => "/responses/input_tokens",
        (Wire::Chat | Wire::Responses, Operation::Embeddings) => "/embeddings",
        (Wire::Chat | Wire::Responses, Operation::Other(path)) => path,
        _ => return None,
    })
}

/// Paths of the dated API that begin with the deployment; the others name it in the body.
const OF_DEPLOYMENTS: [&str; 8] = [
    "/chat/completions",
    "/completions",
    "/embeddings",
    "/audio/speech",
    "/audio/transcriptions",
    "/audio/translations",
    "/images/generations",
    "/images/edits",
];

fn azure(settings: &AzureOpenaiSettings, path: &str, model: &str) -> String {
    match &settings.api_version {
        None => format!("/openai/v1{path}"),
        Some(version) if OF_DEPLOYMENTS.contains(&path) => {
            format!("/openai/deployments/{}{path}?api-version={version}", segment(model))
        }
        Some(version) => format!("/openai{path}?api-version={version}"),
    }
}

fn anthropic(wire: Wire, operation: Operation<'_>) -> Option<&'static str> {
    match (wire, operation) {
        (Wire::Messages, Operation::Generate) => Some("/messages"),
        (Wire::Messages, Operation::CountTokens) => Some("/messages/count_tokens"),
        _ => None,
    }
}

/// `models/NAME`, also where the name has its collection with it (`models/…`, `tunedModels/…`).
fn gemini_model(model: &str) -> String {
    match model.split_once('/') {
        Some(("models" | "tunedModels", _)) => segments(model),
        _ => format!("models/{}", segment(model)),
    }
}

fn gemini(wire: Wire, operation: Operation<'_>, stream: bool) -> Option<&'static str> {
    match (wire, operation) {
        (Wire::Gemini, Operation::Generate) if stream => Some("streamGenerateContent?alt=sse"),
        (Wire::Gemini, Operation::Generate) => Some("generateContent"),
        (Wire::Gemini, Operation::CountTokens) => Some("countTokens"),
        (Wire::Gemini, Operation::Embeddings) => Some("batchEmbedContents"),
        (Wire::Gemini, Operation::Embedding) => Some("embedContent"),
        _ => None,
    }
}

fn vertex(
    settings: &VertexSettings,
    wire: Wire,
    operation: Operation<'_>,
    model: &str,
    stream: bool,
) -> Option<String> {
    let (publisher, verb) = match (wire, operation) {
        (Wire::Gemini, Operation::Embeddings) => ("google", "predict"),
        (Wire::Gemini, _) => ("google", gemini(wire, operation, stream)?),
        (Wire::Messages, Operation::Generate) if stream => ("anthropic", "streamRawPredict"),
        (Wire::Messages, Operation::Generate | Operation::CountTokens) => ("anthropic", "rawPredict"),
        _ => return None,
    };
    // A name with segments is a resource of the project's own: an endpoint with a tuned model, another publisher.
    let resource = match (wire, operation) {
        (Wire::Messages, Operation::CountTokens) => "publishers/anthropic/models/count-tokens".to_owned(),
        _ if model.contains('/') => segments(model),
        _ => format!("publishers/{publisher}/models/{}", vertex_version(model)),
    };
    let VertexSettings { project, location, .. } = settings;
    Some(format!("/projects/{}/locations/{location}/{resource}:{verb}", segment(project)))
}

/// Vertex writes versions as `claude-sonnet-4-5@20250929`; its documents leave the `@` as it is.
fn vertex_version(model: &str) -> String {
    segment(model).replace("%40", "@")
}

/// The model behind a cross-region inference profile (`us.anthropic.claude-…`): CountTokens takes no profiles.
/// <https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html>
fn foundation(model: &str) -> &str {
    const REGIONS: [&str; 11] = ["global", "us", "us-gov", "eu", "apac", "jp", "au", "ca", "sa", "me", "af"];
    match model.split_once('.') {
        Some((region, rest)) if REGIONS.contains(&region) && rest.contains('.') => rest,
        _ => model,
    }
}

fn bedrock(wire: Wire, operation: Operation<'_>, stream: bool) -> Option<&'static str> {
    match (wire, operation) {
        (Wire::Converse, Operation::Generate) if stream => Some("converse-stream"),
        (Wire::Converse, Operation::Generate) => Some("converse"),
        (Wire::Messages, Operation::Generate) if stream => Some("invoke-with-response-stream"),
        (Wire::Messages, Operation::Generate) => Some("invoke"),
        (Wire::Converse | Wire::Messages, Operation::CountTokens) => Some("count-tokens"),
        (_, Operation::Embeddings | Operation::Embedding | Operation::Rerank) => Some("invoke"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
