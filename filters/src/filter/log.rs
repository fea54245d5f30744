//! `log`: one [`CallRecord`] a call, also a refused, failed or cancelled one.

use crate::exchange::Exchange;
use crate::filter::Filter;
use crate::usage::Meter;
use sallyport_schema::call::{CallRecord, ErrorSource};
use std::sync::Arc;
use std::time::Instant;

/// Who keeps call records. It must not wait: the call ends when it returns.
pub trait CallSink: Send + Sync + std::fmt::Debug {
    /// Takes a finished call.
    fn record(&self, call: CallRecord);
}

/// Longest text of a client that a record keeps, in bytes.
const MAX_TEXT: usize = 200;
/// Most names of dropped fields that a record keeps, and the longest of one, in bytes.
const MAX_DROPPED: usize = 64;
const MAX_NAME: usize = 100;
/// nginx's status for a client that left before it was answered.
const CLIENT_LEFT: u16 = 499;

/// The filter.
#[derive(Debug)]
pub struct Log {
    sink: Arc<dyn CallSink>,
    instance: String,
}

impl Log {
    /// `instance`: this gateway's name in the records.
    pub fn new(sink: Arc<dyn CallSink>, instance: String) -> Self {
        Self { sink, instance }
    }
}

impl Filter for Log {
    fn name(&self) -> &'static str {
        "log"
    }

    fn on_end(&self, x: &mut Exchange) {
        self.sink.record(record(x, &self.instance, x.ended.unwrap_or_else(Instant::now)));
    }
}

/// The record of a call that ended at `now`.
fn record(x: &Exchange, instance: &str, now: Instant) -> CallRecord {
    let key = x.principal.as_ref().map(|p| &p.key);
    let o = &x.outcome;
    let micros = |t: Instant| u64::try_from(t.duration_since(x.started).as_micros()).unwrap_or(u64::MAX);
    let status = match o.status {
        0 if o.cancelled => CLIENT_LEFT,
        0 => o.rejection.as_ref().map_or(500, |r| r.kind.status()),
        s => s,
    };
    // Whose fault: the gateway's own verdict first, then the client that left, then what the upstream said.
    let error_source = match &o.rejection {
        Some(r) => Some(r.fault),
        None if o.cancelled => Some(ErrorSource::Client),
        None if status >= 500 => Some(ErrorSource::Upstream),
        None if status >= 400 => Some(ErrorSource::Client),
        None => o.upstream_error.is_some().then_some(ErrorSource::Upstream),
    };
    let error_code = match &o.rejection {
        Some(r) => Some(r.code.to_owned()),
        None if o.cancelled => Some("client_closed".to_owned()),
        None => o.upstream_error.clone().or_else(|| (status >= 400).then(|| format!("status_{status}"))),
    };
    CallRecord {
        id: x.id,
        started_at: x.started_at,
        instance: instance.to_owned(),
        key_id: key.map(|k| k.id),
        key_prefix: key.map(|k| k.prefix.as_ref().to_owned()),
        user_id: key.and_then(|k| k.owner()),
        team_id: key.and_then(|k| k.team),
        labels: key.and_then(|k| k.labels.clone()),
        client_ip: x.client_ip,
        user_agent: x.user_agent.as_deref().map(|t| cut(t, MAX_TEXT)),
        surface: x.surface.name().to_owned(),
        model_asked: x.model_asked().or(x.passed.as_deref()).map(|t| cut(t, MAX_TEXT)),
        model_served: x.model_served().map(|t| cut(t, MAX_TEXT)),
        provider: x.target.as_ref().map(|t| t.provider.name.as_ref().to_owned()),
        upstream_request_id: o.upstream_request_id.clone(),
        object_id: x.object_id().map(str::to_owned),
        attempts: x.attempts,
        status,
        error_source,
        error_code,
        error_detail: o.rejection.as_ref().and_then(|r| r.detail.clone()),
        cancelled: o.cancelled,
        streamed: o.streamed,
        dropped: x.dropped.iter().take(MAX_DROPPED).map(|f| cut(f, MAX_NAME)).collect(),
        estimated: x.meter.as_ref().is_some_and(Meter::estimated),
        usage: x.meter.as_ref().and_then(Meter::usage),
        cost_nanos: x.cost_nanos,
        bytes_in: x.body.raw.len() as u64 + o.bytes_in,
        bytes_out: o.bytes_out,
        ttft_us: o.first_byte.map(micros),
        duration_us: micros(now),
        follows: None,
        awaited: x.awaited(),
    }
}

/// At most `most` bytes, cut between characters.
fn cut(text: &str, most: usize) -> String {
    text[..text.floor_char_boundary(most)].to_owned()
}

#[cfg(test)]
mod tests;
