//! The permissions of the admin API.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

macro_rules! permissions {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal $kind:ident;)+) => {
        /// What a route asks of its caller.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Permission {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Permission {
            /// Every permission.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// The word that grants, documents and logs use.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => $word),+ }
            }

            /// What it lets its holder do.
            pub const fn about(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii()),+ }
            }

            const fn kind(self) -> Kind {
                match self { $(Self::$name => Kind::$kind),+ }
            }
        }
    };
}

/// What a permission is about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// No grant is needed.
    Free,
    /// Things that have an owner: the scopes `own` and `team` say something.
    Owned,
    /// Things of the whole organisation: the scope `all` alone opens them.
    Whole,
}

permissions! {
    /// Nothing: anyone who reaches the listener.
    Public = "public" Free;
    /// To be signed in: one's own account and sessions.
    SignedIn = "signed_in" Free;
    /// The token of a SCIM client: no role gives it.
    Scim = "scim" Free;
    /// Health with its per-dependency detail.
    HealthRead = "health.read" Whole;
    /// The call log.
    CallsRead = "calls.read" Owned;
    /// What the gateway is running.
    SnapshotRead = "snapshot.read" Whole;
    /// The description of this API.
    ApiRead = "api.read" Whole;
    /// Users: list and look at.
    UsersRead = "users.read" Owned;
    /// Users: make, change, deactivate, delete.
    UsersWrite = "users.write" Owned;
    /// Users: set a temporary password, take a second factor away, end sessions.
    UsersReset = "users.reset" Owned;
    /// Users: export and erase a person's data.
    UsersErase = "users.erase" Owned;
    /// Teams: list and look at.
    TeamsRead = "teams.read" Owned;
    /// Teams: make, change, delete.
    TeamsWrite = "teams.write" Owned;
    /// Teams: members and managers.
    TeamsMembers = "teams.members" Owned;
    /// Service accounts: list and look at.
    AccountsRead = "service_accounts.read" Owned;
    /// Service accounts: make, change, deactivate, delete.
    AccountsWrite = "service_accounts.write" Owned;
    /// Virtual keys: list and look at.
    KeysRead = "keys.read" Owned;
    /// Virtual keys: make, change, rotate, disable, revoke, archive.
    KeysWrite = "keys.write" Owned;
    /// Roles: list and look at, their history too.
    RolesRead = "roles.read" Whole;
    /// Roles: make, change, delete custom ones.
    RolesWrite = "roles.write" Whole;
    /// Roles: give to and take from users and service accounts.
    RolesAssign = "roles.assign" Owned;
    /// Providers: list and look at (never their secrets).
    ProvidersRead = "providers.read" Whole;
    /// Providers: make, change, test, delete.
    ProvidersWrite = "providers.write" Whole;
    /// Models and their routes: list and look at.
    ModelsRead = "models.read" Whole;
    /// Models and their routes: make, change, import, delete.
    ModelsWrite = "models.write" Whole;
    /// Settings: look at, their history too.
    SettingsRead = "settings.read" Whole;
    /// Settings: change.
    SettingsWrite = "settings.write" Whole;
    /// Sign-in providers (OIDC) and SCIM tokens: look at.
    SignInRead = "sign_in.read" Whole;
    /// Sign-in providers (OIDC) and SCIM tokens: make, change, test, activate, delete.
    SignInWrite = "sign_in.write" Whole;
    /// The audit trail: read and verify.
    AuditRead = "audit.read" Whole;
    /// The configuration as YAML: export.
    ConfigExport = "config.export" Whole;
    /// The configuration as YAML: import.
    ConfigImport = "config.import" Whole;
}

impl Permission {
    /// Needs no grant.
    pub const fn is_free(self) -> bool {
        matches!(self.kind(), Kind::Free)
    }

    /// Is about things that have an owner, so that the scopes `own` and `team` can open it.
    pub const fn is_owned(self) -> bool {
        matches!(self.kind(), Kind::Owned)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Permission {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|p| p.as_str() == word).ok_or(())
    }
}

impl Serialize for Permission {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Permission {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let word = String::deserialize(d)?;
        word.parse().map_err(|()| serde::de::Error::custom(format!("there is no permission `{word}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn words_are_unique_and_come_back() {
        let mut seen = HashSet::new();
        for p in Permission::ALL {
            assert!(seen.insert(p.as_str()));
            assert_eq!(p.as_str().parse(), Ok(*p));
            assert!(!p.about().is_empty());
        }
        assert_eq!("keys".parse::<Permission>(), Err(()));
    }
}
