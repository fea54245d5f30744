//! What is sent to an upstream: path, headers, and the client's own bytes with splices.

pub mod address;
mod gemini;
mod headers;
pub mod opened;
mod rerank;

pub use headers::{
    filter_response_headers, tell_retry_after, translated_response_headers, upstream_request_id,
};

use crate::codec::messages::{self, Platform};
use crate::codec::{DecodeError, Wire};
use crate::credentials;
use crate::exchange::{Exchange, Request, Target};
use crate::surface::Surface;
use address::Operation;
use bytes::{BufMut, Bytes};
use http::HeaderMap;
use sallyport_config::model::ProviderKind;
use sallyport_config::snapshot::Provider;
use std::ops::Range;

/// A request to an upstream, rendered anew for each attempt.
#[derive(Clone)]
pub struct Outgoing {
    /// Path and query.
    pub path_and_query: String,
    /// Headers, all but `Host` and `Content-Length`.
    pub headers: HeaderMap,
    /// The client's body.
    pub body: Bytes,
    /// Ranges of `body` to replace; sorted and apart from each other (see [`Outgoing::splice`]).
    pub splices: Vec<(Range<usize>, Bytes)>,
}

/// A splice that cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SpliceError {
    /// Two changes of the same bytes: the later one would undo the earlier one in silence.
    #[error("bytes {0:?} of the body are already replaced")]
    Overlap(Range<usize>),
    /// Outside the body.
    #[error("bytes {0:?} are outside the body of {1} bytes")]
    Outside(Range<usize>, usize),
}

impl Outgoing {
    /// The request for `target`: the client's own head without what is between it and us, the provider's
    /// credentials, the model's name at the provider spliced in.
    pub fn new(request: Request<'_>, x: &Exchange, target: &Target) -> Self {
        let provider = &target.provider;
        let mut out = Self {
            path_and_query: gemini::path_and_query(x, target)
                .unwrap_or_else(|| same_path(request, x, target)),
            headers: headers::for_upstream(request.headers, provider),
            body: x.body.raw.clone(),
            splices: Vec::new(),
        };
        if let Some(new) = target.model.as_deref().filter(|new| x.body.model() != Some(new)) {
            // The first splices of a fresh body, in the order of their places: nothing to overlap with.
            out.splices.extend(x.body.splice_model(new));
            out.splices.extend(x.body.splice_repeated(new));
        }
        out
    }

    /// The request for `target` in another wire format: a body of our own, and of the client's head only what says who
    /// asks and which trace it belongs to. None: the provider does not speak it.
    pub fn translated(
        request: Request<'_>,
        x: &Exchange,
        target: &Target,
        (back, operation): (Wire, Operation<'_>),
        stream: bool,
        body: Vec<u8>,
    ) -> Option<Self> {
        let provider = &target.provider;
        let model = target.model.as_deref().or(x.model_asked()).unwrap_or_default();
        Some(Self {
            path_and_query: address::address(provider, back, operation, model, stream)?,
            headers: headers::for_translated(request.headers, provider, stream),
            body: body.into(),
            splices: Vec::new(),
        })
    }

    /// The request for a count of tokens.
    pub fn count(
        request: Request<'_>,
        x: &Exchange,
        target: &Target,
        back: Wire,
        body: Vec<u8>,
    ) -> Option<Self> {
        let provider = &target.provider;
        let model = target.model.as_deref().or(x.model_asked()).unwrap_or_default();
        Some(Self {
            path_and_query: address::address(provider, back, Operation::CountTokens, model, false)?,
            headers: headers::for_translated(request.headers, provider, false),
            body: body.into(),
            splices: Vec::new(),
        })
    }

    /// The client's own Messages request for Claude on another platform: byte for byte, but for what the platform has
    /// elsewhere.
    ///
    /// # Errors
    /// The body is not what it should be.
    pub fn on_platform(
        request: Request<'_>,
        x: &Exchange,
        target: &Target,
        platform: Platform,
    ) -> Result<Self, DecodeError> {
        let provider = &target.provider;
        let model = target.model.as_deref().or(x.model_asked()).unwrap_or_default();
        let stream = x.body.stream();
        let count = x.surface == Surface::CountTokens;
        let operation = if count { Operation::CountTokens } else { Operation::Generate };
        let path_and_query = address::address(provider, Wire::Messages, operation, model, stream)
            .ok_or_else(|| DecodeError::new("", "the provider has no such call"))?;
        let betas = betas(request.headers);
        let mut headers = headers::for_translated(request.headers, provider, stream);
        if platform == Platform::Vertex
            && !betas.is_empty()
            && let Ok(value) = http::HeaderValue::from_str(&betas.join(","))
        {
            // Bedrock has them in the body.
            headers.insert("anthropic-beta", value);
        }
        let splices = messages::splices(&x.body.raw, platform, &betas, count)?;
        let mut out = Self { path_and_query, headers, body: x.body.raw.clone(), splices };
        if count && let Some((range, new)) = x.body.splice_model(model) {
            // The path of a count is the same for all models.
            out.splice(range, new).map_err(|e| DecodeError::new("model", e.to_string()))?;
        }
        Ok(out)
    }

    /// A request that passes unread to `path` (see [`opened::path`]): the client's own head without what is between it
    /// and us, the provider's credentials; its body follows by itself.
    pub fn opened(request: Request<'_>, provider: &Provider, path: String) -> Self {
        let mut path_and_query = path;
        credentials::append_query_without_key(&mut path_and_query, request.query.unwrap_or_default());
        Self {
            path_and_query,
            headers: headers::for_upstream(request.headers, provider),
            body: Bytes::new(),
            splices: Vec::new(),
        }
    }

    /// Replaces `range` of the client's body (empty range: inserts before it; several insertions at one place
    /// keep their order).
    pub fn splice(&mut self, range: Range<usize>, bytes: Bytes) -> Result<(), SpliceError> {
        if range.start > range.end || range.end > self.body.len() {
            return Err(SpliceError::Outside(range, self.body.len()));
        }
        // Sorted by start; at one start, insertions stand before a replacement.
        let place = self.splices.partition_point(|(r, _)| {
            r.start < range.start || (r.start == range.start && (r.is_empty() || range.start < range.end))
        });
        let before = place.checked_sub(1).map(|p| &self.splices[p].0);
        let after = self.splices.get(place).map(|(r, _)| r);
        if before.is_some_and(|r| r.end > range.start) || after.is_some_and(|r| r.start < range.end) {
            return Err(SpliceError::Overlap(range));
        }
        self.splices.insert(place, (range, bytes));
        Ok(())
    }

    /// Length of the body that is sent.
    pub fn len(&self) -> usize {
        let changed = |n: usize, (r, b): &(Range<usize>, Bytes)| n + b.len() - r.len();
        // Added before subtracted: never below zero, since ranges lie apart and inside the body.
        self.splices.iter().fold(self.body.len(), changed)
    }

    /// Is there no body?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The pieces of the body that is sent, in order, none of them empty. Slices of the client's own bytes: nothing
    /// is copied.
    pub fn segments(&self) -> impl Iterator<Item = Bytes> + '_ {
        let ends = self.splices.iter().map(|(r, _)| r.start).chain(std::iter::once(self.body.len()));
        let starts = std::iter::once(0).chain(self.splices.iter().map(|(r, _)| r.end));
        let own = starts.zip(ends).map(|(a, b)| self.body.slice(a..b));
        let new = self.splices.iter().map(|(_, b)| b.clone()).chain(std::iter::once(Bytes::new()));
        own.zip(new).flat_map(|(a, b)| [a, b]).filter(|b| !b.is_empty())
    }

    /// Writes the body that is sent behind what `buf` already holds (the head): one copy, one write to the socket.
    pub fn write_body(&self, buf: &mut impl BufMut) {
        let mut at = 0;
        for (range, new) in &self.splices {
            buf.put_slice(&self.body[at..range.start]);
            buf.put_slice(new);
            at = range.end;
        }
        buf.put_slice(&self.body[at..]);
    }
}

/// The values of a client's `anthropic-beta`.
pub fn betas(headers: &HeaderMap) -> Vec<&str> {
    let values = headers.get_all("anthropic-beta").iter().filter_map(|v| v.to_str().ok());
    values.flat_map(|v| v.split(',')).map(str::trim).filter(|b| !b.is_empty()).collect()
}

/// The client's own path and query at the provider, without the key.
fn same_path(request: Request<'_>, x: &Exchange, target: &Target) -> String {
    let provider = &target.provider;
    let path = request.path.strip_prefix("/v1").unwrap_or(request.path);
    let query = request.query.unwrap_or_default();
    let mut out = if x.surface == Surface::Rerank {
        rerank::path(provider, request.path)
    } else if provider.kind == ProviderKind::AzureOpenai {
        let model = target.model.as_deref().or(x.body.model()).unwrap_or_default();
        // Azure has a path for each of OpenAI's.
        address::address(provider, Wire::Chat, Operation::Other(path), model, false).unwrap_or_default()
    } else {
        let mut p = String::with_capacity(provider.base_path.len() + path.len() + query.len() + 1);
        p.push_str(&provider.base_path);
        p.push_str(path);
        p
    };
    credentials::append_query_without_key(&mut out, query);
    out
}

/// Bodies hold prompts and headers secrets: neither is shown.
impl std::fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outgoing")
            .field("path_and_query", &self.path_and_query)
            .field("headers", &self.headers.keys().collect::<Vec<_>>())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
