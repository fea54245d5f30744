//! What is sent to an upstream: path, headers, and the client's own bytes with splices.

use bytes::Bytes;
use http::HeaderMap;
use std::ops::Range;

/// A request to an upstream, rendered anew for each attempt.
#[derive(Clone, Debug)]
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
