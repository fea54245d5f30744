//! From the names of roles to what they open.

use super::Store;
use super::accounts::ServiceAccount;
use super::load;
use super::people::Person;
use crate::access::{Assignment, Effective, Role, Subject, built_in};
use crate::error::StoreError;
use crate::rows::HeldRole;
use std::collections::HashMap;

impl Store {
    /// What these roles give. A role that does not exist is [`StoreError::NotFound`].
    pub async fn assignments_of(&self, held: &[HeldRole]) -> Result<Vec<Assignment>, StoreError> {
        let roles = self.roles_named(held).await?;
        held.iter()
            .map(|h| {
                let role = roles.get(&h.role).cloned();
                let role =
                    role.ok_or_else(|| StoreError::NotFound { what: "role", name: h.role.clone() })?;
                Ok(Assignment { role, team: h.team })
            })
            .collect()
    }

    /// What a user may do, if active.
    pub async fn rights_of(&self, person: &Person) -> Result<Effective, StoreError> {
        let subject = Subject {
            id: Some(person.id),
            teams: person.teams.iter().map(|m| m.team).collect(),
            manages: person.teams.iter().filter(|m| m.manager).map(|m| m.team).collect(),
        };
        self.rights(subject, &person.roles).await
    }

    /// What a service account may do, if active.
    pub async fn account_rights(&self, account: &ServiceAccount) -> Result<Effective, StoreError> {
        let subject = Subject {
            id: Some(account.id),
            teams: account.team.into_iter().collect(),
            ..Subject::default()
        };
        self.rights(subject, &account.roles).await
    }

    /// A role that is gone gives nothing.
    async fn rights(&self, subject: Subject, held: &[HeldRole]) -> Result<Effective, StoreError> {
        let roles = self.roles_named(held).await?;
        let given = held
            .iter()
            .filter_map(|h| Some(Assignment { role: roles.get(&h.role)?.clone(), team: h.team }))
            .collect();
        Ok(Effective::new(subject, given))
    }

    async fn roles_named(&self, held: &[HeldRole]) -> Result<HashMap<String, Role>, StoreError> {
        let mut roles = HashMap::new();
        let mut custom = Vec::new();
        for h in held {
            match built_in(&h.role) {
                Some(role) => drop(roles.insert(h.role.clone(), role)),
                None => custom.push(h.role.clone()),
            }
        }
        if custom.is_empty() {
            return Ok(roles);
        }
        let rows = self
            .bounded("reading roles", async {
                let mut lease = self.lease().await?;
                let answer = load::roles(&mut lease, Some(&custom)).await;
                lease.settle(answer)
            })
            .await?;
        roles.extend(rows.into_iter().map(|r| {
            (r.name.clone(), Role { name: r.name, description: r.description, grants: r.grants })
        }));
        Ok(roles)
    }
}
