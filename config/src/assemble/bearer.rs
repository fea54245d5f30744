//! One key with all that bounds it, out of its rows alone: what the snapshot will hold of it, without waiting for that.

use super::intern::Interner;
use super::{account, key, team, user};
use crate::rights::{Bounds, CallRights, Roles, built_in_roles};
use crate::snapshot::{Key, Owner, Team};
use sallyport_schema::rows::StoredState;
use std::sync::Arc;

/// A key, its team and its owner, as requests see them.
#[derive(Clone, Debug)]
pub struct Bearer {
    /// The key.
    pub key: Key,
    /// The team that it is for.
    pub team: Option<Team>,
    /// The person or service account that owns it.
    pub owner: Option<Owner>,
    roles: Roles,
}

impl Bearer {
    /// Out of the rows of one key. None: there is no key among them.
    pub fn new(rows: &StoredState) -> Option<Self> {
        let mut intern = Interner::default();
        let row = rows.keys.first()?;
        let custom =
            rows.roles.iter().map(|r| (r.name.as_str().into(), Arc::new(CallRights::new(&r.grants))));
        Some(Self {
            key: key(row, &mut intern),
            team: rows.teams.first().map(|t| team(t, &mut intern)),
            owner: rows.users.first().map(user).or_else(|| rows.accounts.first().map(account)),
            // a row must not pass itself off as a built-in role
            roles: custom.chain(built_in_roles()).collect(),
        })
    }

    /// What bounds its calls.
    pub fn bounds(&self) -> Bounds<'_> {
        Bounds { key: &self.key, team: self.team.as_ref(), owner: self.owner.as_ref(), roles: &self.roles }
    }
}
