//! Who calls, and what he may do. Handlers find it among the request's extensions.

use crate::problem::Problem;
use axum::extract::{ConnectInfo, FromRequestParts};
use http::request::Parts;
use http::{Extensions, StatusCode};
use sallyport_schema::access::{Assignment, Effective, Object, Permission, Reach};
use sallyport_schema::audit::Actor;
use sallyport_schema::store::people::Person;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use time::OffsetDateTime;
use uuid::Uuid;

/// The id of a request, as the client gets it in `x-request-id`.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// The client's address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl Peer {
    /// From what the listener put among the extensions.
    pub(crate) fn of(extensions: &Extensions) -> Self {
        let peer = extensions.get::<ConnectInfo<SocketAddr>>();
        Self(peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |peer| peer.0.ip().to_canonical()))
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Peer {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.extensions))
    }
}

/// Who sent a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller(Arc<Who>);

#[derive(Debug)]
struct Who {
    identity: Identity,
    actor: Actor,
    effective: Effective,
    person: Option<Person>,
}

/// What the caller has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Nothing.
    Anonymous,
    /// The bootstrap token.
    Bootstrap,
    /// The access token of a session.
    Person {
        /// The session.
        session: Uuid,
        /// How and when it began.
        began: Began,
        /// The password is a temporary one.
        must_change: bool,
        /// A role needs a second factor, and there is none.
        must_enrol: bool,
    },
    /// The token of a SCIM client.
    Scim,
}

/// How and when a session began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Began {
    /// `password`, `password+totp`, `passkey`, …
    pub(crate) method: String,
    /// When.
    pub(crate) at: OffsetDateTime,
}

impl Caller {
    /// Puts it together.
    pub(crate) fn new(identity: Identity, actor: Actor, effective: Effective) -> Self {
        Self(Arc::new(Who { identity, actor, effective, person: None }))
    }

    /// Somebody who has signed in.
    pub(crate) fn signed_in(identity: Identity, actor: Actor, effective: Effective, person: Person) -> Self {
        Self(Arc::new(Who { identity, actor, effective, person: Some(person) }))
    }

    /// The account of a caller who has signed in.
    pub(crate) fn person(&self) -> Option<&Person> {
        self.0.person.as_ref()
    }

    /// User and session of a caller who has signed in.
    pub(crate) fn session(&self) -> Result<(Uuid, Uuid), Problem> {
        match (&self.0.identity, &self.0.person) {
            (Identity::Person { session, .. }, Some(person)) => Ok((person.id, *session)),
            _ => Err(no_account()),
        }
    }

    /// How the session of a caller who has signed in began.
    pub(crate) fn began(&self) -> Result<&Began, Problem> {
        match &self.0.identity {
            Identity::Person { began, .. } => Ok(began),
            Identity::Anonymous | Identity::Bootstrap | Identity::Scim => Err(no_account()),
        }
    }

    /// What was shown.
    pub(crate) fn identity(&self) -> &Identity {
        &self.0.identity
    }

    /// Signed in, but something must be done before anything else.
    pub(crate) fn is_held_up(&self) -> bool {
        matches!(
            self.0.identity,
            Identity::Person { must_change: true, .. } | Identity::Person { must_enrol: true, .. }
        )
    }

    /// As the audit trail names it.
    pub(crate) fn actor(&self) -> &Actor {
        &self.0.actor
    }

    /// All that it may do.
    pub(crate) fn effective(&self) -> &Effective {
        &self.0.effective
    }

    /// The user that it is.
    pub(crate) fn user(&self) -> Option<Uuid> {
        self.0.effective.subject().id
    }

    /// Whether it is a member of the team.
    pub(crate) fn is_in(&self, team: Uuid) -> bool {
        self.0.effective.subject().teams.contains(&team)
    }

    /// Whether it holds the permission, for something at least.
    pub(crate) fn may(&self, permission: Permission) -> bool {
        // a SCIM client's roles say what it may do by way of SCIM, not here
        let scim = self.0.identity == Identity::Scim;
        match permission {
            Permission::Public => true,
            Permission::Scim => scim,
            _ if scim => false,
            Permission::SignedIn => self.0.identity != Identity::Anonymous,
            _ => !self.reach(permission).is_none(),
        }
    }

    /// How far the permission reaches.
    pub(crate) fn reach(&self, permission: Permission) -> Reach {
        self.0.effective.reach(permission)
    }

    /// What a query over things with an owner looks for: those of these teams, and of this owner; None: all.
    pub(crate) fn visible(&self, permission: Permission) -> Option<(Vec<Uuid>, Option<Uuid>)> {
        let Reach { all, teams, own } = self.reach(permission);
        (!all).then(|| (teams.into_iter().collect(), self.user().filter(|_| own)))
    }

    /// Whether it may do this to that thing.
    pub(crate) fn may_on(&self, permission: Permission, object: Object<'_>) -> bool {
        self.0.effective.may_on(permission, object).allowed
    }

    /// 404 for what it may not even see (so that nobody finds out what there is), 403 for what it may see but not change.
    pub(crate) fn need(
        &self,
        read: Permission,
        permission: Permission,
        object: Object<'_>,
        what: &'static str,
    ) -> Result<(), Problem> {
        if self.may_on(permission, object) {
            return Ok(());
        }
        if self.may_on(read, object) {
            return Err(forbidden(format!("you may not do this to this {what}: it needs {permission}")));
        }
        Err(Problem::not_found(format!("there is no such {what}")))
    }

    /// Nobody gives, changes or takes away what he does not hold himself.
    pub(crate) fn covers(&self, other: &[Assignment]) -> Result<(), Problem> {
        let covered = self.0.effective.covers(other);
        covered.map_err(|missing| forbidden(format!("you do not hold this yourself: {missing}")))
    }
}

/// 403.
pub(crate) fn forbidden(detail: impl Into<std::borrow::Cow<'static, str>>) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "forbidden", detail)
}

/// 404: the bootstrap token is nobody's.
pub(crate) fn no_account() -> Problem {
    Problem::not_found("the bootstrap token has no account and no sessions: sign in as a person")
}
