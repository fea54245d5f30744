//! A user as the API shows one.

use crate::roles::view::Held;
use sallyport_schema::store::people::{Membership, Person};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// A user.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct User {
    /// For good.
    id: Uuid,
    /// Lower case.
    email: String,
    /// Display name.
    name: String,
    /// May sign in, and use keys.
    active: bool,
    /// Who looks after this user: `local`, `oidc`, `scim`.
    source: String,
    /// Has a local password.
    has_password: bool,
    /// Has TOTP.
    has_totp: bool,
    /// Has a passkey.
    has_passkey: bool,
    /// Roles.
    roles: Vec<Held>,
    /// Teams.
    teams: Vec<Place>,
    /// When the user was made.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// When the user was changed.
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
    /// Last sign-in.
    #[serde(with = "time::serde::rfc3339::option")]
    last_login_at: Option<OffsetDateTime>,
}

/// A user's place in a team.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Membership)]
struct Place {
    /// The team.
    team: Uuid,
    /// Its name.
    name: String,
    /// Manages it.
    manager: bool,
}

impl From<Membership> for Place {
    fn from(m: Membership) -> Self {
        Self { team: m.team, name: m.name, manager: m.manager }
    }
}

impl From<Person> for User {
    fn from(p: Person) -> Self {
        Self {
            id: p.id,
            email: p.email,
            name: p.name,
            active: p.active,
            source: p.source,
            has_password: p.has_password,
            has_totp: p.has_totp,
            has_passkey: p.has_passkey,
            roles: p.roles.into_iter().map(Held::from).collect(),
            teams: p.teams.into_iter().map(Place::from).collect(),
            created_at: p.created_at,
            updated_at: p.updated_at,
            last_login_at: p.last_login_at,
        }
    }
}
