//! Who calls, and whether they may: the token of the `Authorization` header against the permission table.
//!
//! Identities (people, roles, sessions) will become further kinds of [`Caller`]; routes and handlers only ever ask
//! [`Caller::may`].

use crate::permission::{Permission, Rule};
use crate::problem::Problem;
use crate::throttle::{Limits, Throttle};
use crate::token::{Bootstrap, digest};
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, header};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

/// Who sent a request. Handlers find it among the request's extensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// No credential.
    Anonymous,
    /// The holder of the bootstrap token.
    Bootstrap,
}

impl Caller {
    /// Whether the caller holds the permission.
    pub(crate) const fn may(self, permission: Permission) -> bool {
        match self {
            Self::Anonymous => matches!(permission, Permission::Public),
            Self::Bootstrap => true,
        }
    }
}

/// What the guard needs to know.
#[derive(Debug)]
pub(crate) struct Guard {
    /// None: nobody gets in.
    bootstrap: Option<Bootstrap>,
    throttle: Throttle,
}

impl Guard {
    /// A guard that accepts this token.
    pub(crate) fn new(mut bootstrap: Bootstrap, throttle: Throttle) -> Self {
        bootstrap.newly_made = None;
        Self { bootstrap: Some(bootstrap), throttle }
    }

    /// A guard that accepts no token.
    pub(crate) fn closed() -> Self {
        Self { bootstrap: None, throttle: Throttle::new(Limits::default()) }
    }

    /// Who the headers say the caller is.
    fn identify(&self, headers: &HeaderMap, from: IpAddr) -> Result<Caller, Problem> {
        let unauthorized = |code, detail: &'static str| Problem::new(StatusCode::UNAUTHORIZED, code, detail);
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = values.next() else { return Ok(Caller::Anonymous) };
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
            return Ok(Caller::Bootstrap);
        }
        self.throttle.failed(from, digest(token), now);
        tracing::warn!(address = %from, "admin API: wrong token");
        Err(unauthorized("invalid_token", "the token is not valid"))
    }
}

/// The guard of one path: its rules are all that opens it.
#[derive(Clone, Debug)]
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
        Ok(caller) => caller,
        Err(problem) => return problem.into_response(),
    };
    let path = post.rules.first().map_or("", |r| r.path);
    match crate::permission::rule(&post.rules, request.method(), path) {
        Some(rule) if caller.may(rule.permission) => {
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Some(_) if caller == Caller::Anonymous => Problem::new(
            StatusCode::UNAUTHORIZED,
            "missing_token",
            "send the admin token in the header Authorization: Bearer …",
        )
        .into_response(),
        Some(rule) => {
            tracing::warn!(address = %from, permission = %rule.permission, "admin API: not allowed");
            Problem::new(StatusCode::FORBIDDEN, "forbidden", "you may not do this").into_response()
        }
        None => Problem::new(StatusCode::FORBIDDEN, "forbidden", "nobody may do this").into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sallyport_config::model::Secret;

    const TOKEN: &str = "0123456789abcdef";
    const A: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn guard(failures: u32) -> Guard {
        let b = Bootstrap::ensure(std::path::Path::new("/nonexistent"), Some(&Secret::new(TOKEN))).unwrap();
        Guard::new(b, Throttle::new(Limits { failures, ..Limits::default() }))
    }

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|v| (header::AUTHORIZATION, v.parse().unwrap())).collect()
    }

    #[test]
    fn only_the_bearer_header_counts() {
        let g = guard(1000);
        let id = |v: &[&str]| g.identify(&headers(v), A).map_err(|p| (p.status().as_u16(), p.code()));
        assert_eq!(id(&[]), Ok(Caller::Anonymous));
        assert_eq!(id(&["Bearer 0123456789abcdef"]), Ok(Caller::Bootstrap));
        assert_eq!(id(&["bearer  0123456789abcdef "]), Ok(Caller::Bootstrap));
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
        assert_eq!(id(&[]), Ok(Caller::Anonymous));
    }

    #[test]
    fn anonymous_may_only_what_is_public() {
        for p in Permission::ALL {
            assert_eq!(Caller::Anonymous.may(p), p == Permission::Public);
            assert!(Caller::Bootstrap.may(p));
        }
    }
}
