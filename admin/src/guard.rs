//! Who calls, and whether they may: the token of the `Authorization` header or the cookie of a session, against the
//! permission table.
//!
//! Routes and handlers only ever ask [`Caller`]. What is refused here goes into the audit trail, whoever refused it.

use crate::caller::{Began, Caller, Identity, Peer, RequestId, forbidden};
use crate::idempotency;
use crate::pace::Pace;
use crate::permission::{Permission, Rule};
use crate::problem::Problem;
use crate::scim::token;
use crate::sign_in::{self, Claims, Refused, SignIn, sessions};
use crate::state::Stored;
use crate::throttle::{Limits, Throttle};
use crate::token::{Bootstrap, digest};
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, Method, StatusCode, header};
use sallyport_config::model::RateLimit;
use sallyport_schema::access::{Effective, rule};
use sallyport_schema::audit::{Actor, Event, Outcome};
use sallyport_schema::store::scim::ScimClient;
use sallyport_schema::store::sessions::SignedIn;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// What is allowed with a temporary password: to see that it is one, to change it, to leave.
const BEFORE_CHANGE: [(&str, &str); 3] =
    [("GET", "/api/me"), ("PUT", "/api/me/password"), ("DELETE", "/api/session")];

/// What is allowed without the second factor that a role needs: to see that it is missing, to set one up, to change the
/// password, to leave.
const BEFORE_FACTOR: [(&str, &str); 8] = [
    ("GET", "/api/me"),
    ("PUT", "/api/me/password"),
    ("DELETE", "/api/session"),
    ("POST", "/api/me/totp"),
    ("POST", "/api/me/totp/confirm"),
    ("GET", "/api/me/passkeys"),
    ("POST", "/api/me/passkeys/begin"),
    ("POST", "/api/me/passkeys/finish"),
];

/// What the guard needs to know.
pub(crate) struct Guard {
    /// None: nobody gets in.
    bootstrap: Option<Bootstrap>,
    /// There is a super admin: the token that was made for the set-up opens nothing any more.
    lapsed: AtomicBool,
    throttle: Throttle,
    pace: Arc<Pace>,
    /// None: only describes the routes.
    people: Option<(Stored, Arc<SignIn>)>,
}

/// What the headers show, before anybody was asked.
#[derive(Debug)]
enum Shown {
    Nothing,
    Bootstrap,
    /// An access token that is ours.
    Access(Claims, Carrier),
    /// What looks like the token of a SCIM client.
    Scim(String),
    /// A cookie that opens nothing any more. Browsers send it along whatever is asked, also for a new sign-in.
    Stale(Problem),
}

/// How an access token came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Carrier {
    Header,
    /// A browser sends it by itself, also when another site's page asks.
    Cookie,
}

impl Guard {
    /// A guard that accepts this token, and the people of this store.
    pub(crate) fn new(
        mut bootstrap: Bootstrap,
        throttle: Throttle,
        pace: Arc<Pace>,
        stored: Stored,
        sign_in: Arc<SignIn>,
    ) -> Self {
        bootstrap.newly_made = None;
        Self {
            bootstrap: Some(bootstrap),
            lapsed: AtomicBool::new(false),
            throttle,
            pace,
            people: Some((stored, sign_in)),
        }
    }

    /// A guard that accepts no token.
    pub(crate) fn closed() -> Self {
        let pace = Arc::new(Pace::new(&RateLimit::default()));
        Self {
            bootstrap: None,
            lapsed: AtomicBool::new(false),
            throttle: Throttle::new(Limits::default()),
            pace,
            people: None,
        }
    }

    /// What the headers show.
    fn look(&self, headers: &HeaderMap, from: IpAddr) -> Result<Shown, Problem> {
        let mut values = headers.get_all(header::AUTHORIZATION).iter();
        let Some(value) = values.next() else { return Ok(self.look_at_cookie(headers)) };
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
            return Ok(Shown::Bootstrap);
        }
        if token::is_one(token) && self.people.is_some() {
            return Ok(Shown::Scim(token.to_owned()));
        }
        match self.people.as_ref().map(|(_, sign_in)| sign_in.verify(token)) {
            Some(Ok(claims)) => return Ok(Shown::Access(claims, Carrier::Header)),
            Some(Err(Refused::Expired)) => return Err(expired()),
            Some(Err(Refused::Wrong)) | None => {}
        }
        Err(self.wrong(token, from))
    }

    /// A guess.
    fn wrong(&self, token: &str, from: IpAddr) -> Problem {
        self.throttle.failed(from, digest(token), Instant::now());
        tracing::warn!(address = %from, "admin API: wrong token");
        unauthorized("invalid_token", "the token is not valid")
    }

    /// Whose SCIM token it is.
    async fn scim(&self, token: &str, from: IpAddr) -> Result<(ScimClient, Effective), Problem> {
        let (stored, _) = self.people.as_ref().ok_or_else(|| self.wrong(token, from))?;
        token::client(stored, token).await?.ok_or_else(|| self.wrong(token, from))
    }

    /// Whether the bootstrap token still opens something.
    async fn bootstraps(&self) -> Result<(), Problem> {
        let over = || {
            unauthorized(
                "token_lapsed",
                "this token was for the set-up: sign in, or set a token of your own as admin.token",
            )
        };
        let Some((stored, _)) =
            self.people.as_ref().filter(|_| self.bootstrap.as_ref().is_some_and(Bootstrap::lapses))
        else {
            return Ok(());
        };
        if self.lapsed.load(Ordering::Relaxed) {
            return Err(over());
        }
        if stored.store.super_admins().await? > 0 {
            self.lapsed.store(true, Ordering::Relaxed);
            return Err(over());
        }
        Ok(())
    }

    fn look_at_cookie(&self, headers: &HeaderMap) -> Shown {
        let Some((_, sign_in)) = &self.people else { return Shown::Nothing };
        match SignIn::cookie(headers).map(|token| sign_in.verify(token)) {
            None => Shown::Nothing,
            Some(Ok(claims)) => Shown::Access(claims, Carrier::Cookie),
            Some(Err(Refused::Expired)) => Shown::Stale(expired()),
            Some(Err(Refused::Wrong)) => Shown::Stale(sessions::over()),
        }
    }

    /// Whose access token it is, as long as the session holds.
    async fn person(&self, claims: &Claims, from: IpAddr, headers: &HeaderMap) -> Result<SignedIn, Problem> {
        let (stored, sign_in) = self.people.as_ref().ok_or_else(sessions::over)?;
        let found = stored.store.signed_in(claims.sid, sign_in.idle).await?.ok_or_else(sessions::over)?;
        if found.person.id != claims.sub || found.person.epoch != claims.epoch {
            return Err(sessions::over());
        }
        sign_in.in_place(&stored.store, &found, from, headers).await?;
        Ok(found)
    }

    fn somebody(&self, found: SignedIn, from: IpAddr, request: &Request) -> Caller {
        let must_enrol =
            self.people.as_ref().is_some_and(|(_, s)| s.must_enrol(&found.person, &found.session.method));
        let SignedIn { session, person, effective, must_change } = found;
        let actor = actor("user", Some(person.id.to_string()), person.email.clone(), from, request);
        let began = Began { method: session.method, at: session.created_at };
        let identity = Identity::Person { session: session.id, began, must_change, must_enrol };
        Caller::signed_in(identity, actor, effective, person)
    }

    /// A denial stands even if the trail cannot be written.
    async fn note(&self, actor: &Actor, event: &Event) {
        let Some((stored, _)) = &self.people else { return };
        if let Err(error) = stored.store.note(actor, event).await {
            tracing::error!(%error, "a denial could not be put into the audit trail");
        }
    }

    /// What stands in the way of somebody who holds the permission.
    fn but(&self, caller: &Caller, carrier: Carrier, request: &Request, rule: &Rule) -> Option<Problem> {
        let Identity::Person { session, must_change, must_enrol, .. } = *caller.identity() else {
            return None;
        };
        if rule.permission == Permission::Public {
            return None;
        }
        let reads = matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
        let (_, sign_in) = self.people.as_ref()?;
        if carrier == Carrier::Cookie && !reads && !sign_in.csrf_given(request.headers(), session) {
            return Some(Problem::new(
                StatusCode::FORBIDDEN,
                "csrf_token",
                "send the csrf_token of GET /api/me in the header x-csrf-token",
            ));
        }
        let refused = |code, detail| Some(Problem::new(StatusCode::FORBIDDEN, code, detail));
        if must_change && !BEFORE_CHANGE.contains(&(rule.method, rule.path)) {
            return refused(
                "password_change_required",
                "the password is a temporary one: change it first (PUT /api/me/password)",
            );
        }
        if must_enrol && !BEFORE_FACTOR.contains(&(rule.method, rule.path)) {
            return refused(
                "second_factor_setup_required",
                "your role needs a second factor: set one up first (POST /api/me/totp or /api/me/passkeys/begin)",
            );
        }
        None
    }
}

fn unauthorized(code: &'static str, detail: &'static str) -> Problem {
    Problem::new(StatusCode::UNAUTHORIZED, code, detail)
}

fn expired() -> Problem {
    unauthorized("expired_token", "the access token has expired: POST /api/session/refresh, or sign in")
}

/// The guard of one path: its rules are all that opens it.
#[derive(Clone)]
pub(crate) struct Post {
    pub(crate) guard: Arc<Guard>,
    pub(crate) rules: Arc<[Rule]>,
}

/// Lets a request through to its handler, or answers for it.
pub(crate) async fn stand(State(post): State<Post>, mut request: Request, next: Next) -> Response {
    let guard = &*post.guard;
    let Peer(from) = Peer::of(request.extensions());
    let path = post.rules.first().map_or("", |r| r.path);
    let rule = rule(&post.rules, request.method().as_str(), path).copied();
    let (caller, carrier, stale) = match guard.look(request.headers(), from) {
        Ok(Shown::Nothing) => (nobody(Identity::Anonymous, from, &request), Carrier::Header, None),
        Ok(Shown::Bootstrap) => match guard.bootstraps().await {
            Ok(()) => (nobody(Identity::Bootstrap, from, &request), Carrier::Header, None),
            // health, while the store is away: nobody can know
            Err(why)
                if why.status().is_server_error()
                    && rule.is_some_and(|r| r.permission == Permission::Public) =>
            {
                (nobody(Identity::Bootstrap, from, &request), Carrier::Header, None)
            }
            Err(why) => return why.into_response(),
        },
        Ok(Shown::Scim(token)) => match guard.scim(&token, from).await {
            Ok((client, effective)) => {
                let name = format!("scim:{}", client.name);
                let actor = actor("scim", Some(client.id.to_string()), name, from, &request);
                request.extensions_mut().insert(Arc::new(client));
                (Caller::new(Identity::Scim, actor, effective), Carrier::Header, None)
            }
            Err(why) => return why.into_response(),
        },
        Ok(Shown::Stale(why)) => (nobody(Identity::Anonymous, from, &request), Carrier::Cookie, Some(why)),
        Ok(Shown::Access(claims, carrier)) => match guard.person(&claims, from, request.headers()).await {
            Ok(found) => {
                let caller = guard.somebody(found, from, &request);
                // what needs nobody shows no more to somebody who may do nothing yet
                let public = rule.is_some_and(|r| r.permission == Permission::Public);
                if public && caller.is_held_up() {
                    (nobody(Identity::Anonymous, from, &request), carrier, None)
                } else {
                    (caller, carrier, None)
                }
            }
            // what needs nobody is answered to nobody: a new sign-in, or health while the store is away
            Err(why) if carrier == Carrier::Cookie || why.status().is_server_error() => {
                (nobody(Identity::Anonymous, from, &request), carrier, Some(why))
            }
            Err(why) => return why.into_response(),
        },
        Err(problem) => return problem.into_response(),
    };
    if *caller.identity() != Identity::Anonymous {
        let actor = caller.actor();
        if let Err(problem) = guard.pace.account(actor.id.as_deref().unwrap_or(&actor.name)) {
            return problem.into_response();
        }
    }
    let asked = format!("{} {}", request.method(), request.uri().path());
    let response = match rule {
        Some(rule) if caller.may(rule.permission) => match guard.but(&caller, carrier, &request, &rule) {
            Some(problem) => problem.into_response(),
            None => {
                request.extensions_mut().insert(caller.clone());
                match &guard.people {
                    // sign-ins are not kept: their answers are cookies, their requests hold passwords
                    Some((stored, _)) if !rule.permission.is_free() => {
                        idempotency::once(stored, &caller, request, next).await
                    }
                    _ => next.run(request).await,
                }
            }
        },
        Some(_) if *caller.identity() == Identity::Anonymous => {
            let missing = || {
                unauthorized(
                    "missing_token",
                    "sign in, or send a token in the header Authorization: Bearer …",
                )
            };
            return stale.unwrap_or_else(missing).into_response();
        }
        Some(rule) => forbidden(format!("you may not do this: it needs {}", rule.permission)).into_response(),
        None => forbidden("nobody may do this").into_response(),
    };
    if response.status() == StatusCode::FORBIDDEN && response.extensions().get::<Noted>().is_none() {
        tracing::warn!(address = %from, asked, "admin API: not allowed");
        let event = Event::not_done("request.deny", Outcome::Denied, "not allowed");
        guard.note(caller.actor(), &event.on("route", &asked, path)).await;
    }
    response
}

/// Goes with an answer whose refusal is in the audit trail already, with more than the guard knows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noted;

fn nobody(identity: Identity, from: IpAddr, request: &Request) -> Caller {
    let (kind, name, effective) = match identity {
        Identity::Bootstrap => ("bootstrap", "bootstrap token", Effective::everything()),
        _ => ("anonymous", "anonymous", Effective::default()),
    };
    Caller::new(identity, actor(kind, None, name.to_owned(), from, request), effective)
}

fn actor(kind: &'static str, id: Option<String>, name: String, from: IpAddr, request: &Request) -> Actor {
    Actor {
        kind,
        id,
        name,
        address: Some(from.to_string()),
        agent: sign_in::agent(request.headers()),
        request_id: request.extensions().get::<RequestId>().map(|id| id.0.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sallyport_config::model::Secret;
    use std::net::Ipv4Addr;

    const TOKEN: &str = "0123456789abcdef";
    const A: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn guard(failures: u32) -> Guard {
        let b = Bootstrap::ensure(std::path::Path::new("/nonexistent"), Some(&Secret::new(TOKEN))).unwrap();
        let throttle = Throttle::new(Limits { failures, ..Limits::default() });
        Guard {
            people: None,
            lapsed: AtomicBool::new(false),
            bootstrap: Some(b),
            throttle,
            pace: Arc::new(Pace::new(&RateLimit::default())),
        }
    }

    fn headers(values: &[&str]) -> HeaderMap {
        values.iter().map(|v| (header::AUTHORIZATION, v.parse().unwrap())).collect()
    }

    fn shown(guard: &Guard, values: &[&str]) -> Result<&'static str, Problem> {
        Ok(match guard.look(&headers(values), A)? {
            Shown::Nothing => "nothing",
            Shown::Bootstrap => "bootstrap",
            Shown::Access(..) | Shown::Stale(_) => "a session",
            Shown::Scim(_) => "a SCIM client",
        })
    }

    #[test]
    fn only_the_bearer_header_counts() {
        let g = guard(1000);
        let id = |v: &[&str]| shown(&g, v).map_err(|p| (p.status().as_u16(), p.code()));
        assert_eq!(id(&[]), Ok("nothing"));
        assert_eq!(id(&["Bearer 0123456789abcdef"]), Ok("bootstrap"));
        assert_eq!(id(&["bearer  0123456789abcdef "]), Ok("bootstrap"));
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
        let id = |v: &[&str]| shown(&g, v).map_err(|p| p.status().as_u16());
        assert_eq!(id(&["Bearer a"]), Err(401));
        assert_eq!(id(&["Bearer b"]), Err(401));
        assert_eq!(id(&["Bearer c"]), Err(429));
        assert_eq!(id(&["Bearer 0123456789abcdef"]), Err(429), "blocked is blocked, or guessing would go on");
        assert_eq!(id(&[]), Ok("nothing"));
    }

    #[tokio::test]
    async fn anonymous_may_only_what_is_public() {
        use sallyport_schema::access::Permission;
        let request = Request::new(axum::body::Body::empty());
        for p in Permission::ALL {
            assert_eq!(nobody(Identity::Anonymous, A, &request).may(*p), *p == Permission::Public, "{p}");
            assert_eq!(nobody(Identity::Bootstrap, A, &request).may(*p), *p != Permission::Scim);
            let scim = Caller::new(Identity::Scim, Actor::cli(), Effective::everything());
            assert_eq!(scim.may(*p), matches!(p, Permission::Public | Permission::Scim), "{p}");
        }
    }
}
