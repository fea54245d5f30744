//! A user of ours as a SCIM resource, and back.

use super::answer::Base;
use super::shape::USER;
use crate::sign_in::email;
use sallyport_schema::store::scim::{ScimPerson, ScimUser};
use serde_json::{Map, Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Longest display name, in characters.
const NAME: usize = 200;

/// What the client may write of the user. The row counts: what was changed in another way (an address, a name, the
/// status) is shown as it is now.
pub(crate) fn written(found: &ScimPerson) -> Map<String, Value> {
    let mut map = found.document.as_object().cloned().unwrap_or_default();
    map.insert("userName".into(), found.user_name.clone().into());
    if address(&map) != found.person.email {
        map.insert("userName".into(), found.person.email.clone().into());
    }
    if name(&map) != found.person.name {
        map.insert("displayName".into(), found.person.name.clone().into());
    }
    if let Some(external) = &found.external_id {
        map.insert("externalId".into(), external.clone().into());
    }
    // a status that the client has taken away counts as false until somebody sets it
    if map.contains_key("active") || found.person.active {
        map.insert("active".into(), found.person.active.into());
    }
    map
}

/// What is kept of it.
pub(crate) fn kept(mut map: Map<String, Value>) -> ScimUser {
    let text = |value: Option<Value>| value.and_then(|v| v.as_str().map(str::to_owned));
    let (email, name) = (address(&map), name(&map));
    ScimUser {
        email,
        name,
        active: map.get("active") == Some(&Value::Bool(true)),
        user_name: text(map.remove("userName")).unwrap_or_default(),
        external_id: text(map.remove("externalId")),
        document: Value::Object(map),
    }
}

/// The whole resource.
pub(crate) fn shown(found: &ScimPerson, base: &Base) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("schemas".into(), json!([USER]));
    map.insert("id".into(), found.person.id.to_string().into());
    map.extend(written(found));
    if !found.groups.is_empty() {
        let group = |(id, name): &(uuid::Uuid, String)| json!({"value": id, "$ref": base.at("Groups", id), "display": name, "type": "direct"});
        map.insert("groups".into(), found.groups.iter().map(group).collect());
    }
    let person = &found.person;
    map.insert(
        "meta".into(),
        json!({
            "resourceType": "User", "created": instant(person.created_at), "lastModified": instant(person.updated_at),
            "location": base.at("Users", person.id), "version": version(found),
        }),
    );
    map
}

/// `meta.version`.
pub(crate) fn version(found: &ScimPerson) -> String {
    format!("W/\"{}\"", found.person.version)
}

/// An instant of `meta`.
pub(super) fn instant(at: OffsetDateTime) -> String {
    at.format(&Rfc3339).unwrap_or_default()
}

fn text<'m>(map: &'m Map<String, Value>, name: &str) -> Option<&'m str> {
    map.get(name).and_then(Value::as_str)
}

/// The address under which the user signs in: the user name if it is one, else the primary e-mail address, the one for
/// work, the first; where there is none, the user name stands for it.
fn address(map: &Map<String, Value>) -> String {
    let user_name = text(map, "userName").unwrap_or_default();
    if let Ok(address) = email(user_name) {
        return address;
    }
    let emails = map.get("emails").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let rank = |e: &&Value| match (e["primary"].as_bool(), e["type"].as_str()) {
        (Some(true), _) => 0,
        (_, Some("work")) => 1,
        _ => 2,
    };
    let best = emails.iter().min_by_key(rank);
    best.and_then(|e| email(e["value"].as_str()?).ok()).unwrap_or_else(|| user_name.to_lowercase())
}

/// What people see.
fn name(map: &Map<String, Value>) -> String {
    let parts = map.get("name").and_then(Value::as_object);
    let part = |name: &str| parts.and_then(|p| text(p, name));
    let found = match (text(map, "displayName"), part("formatted"), part("givenName"), part("familyName")) {
        (Some(name), ..) | (None, Some(name), ..) => name.to_owned(),
        (_, _, Some(given), Some(family)) => format!("{given} {family}"),
        (_, _, Some(one), None) | (_, _, None, Some(one)) => one.to_owned(),
        _ => text(map, "userName").unwrap_or_default().to_owned(),
    };
    found.chars().take(NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: Value) -> (String, String) {
        let Value::Object(map) = value else { unreachable!() };
        let user = kept(map);
        (user.email, user.name)
    }

    #[test]
    fn address_and_name() {
        let of = |email: &str, name: &str| (email.to_owned(), name.to_owned());
        assert_eq!(read(json!({"userName": "Ada@Example.com"})), of("ada@example.com", "Ada@Example.com"));
        let emails = json!([{"value": "a@home.org"}, {"value": "A@work.org", "type": "work"},
                            {"value": "b@home.org", "primary": false}]);
        assert_eq!(
            read(json!({"userName": "Ada", "emails": emails, "name": {"givenName": "A", "familyName": "L"}})),
            of("a@work.org", "A L")
        );
        let primary =
            json!([{"value": "w@work.org", "type": "work"}, {"value": "p@home.org", "primary": true}]);
        assert_eq!(
            read(json!({"userName": "Ada", "emails": primary, "displayName": "X"})),
            of("p@home.org", "X")
        );
        assert_eq!(read(json!({"userName": "Ada"})), of("ada", "Ada"));
        assert_eq!(read(json!({"userName": "Ada", "emails": [{"value": "no address"}]})), of("ada", "Ada"));
        assert_eq!(read(json!({"userName": "Ada", "displayName": "x".repeat(300)})).1.len(), 200);
    }
}
