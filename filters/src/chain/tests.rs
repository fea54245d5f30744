use super::*;
use crate::event::{Event, Fate, Piece};
use crate::exchange::{Exchange, Request};
use crate::filter::{Depth, Step};
use crate::rejection::{ErrorKind, Rejection};
use crate::surface::Surface;
use crate::testing::{World, headers, request};
use sallyport_config::model::FilterEntry;
use sallyport_schema::call::CallRecord;
use std::sync::Mutex;

#[derive(Debug, Default)]
struct Sink(Mutex<Vec<CallRecord>>);

impl CallSink for Sink {
    fn record(&self, call: CallRecord) {
        self.0.lock().unwrap().push(call);
    }
}

fn build(list: &[(&str, bool)]) -> Result<Vec<&'static str>, ChainError> {
    let filters =
        list.iter().map(|(n, enabled)| FilterEntry { name: (*n).into(), enabled: *enabled }).collect();
    let config = Config { filters, ..Config::default() };
    Chain::from_config(&config, Arc::new(Sink::default())).map(|c| c.names().collect())
}

#[test]
fn the_order_is_that_of_the_configuration() {
    assert_eq!(build(&[]).unwrap(), DEFAULT_ORDER);
    let all = |names: &[&'static str]| names.iter().map(|n| (*n, true)).collect::<Vec<_>>();
    assert_eq!(
        build(&all(&["auth", "log", "cost", "access", "usage"])).unwrap(),
        ["auth", "log", "cost", "access", "usage"]
    );
    assert_eq!(build(&[("log", false), ("auth", true), ("access", true)]).unwrap(), ["auth", "access"]);
    assert_eq!(build(&[("log", true), ("auth", false), ("access", false)]).unwrap(), ["log"]);
}

#[test]
fn what_makes_no_chain_is_said() {
    for (list, want) in [
        (&[("auht", true)][..], ChainError::Unknown("auht".into())),
        (&[("auth", true), ("auth", false)], ChainError::Twice("auth".into())),
        (&[("log", true)], ChainError::Missing("auth")),
        (&[("auth", true)], ChainError::Missing("access")),
        (&[("access", true), ("auth", true)], ChainError::Order { first: "auth", then: "access" }),
        (&[("auth", false), ("access", true)], ChainError::Order { first: "auth", then: "access" }),
        (
            &[("auth", true), ("access", true), ("usage", true), ("cost", true)],
            ChainError::Order { first: "cost", then: "usage" },
        ),
        (
            &[("auth", true), ("access", true), ("cost", true), ("log", true)],
            ChainError::Order { first: "log", then: "cost" },
        ),
    ] {
        assert_eq!(build(list), Err(want), "{list:?}");
    }
}

/// Enters the whole chain as the engine does.
fn enter(chain: &Chain, x: &mut Exchange, request: Request<'_>) -> (Depth, Result<(), Rejection>) {
    let mut depth = Depth::default();
    while let Some(step) = chain.enter(&mut depth, x, request) {
        if let Step::Ready(Err(e)) = step {
            return (depth, Err(e));
        }
    }
    (depth, Ok(()))
}

#[test]
fn a_call_goes_through_the_whole_chain_and_is_logged_once() {
    let w = World::new();
    let sink = Arc::new(Sink::default());
    let chain = Chain::from_config(&Config::default(), sink.clone()).unwrap();
    let mut x = w.call(Surface::Chat, r#"{"model":"fast","stream":true}"#);
    x.principal = None;
    let h = headers(&[("x-api-key", &w.secret)]);
    let (depth, result) = enter(&chain, &mut x, request("/v1/chat/completions", None, &h));
    result.unwrap();
    let model = w.snapshot.models.find("fast").unwrap();
    let target = crate::selector::candidates(model, &w.snapshot, x.surface, &mut rand::rng()).next().unwrap();
    let mut out = crate::outgoing::Outgoing::new(request("/v1/chat/completions", None, &h), &x, &target);
    x.target = Some(target.clone());
    x.attempts = 1;
    chain.attempt(&mut x, &target, &mut out).unwrap();
    let mut sent = Vec::new();
    out.write_body(&mut sent);
    assert_eq!(sent, br#"{"stream_options":{"include_usage":true},"model":"gpt-5-mini","stream":true}"#);
    let data = br#"{"choices":[],"usage":{"prompt_tokens":100,"completion_tokens":10,"total_tokens":110}}"#;
    let mut e = Event { piece: Piece::Sse { name: b"", data }, fate: Fate::Keep };
    chain.event(&mut x, &mut e);
    assert_eq!(e.fate, Fate::Drop);
    x.outcome.status = 200;
    chain.end(depth, &mut x);
    let all = sink.0.lock().unwrap();
    let r = &all[0];
    assert_eq!((all.len(), r.usage.unwrap().input, r.cost_nanos), (1, 100, Some(100 * 1000 + 10 * 10_000)));
}

#[test]
fn a_refused_call_ends_at_its_depth_and_is_logged() {
    let w = World::new();
    let sink = Arc::new(Sink::default());
    let chain = Chain::from_config(&Config::default(), sink.clone()).unwrap();
    let mut x = w.call(Surface::Chat, r#"{"model":"fast"}"#);
    x.principal = None;
    let h = headers(&[]);
    let (depth, result) = enter(&chain, &mut x, request("/v1/chat/completions", None, &h));
    let e = result.unwrap_err();
    assert_eq!(e.kind, ErrorKind::Authentication);
    x.outcome.rejection = Some(e);
    chain.end(depth, &mut x);
    let all = sink.0.lock().unwrap();
    assert_eq!((all.len(), all[0].status, all[0].error_code.as_deref()), (1, 401, Some("missing_api_key")));
}
