//! The built-in roles. Custom ones are rows.

use super::grant::{Effect, Grant, Scope};
use serde::{Deserialize, Serialize};

/// A role: a name for a list of grants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// Unique: `^[a-z][a-z0-9_-]{0,62}$`.
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// What it opens and closes.
    pub grants: Vec<Grant>,
}

/// Names of the built-in roles, the mightiest first.
pub const BUILT_IN: [&str; 5] = ["super_admin", "admin", "team_manager", "developer", "viewer"];

/// Is it one of them?
pub fn is_built_in(name: &str) -> bool {
    BUILT_IN.contains(&name)
}

/// The built-in role of this name.
pub fn built_in(name: &str) -> Option<Role> {
    let (description, grants) = match name {
        "super_admin" => ("Everything, of everybody.", vec![all(Scope::All, &["*"]), calls()]),
        "admin" => (
            "Everything but what only a super admin holds: roles themselves, the sign-in of everybody, the import of a \
             whole configuration, the erasure of a person.",
            vec![
                all(
                    Scope::All,
                    &[
                        "health.read",
                        "calls.read",
                        "snapshot.read",
                        "api.read",
                        "users.read",
                        "users.write",
                        "users.reset",
                        "teams.*",
                        "service_accounts.*",
                        "keys.*",
                        "roles.read",
                        "roles.assign",
                        "providers.*",
                        "models.*",
                        "settings.*",
                        "sign_in.read",
                        "audit.read",
                        "config.export",
                    ],
                ),
                calls(),
            ],
        ),
        "team_manager" => (
            "The teams that one manages: members, keys, service accounts, calls.",
            vec![
                all(
                    Scope::Team,
                    &[
                        "users.read",
                        "teams.read",
                        "teams.members",
                        "service_accounts.*",
                        "keys.*",
                        "calls.read",
                    ],
                ),
                all(Scope::Own, &["keys.*", "calls.read", "users.read", "teams.read"]),
                all(Scope::All, &["models.read", "roles.read", "api.read"]),
                calls(),
            ],
        ),
        "developer" => (
            "One's own keys and calls.",
            vec![
                all(Scope::Own, &["keys.*", "calls.read", "users.read", "teams.read"]),
                all(Scope::All, &["models.read", "api.read"]),
                calls(),
            ],
        ),
        "viewer" => (
            "Looks at everything but changes nothing, and calls no model.",
            vec![all(
                Scope::All,
                &[
                    "health.read",
                    "calls.read",
                    "snapshot.read",
                    "api.read",
                    "users.read",
                    "teams.read",
                    "service_accounts.read",
                    "keys.read",
                    "roles.read",
                    "providers.read",
                    "models.read",
                    "settings.read",
                ],
            )],
        ),
        _ => return None,
    };
    Some(Role { name: name.to_owned(), description: description.to_owned(), grants })
}

fn all(scope: Scope, permissions: &[&str]) -> Grant {
    Grant {
        effect: Effect::Allow,
        scope,
        permissions: permissions.iter().map(|p| (*p).to_owned()).collect(),
        surfaces: Vec::new(),
        models: Vec::new(),
        tools: Vec::new(),
    }
}

/// Every call; the key (and its team) say which ones really.
fn calls() -> Grant {
    let any = || vec!["*".to_owned()];
    // `*` does not open the pass-through: it must be named, in the key too
    let surfaces = vec!["*".to_owned(), "passthrough".to_owned()];
    Grant {
        effect: Effect::Allow,
        scope: Scope::Own,
        permissions: Vec::new(),
        surfaces,
        models: any(),
        tools: any(),
    }
}
