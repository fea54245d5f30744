//! A team of ours as a SCIM resource, and back.

use super::answer::Base;
use super::shape::{GROUP, invalid};
use super::user::instant;
use crate::problem::Problem;
use sallyport_schema::store::scim::{ScimTeam, ScimTeamChange};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Longest name, in characters.
const NAME: usize = 200;

/// What the client may write of the team.
pub(crate) fn written(found: &ScimTeam, base: &Base) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("displayName".into(), found.team.name.clone().into());
    if let Some(external) = &found.external_id {
        map.insert("externalId".into(), external.clone().into());
    }
    if !found.members.is_empty() {
        let member = |id: &Uuid| json!({"value": id, "$ref": base.at("Users", id), "type": "User"});
        map.insert("members".into(), found.members.iter().map(member).collect());
    }
    map
}

/// What changes if it becomes this; `before`: who is in the team now.
pub(crate) fn change(map: &Map<String, Value>, before: &[Uuid]) -> Result<ScimTeamChange, Problem> {
    let text = |name: &str| map.get(name).and_then(Value::as_str).map(str::to_owned);
    let name = text("displayName").unwrap_or_default();
    if name.chars().count() > NAME {
        return Err(invalid(format!("`displayName`: at most {NAME} characters")));
    }
    let mut wanted = BTreeSet::new();
    for member in map.get("members").and_then(Value::as_array).into_iter().flatten() {
        if member["type"].as_str().is_some_and(|t| !t.eq_ignore_ascii_case("user")) {
            return Err(invalid("members are users: a group in a group is not supported"));
        }
        let id = member["value"].as_str().and_then(|v| v.parse::<Uuid>().ok());
        wanted.insert(id.ok_or_else(|| invalid("`members.value` is the id of a user of this client"))?);
    }
    let before: BTreeSet<Uuid> = before.iter().copied().collect();
    Ok(ScimTeamChange {
        name,
        external_id: text("externalId"),
        joins: wanted.difference(&before).copied().collect(),
        leaves: before.difference(&wanted).copied().collect(),
    })
}

/// The whole resource.
pub(crate) fn shown(found: &ScimTeam, base: &Base) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("schemas".into(), json!([GROUP]));
    map.insert("id".into(), found.team.id.to_string().into());
    map.extend(written(found, base));
    map.insert(
        "meta".into(),
        json!({
            "resourceType": "Group", "created": instant(found.team.created_at),
            "lastModified": instant(found.team.updated_at), "location": base.at("Groups", found.team.id),
            "version": version(found),
        }),
    );
    map
}

/// `meta.version`: another one with other members, too.
pub(crate) fn version(found: &ScimTeam) -> String {
    format!("W/\"{}-{}\"", found.team.version, found.stamp.get(..12).unwrap_or(&found.stamp))
}
