//! From an answer to an HTTP response.

use crate::sim::body::{BrokenOff, Pace, SimBody};
use crate::sim::call::fate::Fate;
use crate::sim::call::{Answer, Plan};
use crate::sim::directive::{Behaviour, Eol};
use crate::sim::fault::Dialect;
use crate::sim::script::{Mark, Script};
use crate::sim::stats::Guard;
use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue};

const SSE: &str = "text/event-stream; charset=utf-8";
const FRAMES: &str = "application/vnd.amazon.eventstream";
pub(super) const JSON: &str = "application/json";

impl Plan {
    /// Gives the outcome its shape.
    pub(super) fn answer(
        self,
        dialect: Dialect,
        guard: Guard,
        name: &str,
    ) -> Result<Response<SimBody>, BrokenOff> {
        let Self { behaviour, fate, endpoint, outcome, request_id } = self;
        let mut length = None;
        let mut retry_after = None;
        let mut error_type = None;
        let (status, content_type, body) = match outcome {
            Err(fault) => {
                retry_after = fault.retry_after.clone();
                error_type = (dialect == Dialect::Bedrock).then(|| fault.kind(dialect).to_owned());
                let (content_type, body) = if fault.html {
                    ("text/html", fault.page())
                } else {
                    (JSON, fault.body(dialect, &request_id).to_string())
                };
                (fault.status, content_type, SimBody::whole(Bytes::from(body), guard))
            }
            Ok(Answer::Events(script)) => {
                let script = fate.spoil(script, &behaviour, endpoint, dialect, &request_id);
                // Google ends its lines so
                let eol = match (dialect, behaviour.eol) {
                    (Dialect::Gemini, Eol::Lf) => Eol::Crlf,
                    (_, eol) => eol,
                };
                let behaviour = Behaviour { eol, ..behaviour.clone() };
                (200, SSE, play(script, &behaviour, &fate, guard))
            }
            Ok(Answer::Frames(script)) => {
                let script = fate.spoil(script, &behaviour, endpoint, dialect, &request_id);
                // frames have no lines
                let behaviour = Behaviour { eol: Eol::Lf, ..behaviour.clone() };
                (200, FRAMES, play(script, &behaviour, &fate, guard))
            }
            Ok(Answer::Pieces(content_type, script)) => {
                (200, content_type, play(script, &behaviour, &fate, guard))
            }
            Ok(Answer::Json(bytes)) => {
                let (body, promised) = whole(bytes, &behaviour, &fate, guard);
                length = promised;
                (200, JSON, body)
            }
            Ok(Answer::Binary(content_type, bytes)) => {
                let (body, promised) = whole(bytes, &behaviour, &fate, guard);
                length = promised;
                (200, content_type, body)
            }
        };
        let mut response = respond(status, content_type, body, length)?;
        let headers = response.headers_mut();
        let mut put = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        };
        match dialect {
            Dialect::OpenAi => {
                put("x-request-id", &request_id);
                put("openai-version", "2020-10-01");
                put("openai-processing-ms", &behaviour.latency.map_or(0, |l| l.as_millis()).to_string());
            }
            Dialect::Anthropic => put("request-id", &request_id),
            Dialect::Azure => {
                put("apim-request-id", &request_id);
                put("x-ms-region", "Simulated");
            }
            Dialect::Gemini => put("server-timing", "gfet4t7; dur=1"),
            Dialect::Bedrock => {
                put("x-amzn-requestid", &request_id);
                if let Some(name) = error_type {
                    put("x-amzn-errortype", &name);
                }
            }
        }
        put("x-sim-name", name);
        if let Some(seconds) = retry_after {
            put("retry-after", &seconds);
        }
        Ok(response)
    }
}

/// A response with what all have in common.
pub(super) fn respond(
    status: u16,
    content_type: &'static str,
    body: SimBody,
    length: Option<usize>,
) -> Result<Response<SimBody>, BrokenOff> {
    let mut response =
        Response::builder().status(status).header(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(length) = length {
        response = response.header(CONTENT_LENGTH, length);
    }
    response.body(body).map_err(|_| BrokenOff)
}

/// A body in one piece, unless it is to break off: then the length that was promised comes with it.
fn whole(bytes: Bytes, behaviour: &Behaviour, fate: &Fate, guard: Guard) -> (SimBody, Option<usize>) {
    let Some(keep) = fate.cut.or(fate.stall) else { return (SimBody::whole(bytes, guard), None) };
    let length = bytes.len();
    let end = keep.min(length);
    let marks = if end == 0 { Vec::new() } else { vec![Mark { end, token: false }] };
    let script = Script { bytes: bytes.slice(..end), marks };
    (SimBody::played(script, pace(behaviour), fate.end(), guard), Some(length))
}

fn play(mut script: Script, behaviour: &Behaviour, fate: &Fate, guard: Guard) -> SimBody {
    if let Some(keep) = fate.cut.or(fate.stall) {
        script.truncate(keep);
    }
    let script = script.with_eol(behaviour.eol);
    let script = match behaviour.split {
        Some(size) => script.split(size),
        None => script,
    };
    SimBody::played(script, pace(behaviour), fate.end(), guard)
}

fn pace(behaviour: &Behaviour) -> Pace {
    Pace {
        gap: behaviour.gap.unwrap_or_default(),
        burst: behaviour.burst.unwrap_or(1),
        // a stamp that is cut into pieces could not be found again
        stamp: behaviour.stamp && behaviour.split.is_none(),
    }
}
