//! May this key make this call? The key, its team and the roles of its owner must all say yes; what none of them opens
//! is closed. Compiled from the same grants that the admin API reads.

use crate::snapshot::{Key, Owner, Team};
pub use sallyport_schema::access::CallRights;
use sallyport_schema::access::{BUILT_IN, built_in, opens_surface};
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

/// Roles by name.
pub type Roles = imbl::HashMap<Arc<str>, Arc<CallRights>>;

/// The built-in roles by name.
pub fn built_in_roles() -> impl Iterator<Item = (Arc<str>, Arc<CallRights>)> {
    let known = BUILT_IN.iter().filter_map(|name| built_in(name));
    known.map(|r| (r.name.as_str().into(), Arc::new(CallRights::new(&r.grants))))
}

/// What is to be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// A surface, whatever the model.
    Surface(&'a str),
    /// A model on a surface that is open.
    Model {
        /// The surface.
        surface: &'a str,
        /// The model.
        model: &'a str,
    },
    /// An MCP tool: `server/tool`.
    Tool(&'a str),
}

/// All that bounds the calls of a key.
#[derive(Clone, Copy, Debug)]
pub struct Bounds<'a> {
    /// The key.
    pub key: &'a Key,
    /// The team that it is for.
    pub team: Option<&'a Team>,
    /// The person or service account that owns it. None: it is the organisation's or a team's, and the lists are all
    /// there is.
    pub owner: Option<&'a Owner>,
    /// Every role by name.
    pub roles: &'a Roles,
}

impl<'a> Bounds<'a> {
    /// All say yes.
    pub fn allow(&self, wanted: Wanted<'_>) -> bool {
        self.by_key(wanted) && self.by_team(wanted) && self.by_owner(wanted)
    }

    /// The key's own list says yes.
    pub fn by_key(&self, wanted: Wanted<'_>) -> bool {
        match wanted {
            Wanted::Surface(surface) => opens_surface(&self.key.surfaces, surface),
            Wanted::Model { model, .. } => self.key.models.allows(model),
            Wanted::Tool(tool) => self.key.tools.allows(tool),
        }
    }

    /// The team's list says yes, or there is no team.
    pub fn by_team(&self, wanted: Wanted<'_>) -> bool {
        self.team.is_none_or(|team| match wanted {
            Wanted::Surface(surface) => opens_surface(&team.surfaces, surface),
            Wanted::Model { model, .. } => team.models.allows(model),
            Wanted::Tool(tool) => team.tools.allows(tool),
        })
    }

    /// One role of the owner opens it and none closes it, or there is no owner.
    pub fn by_owner(&self, wanted: Wanted<'_>) -> bool {
        let Some(owner) = self.owner else { return true };
        self.said(owner, wanted)
            .fold(None, |so_far, (_, now)| Some(so_far.unwrap_or(true) && now))
            .unwrap_or(false)
    }

    /// The roles of the owner that open it (true) or close it.
    pub fn said(&self, owner: &'a Owner, wanted: Wanted<'_>) -> impl Iterator<Item = (&'a Held, bool)> {
        let here = owner.roles.iter().filter(|h| h.team.is_none() || h.team == self.key.team);
        here.filter_map(move |held| {
            let rights = self.roles.get(&held.role)?;
            let said = match wanted {
                Wanted::Surface(surface) => rights.say(surface, None),
                Wanted::Model { surface, model } => rights.say(surface, Some(model)),
                Wanted::Tool(tool) => rights.say_tool(tool),
            };
            said.map(|said| (held, said))
        })
    }
}

#[cfg(test)]
mod tests;
