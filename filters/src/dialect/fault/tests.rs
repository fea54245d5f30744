use super::*;
use crate::testing::headers;
use time::macros::datetime;

fn fault(status: u16, body: &str) -> Fault {
    upstream_fault(StatusCode::from_u16(status).unwrap(), body.as_bytes())
}

/// LESSONS.md: "An out-of-credit 400/402 or a revoked upstream key (401) not treated as that upstream's fault."
#[test]
fn an_account_that_is_refused_is_the_upstreams_fault() {
    for (status, body) in [
        (
            401,
            r#"{"error":{"message":"Incorrect API key provided","type":"invalid_request_error","code":"invalid_api_key"}}"#,
        ),
        (401, ""),
        (402, "{}"),
        (403, r#"{"type":"error","error":{"type":"permission_error","message":"x"}}"#),
        (
            429,
            r#"{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}"#,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API."}}"#,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"You have reached your specified API usage limits. You will regain access on 2026-01-01."}}"#,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"x","details":{"error_code":"organization_on_hold"}}}"#,
        ),
        (400, r#"{"error":{"message":"x","code":"billing_hard_limit_reached"}}"#),
        (404, r#"{"error":{"message":"x","code":"account_deactivated"}}"#),
    ] {
        assert_eq!(fault(status, body), Fault::CredentialsOrCredit, "{status} {body}");
    }
}

#[test]
fn the_clients_own_errors_stay_its_own() {
    for (status, body) in [
        (
            400,
            r#"{"error":{"message":"'Your credit balance is too low' is not a valid role","type":"invalid_request_error","code":null}}"#,
        ),
        (
            400,
            r#"{"type":"error","error":{"type":"invalid_request_error","message":"messages: Field required"}}"#,
        ),
        (400, "not json"),
        (404, r#"{"error":{"code":"model_not_found"}}"#),
        (409, ""),
        (413, ""),
        (422, r#"{"detail":[{"loc":["body"]}]}"#),
    ] {
        assert_eq!(fault(status, body), Fault::ClientsOwn, "{status} {body}");
    }
    for status in [408, 429, 500, 502, 503, 504, 529, 301, 520] {
        assert_eq!(fault(status, "{}"), Fault::Retryable, "{status}");
    }
}

#[test]
fn error_bodies_of_all_shapes_are_read() {
    let word = |b: &str| describe(b.as_bytes()).and_then(|e| e.word());
    for (body, want) in [
        (
            r#"{"error":{"type":"invalid_request_error","code":"context_length_exceeded"}}"#,
            Some("context_length_exceeded"),
        ),
        (r#"{"error":{"type":"server_error","code":null}}"#, Some("server_error")),
        (
            r#"{"type":"error","error":{"type":"overloaded_error","message":"x"},"request_id":"r"}"#,
            Some("overloaded_error"),
        ),
        (r#"{"error":{"code":400,"message":"x","status":"INVALID_ARGUMENT"}}"#, Some("400")),
        (r#"{"object":"error","message":"x","type":"BadRequestError","code":400}"#, Some("400")),
        (
            r#"{"type":"error","code":"rate_limit_exceeded","message":"x","sequence_number":1}"#,
            Some("rate_limit_exceeded"),
        ),
        (r#"{"type":"response.failed","response":{"error":{"code":"server_error"}}}"#, Some("server_error")),
        (r#"{"error":"model not found"}"#, None),
        (r#"{"error":null,"object":"response"}"#, None),
        ("[]", None),
        ("", None),
    ] {
        assert_eq!(word(body).as_deref(), want, "{body}");
    }
    assert_eq!(
        describe(br#"{"error":"model not found"}"#).unwrap().message.as_deref(),
        Some("model not found")
    );
}

/// A wrong key of ours must not look like a wrong key of the client's.
#[test]
fn the_client_never_reads_the_upstreams_401() {
    let body = br#"{"error":{"message":"Incorrect API key provided: sk-ours","code":"invalid_api_key"}}"#;
    let r = refused_us("openai", StatusCode::UNAUTHORIZED, body);
    assert_eq!((r.kind.status(), r.code), (502, "upstream_refused"));
    assert!(!r.to_string().contains("sk-ours"));
    assert!(r.detail.unwrap().contains("invalid_api_key"));
}

#[test]
fn retry_hints() {
    let now = datetime!(1994-11-06 08:49:00 UTC);
    let hint = |list: &[(&'static str, &str)]| retry_after_at(&headers(list), now);
    let after = |v: &str| hint(&[("retry-after", v)]).after.map(|d| d.as_secs());
    for (v, want) in [
        ("7", Some(7)),
        ("0", Some(0)),
        ("1.5", Some(1)),
        ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
        ("Sunday, 06-Nov-94 08:49:37 GMT", Some(37)),
        ("Sun Nov  6 08:49:37 1994", Some(37)),
        ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
        ("-1", None),
        ("soon", None),
        ("inf", None),
        ("NaN", None),
        ("1e300", None),
        ("", None),
    ] {
        assert_eq!(after(v), want, "{v}");
    }
    let both = hint(&[("retry-after-ms", "1500"), ("retry-after", "7")]);
    assert_eq!(both.after, Some(Duration::from_millis(1500)));
    assert!(hint(&[("x-should-retry", "false")]).never && !hint(&[("x-should-retry", "true")]).never);
    assert_eq!(hint(&[]), RetryHint::default());
}

/// Google's: a number, a status word, and reasons in details; in an array where the answer would have been one.
#[test]
fn googles_errors() {
    let key = br#"{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT",
        "details":[{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"API_KEY_INVALID","domain":"googleapis.com"}]}}"#;
    let e = describe(key).unwrap();
    assert_eq!(
        (e.kind.as_deref(), e.code.as_deref(), e.detail_code.as_deref()),
        (Some("INVALID_ARGUMENT"), Some("400"), Some("API_KEY_INVALID"))
    );
    assert_eq!(e.word().as_deref(), Some("API_KEY_INVALID"));
    let in_array = [b"[", &key[..], b"]"].concat();
    assert_eq!(describe(&in_array), Some(e));
    assert_eq!(describe(b"[]"), None);
    for (status, body, want) in [
        (400, &key[..], Fault::CredentialsOrCredit),
        (400, &in_array, Fault::CredentialsOrCredit),
        (400, br#"{"error":{"code":400,"message":"Invalid value at 'contents'","status":"INVALID_ARGUMENT"}}"#, Fault::ClientsOwn),
        (400, br#"{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}"#, Fault::CredentialsOrCredit),
        (404, br#"{"error":{"code":404,"message":"models/x is not found","status":"NOT_FOUND"}}"#, Fault::ClientsOwn),
        (429, br#"{"error":{"code":429,"message":"quota","status":"RESOURCE_EXHAUSTED"}}"#, Fault::Retryable),
        (503, br#"{"error":{"code":503,"message":"overloaded","status":"UNAVAILABLE"}}"#, Fault::Retryable),
    ] {
        let status = StatusCode::from_u16(status).unwrap();
        assert_eq!(upstream_fault(status, body), want, "{}", String::from_utf8_lossy(body));
    }
    let wait = br#"{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","details":[{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"22s"}]}}"#;
    assert_eq!(retry_hint(&HeaderMap::new(), wait).after, Some(Duration::from_secs(22)));
    let mut h = HeaderMap::new();
    h.insert("retry-after", "3".parse().unwrap());
    assert_eq!(retry_hint(&h, wait).after, Some(Duration::from_secs(3)), "the head is nearer");
}

#[test]
fn cohere_has_no_envelope() {
    let told = describe_bare(br#"{"id":"x","message":"invalid api token"}"#).unwrap();
    assert_eq!(told.message.as_deref(), Some("invalid api token"));
    for none in [&b"{}"[..], b"<html>", br#"{"message":7}"#, b"[]"] {
        assert_eq!(describe_bare(none), None);
    }
}
