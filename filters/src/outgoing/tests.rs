use super::*;
use crate::surface::Surface;
use crate::testing::{World, headers, request, snapshot, target};
use proptest::prelude::*;
use sallyport_config::model::{AnthropicSettings, KindSettings, OpenaiSettings, ProviderKind, Secret};
use std::sync::Arc;

fn out(list: &[(&'static str, &str)], provider: &str, query: Option<&str>) -> Outgoing {
    let w = World::new();
    let x = w.call(Surface::Chat, r#"{"model":"fast","n":1}"#);
    let h = headers(list);
    Outgoing::new(
        request("/v1/chat/completions", query, &h),
        &x,
        &target(&w.snapshot, provider, Some("gpt-5-mini")),
    )
}

fn body(o: &Outgoing) -> String {
    let mut b = Vec::new();
    o.write_body(&mut b);
    assert_eq!(b.len(), o.len());
    assert_eq!(o.segments().collect::<Vec<_>>().concat(), b);
    String::from_utf8(b).unwrap()
}

#[test]
fn path_query_and_model() {
    let o = out(&[], "openai", Some("beta=true&key=sp-x"));
    assert_eq!(o.path_and_query, "/base/v1/chat/completions?beta=true");
    assert_eq!(body(&o), r#"{"model":"gpt-5-mini","n":1}"#);
    assert_eq!(o.segments().count(), 3);
    let w = World::new();
    let x = w.call(Surface::Chat, r#"{"model":"fast"}"#);
    for model in [None, Some("fast")] {
        let o = Outgoing::new(
            request("/v1/x", None, &HeaderMap::new()),
            &x,
            &target(&w.snapshot, "openai", model),
        );
        assert!(o.splices.is_empty() && o.path_and_query == "/base/v1/x");
        assert_eq!(body(&o), r#"{"model":"fast"}"#);
    }
}

/// LESSONS.md: "Accept all [credentials]; never forward them."
#[test]
fn the_clients_own_business_stays_here() {
    let gone = [
        ("authorization", "Bearer sp-client"),
        ("x-api-key", "sp-client"),
        ("api-key", "sp-client"),
        ("x-goog-api-key", "sp-client"),
        ("proxy-authorization", "Basic sp-client"),
        ("cookie", "sp-client"),
        ("host", "gateway"),
        ("content-length", "7"),
        ("expect", "100-continue"),
        ("connection", "keep-alive, X-Mine"),
        ("x-mine", "1"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("te", "trailers"),
        ("trailer", "x"),
        ("transfer-encoding", "chunked"),
        ("upgrade", "h2c"),
        ("http2-settings", "x"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-proto", "https"),
        ("forwarded", "for=10.0.0.1"),
        ("x-real-ip", "10.0.0.1"),
        ("via", "1.1 x"),
        ("x-sallyport-debug", "1"),
        ("openai-organization", "org-client"),
    ];
    let kept = [
        ("content-type", "application/json"),
        ("accept", "text/event-stream"),
        ("user-agent", "x/1"),
        ("anthropic-beta", "a-2025,b-2026"),
        ("anthropic-beta", "c"),
        ("x-claude-code-session-id", "s"),
        ("x-stainless-retry-count", "0"),
        ("session-id", "s"),
        ("openai-beta", "x"),
    ];
    let all: Vec<_> = gone.iter().chain(&kept).copied().chain([("accept-encoding", "gzip, br")]).collect();
    let o = out(&all, "openai", None);
    for (name, value) in gone {
        let left: Vec<_> = o.headers.get_all(name).iter().collect();
        assert!(left.iter().all(|v| *v != value), "{name} {left:?}");
        if name != "authorization" {
            assert!(left.is_empty(), "{name}");
        }
    }
    assert_eq!(o.headers["accept-encoding"], "identity");
    assert_eq!(o.headers["authorization"], "Bearer openai-secret");
    assert!(o.headers["authorization"].is_sensitive());
    for (name, value) in kept {
        assert!(o.headers.get_all(name).iter().any(|v| v == value), "{name}");
    }
    assert_eq!(o.headers.len(), kept.len() + 2);
    assert!(!format!("{o:?}").contains("secret"));
}

#[test]
fn each_kind_has_its_own_credentials() {
    let o = out(&[("authorization", "Bearer sp-client")], "anthropic", None);
    assert_eq!(o.headers["x-api-key"], "anthropic-secret");
    assert_eq!(o.headers["anthropic-version"], "2023-06-01");
    assert!(!o.headers.contains_key("authorization") && o.headers["x-api-key"].is_sensitive());
    let o = out(&[("anthropic-version", "2024-01-01")], "anthropic", None);
    assert_eq!(o.headers["anthropic-version"], "2024-01-01");
    let o = out(&[("x-api-key", "sp-client")], "vllm", None);
    assert_eq!(o.headers["authorization"], "Bearer vllm-secret");
    assert!(!o.headers.contains_key("x-api-key") && !o.headers.contains_key("anthropic-version"));
}

fn to(kind: ProviderKind, settings: KindSettings, list: &[(&'static str, &str)]) -> HeaderMap {
    let mut p = crate::testing::provider("p", kind);
    p.settings = settings;
    let x = crate::testing::exchange(snapshot(), Surface::Chat);
    let h = headers(list);
    Outgoing::new(request("/v1/x", None, &h), &x, &Target { provider: Arc::new(p), model: None }).headers
}

#[test]
fn the_clouds_get_their_key_and_nothing_that_misleads_them() {
    let client = [
        ("authorization", "Bearer sp-client"),
        ("anthropic-version", "2023-06-01"),
        ("anthropic-beta", "a"),
        ("openai-beta", "x"),
        ("x-amz-security-token", "theirs"),
        ("x-goog-user-project", "theirs"),
    ];
    let always = ["accept-encoding"];
    for (kind, credential, kept) in [
        (
            ProviderKind::AzureOpenai,
            ("api-key", "p-secret"),
            &["openai-beta", "x-amz-security-token", "x-goog-user-project"][..],
        ),
        (ProviderKind::Gemini, ("x-goog-api-key", "p-secret"), &["x-amz-security-token"]),
        (ProviderKind::Vertex, ("x-goog-api-key", "p-secret"), &["anthropic-beta", "x-amz-security-token"]),
        (ProviderKind::Bedrock, ("authorization", "Bearer p-secret"), &["x-goog-user-project"]),
    ] {
        let out = to(kind, KindSettings::default_of(kind), &client);
        assert_eq!(out[credential.0], credential.1, "{kind:?}");
        assert!(out[credential.0].is_sensitive());
        for name in kept.iter().chain(&always) {
            assert!(out.contains_key(*name), "{kind:?} {name}");
        }
        assert_eq!(out.len(), kept.len() + always.len() + 1, "{kind:?} {out:?}");
    }
}

#[test]
fn settings_of_openai_and_anthropic() {
    let s = OpenaiSettings { organization: Some("org-ours".into()), project: Some("proj-ours".into()) };
    let out = to(ProviderKind::Openai, KindSettings::Openai(s), &[("openai-organization", "org-theirs")]);
    assert_eq!(out["openai-organization"], "org-ours");
    assert_eq!(out["openai-project"], "proj-ours");
    let s = AnthropicSettings { version: Some("2024-01-01".into()), betas: vec!["b".into(), "d".into()] };
    let s = KindSettings::Anthropic(s);
    let out = to(ProviderKind::Anthropic, s.clone(), &[("anthropic-beta", "a, b"), ("anthropic-beta", "c")]);
    assert_eq!(out["anthropic-version"], "2024-01-01");
    let betas: Vec<_> = out.get_all("anthropic-beta").iter().collect();
    assert_eq!(betas, ["a, b", "c", "d"]);
    let out = to(ProviderKind::Anthropic, s, &[("anthropic-version", "2023-06-01")]);
    assert_eq!(out["anthropic-version"], "2023-06-01");
}

#[test]
fn a_provider_without_a_key_gets_none_and_its_headers_win() {
    let mut p = crate::testing::provider("p", ProviderKind::OpenaiCompatible);
    p.api_key = None;
    p.headers = vec![
        ("OpenAI-Organization".into(), Secret::new("org-ours")),
        ("User-Agent".into(), Secret::new("gateway")),
        ("bad name".into(), Secret::new("x")),
        ("x-bad-value".into(), Secret::new("a\nb")),
    ];
    let s = snapshot();
    let x = crate::testing::exchange(s, Surface::Chat);
    let h = headers(&[("authorization", "Bearer sp-client"), ("user-agent", "client")]);
    let t = Target { provider: Arc::new(p), model: None };
    let o = Outgoing::new(request("/v1/chat/completions", None, &h), &x, &t);
    assert!(!o.headers.contains_key("authorization") && !o.headers.contains_key("x-bad-value"));
    assert_eq!(
        (&o.headers["openai-organization"], &o.headers["user-agent"]),
        (&"org-ours".parse().unwrap(), &"gateway".parse().unwrap())
    );
    assert!(o.is_empty() && o.segments().count() == 0);
}

#[test]
fn splices_keep_their_order_and_never_overlap() {
    let mut o = out(&[], "openai", None);
    o.splices.clear();
    o.body = Bytes::from_static(b"0123456789");
    o.splice(4..6, Bytes::from_static(b"B")).unwrap();
    o.splice(0..0, Bytes::from_static(b"<")).unwrap();
    o.splice(0..0, Bytes::from_static(b"=")).unwrap();
    o.splice(0..1, Bytes::from_static(b"a")).unwrap();
    o.splice(6..6, Bytes::from_static(b"|")).unwrap();
    o.splice(10..10, Bytes::from_static(b">")).unwrap();
    o.splice(8..9, Bytes::new()).unwrap();
    assert_eq!(body(&o), "<=a123B|679>");
    for range in [4..6, 5..5, 3..5, 5..7, 0..10, 8..9] {
        assert_eq!(o.splice(range.clone(), Bytes::new()), Err(SpliceError::Overlap(range)));
    }
    assert_eq!(o.splice(9..11, Bytes::new()), Err(SpliceError::Outside(9..11, 10)));
}

proptest! {
    #[test]
    fn splices_do_what_they_say(list in proptest::collection::vec((0..20_usize, 0..4_usize, "[A-Z]{0,3}"), 0..8)) {
        let mut o = out(&[], "openai", None);
        o.splices.clear();
        o.body = Bytes::from_static(b"abcdefghijklmnopqrst");
        let mut model: Vec<(usize, usize, String)> = Vec::new();
        for (from, n, new) in list {
            let to = (from + n).min(20);
            let clash = model.iter().any(|(f, t, _)| *f < to && from < *t);
            let result = o.splice(from..to, Bytes::from(new.clone()));
            prop_assert_eq!(result.is_err(), clash);
            if result.is_ok() {
                model.push((from, to, new));
            }
        }
        // Replaced from the back, insertions before a replacement at the same place, earlier ones first.
        model.sort_by_key(|(f, t, _)| (*f, *f != *t));
        let mut want = "abcdefghijklmnopqrst".to_owned();
        for (f, t, new) in model.iter().rev() {
            want.replace_range(*f..*t, new);
        }
        prop_assert_eq!(body(&o), want);
    }
}

#[test]
fn answers_lose_what_is_about_the_connection() {
    let mut h = headers(&[
        ("connection", "close, X-Hop"),
        ("x-hop", "1"),
        ("keep-alive", "timeout=5"),
        ("transfer-encoding", "chunked"),
        ("set-cookie", "__cf_bm=x"),
        ("set-cookie", "_cfuvid=y"),
        ("alt-svc", "h3=\":443\""),
        ("strict-transport-security", "max-age=1"),
        ("www-authenticate", "Bearer realm=\"OpenAI API\""),
    ]);
    let kept = [
        ("content-type", "text/event-stream"),
        ("request-id", "req_1"),
        ("x-request-id", "req_2"),
        ("x-ratelimit-remaining-tokens", "1"),
        ("anthropic-ratelimit-tokens-reset", "z"),
        ("retry-after", "3"),
        ("retry-after-ms", "3000"),
        ("x-should-retry", "true"),
        ("openai-processing-ms", "5"),
        ("openai-version", "2020-10-01"),
        ("anthropic-organization-id", "o"),
        ("cf-ray", "r"),
    ];
    for (n, v) in kept {
        h.append(n, v.parse().unwrap());
    }
    filter_response_headers(&mut h);
    assert_eq!(h.len(), kept.len(), "{h:?}");
    for (n, v) in kept {
        assert_eq!(h[n], v);
    }
    assert_eq!(upstream_request_id(&h), Some("req_1"));
    h.remove("request-id");
    assert_eq!(upstream_request_id(&h), Some("req_2"));
}

/// Google tells the time to wait in its body, which a client of another dialect does not get.
#[test]
fn when_to_come_back_is_told_once() {
    use std::time::Duration;
    let told = |mut h: HeaderMap, after| {
        tell_retry_after(&mut h, after);
        (h.get_all("retry-after").iter().cloned().collect::<Vec<_>>(), h.len())
    };
    let half = Some(Duration::from_millis(6_500));
    assert_eq!(told(headers(&[]), half), (vec!["7".parse().unwrap()], 1), "whole seconds, never too early");
    assert_eq!(told(headers(&[("retry-after", "3")]), half), (vec!["3".parse().unwrap()], 1));
    assert_eq!(told(headers(&[("retry-after-ms", "3000")]), half), (vec![], 1));
    assert_eq!(told(headers(&[]), None), (vec![], 0));
}
