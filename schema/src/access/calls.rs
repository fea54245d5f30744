//! What a role lets be called, compiled from its grants: the one reading of surfaces, models and tools, for the admin
//! API's answers and for the gateway alike.

use super::grant::{Effect, Grant};
use crate::pattern::PatternSet;

/// The surface that no `*` opens: the pass-through must be named.
pub const NAMED: &str = "passthrough";

/// The calls that a role opens and closes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallRights {
    allow: Vec<Calls>,
    deny: Vec<Calls>,
    allow_tools: PatternSet,
    deny_tools: PatternSet,
}

/// Surfaces × models of one grant.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Calls {
    surfaces: PatternSet,
    models: PatternSet,
}

/// Does a list of surfaces open this one?
pub fn opens_surface(list: &PatternSet, surface: &str) -> bool {
    if surface == NAMED { list.names(surface) } else { list.allows(surface) }
}

impl CallRights {
    /// What these grants say about calls.
    pub fn new(grants: &[Grant]) -> Self {
        let of = |effect| grants.iter().filter(move |g| g.effect == effect);
        let calls = |effect| {
            of(effect)
                .filter(|g| !g.surfaces.is_empty())
                .map(|g| Calls { surfaces: PatternSet::new(&g.surfaces), models: PatternSet::new(&g.models) })
                .collect()
        };
        let tools = |effect| PatternSet::new(of(effect).flat_map(|g| &g.tools));
        Self {
            allow: calls(Effect::Allow),
            deny: calls(Effect::Deny),
            allow_tools: tools(Effect::Allow),
            deny_tools: tools(Effect::Deny),
        }
    }

    /// What the role says: Some(true) opens it, Some(false) closes it, whatever other roles say. `model`: None for a
    /// surface (or a question) without one: a role that closes some models only does not close the surface.
    pub fn say(&self, surface: &str, model: Option<&str>) -> Option<bool> {
        let denied = |c: &Calls| c.surfaces.allows(surface) && c.models.allows(model.unwrap_or(""));
        if self.deny.iter().any(denied) {
            return Some(false);
        }
        let opens =
            |c: &Calls| opens_surface(&c.surfaces, surface) && model.is_none_or(|m| c.models.allows(m));
        self.allow.iter().any(opens).then_some(true)
    }

    /// The same of an MCP tool: `server/tool`.
    pub fn say_tool(&self, tool: &str) -> Option<bool> {
        if self.deny_tools.allows(tool) {
            return Some(false);
        }
        self.allow_tools.allows(tool).then_some(true)
    }
}
