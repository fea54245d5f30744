//! Which API is this? Method and path → surface, and the dialect its errors are told in.

mod gemini;

pub use gemini::{Named, UnknownAlt, resource};

use http::{HeaderMap, Method};

/// The family of formats that a client speaks: decides error bodies, stream framing and usage fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Chat Completions and everything else of OpenAI's API but Responses.
    OpenAi,
    /// OpenAI's Responses API.
    Responses,
    /// Anthropic's Messages API.
    Anthropic,
    /// Google's Gemini API.
    Gemini,
    /// Cohere's API: rankings.
    Cohere,
}

/// One API of the gateway. [`Surface::name`] is what allow-lists, logs and metrics call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Surface {
    /// `POST /v1/chat/completions`
    Chat,
    /// `POST /v1/completions`
    Completions,
    /// `POST /v1/embeddings`
    Embeddings,
    /// `POST /v1/responses`
    Responses,
    /// `POST /v1/responses/compact`
    ResponsesCompact,
    /// `GET|DELETE /v1/responses/{id}`, `POST /v1/responses/{id}/cancel`, `GET /v1/responses/{id}/input_items`
    StoredResponse,
    /// `POST /v1/messages`
    Messages,
    /// `POST /v1/messages/count_tokens`
    CountTokens,
    /// `POST /v1beta/models/{model}:generateContent`, `:streamGenerateContent`
    Generate,
    /// `POST /v1beta/models/{model}:countTokens`
    GeminiCountTokens,
    /// `POST /v1beta/models/{model}:embedContent`
    GeminiEmbed,
    /// `POST /v1beta/models/{model}:batchEmbedContents`
    GeminiBatchEmbed,
    /// `POST /v1/rerank`, `/v2/rerank`, `/rerank`
    Rerank,
    /// Any method on `/passthrough/{provider}/{path}`: what an administrator has opened, unread.
    Passthrough,
    /// `POST /v1/moderations`
    Moderations,
    /// `POST /v1/images/{generations,edits,variations}`
    Images,
    /// `POST /v1/audio/{speech,transcriptions,translations}`
    Audio,
    /// `GET /v1/models`, `GET /v1/models/{id}`, and the same under `/v1beta`: answered by the gateway.
    Models,
    /// `GET|HEAD /api/hello`: answered by the gateway, without a key.
    Hello,
}

impl Surface {
    /// The word of allow-lists, logs and metrics. `StoredResponse` and `ResponsesCompact` are part of `responses`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Chat => "chat",
            Self::Completions => "completions",
            Self::Embeddings | Self::GeminiEmbed | Self::GeminiBatchEmbed => "embeddings",
            Self::Responses | Self::ResponsesCompact | Self::StoredResponse => "responses",
            Self::Messages => "messages",
            Self::CountTokens | Self::GeminiCountTokens => "count_tokens",
            Self::Generate => "generate",
            Self::Rerank => "rerank",
            Self::Passthrough => "passthrough",
            Self::Moderations => "moderations",
            Self::Images => "images",
            Self::Audio => "audio",
            Self::Models => "models",
            Self::Hello => "hello",
        }
    }

    /// The dialect of the surface (that of `Models` and `Passthrough` is decided by the client's headers, see
    /// [`Matched::dialect`]).
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Responses | Self::ResponsesCompact | Self::StoredResponse => Dialect::Responses,
            Self::Messages | Self::CountTokens => Dialect::Anthropic,
            Self::Generate | Self::GeminiCountTokens | Self::GeminiEmbed | Self::GeminiBatchEmbed => {
                Dialect::Gemini
            }
            Self::Rerank => Dialect::Cohere,
            _ => Dialect::OpenAi,
        }
    }

    /// Are texts turned into vectors: is there no output that would be counted?
    pub const fn embeds(self) -> bool {
        matches!(self, Self::Embeddings | Self::GeminiEmbed | Self::GeminiBatchEmbed)
    }

    /// Does the surface take a model that access must be checked for?
    pub const fn takes_model(self) -> bool {
        !matches!(self, Self::StoredResponse | Self::Passthrough | Self::Models | Self::Hello)
    }
}

/// What a request line means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Matched<'a> {
    /// The API.
    pub surface: Surface,
    /// The dialect that errors are told in.
    pub dialect: Dialect,
    /// `{id}` of the path, where there is one (not yet percent-decoded).
    pub id: Option<&'a str>,
    /// The model and how it answers, of paths that say them.
    pub named: Option<Named>,
}

/// Why a request line means nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoMatch {
    /// No such path → 404.
    Path,
    /// The path exists, not for this method → 405 with `Allow`.
    Method(&'static str),
}

/// The dialect that a client's headers tell of: what decides the shape of `/v1/models` and of a 404.
pub fn spoken(headers: &HeaderMap) -> Dialect {
    let has = |name: &str| headers.contains_key(name);
    if has("anthropic-version") {
        Dialect::Anthropic
    } else if has("x-goog-api-key") || has("x-goog-api-client") {
        Dialect::Gemini
    } else {
        Dialect::OpenAi
    }
}

/// The dialect in which an error about a path is told that means nothing here.
pub fn told_in(method: &Method, path: &str, spoken: Dialect) -> Dialect {
    match path {
        path if gemini::is_own(method, path) => Dialect::Gemini,
        path if is_rerank(path) => Dialect::Cohere,
        _ => spoken,
    }
}

/// Cohere's path, with and without a version.
fn is_rerank(path: &str) -> bool {
    matches!(path, "/v1/rerank" | "/v2/rerank" | "/rerank")
}

/// What stands in front of a provider's name and a path there.
pub const PASSTHROUGH: &str = "/passthrough/";

/// Finds the surface. `spoken`: see [`spoken()`].
pub fn find<'a>(method: &Method, path: &'a str, spoken: Dialect) -> Result<Matched<'a>, NoMatch> {
    let hit = |surface: Surface, id| {
        let dialect = match surface {
            Surface::Models | Surface::Passthrough => spoken,
            s => s.dialect(),
        };
        Ok(Matched { surface, dialect, id, named: None })
    };
    let only = |want: Method, allow, surface, id| {
        if *method == want { hit(surface, id) } else { Err(NoMatch::Method(allow)) }
    };
    let post = |surface| only(Method::POST, "POST", surface, None);
    if path == "/api/hello" {
        return match *method {
            Method::GET | Method::HEAD => hit(Surface::Hello, None),
            _ => Err(NoMatch::Method("GET, HEAD")),
        };
    }
    if let Some(rest) = path.strip_prefix(PASSTHROUGH) {
        return match *method {
            // They would be answered with what we send: the provider's credentials.
            Method::TRACE | Method::CONNECT => {
                Err(NoMatch::Method("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"))
            }
            _ => hit(Surface::Passthrough, Some(rest)),
        };
    }
    if is_rerank(path) {
        return post(Surface::Rerank);
    }
    if let Some(found) = gemini::find(method, path) {
        return found;
    }
    let Some(rest) = path.strip_prefix("/v1/") else { return Err(NoMatch::Path) };
    match rest {
        "chat/completions" => post(Surface::Chat),
        "completions" => post(Surface::Completions),
        "embeddings" => post(Surface::Embeddings),
        "responses" => post(Surface::Responses),
        "responses/compact" => post(Surface::ResponsesCompact),
        "messages" => post(Surface::Messages),
        "messages/count_tokens" => post(Surface::CountTokens),
        "moderations" => post(Surface::Moderations),
        "images/generations" | "images/edits" | "images/variations" => post(Surface::Images),
        "audio/speech" | "audio/transcriptions" | "audio/translations" => post(Surface::Audio),
        "models" => only(Method::GET, "GET", Surface::Models, None),
        _ => {
            if let Some(id) = rest.strip_prefix("models/").filter(|id| !id.is_empty()) {
                return only(Method::GET, "GET", Surface::Models, Some(id));
            }
            let Some(tail) = rest.strip_prefix("responses/") else { return Err(NoMatch::Path) };
            if !is_object_id(tail.split('/').next().unwrap_or_default()) {
                return Err(NoMatch::Path);
            }
            match tail.split_once('/') {
                None => match *method {
                    Method::GET | Method::DELETE => hit(Surface::StoredResponse, Some(tail)),
                    _ => Err(NoMatch::Method("GET, DELETE")),
                },
                Some((id, "cancel")) => only(Method::POST, "POST", Surface::StoredResponse, Some(id)),
                Some((id, "input_items")) => only(Method::GET, "GET", Surface::StoredResponse, Some(id)),
                _ => Err(NoMatch::Path),
            }
        }
    }
}

/// Ids of stored objects go into a path at the provider, with the provider's key: nothing that a server could take
/// for a way to another path (`..`, `%2F`) may be in one.
fn is_object_id(id: &str) -> bool {
    let fits = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-');
    (1..=256).contains(&id.len()) && id.bytes().all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surface(method: &str, path: &str) -> Result<(Surface, Dialect, Option<String>), NoMatch> {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        find(&method, path, Dialect::OpenAi).map(|m| (m.surface, m.dialect, m.id.map(str::to_owned)))
    }

    #[test]
    fn every_documented_path_is_found() {
        use Dialect::{Anthropic, OpenAi, Responses};
        for (method, path, want, dialect, id) in [
            ("POST", "/v1/chat/completions", Surface::Chat, OpenAi, None),
            ("POST", "/v1/completions", Surface::Completions, OpenAi, None),
            ("POST", "/v1/embeddings", Surface::Embeddings, OpenAi, None),
            ("POST", "/v1/responses", Surface::Responses, Responses, None),
            ("POST", "/v1/responses/compact", Surface::ResponsesCompact, Responses, None),
            ("GET", "/v1/responses/resp_1", Surface::StoredResponse, Responses, Some("resp_1")),
            ("DELETE", "/v1/responses/resp_1", Surface::StoredResponse, Responses, Some("resp_1")),
            ("POST", "/v1/responses/resp_1/cancel", Surface::StoredResponse, Responses, Some("resp_1")),
            ("GET", "/v1/responses/resp_1/input_items", Surface::StoredResponse, Responses, Some("resp_1")),
            ("POST", "/v1/messages", Surface::Messages, Anthropic, None),
            ("POST", "/v1/messages/count_tokens", Surface::CountTokens, Anthropic, None),
            ("POST", "/v1/moderations", Surface::Moderations, OpenAi, None),
            ("POST", "/v1/images/edits", Surface::Images, OpenAi, None),
            ("POST", "/v1/audio/transcriptions", Surface::Audio, OpenAi, None),
            ("GET", "/v1/models", Surface::Models, OpenAi, None),
            ("GET", "/v1/models/org/name", Surface::Models, OpenAi, Some("org/name")),
            ("HEAD", "/api/hello", Surface::Hello, OpenAi, None),
            ("POST", "/v1/rerank", Surface::Rerank, Dialect::Cohere, None),
            ("POST", "/v2/rerank", Surface::Rerank, Dialect::Cohere, None),
            ("POST", "/rerank", Surface::Rerank, Dialect::Cohere, None),
            ("PATCH", "/passthrough/p/v1/x", Surface::Passthrough, OpenAi, Some("p/v1/x")),
        ] {
            assert_eq!(surface(method, path), Ok((want, dialect, id.map(str::to_owned))), "{method} {path}");
        }
        assert_eq!(find(&Method::GET, "/v1/models", Dialect::Anthropic).unwrap().dialect, Dialect::Anthropic);
        assert_eq!(surface("GET", "/v1/chat/completions"), Err(NoMatch::Method("POST")));
        assert_eq!(surface("PUT", "/v1/responses/resp_1"), Err(NoMatch::Method("GET, DELETE")));
        assert_eq!(surface("GET", "/v2/rerank"), Err(NoMatch::Method("POST")));
        assert!(matches!(surface("TRACE", "/passthrough/p/v1/x"), Err(NoMatch::Method(_))));
        assert_eq!(told_in(&Method::GET, "/v2/rerank", OpenAi), Dialect::Cohere);
    }

    /// A way around the surfaces: `GET /v1/responses/..%2Ffiles` would list the organisation's files.
    #[test]
    fn an_id_cannot_lead_to_another_path() {
        for id in [
            "..",
            ".",
            "%2e%2e",
            "..%2Ffiles",
            "a/../files",
            "a\\b",
            "a%00",
            "a;b",
            "",
            "a/b/cancel",
            "../cancel",
        ] {
            assert_eq!(surface("GET", &format!("/v1/responses/{id}")), Err(NoMatch::Path), "{id}");
        }
    }
}
