//! What the service can: `ServiceProviderConfig`, `ResourceTypes`, `Schemas` (RFC 7644, 4; RFC 7643, 5 to 7).

use super::Scim;
use super::answer::{Told, list};
use super::query::MOST;
use super::shape::{GROUP, USER};
use crate::caller::forbidden;
use crate::harden::MAX_BODY;
use crate::params::{Params, Segment};
use crate::problem::Problem;
use serde::Deserialize;
use serde_json::{Map, Value, json};

/// The schemas of `User` and `Group` as far as they are kept, and those of this file's resources (RFC 7643, 8.7).
const SCHEMAS: &str = include_str!("schemas.json");

/// A filter has no place here (RFC 7644, 4).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct NoFilter {
    filter: Option<String>,
}

impl NoFilter {
    fn check(&self) -> Result<(), Problem> {
        if self.filter.is_some() { Err(forbidden("these resources are not filtered")) } else { Ok(()) }
    }
}

/// What this SCIM service can
#[utoipa::path(get, path = "/scim/v2/ServiceProviderConfig", tag = "scim", operation_id = "scimConfig",
    responses((status = 200, description = "The configuration.", body = Value, content_type = "application/scim+json")))]
pub(crate) async fn config(scim: Scim, Params(query): Params<NoFilter>) -> Result<Told, Problem> {
    query.check()?;
    let body = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": MAX_BODY},
        "filter": {"supported": true, "maxResults": MOST},
        "changePassword": {"supported": false},
        "sort": {"supported": true},
        "etag": {"supported": true},
        "authenticationSchemes": [{
            "type": "oauthbearertoken", "name": "Bearer token", "primary": true,
            "description": "The token of a SCIM client, in the header Authorization: Bearer …",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
        }],
        "meta": {"resourceType": "ServiceProviderConfig", "location": scim.base.at("ServiceProviderConfig", "").trim_end_matches('/')},
    });
    Ok(Told::ok(object(body)))
}

/// The kinds of resources
#[utoipa::path(get, path = "/scim/v2/ResourceTypes", tag = "scim", operation_id = "scimResourceTypes",
    responses((status = 200, description = "A list.", body = Value, content_type = "application/scim+json")))]
pub(crate) async fn resource_types(scim: Scim, Params(query): Params<NoFilter>) -> Result<Told, Problem> {
    query.check()?;
    let all = types(&scim);
    Ok(Told::ok(list(all.len(), 1, all)))
}

/// One kind of resource
#[utoipa::path(get, path = "/scim/v2/ResourceTypes/{id}", tag = "scim", operation_id = "scimResourceType",
    params(("id" = String, Path, description = "`User` or `Group`.")),
    responses((status = 200, description = "It.", body = Value, content_type = "application/scim+json")))]
pub(crate) async fn resource_type(scim: Scim, Segment(id): Segment) -> Result<Told, Problem> {
    one(types(&scim), &id)
}

/// The schemas
#[utoipa::path(get, path = "/scim/v2/Schemas", tag = "scim", operation_id = "scimSchemas",
    responses((status = 200, description = "A list.", body = Value, content_type = "application/scim+json")))]
pub(crate) async fn schemas(scim: Scim, Params(query): Params<NoFilter>) -> Result<Told, Problem> {
    query.check()?;
    let all = described(&scim);
    Ok(Told::ok(list(all.len(), 1, all)))
}

/// One schema
#[utoipa::path(get, path = "/scim/v2/Schemas/{id}", tag = "scim", operation_id = "scimSchema",
    params(("id" = String, Path, description = "Its URN.")),
    responses((status = 200, description = "It.", body = Value, content_type = "application/scim+json")))]
pub(crate) async fn schema(scim: Scim, Segment(id): Segment) -> Result<Told, Problem> {
    one(described(&scim), &id)
}

fn types(scim: &Scim) -> Vec<Map<String, Value>> {
    let one = |name: &str, endpoint: &str, schema: &str, description: &str| {
        object(json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"], "id": name, "name": name,
            "endpoint": endpoint, "description": description, "schema": schema, "schemaExtensions": [],
            "meta": {"resourceType": "ResourceType", "location": scim.base.at("ResourceTypes", name)},
        }))
    };
    vec![one("User", "/Users", USER, "User Account"), one("Group", "/Groups", GROUP, "Group")]
}

fn described(scim: &Scim) -> Vec<Map<String, Value>> {
    let all: Vec<Map<String, Value>> = serde_json::from_str(SCHEMAS).unwrap_or_default();
    let dressed = all.into_iter().map(|mut schema| {
        let id = schema.get("id").and_then(Value::as_str).unwrap_or_default().to_owned();
        let meta = json!({"resourceType": "Schema", "location": scim.base.at("Schemas", id)});
        schema.insert("meta".into(), meta);
        schema
    });
    dressed.collect()
}

fn one(all: Vec<Map<String, Value>>, id: &str) -> Result<Told, Problem> {
    let found = all.into_iter().find(|r| r.get("id").and_then(Value::as_str) == Some(id));
    found.map(Told::ok).ok_or_else(|| Problem::not_found("there is no such resource"))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::shape::{Known, OF_GROUP, OF_USER};

    #[test]
    fn the_schemas_say_what_is_kept() {
        let all: Vec<Map<String, Value>> = serde_json::from_str(SCHEMAS).unwrap();
        for (schema, shape) in [(USER, &OF_USER), (GROUP, &OF_GROUP)] {
            let found = all.iter().find(|s| s["id"] == schema).unwrap();
            for attribute in found["attributes"].as_array().unwrap() {
                let name = attribute["name"].as_str().unwrap();
                match shape.known(name) {
                    Known::Kept(kept) => assert_eq!(attribute["required"], kept.required, "{name}"),
                    Known::ReadOnly => assert_eq!(attribute["mutability"], "readOnly", "{name}"),
                    other => panic!("{name}: {other:?}"),
                }
            }
        }
    }
}
