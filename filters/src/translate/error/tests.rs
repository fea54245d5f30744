use super::*;

fn event(kind: &str, code: Option<&str>) -> UpstreamError {
    UpstreamError { kind: Some(kind.into()), code: code.map(Into::into), ..UpstreamError::default() }
}

/// What a front's client is told of an error event: type (or nothing) and code.
fn told(front: Wire, kind: &str, code: Option<&str>) -> (Option<String>, Option<String>) {
    let e = for_client(front, &event(kind, code));
    (e.kind, e.code)
}

fn pair(kind: &str, code: &str) -> (Option<String>, Option<String>) {
    let some = |s: &str| (!s.is_empty()).then(|| s.to_owned());
    (some(kind), some(code))
}

#[test]
fn a_providers_words_in_mid_stream_are_not_the_clients() {
    let bedrocks = |front| told(front, "modelStreamErrorException", Some("424"));
    assert_eq!(bedrocks(Wire::Chat), pair("server_error", "modelStreamErrorException"));
    assert_eq!(bedrocks(Wire::Messages).0.as_deref(), Some("api_error"));
    // 424 is no 4xx of the client's.
    assert_eq!(bedrocks(Wire::Gemini), pair("", "502"));
    assert_eq!(told(Wire::Gemini, "throttlingException", None), pair("", "429"));
    assert_eq!(
        told(Wire::Responses, "throttlingException", None),
        pair("rate_limit_error", "throttlingException")
    );
    assert_eq!(told(Wire::Chat, "UNAVAILABLE", Some("503")), pair("server_error", "UNAVAILABLE"));
    assert_eq!(
        told(Wire::Messages, "BadRequestError", Some("400")).0.as_deref(),
        Some("invalid_request_error")
    );
    assert_eq!(
        told(Wire::Chat, "server_error", Some("rate_limit_exceeded")),
        pair("rate_limit_error", "rate_limit_exceeded")
    );
}

#[test]
fn a_refused_key_is_not_the_clients() {
    assert_eq!(told(Wire::Messages, "authentication_error", None).0.as_deref(), Some("api_error"));
    assert_eq!(told(Wire::Gemini, "UNAUTHENTICATED", Some("401")), pair("", "502"));
}
