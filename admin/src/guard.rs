//! Who calls, and whether they may: the token of the `Authorization` header against the permission table.
//!
//! Routes and handlers only ever ask [`Caller`]. What is refused here goes into the audit trail, whoever refused it.

use crate::caller::{Caller, Identity, RequestId, forbidden};
use crate::idempotency;
use crate::permission::Rule;
use crate::problem::Problem;
use crate::state::Stored;
use crate::throttle::{Limits, Throttle};
use crate::token::{Bootstrap, digest};
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};
use sallyport_schema::access::{Effective, rule};
use sallyport_schema::audit::{Actor, Event, Outcome};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

/// What the guard needs to know.
pub(crate) struct Guard {
    /// None: nobody gets in.
    bootstrap: Option<Bootstrap>,
    throttle: Throttle,
    /// None: only describes the routes.
    stored: Option<Stored>,
}

impl Guard {
    /// A guard that accepts this token.
    pub(crate) fn new(mut bootstrap: Bootstrap, throttle: Throttle, stored: Stored) -> Self {
        bootstrap.newly_made = None;
        Self { bootstrap: Some(bootstrap), throttle, stored: Some(stored) }
    }

    /// A guard that accepts no token.
    pub(crate) fn closed() -> Self {
        Self { bootstrap: None, throttle: Throttle::new(Limits::default()), stored: None }
    }

    /// Who the headers say the caller is.
    fn identify(&self, headers: &HeaderMap, from: IpAddr) -> Result<Identity, Problem> {
        let unauthorized = |code, detail: &'static str| Problem::new(StatusCode::UNAUTHORIZED, code, detail);
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = values.next() else { return Ok(Identity::Anonymous) };
        let now = Instant::now();
        if let Some(wait) = self.throttle.blocked(from, now) {
            let problem = Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_failures",
                "too many wrong tokens from this address; wait for the time in Retry-After",
            );
            return Err(problem.retry_after(wait.as_secs() + 1));
        }
        let token = match (values.next(), value.to_str().ok().and_then(|v| v.split_once(' '))) {
            (None, Some((scheme, token))) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => {
                return Err(unauthorized(
                    "invalid_authorization",
                    "expected one header Authorization: Bearer …",
                ));
            }
        };
        if self.bootstrap.as_ref().is_some_and(|b| b.matches(token)) {
            return Ok(Identity::Bootstrap);
        }
        self.throttle.failed(from, digest(token), now);
        tracing::warn!(address = %from, "admin API: wrong token");
        Err(unauthorized("invalid_token", "the token is not valid"))
    }
}

/// The guard of one path: its rules are all that opens it.
#[derive(Clone)]
pub(crate) struct Post {
    pub(crate) guard: Arc<Guard>,
    pub(crate) rules: Arc<[Rule]>,
}

/// Lets a request through to its handler, or answers for it.
pub(crate) async fn stand(State(post): State<Post>, mut request: Request, next: Next) -> Response {
    let from = request
        .extensions()
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip());
    let caller = match post.guard.identify(request.headers(), from) {
        Ok(identity) => caller(identity, from, &request),
        Err(problem) => return problem.into_response(),
    };
    let path = post.rules.first().map_or("", |r| r.path);
    let asked = format!("{} {}", request.method(), request.uri().path());
    let response = match rule(&post.rules, request.method().as_str(), path) {
        Some(rule) if caller.may(rule.permission) => {
            request.extensions_mut().insert(caller.clone());
            match &post.guard.stored {
                Some(stored) => idempotency::once(stored, &caller, request, next).await,
                None => next.run(request).await,
            }
        }
        Some(_) if *caller.identity() == Identity::Anonymous => {
            return Problem::new(
                StatusCode::UNAUTHORIZED,
                "missing_token",
                "send the admin token in the header Authorization: Bearer …",
            )
            .into_response();
        }
        Some(rule) => forbidden(format!("you may not do this: it needs {}", rule.permission)).into_response(),
        None => forbidden("nobody may do this").into_response(),
    };
    if response.status() == StatusCode::FORBIDDEN {
        tracing::warn!(address = %from, asked, "admin API: not allowed");
        if let Some(stored) = &post.guard.stored {
            let event = Event::not_done("request.deny", Outcome::Denied, "not allowed");
            let event = event.on("route", &asked, path);
            if let Err(error) = stored.store.note(caller.actor(), &event).await {
                tracing::error!(%error, "a denial could not be put into the audit trail");
            }
        }
    }
    response
}

fn caller(identity: Identity, from: IpAddr, request: &Request) -> Caller {
    let (kind, name, effective) = match identity {
        Identity::Anonymous => ("anonymous", "anonymous", Effective::default()),
        Identity::Bootstrap => ("bootstrap", "bootstrap token", Effective::everything()),
    };
    let agent = request.headers().get(header::USER_AGENT).and_then(|v| v.to_str().ok());
    let actor = Actor {
        kind,
        id: None,
        name: name.to_owned(),
        address: Some(from.to_string()),
        agent: agent.map(str::to_owned),
        request_id: request.extensions().get::<RequestId>().map(|id| id.0.clone()),
    };
    Caller::new(identity, actor, effective)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sallyport_config::model::Secret;

    const TOKEN: &str = "0123456789abcdef";
    const A: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn guard(failures: u32) -> Guard {
        let b = Bootstrap::ensure(std::path::Path::new("/nonexistent"), Some(&Secret::new(TOKEN))).unwrap();
        let throttle = Throttle::new(Limits { failures, ..Limits::default() });
        Guard { stored: None, bootstrap: Some(b), throttle }
    }

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|v| (header::AUTHORIZATION, v.parse().unwrap())).collect()
    }

    #[test]
    fn only_the_bearer_header_counts() {
        let g = guard(1000);
        let id = |v: &[&str]| g.identify(&headers(v), A).map_err(|p| (p.status().as_u16(), p.code()));
        assert_eq!(id(&[]), Ok(Identity::Anonymous));
        assert_eq!(id(&["Bearer 0123456789abcdef"]), Ok(Identity::Bootstrap));
        assert_eq!(id(&["bearer  0123456789abcdef "]), Ok(Identity::Bootstrap));
        assert_eq!(id(&["Bearer 0123456789abcdeF"]), Err((401, "invalid_token")));
        assert_eq!(id(&["Bearer "]), Err((401, "invalid_token")));
        for bad in
            [&["0123456789abcdef"][..], &["Basic 0123456789abcdef"], &["Bearer 0123456789abcdef", "Bearer x"]]
        {
            assert_eq!(id(bad), Err((401, "invalid_authorization")), "{bad:?}");
        }
    }

    #[test]
    fn guesses_are_bounded_and_the_anonymous_are_no_guessers() {
        let g = guard(2);
        let id = |v: &[&str]| g.identify(&headers(v), A).map_err(|p| p.status().as_u16());
        assert_eq!(id(&["Bearer a"]), Err(401));
        assert_eq!(id(&["Bearer b"]), Err(401));
        assert_eq!(id(&["Bearer c"]), Err(429));
        assert_eq!(id(&["Bearer 0123456789abcdef"]), Err(429), "blocked is blocked, or guessing would go on");
        assert_eq!(id(&[]), Ok(Identity::Anonymous));
    }

    #[tokio::test]
    async fn anonymous_may_only_what_is_public() {
        use sallyport_schema::access::Permission;
        let request = Request::new(axum::body::Body::empty());
        for p in Permission::ALL {
            assert_eq!(caller(Identity::Anonymous, A, &request).may(*p), *p == Permission::Public, "{p}");
            assert!(caller(Identity::Bootstrap, A, &request).may(*p));
        }
    }
}
