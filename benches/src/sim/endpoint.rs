//! Which call is it? Paths are recognised behind the last `/v1/`, so that any base path works.

use crate::sim::fault::{Dialect, Fault};
use crate::sim::platform::{self, Place};
use http::Method;

/// The calls that are spoken. The discriminant is the index into [`NAMES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Endpoint {
    Chat,
    Completions,
    Responses,
    ResponsesCompact,
    ResponsesInputTokens,
    ResponseGet,
    ResponseDelete,
    ResponseCancel,
    ResponseInputItems,
    Embeddings,
    Moderations,
    ImageGenerations,
    ImageEdits,
    Speech,
    Transcriptions,
    Models,
    Model,
    Messages,
    CountTokens,
    RawPredict,
    StreamRawPredict,
    VertexCount,
    Generate,
    GenerateStream,
    GeminiCount,
    Embed,
    BatchEmbed,
    Predict,
    Rerank,
    Converse,
    ConverseStream,
    Invoke,
    InvokeStream,
    BedrockCount,
    Other,
}

/// Names in the statistics.
pub(crate) const NAMES: [&str; 35] = [
    "POST /v1/chat/completions",
    "POST /v1/completions",
    "POST /v1/responses",
    "POST /v1/responses/compact",
    "POST /v1/responses/input_tokens",
    "GET /v1/responses/{id}",
    "DELETE /v1/responses/{id}",
    "POST /v1/responses/{id}/cancel",
    "GET /v1/responses/{id}/input_items",
    "POST /v1/embeddings",
    "POST /v1/moderations",
    "POST /v1/images/generations",
    "POST /v1/images/edits",
    "POST /v1/audio/speech",
    "POST /v1/audio/transcriptions",
    "GET /v1/models",
    "GET /v1/models/{id}",
    "POST /v1/messages",
    "POST /v1/messages/count_tokens",
    "POST :rawPredict",
    "POST :streamRawPredict",
    "POST count-tokens:rawPredict",
    "POST :generateContent",
    "POST :streamGenerateContent",
    "POST :countTokens",
    "POST :embedContent",
    "POST :batchEmbedContents",
    "POST :predict",
    "POST /v1/rerank",
    "POST /model/{id}/converse",
    "POST /model/{id}/converse-stream",
    "POST /model/{id}/invoke",
    "POST /model/{id}/invoke-with-response-stream",
    "POST /model/{id}/count-tokens",
    "other",
];

/// Finds the call, and the id in its path.
pub(crate) fn route<'p>(
    method: &Method,
    path: &'p str,
    dialect: Dialect,
) -> Result<(Endpoint, Option<&'p str>), Fault> {
    if let Some(Place { endpoint: Some(endpoint), model, .. }) = platform::find(path)
        && method != Method::GET
    {
        return match endpoint {
            Endpoint::Other => Err(unknown(method, path, dialect)),
            _ if method != Method::POST => Err(wrong_method(&Method::POST, dialect)),
            endpoint => Ok((endpoint, model)),
        };
    }
    let behind = |mark: &str| path.rfind(mark).map(|at| at + mark.len());
    let version = ["/v1/", "/v2/", "/v1beta/", "/openai/"].into_iter().find_map(behind);
    let tail = version.map_or("", |at| &path[at..]).trim_end_matches('/');
    let (wanted, endpoint, id) = match tail {
        "chat/completions" => (Method::POST, Endpoint::Chat, None),
        "messages" => (Method::POST, Endpoint::Messages, None),
        "responses" => (Method::POST, Endpoint::Responses, None),
        "completions" => (Method::POST, Endpoint::Completions, None),
        "responses/compact" => (Method::POST, Endpoint::ResponsesCompact, None),
        "responses/input_tokens" => (Method::POST, Endpoint::ResponsesInputTokens, None),
        "embeddings" => (Method::POST, Endpoint::Embeddings, None),
        "rerank" => (Method::POST, Endpoint::Rerank, None),
        "moderations" => (Method::POST, Endpoint::Moderations, None),
        "images/generations" => (Method::POST, Endpoint::ImageGenerations, None),
        "images/edits" | "images/variations" => (Method::POST, Endpoint::ImageEdits, None),
        "audio/speech" => (Method::POST, Endpoint::Speech, None),
        "audio/transcriptions" | "audio/translations" => (Method::POST, Endpoint::Transcriptions, None),
        "messages/count_tokens" => (Method::POST, Endpoint::CountTokens, None),
        "models" => (Method::GET, Endpoint::Models, None),
        _ => match tail.split_once('/') {
            Some(("models", id)) => (Method::GET, Endpoint::Model, Some(id)),
            Some(("responses", rest)) => match rest.split_once('/') {
                None if method == Method::DELETE => (Method::DELETE, Endpoint::ResponseDelete, Some(rest)),
                None => (Method::GET, Endpoint::ResponseGet, Some(rest)),
                Some((id, "cancel")) => (Method::POST, Endpoint::ResponseCancel, Some(id)),
                Some((id, "input_items")) => (Method::GET, Endpoint::ResponseInputItems, Some(id)),
                Some(_) => return Err(unknown(method, path, dialect)),
            },
            _ => return Err(unknown(method, path, dialect)),
        },
    };
    if *method != wanted {
        return Err(wrong_method(&wanted, dialect));
    }
    Ok((endpoint, id))
}

fn wrong_method(wanted: &Method, dialect: Dialect) -> Fault {
    match dialect {
        Dialect::OpenAi => Fault {
            code: Some("method_not_supported"),
            ..Fault::new(405, format!("Only {wanted} requests are accepted."))
        },
        _ => Fault::new(405, "Method Not Allowed"),
    }
}

fn unknown(method: &Method, path: &str, dialect: Dialect) -> Fault {
    match dialect {
        Dialect::OpenAi => Fault::new(404, format!("Invalid URL ({method} {path})")),
        Dialect::Anthropic => Fault::new(404, "Not found"),
        Dialect::Azure => Fault::new(404, "Resource not found"),
        Dialect::Gemini => Fault::new(404, format!("Requested entity was not found: {path}")),
        Dialect::Bedrock => Fault {
            kind: Some("UnknownOperationException".to_owned()),
            ..Fault::new(404, format!("There is no operation {method} {path}"))
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes() {
        let go = |m: Method, p| route(&m, p, Dialect::OpenAi).map_err(|f| f.status);
        assert_eq!(go(Method::POST, "/v1/chat/completions"), Ok((Endpoint::Chat, None)));
        assert_eq!(go(Method::POST, "/base/v1/messages"), Ok((Endpoint::Messages, None)));
        assert_eq!(go(Method::GET, "/v1/responses/r1"), Ok((Endpoint::ResponseGet, Some("r1"))));
        assert_eq!(go(Method::DELETE, "/v1/responses/r1"), Ok((Endpoint::ResponseDelete, Some("r1"))));
        assert_eq!(go(Method::GET, "/v1/models/a/b"), Ok((Endpoint::Model, Some("a/b"))));
        assert_eq!(go(Method::GET, "/v1/chat/completions"), Err(405));
        assert_eq!(go(Method::GET, "/nothing"), Err(404));
        assert_eq!(NAMES[Endpoint::Other as usize], "other");
        assert_eq!(NAMES[Endpoint::Messages as usize], "POST /v1/messages");
    }
}
