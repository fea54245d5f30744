//! From the socket to a request that can be answered.

use crate::sim::body::BrokenOff;
use crate::sim::call::State;
use crate::sim::directive::{Behaviour, DirectiveError};
use crate::sim::endpoint::Endpoint;
use crate::sim::fault::{Dialect, Fault};
use crate::sim::multipart;
use crate::sim::prompt::Ask;
use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http::header::EXPECT;
use http::request::Parts;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use percent_encoding::percent_decode_str;

/// The request's body; `None` if it is too long. An error means that the client left in the middle of it.
pub(super) async fn read_whole(
    mut body: Incoming,
    parts: &Parts,
    max: usize,
) -> Result<Option<Bytes>, BrokenOff> {
    if body.size_hint().lower() > max as u64 && parts.headers.contains_key(EXPECT) {
        return Ok(None); // the client waits for leave to send it
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame.map_err(|_| BrokenOff)?.into_data() else { continue };
        length += data.len();
        if length > max {
            // read on, so that the client is not cut off before it sees the answer
            rest.clear();
        } else if first.is_empty() {
            first = data; // most bodies are one frame: no copy
        } else {
            if rest.is_empty() {
                let all = usize::try_from(body.size_hint().lower()).unwrap_or(0) + length;
                rest.reserve(all.min(max));
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok((length <= max).then(|| if rest.is_empty() { first } else { rest.freeze() }))
}

/// Checks the key, if one was given to the simulator.
pub(super) fn authenticate(
    state: &State,
    headers: &HeaderMap,
    query: &str,
    dialect: Dialect,
) -> Result<(), Fault> {
    let Some(key) = &state.options.auth else { return Ok(()) };
    let header = |name: &str| headers.get(name).and_then(|v| v.to_str().ok());
    let bearer = header("authorization").and_then(|v| v.split_once(' ')).map(|(_, token)| token.trim());
    // of SigV4 the access key counts here; whether the signature fits is another question
    let bearer = bearer.map(|token| match token.strip_prefix("Credential=") {
        Some(scope) => scope.split('/').next().unwrap_or(scope),
        None => token,
    });
    let in_query = query.split('&').find_map(|pair| pair.strip_prefix("key="));
    let given = bearer
        .or_else(|| header("x-api-key"))
        .or_else(|| header("api-key"))
        .or_else(|| header("x-goog-api-key"))
        .or(in_query);
    if given == Some(key.as_str()) {
        return Ok(());
    }
    Err(match (dialect, given) {
        (Dialect::Azure, _) => Fault::new(
            401,
            "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key \
             for an active subscription and use a correct regional API endpoint for your resource.",
        ),
        (Dialect::Gemini, None) => Fault::new(
            403,
            "Method doesn't allow unregistered callers (callers without established identity). Please use API Key or \
             other form of API consumer identity to call this API.",
        ),
        (Dialect::Gemini, Some(_)) => Fault {
            code: Some("API_KEY_INVALID"),
            ..Fault::new(400, "API key not valid. Please pass a valid API key.")
        },
        (Dialect::Bedrock, None) => Fault {
            kind: Some("MissingAuthenticationTokenException".to_owned()),
            ..Fault::new(403, "Missing Authentication Token")
        },
        (Dialect::Bedrock, Some(_)) => Fault {
            kind: Some("UnrecognizedClientException".to_owned()),
            ..Fault::new(403, "The security token included in the request is invalid.")
        },
        (Dialect::Anthropic, None) => Fault::new(401, "x-api-key header is required"),
        (Dialect::Anthropic, Some(_)) => Fault::new(401, "invalid x-api-key"),
        (Dialect::OpenAi, None) => Fault::new(
            401,
            "You didn't provide an API key. You need to provide your API key in an Authorization header using \
             Bearer auth (i.e. Authorization: Bearer YOUR_KEY).",
        ),
        (Dialect::OpenAi, Some(given)) => Fault {
            code: Some("invalid_api_key"),
            ..Fault::new(401, format!("Incorrect API key provided: {}***.", given.get(..4).unwrap_or("")))
        },
    })
}

/// Reads the body as far as the call has one; gives the model name beside it. `text`: the body, or what stands for it.
pub(super) fn read<'b>(
    endpoint: Endpoint,
    headers: &HeaderMap,
    text: &'b [u8],
    body: &Bytes,
    dialect: Dialect,
    id: Option<&str>,
) -> Result<(Ask<'b>, String), Fault> {
    match endpoint {
        Endpoint::Models
        | Endpoint::Model
        | Endpoint::ResponseGet
        | Endpoint::ResponseDelete
        | Endpoint::ResponseCancel
        | Endpoint::ResponseInputItems => Ok((Ask::default(), String::new())),
        Endpoint::ImageEdits | Endpoint::Transcriptions => {
            let form = multipart::parse(headers, body)
                .ok_or_else(|| Fault::new(400, "Invalid multipart form data."))?;
            let model = form.text("model").unwrap_or_default().to_owned();
            Ok((Ask::default(), model))
        }
        _ => {
            let ask = Ask::parse(text).map_err(|e| Fault::unreadable(dialect, &e))?;
            let model = match (&ask.model, endpoint) {
                // the path says it
                (_, endpoint) if endpoint != Endpoint::VertexCount && id.is_some() => {
                    percent_decode_str(id.unwrap_or_default()).decode_utf8_lossy().into_owned()
                }
                (Some(model), _) => model.clone().into_owned(),
                (None, Endpoint::Moderations | Endpoint::ImageGenerations) => String::new(),
                (None, _) if dialect == Dialect::OpenAi => {
                    return Err(Fault::new(400, "you must provide a model parameter"));
                }
                (None, _) => return Err(Fault::missing(dialect, "model")),
            };
            Ok((ask, model))
        }
    }
}

/// Directives: headers first, then the model name, which wins.
pub(super) fn direct(behaviour: &mut Behaviour, headers: &HeaderMap, model: &str) -> Result<(), Fault> {
    let refuse = |e: DirectiveError| Fault::new(400, format!("simulator: {e}"));
    for (name, value) in headers {
        if let Some(key) = name.as_str().strip_prefix("x-sim-") {
            behaviour.apply(key, value.to_str().unwrap_or_default()).map_err(refuse)?;
        }
    }
    behaviour.apply_model(model).map_err(refuse)
}
