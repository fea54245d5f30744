use super::*;
use crate::filter::Chain;
use crate::filter::Depth;
use crate::surface::Dialect;
use crate::testing::{World, exchange, headers, request};
use http::HeaderMap;
use std::sync::Arc;
use uuid::Uuid;

fn enter(w: &World, surface: Surface, h: &HeaderMap, query: Option<&str>) -> Result<Principal, Rejection> {
    let mut x = exchange(w.snapshot.clone(), surface);
    let chain = Chain::new(vec![Box::new(Auth)]);
    assert!(!chain.next_needs_body(Depth::default()), "nobody uploads without a key");
    let result = match chain.enter(&mut Depth::default(), &mut x, request("/v1/chat/completions", query, h)) {
        Some(Step::Ready(r)) => r,
        _ => panic!("auth never waits"),
    };
    result.map(|()| x.principal.unwrap())
}

fn with_key(w: &World) -> Result<Principal, Rejection> {
    enter(w, Surface::Chat, &headers(&[("authorization", &format!("Bearer {}", w.secret))]), None)
}

#[test]
fn a_good_key_is_recognised_everywhere() {
    let w = World::new();
    let p = with_key(&w).unwrap();
    assert_eq!((p.key.id, p.team.unwrap().id), (w.key.id, w.team.id));
    for name in ["x-api-key", "api-key", "x-goog-api-key"] {
        assert!(enter(&w, Surface::Messages, &headers(&[(name, &w.secret)]), None).is_ok(), "{name}");
    }
    assert!(enter(&w, Surface::Chat, &HeaderMap::new(), Some(&format!("key={}", w.secret))).is_ok());
    let twice = headers(&[("x-api-key", &w.secret), ("authorization", &format!("BEARER {}", w.secret))]);
    assert!(enter(&w, Surface::Chat, &twice, None).is_ok());
}

/// LESSONS.md: "A deactivated user's keys … keep working". One answer for every reason, the reason in the detail.
#[test]
fn every_refusal_looks_the_same_to_the_client() {
    type Change = fn(&mut World);
    let change: [(&str, Change); 11] = [
        ("unknown", |w| w.snapshot.keys.clear()),
        ("revoked", |w| w.key.revoked = true),
        ("expired", |w| w.key.expires_at = Some(time::OffsetDateTime::now_utc().unix_timestamp())),
        ("user", |w| w.user.active = false),
        ("user", |w| w.key.user = Some(Uuid::from_u128(77))),
        ("disabled", |w| w.key.disabled = true),
        ("service account", |w| (w.key.user, w.key.account) = (None, Some(Uuid::from_u128(77)))),
        ("address", |w| w.key.networks = Some(Arc::new(["10.0.0.0/8".parse().unwrap()]))),
        ("team", |w| w.team.active = false),
        ("team", |w| w.key.team = Some(Uuid::from_u128(77))),
        ("checksum", |w| {
            let last = w.secret.pop();
            w.secret.push(if last == Some('a') { 'b' } else { 'a' });
        }),
    ];
    for (why, change) in change {
        let mut w = World::new();
        change(&mut w);
        if why != "unknown" {
            w.put();
        }
        let e = with_key(&w).unwrap_err();
        assert_eq!((e.kind, e.code), (ErrorKind::Authentication, "invalid_api_key"), "{why}");
        let detail = e.detail.unwrap();
        assert!(detail.contains(why), "{why}: {detail}");
        assert!(!detail.contains(&w.secret) && !e.message.contains("sp-"), "{why}");
        let shown = crate::dialect::error::render(&with_key(&w).unwrap_err(), Dialect::OpenAi, "id");
        let unknown = crate::dialect::error::render(&refused("x"), Dialect::OpenAi, "id");
        assert_eq!(shown, unknown, "{why}");
    }
}

#[test]
fn keys_without_an_owner_belong_to_the_organisation_and_future_ones_live() {
    let mut w = World::new();
    w.key.user = None;
    w.key.team = None;
    w.key.expires_at = Some(time::OffsetDateTime::now_utc().unix_timestamp() + 60);
    w.put();
    assert!(with_key(&w).unwrap().team.is_none());
}

#[test]
fn no_key_two_keys_foreign_keys() {
    let w = World::new();
    let e = enter(&w, Surface::Chat, &HeaderMap::new(), None).unwrap_err();
    assert_eq!((e.kind, e.code), (ErrorKind::Authentication, "missing_api_key"));
    let two = headers(&[("x-api-key", &w.secret), ("authorization", "Bearer sp-other")]);
    let e = enter(&w, Surface::Chat, &two, None).unwrap_err();
    assert_eq!((e.kind, e.code), (ErrorKind::InvalidRequest, "conflicting_api_keys"));
    // Another service's secret must not reach the log.
    let e = enter(&w, Surface::Chat, &headers(&[("x-api-key", "sk-ant-secret")]), None).unwrap_err();
    assert!(!e.to_string().contains("sk-ant"), "{e}");
    assert!(exchange_passes_hello(&w));
}

fn exchange_passes_hello(w: &World) -> bool {
    let mut x = exchange(w.snapshot.clone(), Surface::Hello);
    let h = HeaderMap::new();
    matches!(Auth.on_request(&mut x, request("/api/hello", None, &h)), Step::Ready(Ok(())))
}
