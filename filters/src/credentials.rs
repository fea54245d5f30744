//! Where a client may put its key, and how it is taken out again.
//!
//! OpenAI's clients send `Authorization: Bearer`, Anthropic's `x-api-key` (or Bearer), Azure's `api-key`, Google's
//! `x-goog-api-key` or `?key=`. All are taken on every surface; none is ever forwarded.

use http::HeaderMap;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use subtle::ConstantTimeEq;

/// Headers that hold nothing but a key.
const PLAIN: [&str; 3] = ["x-api-key", "api-key", "x-goog-api-key"];

/// Why a request's credentials cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// There are none.
    #[error("no credential")]
    Missing,
    /// Two different ones: two readers could choose differently.
    #[error("two different credentials")]
    Conflict,
    /// A header that is not ASCII text.
    #[error("a credential is not text")]
    NotText,
}

/// The one credential of a request. The same one in several places is fine.
pub fn find<'a>(headers: &'a HeaderMap, query: Option<&'a str>) -> Result<Cow<'a, str>, CredentialError> {
    let mut found: Option<Cow<'a, str>> = None;
    let mut take = |value: Cow<'a, str>| match &found {
        _ if value.is_empty() => Ok(()),
        Some(f) if bool::from(f.as_bytes().ct_eq(value.as_bytes())) => Ok(()),
        Some(_) => Err(CredentialError::Conflict),
        None => {
            found = Some(value);
            Ok(())
        }
    };
    for value in headers.get_all(http::header::AUTHORIZATION) {
        let value = value.to_str().map_err(|_| CredentialError::NotText)?.trim();
        if let Some((scheme, token)) = value.split_once(' ')
            && scheme.eq_ignore_ascii_case("bearer")
        {
            take(Cow::Borrowed(token.trim()))?;
        }
    }
    for name in PLAIN {
        for value in headers.get_all(name) {
            take(Cow::Borrowed(value.to_str().map_err(|_| CredentialError::NotText)?.trim()))?;
        }
    }
    for pair in query.unwrap_or_default().split('&') {
        if let Some(value) = key_of(pair) {
            take(percent_decode_str(value).decode_utf8().map_err(|_| CredentialError::NotText)?)?;
        }
    }
    found.ok_or(CredentialError::Missing)
}

/// The value of a query parameter named `key` (also if its name is percent-encoded).
fn key_of(pair: &str) -> Option<&str> {
    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
    (name == "key" || (name.contains('%') && percent_decode_str(name).eq(*b"key"))).then_some(value)
}

/// Writes `?query` behind a path (`&query` if the path has a query already), without `key`, the rest verbatim; nothing
/// if nothing is left.
pub(crate) fn append_query_without_key(out: &mut String, query: &str) {
    let mut sign = if out.contains('?') { '&' } else { '?' };
    for pair in query.split('&').filter(|p| !p.is_empty() && key_of(p).is_none()) {
        out.push(sign);
        out.push_str(pair);
        sign = '&';
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        let mut h = HeaderMap::new();
        for (n, v) in list {
            h.append(*n, v.parse().unwrap());
        }
        h
    }

    /// LESSONS.md: "Accepting only `Authorization: Bearer`: Anthropic clients send `x-api-key`, …: accept all".
    #[test]
    fn every_place_is_read() {
        for h in [
            [("authorization", "Bearer k")],
            [("authorization", "bearer  k")],
            [("x-api-key", "k")],
            [("api-key", "k")],
            [("x-goog-api-key", "k")],
        ] {
            assert_eq!(find(&headers(&h), None).unwrap(), "k", "{h:?}");
        }
        for q in ["key=k", "beta=true&key=k", "k%65y=%6b", "key=&key=k"] {
            assert_eq!(find(&HeaderMap::new(), Some(q)).unwrap(), "k", "{q}");
        }
    }

    #[test]
    fn two_different_keys_conflict() {
        let h = headers(&[("authorization", "Bearer a"), ("x-api-key", "a"), ("api-key", "a")]);
        assert_eq!(find(&h, Some("key=a")).unwrap(), "a");
        assert_eq!(find(&h, Some("key=b")), Err(CredentialError::Conflict));
        let h = headers(&[("x-api-key", "a"), ("x-api-key", "b")]);
        assert_eq!(find(&h, None), Err(CredentialError::Conflict));
    }

    #[test]
    fn nothing_usable_is_missing() {
        for h in [
            &[][..],
            &[("authorization", "Basic eDp5")],
            &[("authorization", "Bearer ")],
            &[("x-api-key", "")],
        ] {
            assert_eq!(find(&headers(h), Some("monkey=1&keys=2")), Err(CredentialError::Missing), "{h:?}");
        }
    }

    #[test]
    fn the_query_loses_the_key_only() {
        for (query, want) in [
            ("", ""),
            ("key=a", ""),
            ("beta=true&key=a", "?beta=true"),
            ("k%65y=a&x=%20+y&&z", "?x=%20+y&z"),
            ("limit=5&keys=1", "?limit=5&keys=1"),
        ] {
            let mut out = String::new();
            append_query_without_key(&mut out, query);
            assert_eq!(out, want, "{query}");
        }
    }
}
