//! What the roles of a key's owner let it call, compiled from the same grants that the admin API reads.

use crate::pattern::PatternSet;
use sallyport_schema::access::{BUILT_IN, Effect, Grant, built_in};
use std::sync::Arc;
use uuid::Uuid;

/// A role that an owner has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Held {
    /// Name of the role.
    pub role: Arc<str>,
    /// Only for keys of this team.
    pub team: Option<Uuid>,
}

/// The calls that a role opens and closes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallRights {
    allow: Vec<Calls>,
    deny: Vec<Calls>,
}

/// The built-in roles by name.
pub fn built_in_roles() -> impl Iterator<Item = (Arc<str>, Arc<CallRights>)> {
    let known = BUILT_IN.iter().filter_map(|name| built_in(name));
    known.map(|r| (r.name.as_str().into(), Arc::new(CallRights::new(&r.grants))))
}

/// Surfaces × models of one grant.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Calls {
    surfaces: PatternSet,
    models: PatternSet,
}

impl Calls {
    /// `model`: None for a surface that takes none.
    fn matches(&self, surface: &str, named: bool, model: Option<&str>) -> bool {
        let here = if named { self.surfaces.names(surface) } else { self.surfaces.allows(surface) };
        here && model.is_none_or(|m| self.models.allows(m))
    }
}

impl CallRights {
    /// What these grants say about calls.
    pub fn new(grants: &[Grant]) -> Self {
        let of = |effect| {
            grants
                .iter()
                .filter(|g| g.effect == effect && !g.surfaces.is_empty())
                .map(|g| Calls { surfaces: PatternSet::new(&g.surfaces), models: PatternSet::new(&g.models) })
                .collect()
        };
        Self { allow: of(Effect::Allow), deny: of(Effect::Deny) }
    }

    /// What the role says: Some(true) opens it, Some(false) closes it, whatever other roles say. `named`: the surface
    /// must be named, a `*` does not open it. `model`: None for a surface (or a question) without one: a role that
    /// closes some models only does not close the surface.
    pub fn say(&self, surface: &str, named: bool, model: Option<&str>) -> Option<bool> {
        let denied = |c: &Calls| match model {
            None => c.models.allows("") && c.matches(surface, false, None),
            Some(_) => c.matches(surface, false, model),
        };
        if self.deny.iter().any(denied) {
            return Some(false);
        }
        self.allow.iter().any(|c| c.matches(surface, named, model)).then_some(true)
    }
}
