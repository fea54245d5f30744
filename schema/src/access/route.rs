//! The one table of what a caller needs for each route of the admin API. The guard reads it, the OpenAPI document gets
//! its `security` from it, and the router cannot be built while a route is missing here (or named here and missing
//! there).

use super::Permission;

/// One line of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// HTTP method (GET stands for HEAD too).
    pub method: &'static str,
    /// Path as the router knows it.
    pub path: &'static str,
    /// What the caller needs: for some thing at least; which things, the handler asks with the thing in hand.
    pub permission: Permission,
}

const fn line(method: &'static str, path: &'static str, permission: Permission) -> Rule {
    Rule { method, path, permission }
}

/// The table.
pub const TABLE: &[Rule] = &[
    // Its detail needs `HealthRead`: the handler asks for it.
    line("GET", "/api/health", Permission::Public),
    line("GET", "/api/calls", Permission::CallsRead),
    line("GET", "/api/calls/{id}", Permission::CallsRead),
    line("GET", "/api/costs", Permission::CallsRead),
    line("GET", "/api/snapshot", Permission::SnapshotRead),
    line("GET", "/api/openapi.json", Permission::ApiRead),
    line("POST", "/api/session", Permission::Public),
    line("DELETE", "/api/session", Permission::SignedIn),
    line("POST", "/api/session/refresh", Permission::Public),
    line("GET", "/api/sessions", Permission::SignedIn),
    line("DELETE", "/api/sessions", Permission::SignedIn),
    line("DELETE", "/api/sessions/{id}", Permission::SignedIn),
    line("GET", "/api/me", Permission::SignedIn),
    line("PUT", "/api/me/password", Permission::SignedIn),
    // Second factors.
    line("POST", "/api/me/totp", Permission::SignedIn),
    line("DELETE", "/api/me/totp", Permission::SignedIn),
    line("POST", "/api/me/totp/confirm", Permission::SignedIn),
    line("GET", "/api/me/recovery_codes", Permission::SignedIn),
    line("POST", "/api/me/recovery_codes", Permission::SignedIn),
    line("GET", "/api/me/passkeys", Permission::SignedIn),
    line("POST", "/api/me/passkeys/begin", Permission::SignedIn),
    line("POST", "/api/me/passkeys/finish", Permission::SignedIn),
    line("PATCH", "/api/me/passkeys/{id}", Permission::SignedIn),
    line("DELETE", "/api/me/passkeys/{id}", Permission::SignedIn),
    line("POST", "/api/session/passkey/begin", Permission::Public),
    line("POST", "/api/session/passkey/finish", Permission::Public),
    line("DELETE", "/api/users/{id}/second_factor", Permission::UsersReset),
    line("GET", "/api/setup", Permission::Public),
    // The bootstrap token alone: the handler asks for it.
    line("POST", "/api/setup", Permission::SignedIn),
    line("POST", "/api/users/{id}/password", Permission::UsersReset),
    // Sign-in providers (OpenID Connect).
    line("GET", "/api/oidc_presets", Permission::SignInRead),
    line("GET", "/api/oidc_providers", Permission::SignInRead),
    line("POST", "/api/oidc_providers", Permission::SignInWrite),
    line("GET", "/api/oidc_providers/{id}", Permission::SignInRead),
    line("PATCH", "/api/oidc_providers/{id}", Permission::SignInWrite),
    line("DELETE", "/api/oidc_providers/{id}", Permission::SignInWrite),
    line("POST", "/api/oidc_providers/{id}/test", Permission::SignInWrite),
    line("GET", "/api/oidc_providers/{id}/test", Permission::SignInRead),
    line("POST", "/api/oidc_providers/{id}/activate", Permission::SignInWrite),
    line("POST", "/api/oidc_providers/{id}/disable", Permission::SignInWrite),
    line("GET", "/api/sign_in", Permission::Public),
    line("GET", "/api/oidc/{slug}/login", Permission::Public),
    line("GET", "/api/oidc/{slug}/callback", Permission::Public),
    line("POST", "/api/oidc/{slug}/backchannel_logout", Permission::Public),
    // Virtual keys.
    line("GET", "/api/keys", Permission::KeysRead),
    line("POST", "/api/keys", Permission::KeysWrite),
    line("POST", "/api/keys/steps", Permission::KeysWrite),
    line("GET", "/api/keys/{id}", Permission::KeysRead),
    line("PATCH", "/api/keys/{id}", Permission::KeysWrite),
    line("GET", "/api/keys/{id}/effective", Permission::KeysRead),
    line("POST", "/api/keys/{id}/rotate", Permission::KeysWrite),
    line("POST", "/api/keys/{id}/secret", Permission::KeysWrite),
    line("POST", "/api/keys/{id}/disable", Permission::KeysWrite),
    line("POST", "/api/keys/{id}/enable", Permission::KeysWrite),
    line("POST", "/api/keys/{id}/revoke", Permission::KeysWrite),
    line("POST", "/api/keys/{id}/archive", Permission::KeysWrite),
    // People, teams, service accounts, roles, the audit trail.
    line("GET", "/api/users", Permission::UsersRead),
    line("POST", "/api/users", Permission::UsersWrite),
    line("GET", "/api/users/{id}", Permission::UsersRead),
    line("PATCH", "/api/users/{id}", Permission::UsersWrite),
    line("DELETE", "/api/users/{id}", Permission::UsersWrite),
    line("DELETE", "/api/users/{id}/sessions", Permission::UsersReset),
    line("GET", "/api/users/{id}/effective", Permission::UsersRead),
    line("GET", "/api/teams", Permission::TeamsRead),
    line("POST", "/api/teams", Permission::TeamsWrite),
    line("GET", "/api/teams/{id}", Permission::TeamsRead),
    line("PATCH", "/api/teams/{id}", Permission::TeamsWrite),
    line("DELETE", "/api/teams/{id}", Permission::TeamsWrite),
    line("GET", "/api/teams/{id}/members", Permission::TeamsRead),
    line("GET", "/api/teams/{id}/members/{user_id}", Permission::TeamsRead),
    line("PUT", "/api/teams/{id}/members/{user_id}", Permission::TeamsMembers),
    line("DELETE", "/api/teams/{id}/members/{user_id}", Permission::TeamsMembers),
    line("GET", "/api/service_accounts", Permission::AccountsRead),
    line("POST", "/api/service_accounts", Permission::AccountsWrite),
    line("GET", "/api/service_accounts/{id}", Permission::AccountsRead),
    line("PATCH", "/api/service_accounts/{id}", Permission::AccountsWrite),
    line("DELETE", "/api/service_accounts/{id}", Permission::AccountsWrite),
    line("GET", "/api/service_accounts/{id}/effective", Permission::AccountsRead),
    line("GET", "/api/permissions", Permission::RolesRead),
    line("GET", "/api/roles", Permission::RolesRead),
    line("POST", "/api/roles", Permission::RolesWrite),
    line("GET", "/api/roles/{name}", Permission::RolesRead),
    line("PUT", "/api/roles/{name}", Permission::RolesWrite),
    line("DELETE", "/api/roles/{name}", Permission::RolesWrite),
    line("GET", "/api/roles/{name}/history", Permission::RolesRead),
    // What a gateway runs by.
    line("GET", "/api/providers", Permission::ProvidersRead),
    line("POST", "/api/providers", Permission::ProvidersWrite),
    line("GET", "/api/providers/{name}", Permission::ProvidersRead),
    line("PATCH", "/api/providers/{name}", Permission::ProvidersWrite),
    line("DELETE", "/api/providers/{name}", Permission::ProvidersWrite),
    line("POST", "/api/providers/{name}/test", Permission::ProvidersWrite),
    line("GET", "/api/providers/{name}/models", Permission::ProvidersWrite),
    line("POST", "/api/providers/{name}/models", Permission::ModelsWrite),
    line("GET", "/api/models", Permission::ModelsRead),
    line("POST", "/api/models", Permission::ModelsWrite),
    line("GET", "/api/models/{name}", Permission::ModelsRead),
    line("PATCH", "/api/models/{name}", Permission::ModelsWrite),
    line("DELETE", "/api/models/{name}", Permission::ModelsWrite),
    line("GET", "/api/settings", Permission::SettingsRead),
    line("GET", "/api/settings/{name}", Permission::SettingsRead),
    line("PUT", "/api/settings/{name}", Permission::SettingsWrite),
    line("DELETE", "/api/settings/{name}", Permission::SettingsWrite),
    line("GET", "/api/settings/{name}/history", Permission::SettingsRead),
    line("GET", "/api/configuration/export", Permission::ConfigExport),
    line("POST", "/api/configuration/import", Permission::ConfigImport),
    line("GET", "/api/audit", Permission::AuditRead),
    line("GET", "/api/audit/verify", Permission::AuditRead),
    // A person's data; SCIM: its clients, and what their tokens open.
    line("GET", "/api/users/{id}/export", Permission::UsersErase),
    line("POST", "/api/users/{id}/erase", Permission::UsersErase),
    line("GET", "/api/scim_clients", Permission::SignInRead),
    line("POST", "/api/scim_clients", Permission::SignInWrite),
    line("GET", "/api/scim_clients/{id}", Permission::SignInRead),
    line("PATCH", "/api/scim_clients/{id}", Permission::SignInWrite),
    line("DELETE", "/api/scim_clients/{id}", Permission::SignInWrite),
    line("POST", "/api/scim_clients/{id}/rotate", Permission::SignInWrite),
    line("GET", "/scim/v2/ServiceProviderConfig", Permission::Scim),
    line("GET", "/scim/v2/ResourceTypes", Permission::Scim),
    line("GET", "/scim/v2/ResourceTypes/{id}", Permission::Scim),
    line("GET", "/scim/v2/Schemas", Permission::Scim),
    line("GET", "/scim/v2/Schemas/{id}", Permission::Scim),
    line("POST", "/scim/v2/.search", Permission::Scim),
    line("GET", "/scim/v2/Users", Permission::Scim),
    line("POST", "/scim/v2/Users", Permission::Scim),
    line("POST", "/scim/v2/Users/.search", Permission::Scim),
    line("GET", "/scim/v2/Users/{id}", Permission::Scim),
    line("PUT", "/scim/v2/Users/{id}", Permission::Scim),
    line("PATCH", "/scim/v2/Users/{id}", Permission::Scim),
    line("DELETE", "/scim/v2/Users/{id}", Permission::Scim),
    line("GET", "/scim/v2/Groups", Permission::Scim),
    line("POST", "/scim/v2/Groups", Permission::Scim),
    line("POST", "/scim/v2/Groups/.search", Permission::Scim),
    line("GET", "/scim/v2/Groups/{id}", Permission::Scim),
    line("PUT", "/scim/v2/Groups/{id}", Permission::Scim),
    line("PATCH", "/scim/v2/Groups/{id}", Permission::Scim),
    line("DELETE", "/scim/v2/Groups/{id}", Permission::Scim),
];

/// The rule for a route, if the table has one.
pub fn rule<'t>(table: &'t [Rule], method: &str, path: &str) -> Option<&'t Rule> {
    let method = if method == "HEAD" { "GET" } else { method };
    table.iter().find(|r| r.method == method && r.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn no_route_has_two_rules() {
        let mut seen = HashSet::new();
        for r in TABLE {
            assert!(seen.insert((r.method, r.path)), "{} {} is named twice", r.method, r.path);
        }
    }

    #[test]
    fn head_needs_what_get_needs_and_the_unknown_has_no_rule() {
        let get = rule(TABLE, "GET", "/api/calls").map(|r| r.permission);
        assert_eq!(get, Some(Permission::CallsRead));
        assert_eq!(rule(TABLE, "HEAD", "/api/calls").map(|r| r.permission), get);
        assert_eq!(rule(TABLE, "POST", "/api/calls"), None);
        assert_eq!(rule(TABLE, "GET", "/api/other"), None);
    }
}
