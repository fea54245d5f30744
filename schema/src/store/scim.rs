//! What directories provision by way of SCIM 2.0: their clients, the users and the teams that they look after. A client
//! sees only its own.

mod clients;
mod teams;
mod users;

pub use clients::{NewScimClient, ScimClient, ScimClientChange};
pub use teams::{ScimTeam, ScimTeamChange};
pub use users::{ScimPerson, ScimUser};

use uuid::Uuid;

/// Which of a client's resources.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// These ids.
    Ids(Vec<Uuid>),
    /// Of this name (a user's `userName`, a group's `displayName`), in whatever case.
    Named(String),
    /// Of this `externalId`.
    External(String),
    /// So many, by id, after so many.
    Slice {
        /// How many are passed over.
        offset: i64,
        /// At most so many.
        limit: i64,
    },
    /// So many, by id, behind this one.
    After(Option<Uuid>, i64),
}

/// `$2…` of the clause that [`Which`] is.
pub(super) struct Picked {
    pub(super) clause: String,
    pub(super) ids: Option<Vec<Uuid>>,
    pub(super) text: Option<String>,
    pub(super) offset: i64,
    pub(super) limit: i64,
}

impl Which {
    /// With `id` and `external` the columns' names, `named` the condition that the name is `$3`: parameters 2 (ids), 3 (text), 4 (offset), 5 (limit).
    pub(super) fn picked(&self, id: &str, named: &str, external: &str) -> Picked {
        let (ids, text, offset, limit) = match self {
            Self::Ids(ids) => (Some(ids.clone()), None, 0, i64::MAX),
            Self::Named(name) => (None, Some(name.clone()), 0, i64::MAX),
            Self::External(external) => (None, Some(external.clone()), 0, i64::MAX),
            Self::Slice { offset, limit } => (None, None, *offset, *limit),
            Self::After(after, limit) => (after.map(|id| vec![id]), None, 0, *limit),
        };
        let own = match self {
            Self::Ids(_) => format!("{id} = ANY($2) AND $3::text IS NULL"),
            Self::Named(_) => format!("({named}) AND $2::uuid[] IS NULL"),
            Self::External(_) => format!("{external} = $3 AND $2::uuid[] IS NULL"),
            Self::Slice { .. } => "$2::uuid[] IS NULL AND $3::text IS NULL".to_owned(),
            Self::After(..) => format!("($2::uuid[] IS NULL OR {id} > ($2::uuid[])[1]) AND $3::text IS NULL"),
        };
        Picked { clause: format!("{own} ORDER BY {id} OFFSET $4 LIMIT $5"), ids, text, offset, limit }
    }
}
