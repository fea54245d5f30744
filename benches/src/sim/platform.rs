//! Paths of the clouds, which say the model and often the operation: Gemini, Vertex, Bedrock, Azure.

use crate::sim::endpoint::Endpoint;
use crate::sim::fault::Dialect;

/// A call whose path says everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place<'p> {
    pub(crate) dialect: Dialect,
    /// `None`: as in the provider's own API behind `/v1/`.
    pub(crate) endpoint: Option<Endpoint>,
    /// The model, percent-encoded.
    pub(crate) model: Option<&'p str>,
}

/// Finds it; `None`: a path of OpenAI's or Anthropic's own API.
pub(crate) fn find(path: &str) -> Option<Place<'_>> {
    let place =
        |dialect, endpoint, model| Some(Place { dialect, endpoint: Some(endpoint), model: Some(model) });
    if let Some((before, rest)) = path.rsplit_once("/models/")
        && let Some((model, verb)) = rest.rsplit_once(':')
    {
        if before.ends_with("/publishers/anthropic") {
            return match verb {
                "rawPredict" if model == "count-tokens" => {
                    place(Dialect::Anthropic, Endpoint::VertexCount, model)
                }
                "rawPredict" => place(Dialect::Anthropic, Endpoint::RawPredict, model),
                "streamRawPredict" => place(Dialect::Anthropic, Endpoint::StreamRawPredict, model),
                _ => place(Dialect::Anthropic, Endpoint::Other, model),
            };
        }
        let endpoint = match verb {
            "generateContent" => Endpoint::Generate,
            "streamGenerateContent" => Endpoint::GenerateStream,
            "countTokens" => Endpoint::GeminiCount,
            "embedContent" => Endpoint::Embed,
            "batchEmbedContents" => Endpoint::BatchEmbed,
            "predict" => Endpoint::Predict,
            _ => Endpoint::Other,
        };
        return place(Dialect::Gemini, endpoint, model);
    }
    if let Some((_, rest)) = path.rsplit_once("/model/")
        && let Some((model, verb)) = rest.rsplit_once('/')
    {
        let endpoint = match verb {
            "converse" => Endpoint::Converse,
            "converse-stream" => Endpoint::ConverseStream,
            "invoke" => Endpoint::Invoke,
            "invoke-with-response-stream" => Endpoint::InvokeStream,
            "count-tokens" => Endpoint::BedrockCount,
            _ => Endpoint::Other,
        };
        return place(Dialect::Bedrock, endpoint, model);
    }
    if let Some((_, rest)) = path.split_once("/openai/deployments/")
        && let Some((deployment, call)) = rest.split_once('/')
    {
        let endpoint = match call {
            "chat/completions" => Endpoint::Chat,
            "completions" => Endpoint::Completions,
            "embeddings" => Endpoint::Embeddings,
            "images/generations" => Endpoint::ImageGenerations,
            "images/edits" => Endpoint::ImageEdits,
            "audio/speech" => Endpoint::Speech,
            "audio/transcriptions" | "audio/translations" => Endpoint::Transcriptions,
            _ => Endpoint::Other,
        };
        return place(Dialect::Azure, endpoint, deployment);
    }
    if path.contains("/openai/v1/") || path.contains("/openai/responses") {
        return Some(Place { dialect: Dialect::Azure, endpoint: None, model: None });
    }
    (path.contains("/v1beta/")).then_some(Place { dialect: Dialect::Gemini, endpoint: None, model: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_the_clouds() {
        let told = |path| find(path).map(|p| (p.dialect, p.endpoint, p.model.unwrap_or("")));
        for (path, dialect, endpoint, model) in [
            (
                "/v1beta/models/gemini-3;tokens=1:generateContent",
                Dialect::Gemini,
                Endpoint::Generate,
                "gemini-3;tokens=1",
            ),
            (
                "/v1/projects/p/locations/l/publishers/google/models/g:streamGenerateContent",
                Dialect::Gemini,
                Endpoint::GenerateStream,
                "g",
            ),
            (
                "/v1/projects/p/locations/l/publishers/anthropic/models/claude@1:streamRawPredict",
                Dialect::Anthropic,
                Endpoint::StreamRawPredict,
                "claude@1",
            ),
            (
                "/v1/x/publishers/anthropic/models/count-tokens:rawPredict",
                Dialect::Anthropic,
                Endpoint::VertexCount,
                "count-tokens",
            ),
            (
                "/model/us.anthropic.claude-v1%3A0/converse-stream",
                Dialect::Bedrock,
                Endpoint::ConverseStream,
                "us.anthropic.claude-v1%3A0",
            ),
            ("/model/m/invoke", Dialect::Bedrock, Endpoint::Invoke, "m"),
            ("/model/m/count-tokens", Dialect::Bedrock, Endpoint::BedrockCount, "m"),
            ("/openai/deployments/d/chat/completions", Dialect::Azure, Endpoint::Chat, "d"),
        ] {
            assert_eq!(told(path), Some((dialect, Some(endpoint), model)), "{path}");
        }
        assert_eq!(told("/openai/v1/responses"), Some((Dialect::Azure, None, "")));
        assert_eq!(told("/v1/models/a:b"), Some((Dialect::Gemini, Some(Endpoint::Other), "a")));
        assert_eq!(told("/v1/messages"), None);
    }
}
