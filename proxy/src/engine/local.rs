//! What the gateway answers by itself: `/v1/models`, and counts of tokens for models whose provider counts none.

use super::call::Call;
use super::reply;
use crate::gateway::Gateway;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use pingora_core::BError;
use pingora_core::protocols::http::ServerSession;
use sallyport_filters::dialect::models;
use sallyport_filters::exchange::{Exchange, Request, Target};
use sallyport_filters::rejection::Rejection;
use sallyport_filters::translate::{self, Way};

/// Says that a count is the gateway's own.
const ESTIMATED: HeaderName = HeaderName::from_static("x-sallyport-estimated");

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// The models that the key may use, or one of them, in the client's dialect.
pub(crate) fn models(x: &Exchange, request: Request<'_>) -> Result<Answer, Rejection> {
    let body = models::answer(x, request.query)?;
    Ok(Answer { headers: json_head(), body })
}

fn json_head() -> HeaderMap {
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers
}

/// Is the call a count that `target`'s provider has no call for?
pub(super) fn counts(call: &Call, target: &Target) -> bool {
    let model = target.model.as_deref().or(call.x.model_asked()).unwrap_or_default();
    translate::is_count(call.x.surface)
        && translate::way(&target.provider, model, call.x.surface) == Some(Way::Estimated)
}

/// Answers a count with an estimate.
pub(super) async fn count(
    gw: &Gateway,
    d: &mut ServerSession,
    call: &mut Call,
    target: &Target,
) -> Result<Result<(), BError>, Rejection> {
    call.x.target = Some(target.clone());
    call.x.dropped.clear();
    translate::check_count(&call.x)?;
    let model = call.x.model_served().unwrap_or_default().to_owned();
    let tokens = gw.estimator.count(&call.x.body.raw, &model).await;
    let mut headers = json_head();
    headers.insert(ESTIMATED, HeaderValue::from_static("true"));
    let body = translate::count_reply(call.x.surface, tokens);
    let sent = reply::whole(d, &mut call.x, StatusCode::OK, headers, body.into()).await;
    call.finished = sent.is_ok();
    Ok(sent)
}
