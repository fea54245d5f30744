//! Who calls, and what he may do. Handlers find it among the request's extensions.

use crate::problem::Problem;
use http::StatusCode;
use sallyport_schema::access::{Assignment, Effective, Object, Permission, Reach};
use sallyport_schema::audit::Actor;
use std::sync::Arc;
use uuid::Uuid;

/// The id of a request, as the client gets it in `x-request-id`.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// Who sent a request.
#[derive(Clone, Debug)]
pub(crate) struct Caller(Arc<Who>);

#[derive(Debug)]
struct Who {
    identity: Identity,
    actor: Actor,
    effective: Effective,
}

/// What the caller has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Identity {
    /// Nothing.
    Anonymous,
    /// The bootstrap token.
    Bootstrap,
}

impl Caller {
    /// Puts it together.
    pub(crate) fn new(identity: Identity, actor: Actor, effective: Effective) -> Self {
        Self(Arc::new(Who { identity, actor, effective }))
    }

    /// What was shown.
    pub(crate) fn identity(&self) -> &Identity {
        &self.0.identity
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

    /// Whether it holds the permission, for something at least.
    pub(crate) fn may(&self, permission: Permission) -> bool {
        match permission {
            Permission::Public => true,
            Permission::SignedIn => self.0.identity != Identity::Anonymous,
            _ => !self.reach(permission).is_none(),
        }
    }

    /// How far the permission reaches.
    pub(crate) fn reach(&self, permission: Permission) -> Reach {
        self.0.effective.reach(permission)
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
