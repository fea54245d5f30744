//! The decision: what somebody may do, and why.
//!
//! A grant opens or closes; what no grant opens is closed, and one deny outweighs all that allows. Two sets of grants
//! are compared (`covers`) for the rule that nobody gives what he does not hold.

use super::calls::{CallRights, NAMED};
use super::grant::{Effect, Grant, Scope};
use super::{Permission, Role};
use crate::pattern::glob;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Whose rights are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The user or service account; None: the holder of the bootstrap token.
    pub id: Option<Uuid>,
    /// Teams that the user is in.
    pub teams: BTreeSet<Uuid>,
    /// Those of them that the user manages.
    pub manages: BTreeSet<Uuid>,
}

/// A role that somebody has.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    /// The role.
    pub role: Role,
    /// In this team only.
    pub team: Option<Uuid>,
}

/// The thing that something is done to: who owns it, and which teams it is in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Object<'a> {
    /// The owner: a user or a service account (of a user's record: the user).
    pub owner: Option<Uuid>,
    /// Its teams (of a user's record: those that the user is in).
    pub teams: &'a [Uuid],
}

/// An answer with its reasons.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// May it be done?
    pub allowed: bool,
    /// The grants that decided: those that deny, or else those that allow. `role`, or `role in <team>`.
    pub because: Vec<String>,
}

impl Decision {
    /// Of what each assignment says: one that denies wins, and nothing opens nothing.
    fn of<'a>(said: impl Iterator<Item = (&'a Assignment, bool)>) -> Self {
        let (allows, denies): (Vec<_>, Vec<_>) = said.partition(|(_, opens)| *opens);
        let allowed = denies.is_empty() && !allows.is_empty();
        let because = if denies.is_empty() { allows } else { denies };
        Self { allowed, because: because.into_iter().map(|(a, _)| told(a)).collect() }
    }
}

/// How far a permission reaches, for lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reach {
    /// Everything.
    pub all: bool,
    /// What belongs to these teams.
    pub teams: BTreeSet<Uuid>,
    /// What one owns.
    pub own: bool,
}

impl Reach {
    /// Nothing at all.
    pub fn is_none(&self) -> bool {
        !self.all && self.teams.is_empty() && !self.own
    }
}

/// The grants of a subject.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Effective {
    subject: Subject,
    assignments: Vec<Assignment>,
}

impl Effective {
    /// What the assignments give the subject. Whoever manages a team is its `team_manager` without further ado.
    pub fn new(subject: Subject, mut assignments: Vec<Assignment>) -> Self {
        if let Some(role) = super::built_in("team_manager") {
            assignments.extend(subject.manages.iter().map(|t| Assignment {
                role: Role {
                    grants: role.grants.iter().filter(|g| g.scope == Scope::Team).cloned().collect(),
                    ..role.clone()
                },
                team: Some(*t),
            }));
        }
        Self { subject, assignments }
    }

    /// Everything: the holder of the bootstrap token.
    pub fn everything() -> Self {
        let role = super::built_in("super_admin").into_iter();
        Self::new(Subject::default(), role.map(|role| Assignment { role, team: None }).collect())
    }

    /// Whose it is.
    pub fn subject(&self) -> &Subject {
        &self.subject
    }

    /// The assignments, those that come from memberships included.
    pub fn assignments(&self) -> &[Assignment] {
        &self.assignments
    }

    /// May it be done to this thing?
    pub fn may_on(&self, permission: Permission, object: Object<'_>) -> Decision {
        self.decide(|a, g| g.names(permission) && self.is_about(a, g.scope, object))
    }

    /// Might it be done to anything at all? The first question, before a thing is known.
    pub fn reach(&self, permission: Permission) -> Reach {
        if permission.is_free() {
            return Reach { all: true, own: true, ..Reach::default() };
        }
        let named = |effect| {
            let of = move |a: &&Assignment| {
                a.role.grants.iter().any(|g| g.effect == effect && g.names(permission))
            };
            self.assignments.iter().filter(of).flat_map(move |a| {
                a.role
                    .grants
                    .iter()
                    .filter(move |g| g.effect == effect && g.names(permission))
                    .map(move |g| (a, g))
            })
        };
        let mut reach = Reach::default();
        for (a, g) in named(Effect::Allow) {
            match (g.scope, a.team) {
                (Scope::Own, _) => reach.own = true,
                (Scope::Team | Scope::All, Some(team)) => {
                    reach.teams.insert(team);
                }
                (Scope::Team, None) => reach.teams.extend(&self.subject.manages),
                (Scope::All, None) => reach.all = true,
            }
        }
        for (a, g) in named(Effect::Deny) {
            match (g.scope, a.team) {
                (Scope::Own, _) => reach.own = false,
                (Scope::Team | Scope::All, Some(team)) => {
                    reach.teams.remove(&team);
                }
                (Scope::Team, None) => reach.teams.retain(|t| !self.subject.manages.contains(t)),
                (Scope::All, None) => reach = Reach::default(),
            }
        }
        if !permission.is_owned() && !reach.all {
            // the organisation's things are nobody's own
            return Reach::default();
        }
        reach
    }

    /// May this surface be called with this model, with a key of this team?
    pub fn may_call(&self, surface: &str, model: &str, team: Option<Uuid>) -> Decision {
        self.decide_calls(team, |rights| rights.say(surface, Some(model)))
    }

    /// May this MCP tool (`server/tool`) be called, with a key of this team?
    pub fn may_call_tool(&self, tool: &str, team: Option<Uuid>) -> Decision {
        self.decide_calls(team, |rights| rights.say_tool(tool))
    }

    fn decide_calls(&self, team: Option<Uuid>, say: impl Fn(&CallRights) -> Option<bool>) -> Decision {
        let here = self.assignments.iter().filter(|a| a.team.is_none() || a.team == team);
        let said = here.filter_map(|a| Some((a, say(&CallRights::new(&a.role.grants))?)));
        Decision::of(said)
    }

    fn decide(&self, hit: impl Fn(&Assignment, &Grant) -> bool) -> Decision {
        let has = |a: &Assignment, effect| a.role.grants.iter().any(|g| g.effect == effect && hit(a, g));
        Decision::of(self.assignments.iter().filter_map(|a| {
            let said = if has(a, Effect::Deny) { Some(false) } else { has(a, Effect::Allow).then_some(true) };
            Some((a, said?))
        }))
    }

    fn is_about(&self, a: &Assignment, scope: Scope, object: Object<'_>) -> bool {
        match (scope, a.team) {
            (Scope::Own, _) => self.subject.id.is_some() && self.subject.id == object.owner,
            (Scope::Team | Scope::All, Some(team)) => object.teams.contains(&team),
            (Scope::Team, None) => object.teams.iter().any(|t| self.subject.manages.contains(t)),
            (Scope::All, None) => true,
        }
    }

    /// Holds all that `other` holds, so that it may be given, changed, or taken away: nobody gives what he has not.
    /// Errs on the side of no: a pattern is covered by one that matches it as it is written.
    ///
    /// # Errors
    /// What is missing, in words.
    pub fn covers(&self, other: &[Assignment]) -> Result<(), String> {
        for a in other {
            for g in a.role.grants.iter().filter(|g| g.effect == Effect::Allow) {
                self.covers_grant(a, g, other)?;
            }
        }
        Ok(())
    }

    fn covers_grant(&self, a: &Assignment, g: &Grant, other: &[Assignment]) -> Result<(), String> {
        for permission in Permission::ALL.iter().copied().filter(|p| !p.is_free() && g.names(*p)) {
            let reach = self.reach(permission);
            let holds = match (g.scope, a.team) {
                (Scope::Own, _) => reach.own || !reach.is_none(),
                (Scope::Team | Scope::All, Some(team)) => reach.all || reach.teams.contains(&team),
                // which teams the receiver manages is decided by those who may name managers
                (Scope::Team, None) => reach.all,
                (Scope::All, None) => reach.all,
            };
            if !holds {
                return Err(format!("{permission} ({})", word(g.scope)));
            }
        }
        let mine = |effect| {
            self.assignments
                .iter()
                .filter(move |m| m.team.is_none() || m.team == a.team)
                .flat_map(move |m| m.role.grants.iter().filter(move |x| x.effect == effect))
        };
        if g.surfaces.is_empty() && g.tools.is_empty() {
            return Ok(());
        }
        let inside = |list: &[String], pattern: &str| {
            list.iter().any(|p| p == pattern || (glob(p, pattern) && pattern != NAMED))
        };
        for surface in &g.surfaces {
            for model in &g.models {
                if !mine(Effect::Allow).any(|x| inside(&x.surfaces, surface) && inside(&x.models, model)) {
                    return Err(format!("calls to {model} on {surface}"));
                }
            }
        }
        for tool in &g.tools {
            if !mine(Effect::Allow).any(|x| inside(&x.tools, tool)) {
                return Err(format!("calls of the tool {tool}"));
            }
        }
        // what is denied to the giver must be denied to the receiver too
        let about = |d: &&Grant| {
            let calls = !d.surfaces.is_empty() && !g.surfaces.is_empty();
            calls || (!d.tools.is_empty() && !g.tools.is_empty())
        };
        for deny in mine(Effect::Deny).filter(about) {
            let kept = other.iter().flat_map(|o| &o.role.grants).any(|x| x == deny);
            if !kept {
                return Err("calls that are denied to you".to_owned());
            }
        }
        Ok(())
    }
}

fn told(a: &Assignment) -> String {
    match a.team {
        None => a.role.name.clone(),
        Some(team) => format!("{} in team {team}", a.role.name),
    }
}

const fn word(scope: Scope) -> &'static str {
    match scope {
        Scope::Own => "own",
        Scope::Team => "team",
        Scope::All => "all",
    }
}

#[cfg(test)]
mod tests;
