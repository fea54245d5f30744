//! SCIM clients as the API reads and writes them.

use crate::params::wrong;
use crate::problem::Problem;
use crate::roles::view::Held;
use sallyport_schema::store::scim::ScimClient;
use serde::{Deserialize, Deserializer, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// A SCIM client.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScimClient)]
pub(crate) struct ClientView {
    /// For good.
    id: Uuid,
    /// Unique.
    name: String,
    /// First characters of the token.
    prefix: String,
    /// Until when the token before is good.
    #[serde(with = "time::serde::rfc3339::option")]
    old_token_until: Option<OffsetDateTime>,
    /// What the client may do, and to whom: as if it were a user with these roles.
    roles: Vec<Held>,
    /// Roles of the users that it makes.
    default_roles: Vec<Held>,
    /// Takes users and teams over that no other client looks after.
    adopt: bool,
    /// False: its tokens are refused.
    active: bool,
    /// Its tokens are refused from then on.
    #[serde(with = "time::serde::rfc3339::option")]
    expires_at: Option<OffsetDateTime>,
    /// Last use, to the minute.
    #[serde(with = "time::serde::rfc3339::option")]
    last_used_at: Option<OffsetDateTime>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    created_at: OffsetDateTime,
    /// Who made it: a user's id, or `bootstrap token`.
    created_by: Option<String>,
    /// When it was changed.
    #[serde(with = "time::serde::rfc3339")]
    updated_at: OffsetDateTime,
}

impl From<ScimClient> for ClientView {
    fn from(c: ScimClient) -> Self {
        Self {
            id: c.id,
            name: c.name,
            prefix: c.prefix,
            old_token_until: c.old_until.filter(|until| *until > OffsetDateTime::now_utc()),
            roles: c.roles.into_iter().map(Held::from).collect(),
            default_roles: c.default_roles.into_iter().map(Held::from).collect(),
            adopt: c.adopt,
            active: c.active,
            expires_at: c.expires_at,
            last_used_at: c.last_used_at,
            created_at: c.created_at,
            created_by: c.created_by,
            updated_at: c.updated_at,
        }
    }
}

/// A client with its token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ScimClientToken)]
pub(crate) struct WithToken {
    /// The client.
    pub(crate) client: ClientView,
    /// Shown this once: give it to the directory as bearer token (Entra: "Secret Token").
    #[schema(example = "spscim-…")]
    pub(crate) token: String,
}

/// A new client.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewScimClient)]
pub(crate) struct NewClient {
    /// Unique.
    #[schema(min_length = 1, max_length = 200, example = "Entra ID")]
    pub(crate) name: String,
    /// What it may do, and to whom; left out: what its maker may everywhere.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub(crate) roles: Option<Vec<Held>>,
    /// Roles of the users that it makes; none: they may do nothing.
    #[serde(default)]
    #[schema(max_items = 50)]
    pub(crate) default_roles: Vec<Held>,
    /// Takes users and teams over that no other client looks after.
    #[serde(default)]
    pub(crate) adopt: bool,
    /// Its tokens are refused from then on; null: never.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub(crate) expires_at: Option<OffsetDateTime>,
}

/// What changes of a client; what is left out stays.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = ScimClientPatch)]
pub(crate) struct ClientPatch {
    /// Unique.
    #[schema(min_length = 1, max_length = 200)]
    pub(crate) name: Option<String>,
    /// Exactly these.
    #[schema(max_items = 50)]
    pub(crate) roles: Option<Vec<Held>>,
    /// Exactly these.
    #[schema(max_items = 50)]
    pub(crate) default_roles: Option<Vec<Held>>,
    /// Takes users and teams over that no other client looks after.
    pub(crate) adopt: Option<bool>,
    /// False: its tokens are refused.
    pub(crate) active: Option<bool>,
    /// Its tokens are refused from then on; null: never.
    #[serde(deserialize_with = "instant")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) expires_at: Option<Option<OffsetDateTime>>,
}

/// How a token is rotated.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = RotateScimClient)]
pub(crate) struct RotateToken {
    /// Seconds that the old token stays good: at most 90 days; default: a day.
    #[schema(maximum = 7776000, default = 86400)]
    pub(crate) grace_seconds: Option<u64>,
}

fn instant<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Option<OffsetDateTime>>, D::Error> {
    time::serde::rfc3339::option::deserialize(d).map(Some)
}

/// An end is still to come.
pub(super) fn end(at: Option<OffsetDateTime>) -> Result<(), Problem> {
    if at.is_some_and(|at| at <= OffsetDateTime::now_utc()) {
        return Err(wrong("expires_at: an instant that is still to come"));
    }
    Ok(())
}
