//! Which API is this? Method and path → surface, and the dialect its errors are told in.

use http::Method;

/// The family of formats that a client speaks: decides error bodies, stream framing and usage fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dialect {
    /// Chat Completions and everything else of OpenAI's API but Responses.
    OpenAi,
    /// OpenAI's Responses API.
    Responses,
    /// Anthropic's Messages API.
    Anthropic,
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
    /// `POST /v1/moderations`
    Moderations,
    /// `POST /v1/images/{generations,edits,variations}`
    Images,
    /// `POST /v1/audio/{speech,transcriptions,translations}`
    Audio,
    /// `GET /v1/models`, `GET /v1/models/{id}`: answered by the gateway.
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
            Self::Embeddings => "embeddings",
            Self::Responses | Self::ResponsesCompact | Self::StoredResponse => "responses",
            Self::Messages => "messages",
            Self::CountTokens => "count_tokens",
            Self::Moderations => "moderations",
            Self::Images => "images",
            Self::Audio => "audio",
            Self::Models => "models",
            Self::Hello => "hello",
        }
    }

    /// The dialect of the surface (`Models` is decided by the client's headers, see [`Matched::dialect`]).
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Responses | Self::ResponsesCompact | Self::StoredResponse => Dialect::Responses,
            Self::Messages | Self::CountTokens => Dialect::Anthropic,
            _ => Dialect::OpenAi,
        }
    }

    /// Does the surface take a model that access must be checked for?
    pub const fn takes_model(self) -> bool {
        !matches!(self, Self::StoredResponse | Self::Models | Self::Hello)
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
}

/// Why a request line means nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoMatch {
    /// No such path → 404.
    Path,
    /// The path exists, not for this method → 405 with `Allow`.
    Method(&'static str),
}

/// Finds the surface. `anthropic_client`: the request carries `anthropic-version` (what decides the shape of
/// `/v1/models` and of a 404).
pub fn find<'a>(method: &Method, path: &'a str, anthropic_client: bool) -> Result<Matched<'a>, NoMatch> {
    let hit = |surface: Surface, id| {
        let dialect = match surface {
            Surface::Models if anthropic_client => Dialect::Anthropic,
            s => s.dialect(),
        };
        Ok(Matched { surface, dialect, id })
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
            match tail.split_once('/') {
                None if !tail.is_empty() => match *method {
                    Method::GET | Method::DELETE => hit(Surface::StoredResponse, Some(tail)),
                    _ => Err(NoMatch::Method("GET, DELETE")),
                },
                Some((id, "cancel")) if !id.is_empty() => {
                    only(Method::POST, "POST", Surface::StoredResponse, Some(id))
                }
                Some((id, "input_items")) if !id.is_empty() => {
                    only(Method::GET, "GET", Surface::StoredResponse, Some(id))
                }
                _ => Err(NoMatch::Path),
            }
        }
    }
}
