//! Calls whose answers are needed whole, one or several for one request of the client's: embeddings of providers that
//! take one text (or a hundred) at a time, rankings.

use super::attempt::{Attempt, End, note_upstream};
use super::call::Call;
use super::failure::Failure;
use super::reply;
use super::translated::{MOST, count, head};
use super::wait::gone;
use crate::upstream::auth::AuthError;
use crate::upstream::endpoint::Endpoint;
use crate::upstream::whole::{Whole, WholeError, ask};
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{StreamExt, TryStreamExt};
use http::{Method, StatusCode};
use pingora_core::protocols::http::ServerSession;
use sallyport_filters::filter::ResponseHead;
use sallyport_filters::outgoing::{Outgoing, filter_response_headers};
use sallyport_filters::rejection::{ErrorKind, Rejection};
use sallyport_filters::translate::{Answer, Translation};
use std::sync::atomic::AtomicUsize;

/// So many calls of one request are on their way at once.
const AT_ONCE: usize = 8;

/// Why there are no answers.
enum Early {
    /// One of the calls failed.
    Failed(WholeError),
    /// The provider refused one.
    Refused(Whole),
}

/// The further calls of a request: the first one's head with other bodies, each authenticated by itself.
pub(super) async fn authorized(
    endpoint: &Endpoint,
    first: &Outgoing,
    bodies: Vec<Bytes>,
    method: &Method,
) -> Result<Vec<Outgoing>, AuthError> {
    let mut all = Vec::with_capacity(bodies.len());
    for body in bodies {
        let mut out = Outgoing { body, ..first.clone() };
        endpoint.authorizer().authorize(&mut out, method, &endpoint.provider.authority).await?;
        all.push(out);
    }
    Ok(all)
}

impl Attempt<'_> {
    async fn one(&self, out: &Outgoing, room: &AtomicUsize) -> Result<Whole, Early> {
        let asked = ask(self.ups, self.endpoint, self.method, out, self.settings, room).await;
        match asked.map_err(Early::Failed)? {
            whole if whole.status.is_success() => Ok(whole),
            whole => Err(Early::Refused(whole)),
        }
    }

    /// Makes all calls, and sends what their answers say together. The first failure is that of the attempt.
    pub(super) async fn several(
        &self,
        d: &mut ServerSession,
        call: &mut Call,
        translation: &Translation,
    ) -> End {
        let room = AtomicUsize::new(MOST);
        // Boxed, so that the compiler sees that they may move between threads.
        let mut calls: Vec<BoxFuture<'_, Result<Whole, Early>>> = Vec::with_capacity(1 + self.more.len());
        for out in std::iter::once(self.out).chain(&self.more) {
            calls.push(Box::pin(self.one(out, &room)));
        }
        let all = futures::stream::iter(calls).buffered(AT_ONCE).try_collect::<Vec<Whole>>();
        let answers = tokio::select! { biased;
            all = all => all,
            () = gone(d) => return End::Gone,
        };
        let answers = match answers {
            Ok(answers) => answers,
            Err(Early::Failed(e)) => return End::Failed(failure(e)),
            Err(Early::Refused(Whole { status, mut headers, body })) => {
                note_upstream(call, &headers);
                filter_response_headers(&mut headers);
                return End::Failed(self.judged(call, status, headers, body));
            }
        };
        let parts: Vec<Answer<'_>> =
            answers.iter().map(|w| Answer { headers: &w.headers, body: &w.body }).collect();
        let translated = match translation.joined(&parts) {
            Ok(translated) => translated,
            Err(why) => return End::Failed(Failure::unreadable(why)),
        };
        count(&mut call.x, translated.tokens, &translated.body);
        let Some(first) = answers.first() else {
            return End::Failed(Failure::broken("no call was made".into()));
        };
        note_upstream(call, &first.headers);
        let mut headers = head(&first.headers, &call.x, false);
        let status = StatusCode::OK;
        call.chain.clone().head(&mut call.x, &mut ResponseHead { status, headers: &mut headers });
        match reply::whole(d, &mut call.x, status, headers, translated.body.into()).await {
            Ok(()) => End::Delivered,
            Err(_) => End::Gone,
        }
    }
}

fn failure(e: WholeError) -> Failure {
    match e {
        WholeError::Open(e) => Failure::not_opened(e),
        WholeError::Broken { error, stale: true } => Failure::stale(error.to_string()),
        e @ (WholeError::Broken { .. } | WholeError::NoHead) => Failure::broken(e.to_string()),
        e @ WholeError::TimedOut(_) => Failure::timed_out(e.to_string()),
        e @ WholeError::TooLarge => Failure::unreadable(
            Rejection::upstream(
                ErrorKind::Upstream,
                "upstream_bad_answer",
                "The model provider's answer is too large to be translated.",
            )
            .detail(e.to_string()),
        ),
    }
}
