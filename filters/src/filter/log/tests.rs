use super::*;
use crate::event::{Event, Fate, Piece};
use crate::rejection::{ErrorKind, Rejection};
use crate::surface::Surface;
use crate::testing::{World, exchange, snapshot, target};
use crate::usage::Meter;
use std::sync::Mutex;
use std::time::Duration;

#[derive(Debug, Default)]
struct Kept(Mutex<Vec<CallRecord>>);

impl CallSink for Kept {
    fn record(&self, call: CallRecord) {
        self.0.lock().unwrap().push(call);
    }
}

fn logged(mut x: Exchange) -> CallRecord {
    let kept = Arc::new(Kept::default());
    Log::new(kept.clone(), "gw-1".into()).on_end(&mut x);
    let mut all = kept.0.lock().unwrap();
    assert_eq!(all.len(), 1);
    all.remove(0)
}

#[test]
fn a_good_call() {
    let w = World::new();
    let body = r#"{"model":"fast","input":"my prompt"}"#;
    let mut x = w.call(Surface::Responses, body);
    x.target = Some(target(&w.snapshot, "openai", Some("gpt-5-mini")));
    x.attempts = 2;
    x.user_agent = Some("é".repeat(150));
    x.client_ip = Some([10, 0, 0, 1].into());
    x.cost_nanos = Some(5);
    x.outcome.status = 200;
    x.outcome.bytes_out = 77;
    x.outcome.upstream_request_id = Some("req_1".into());
    x.outcome.first_byte = Some(x.started + Duration::from_millis(3));
    let mut m = Meter::new(Surface::Responses);
    let answer = br#"{"id":"resp_1","usage":{"input_tokens":1,"output_tokens":2}}"#;
    m.on_event(&Event { piece: Piece::Body(answer), fate: Fate::Keep });
    x.meter = Some(m);
    let id = x.id;
    let r = logged(x);
    assert_eq!((r.id, r.instance.as_str(), r.status, r.attempts), (id, "gw-1", 200, 2));
    assert_eq!((r.key_id, r.user_id, r.team_id), (Some(w.key.id), Some(w.user.id), Some(w.team.id)));
    assert_eq!((r.surface.as_str(), r.provider.as_deref()), ("responses", Some("openai")));
    assert_eq!((r.model_asked.as_deref(), r.model_served.as_deref()), (Some("fast"), Some("gpt-5-mini")));
    assert_eq!((r.object_id.as_deref(), r.usage.unwrap().output, r.cost_nanos), (Some("resp_1"), 2, Some(5)));
    assert_eq!((r.bytes_in, r.bytes_out, r.ttft_us), (body.len() as u64, 77, Some(3000)));
    assert_eq!((r.error_source, r.error_code.as_deref()), (None, None));
    assert_eq!(r.user_agent.as_ref().unwrap().len(), 200);
    let text = serde_json::to_string(&r).unwrap();
    assert!(
        !text.contains("my prompt") && !text.contains(&w.secret) && text.contains(&w.key.prefix.to_string())
    );
}

/// LESSONS.md: "failed attempts and disconnects invisible in the log"; "denials … not audited".
#[test]
fn refused_failed_and_cancelled_calls_are_logged() {
    let rejected = |r: Rejection, status| {
        let mut x = exchange(snapshot(), Surface::Chat);
        x.outcome.status = status;
        x.outcome.rejection = Some(r);
        logged(x)
    };
    let r = rejected(Rejection::client(ErrorKind::Authentication, "invalid_api_key", "m").detail("why"), 401);
    assert_eq!(
        (r.status, r.error_source, r.error_code.as_deref()),
        (401, Some(ErrorSource::Client), Some("invalid_api_key"))
    );
    assert_eq!((r.error_detail.as_deref(), r.key_id), (Some("why"), None));
    let r = rejected(Rejection::upstream(ErrorKind::UpstreamTimeout, "upstream_timeout", "m"), 0);
    assert_eq!((r.status, r.error_source), (504, Some(ErrorSource::Upstream)));
    // An upstream cut in mid-stream: the head said 200.
    let r = rejected(Rejection::upstream(ErrorKind::Upstream, "upstream_cut", "m"), 200);
    assert_eq!((r.status, r.error_source), (200, Some(ErrorSource::Upstream)));

    let ended = |status, cancelled, upstream: Option<&str>| {
        let mut x = exchange(snapshot(), Surface::Chat);
        x.outcome.status = status;
        x.outcome.cancelled = cancelled;
        x.outcome.upstream_error = upstream.map(str::to_owned);
        let r = logged(x);
        (r.status, r.error_source, r.error_code)
    };
    let client = Some(ErrorSource::Client);
    let upstream = Some(ErrorSource::Upstream);
    assert_eq!(ended(0, true, None), (499, client, Some("client_closed".into())));
    assert_eq!(ended(200, true, None), (200, client, Some("client_closed".into())));
    assert_eq!(
        ended(400, false, Some("context_length_exceeded")),
        (400, client, Some("context_length_exceeded".into()))
    );
    assert_eq!(ended(404, false, None), (404, client, Some("status_404".into())));
    assert_eq!(ended(529, false, Some("overloaded_error")), (529, upstream, Some("overloaded_error".into())));
    assert_eq!(ended(200, false, Some("server_error")), (200, upstream, Some("server_error".into())));
    assert_eq!(ended(200, false, None), (200, None, None));
}

/// A client may name fields as it likes, and as many.
#[test]
fn dropped_fields_are_bounded() {
    let w = World::new();
    let mut x = w.call(Surface::Chat, r#"{"model":"fast"}"#);
    x.dropped = (0..100).map(|n| format!("{n}{}", "é".repeat(100))).collect();
    let r = logged(x);
    assert_eq!(r.dropped.len(), 64);
    assert!(r.dropped.iter().all(|name| name.len() <= 100 && name.len() > 90));
    assert!(r.dropped[9].starts_with("9é") && !r.estimated);
}
