//! `Idempotency-Key` on POST: the same request again gets the same answer, and is not carried out again
//! (draft-ietf-httpapi-idempotency-key-header). Answers are kept sealed for a day: one of them may hold a secret.

use crate::caller::Caller;
use crate::harden::MAX_BODY;
use crate::problem::Problem;
use crate::state::Stored;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use sallyport_schema::store::idempotent::Known;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// The request header.
const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// On an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotent-replayed");
/// Longest key.
const LONGEST: usize = 255;

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    kind: Option<String>,
    etag: Option<String>,
    body: String,
}

/// Carries a request out, or answers as before.
pub(crate) async fn once(stored: &Stored, caller: &Caller, request: Request, next: Next) -> Response {
    let key = match request.headers().get(KEY) {
        Some(key) if request.method() == Method::POST => key.clone(),
        _ => return next.run(request).await,
    };
    let (stored, caller) = (stored.clone(), caller.clone());
    // A task of its own: a client that leaves does not stop it half-way, with the answer unknown.
    let task = tokio::spawn(async move { keyed(&stored, &caller, &key, request, next).await });
    match task.await {
        Ok(Ok(response)) => response,
        Ok(Err(problem)) => problem.into_response(),
        Err(error) => unkept(&error).into_response(),
    }
}

/// The same, of a request with a key.
async fn keyed(
    stored: &Stored,
    caller: &Caller,
    key: &HeaderValue,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let key = key.to_str().ok().filter(|k| (1..=LONGEST).contains(&k.len())).ok_or_else(|| {
        Problem::bad_request(
            "bad_idempotency_key",
            format!("Idempotency-Key: 1 to {LONGEST} visible characters"),
        )
    })?;
    let actor = caller.actor();
    let who = format!("{}:{}", actor.kind, actor.id.as_deref().unwrap_or_default());
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.map_err(|_| {
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", "the body is too large")
    })?;
    let print = print(parts.uri.to_string().as_bytes(), &body);
    match stored.store.claim_answer(&who, key, &print).await? {
        Known::New => {}
        Known::UnderWay => {
            let detail = "the first request with this Idempotency-Key is still under way";
            return Err(Problem::new(StatusCode::CONFLICT, "under_way", detail).retry_after(1));
        }
        Known::Other => {
            let detail = "this Idempotency-Key was used for another request";
            return Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "key_reused", detail));
        }
        Known::Answered { status, answer } => {
            let kept = stored.keyring.open(&place(&who, key), &answer).map_err(|e| unkept(&e))?;
            let kept: Kept = serde_json::from_slice(&kept).map_err(|e| unkept(&e))?;
            return Ok(again(status, kept));
        }
    }
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    if response.status().is_server_error() {
        stored.store.forget_answer(&who, key).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = to_bytes(body, MAX_BODY).await.map_err(|e| unkept(&e))?;
    let text = |name| parts.headers.get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let kept = Kept {
        kind: text(header::CONTENT_TYPE),
        etag: text(header::ETAG),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let kept = serde_json::to_vec(&kept).map_err(|e| unkept(&e))?;
    let sealed = stored.keyring.seal(&place(&who, key), &kept).map_err(|e| unkept(&e))?;
    // It is done: an answer that cannot be kept must not make it look undone.
    if let Err(error) = stored.store.remember_answer(&who, key, parts.status.as_u16(), &sealed).await {
        tracing::error!(%error, "an answer could not be kept for its Idempotency-Key");
    }
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn print(uri: &[u8], body: &Bytes) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((uri.len() as u64).to_be_bytes());
    hash.update(uri);
    hash.update(body);
    hash.finalize().into()
}

/// What the envelope is sealed for.
fn place(who: &str, key: &str) -> String {
    format!("idempotent_answers/{who}/{key}/answer")
}

fn again(status: u16, kept: Kept) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, kept.body).into_response();
    let headers = response.headers_mut();
    headers.remove(header::CONTENT_TYPE);
    for (name, value) in [(header::CONTENT_TYPE, kept.kind), (header::ETAG, kept.etag)] {
        if let Some(value) = value.and_then(|v| HeaderValue::from_str(&v).ok()) {
            headers.insert(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

fn unkept(error: &dyn std::fmt::Display) -> Problem {
    tracing::error!(%error, "the answer to an Idempotency-Key");
    let detail = "the answer of the first request cannot be read or kept; the log of the service says why";
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "answer_lost", detail)
}
