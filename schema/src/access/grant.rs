//! One line of a role.

use super::Permission;
use crate::pattern::glob;
use serde::{Deserialize, Serialize};

/// Opens or closes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// Opens what it matches.
    #[default]
    Allow,
    /// Closes what it matches, whatever else opens it.
    Deny,
}

/// Whose things a grant is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The holder's own.
    Own,
    /// Those of the teams that the holder manages; in an assignment to a team: that team's.
    Team,
    /// Everybody's; in an assignment to a team: that team's.
    All,
}

/// One line of a role: permissions of the admin API, and what may be called through the gateway. Empty lists open (and
/// close) nothing.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// `allow` or `deny`; a deny always wins.
    #[serde(default)]
    pub effect: Effect,
    /// Whose things `permissions` are about.
    #[serde(default = "own")]
    pub scope: Scope,
    /// Permissions (`keys.read`), or patterns of them (`keys.*`, `*`).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub permissions: Vec<String>,
    /// Surfaces (`chat`, `messages`, …) or patterns that may be called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub surfaces: Vec<String>,
    /// Models or patterns that may be called on these surfaces.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// MCP tools (`server/tool`) or patterns that may be called.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
}

const fn own() -> Scope {
    Scope::Own
}

/// Why a grant cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GrantError {
    /// Nothing matches it.
    #[error("`{0}` is no permission and matches none")]
    NoSuchPermission(String),
    /// Not printable, or too long.
    #[error("`{0}` is no pattern: at most 200 printable characters without spaces")]
    BadPattern(String),
    /// It says nothing.
    #[error("a grant needs permissions, surfaces, models or tools")]
    Empty,
    /// Too long a list.
    #[error("a grant may list at most {0} patterns of a kind")]
    TooMany(usize),
}

/// Longest list in a grant.
const MOST: usize = 200;

impl Grant {
    /// Checks what a person wrote.
    ///
    /// # Errors
    /// [`GrantError`] says what is the matter.
    pub fn check(&self) -> Result<(), GrantError> {
        let lists = [&self.permissions, &self.surfaces, &self.models, &self.tools];
        if lists.iter().all(|l| l.is_empty()) {
            return Err(GrantError::Empty);
        }
        if lists.iter().any(|l| l.len() > MOST) {
            return Err(GrantError::TooMany(MOST));
        }
        for pattern in lists.into_iter().flatten() {
            let fine =
                (1..=200).contains(&pattern.len()) && pattern.chars().all(|c| !c.is_control() && c != ' ');
            if !fine {
                return Err(GrantError::BadPattern(pattern.clone()));
            }
        }
        match self
            .permissions
            .iter()
            .find(|p| !Permission::ALL.iter().any(|q| !q.is_free() && glob(p, q.as_str())))
        {
            Some(unknown) => Err(GrantError::NoSuchPermission(unknown.clone())),
            None => Ok(()),
        }
    }

    /// Names this permission.
    pub fn names(&self, permission: Permission) -> bool {
        self.permissions.iter().any(|p| glob(p, permission.as_str()))
    }
}
