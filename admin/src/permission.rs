//! The one table of what a caller needs for each route. The guard reads it, the OpenAPI document gets its
//! `security` from it, and the router cannot be built while a route is missing here (or named here and missing
//! there).

use http::Method;
use serde::Serialize;
use std::fmt;

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// Nothing: anyone who reaches the listener.
    Public,
    /// Health with its per-dependency detail.
    HealthDetail,
    /// The call log.
    CallsRead,
    /// What the gateway is running.
    SnapshotRead,
    /// The description of this API.
    ApiRead,
}

impl Permission {
    /// Every permission.
    pub const ALL: [Self; 5] =
        [Self::Public, Self::HealthDetail, Self::CallsRead, Self::SnapshotRead, Self::ApiRead];

    /// The word that documents and logs use.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::HealthDetail => "health_detail",
            Self::CallsRead => "calls_read",
            Self::SnapshotRead => "snapshot_read",
            Self::ApiRead => "api_read",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// HTTP method (GET stands for HEAD too).
    pub method: Method,
    /// Path as the router knows it.
    pub path: &'static str,
    /// What the caller needs.
    pub permission: Permission,
}

const fn get(path: &'static str, permission: Permission) -> Rule {
    Rule { method: Method::GET, path, permission }
}

/// The table.
pub const TABLE: &[Rule] = &[
    // Its detail needs `HealthDetail`: the handler asks for it.
    get("/api/health", Permission::Public),
    get("/api/calls", Permission::CallsRead),
    get("/api/calls/{id}", Permission::CallsRead),
    get("/api/snapshot", Permission::SnapshotRead),
    get("/api/openapi.json", Permission::ApiRead),
];

/// The rule for a route, if the table has one.
pub fn rule<'t>(table: &'t [Rule], method: &Method, path: &str) -> Option<&'t Rule> {
    let method = if *method == Method::HEAD { &Method::GET } else { method };
    table.iter().find(|r| r.method == *method && r.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_route_has_two_rules() {
        let mut seen = HashSet::new();
        for r in TABLE {
            assert!(seen.insert((&r.method, r.path)), "{} {} is named twice", r.method, r.path);
        }
    }

    #[test]
    fn head_needs_what_get_needs_and_the_unknown_has_no_rule() {
        let get = rule(TABLE, &Method::GET, "/api/calls").map(|r| r.permission);
        assert_eq!(get, Some(Permission::CallsRead));
        assert_eq!(rule(TABLE, &Method::HEAD, "/api/calls").map(|r| r.permission), get);
        assert_eq!(rule(TABLE, &Method::POST, "/api/calls"), None);
        assert_eq!(rule(TABLE, &Method::GET, "/api/other"), None);
    }

    #[test]
    fn words_are_those_of_serde() {
        for p in Permission::ALL {
            assert_eq!(serde_json::to_value(p).unwrap(), p.as_str());
        }
    }
}
