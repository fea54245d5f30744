//! Paths of the opened pass-through: `/passthrough/{provider}/{path}` reaches `{path}` at the provider's host, if an
//! administrator has opened it (`providers[].passthrough`).
//!
//! What is checked is what is sent: a path is decoded once, refused if anybody could read it as another one, compared,
//! and written anew. Paths of calls that the gateway governs (models, tokens, stored responses) are never opened: they
//! have surfaces of their own.

use crate::surface::{self, Dialect, Surface};
use http::Method;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use sallyport_config::snapshot::Provider;

/// Longest path, in bytes.
const MAX_PATH: usize = 4096;

/// All that may not stand in a segment of a path as it is (RFC 3986 §3.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// Why a path cannot be passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// `.`, `..`, `//`, an encoded slash, …: two readers could take it for two paths.
    #[error("the path can be read in more than one way")]
    Ambiguous,
    /// It is not opened.
    #[error("the path is not opened")]
    Closed,
    /// It is a call that the gateway governs.
    #[error("the path has an API of its own")]
    Governed,
}

/// Splits `{provider}/{path}`: the name, and the path with its slash.
pub fn split(rest: &str) -> Option<(&str, &str)> {
    let at = rest.find('/')?;
    let (name, path) = rest.split_at(at);
    (!name.is_empty()).then_some((name, path))
}

/// The path to ask `provider` for: `raw` as the client wrote it, decoded, checked, and encoded anew.
///
/// # Errors
/// It is not to be passed on.
pub fn path(provider: &Provider, raw: &str) -> Result<String, PathError> {
    let decoded = decoded(raw)?;
    if !provider.passthrough.allows(&decoded) {
        return Err(PathError::Closed);
    }
    if is_governed(provider, &decoded) {
        return Err(PathError::Governed);
    }
    let mut out = String::with_capacity(raw.len());
    for segment in decoded.split('/').skip(1) {
        out.push('/');
        out.extend(utf8_percent_encode(segment, SEGMENT));
    }
    Ok(out)
}

fn decoded(raw: &str) -> Result<String, PathError> {
    let slashes = raw.bytes().filter(|c| *c == b'/').count();
    let decoded = percent_decode_str(raw).decode_utf8().map_err(|_| PathError::Ambiguous)?;
    let bad = |c: char| c.is_control() || matches!(c, '\\' | '%' | '?' | '#' | ';');
    let whole = decoded.strip_prefix('/').filter(|_| raw.len() <= MAX_PATH).ok_or(PathError::Ambiguous)?;
    // A slash at the end is one more way to write the same path.
    let empty = |s: &str| s.is_empty() || s.bytes().all(|c| c == b'.');
    let encoded_slash = decoded.bytes().filter(|c| *c == b'/').count() != slashes;
    if encoded_slash || decoded.contains(bad) || whole.split('/').any(empty) {
        return Err(PathError::Ambiguous);
    }
    Ok(decoded.into_owned())
}

/// Methods of models at Google, and operations of models at Bedrock.
const OF_MODELS: [&str; 14] = [
    "generatecontent",
    "streamgeneratecontent",
    "counttokens",
    "embedcontent",
    "batchembedcontents",
    "predict",
    "rawpredict",
    "streamrawpredict",
    "serverstreamingpredict",
    "converse",
    "converse-stream",
    "invoke",
    "invoke-with-response-stream",
    "count-tokens",
];

/// Is it a call that has a surface here? Whatever the method: some servers let a header choose another one. Case does
/// not count: some servers do not count it either.
fn is_governed(provider: &Provider, path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    let last = segments.last().copied().unwrap_or_default();
    let verb = last.rsplit_once(':').map_or(last, |(_, verb)| verb);
    let of_model = segments.iter().any(|s| matches!(*s, "model" | "models")) || last.contains(':');
    if of_model && OF_MODELS.contains(&verb) {
        return true;
    }
    let base = provider.base_path.to_ascii_lowercase();
    let mut tails =
        vec![path.strip_prefix(base.as_str()).unwrap_or(&path).trim_start_matches('/').to_owned()];
    for (n, segment) in segments.iter().enumerate() {
        let version = matches!(*segment, "v1" | "v1beta" | "v1beta1" | "v1alpha" | "v2");
        let azure = *segment == "openai" || (n > 0 && segments[n - 1] == "deployments");
        if version || azure {
            tails.push(segments[n + 1..].join("/"));
        }
    }
    tails.iter().any(|tail| has_surface(tail))
}

/// Has `/v1/{tail}` a surface that counts, or that belongs to somebody?
fn has_surface(tail: &str) -> bool {
    // Every stored response is somebody's, on every path below it.
    if tail == "responses" || tail.starts_with("responses/") {
        return true;
    }
    let path = ["/v1/", tail].concat();
    match surface::find(&Method::POST, &path, Dialect::OpenAi) {
        Ok(found) => !matches!(found.surface, Surface::Models | Surface::Hello),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests;
