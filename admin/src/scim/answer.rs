//! Answers in SCIM's words: `application/scim+json`, `meta.version` as ETag, errors of RFC 7644, 3.12.

use super::ROOT;
use crate::problem::Problem;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

/// Media type of SCIM.
pub(crate) const JSON: &str = "application/scim+json";
/// The words of `scimType`.
const TYPES: [&str; 10] = [
    "invalidFilter",
    "tooMany",
    "uniqueness",
    "mutability",
    "invalidSyntax",
    "invalidPath",
    "noTarget",
    "invalidValue",
    "invalidVers",
    "sensitive",
];
/// Largest problem document.
const PROBLEM: usize = 64 * 1024;

/// An error, as SCIM has it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ScimError)]
pub(crate) struct Failure {
    /// `urn:ietf:params:scim:api:messages:2.0:Error`.
    schemas: [&'static str; 1],
    /// The HTTP status, as a text.
    #[schema(example = "404")]
    status: String,
    /// What kind of mistake it is, where the RFC has a word for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    scim_type: Option<&'static str>,
    /// What happened and what to do, for people.
    detail: String,
}

impl Failure {
    fn of(status: StatusCode, problem: &Value) -> Self {
        let code = problem["code"].as_str().unwrap_or_default();
        let known = TYPES.into_iter().find(|t| *t == code);
        let scim_type = known.or(match (status.as_u16(), code) {
            (409, "exists") => Some("uniqueness"),
            (400, "bad_json" | "bad_body") => Some("invalidSyntax"),
            (400, "bad_value" | "bad_parameter" | "refused") => Some("invalidValue"),
            _ => None,
        });
        Self {
            schemas: ["urn:ietf:params:scim:api:messages:2.0:Error"],
            status: status.as_str().to_owned(),
            scim_type,
            detail: problem["detail"].as_str().unwrap_or("it did not work").to_owned(),
        }
    }
}

/// Below `/scim/v2` problem documents become SCIM's errors, whoever made them.
pub(crate) async fn speak(request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let ours = path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let response = next.run(request).await;
    let is = |v: &HeaderValue| v == "application/problem+json";
    if !ours || !response.headers().get(header::CONTENT_TYPE).is_some_and(is) {
        return response;
    }
    let (mut head, body) = response.into_parts();
    // SCIM has no 422: RFC 7644, table 9
    if head.status == StatusCode::UNPROCESSABLE_ENTITY {
        head.status = StatusCode::BAD_REQUEST;
    }
    let problem = to_bytes(body, PROBLEM).await.ok();
    let problem = problem.and_then(|b| serde_json::from_slice::<Value>(&b).ok()).unwrap_or_default();
    let failure = Failure::of(head.status, &problem);
    head.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::from(serde_json::to_vec(&failure).unwrap_or_default()))
}

/// The address that the client calls the service by: `https://admin.example.com/scim/v2`.
#[derive(Clone, Debug)]
pub(crate) struct Base(String);

impl Base {
    /// From the request's `Host`. A proxy in front says by `X-Forwarded-Proto` whether it speaks TLS.
    pub(super) fn of(parts: &Parts, tls: bool) -> Self {
        let text = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok());
        let host = parts.uri.authority().map(|a| a.as_str()).or_else(|| text("host")).unwrap_or("localhost");
        let scheme = match text("x-forwarded-proto") {
            Some(proto @ ("http" | "https")) => proto,
            _ if tls => "https",
            _ => "http",
        };
        Self(format!("{scheme}://{host}{ROOT}"))
    }

    /// The address of a resource.
    pub(crate) fn at(&self, kind: &str, id: impl std::fmt::Display) -> String {
        format!("{}/{kind}/{id}", self.0)
    }
}

/// A resource, or a list.
pub(crate) struct Told {
    pub(crate) status: StatusCode,
    pub(crate) body: Map<String, Value>,
}

impl Told {
    /// 200.
    pub(crate) fn ok(body: Map<String, Value>) -> Self {
        Self { status: StatusCode::OK, body }
    }
}

impl IntoResponse for Told {
    fn into_response(self) -> Response {
        let meta = |name: &str| {
            self.body.get("meta")?.get(name)?.as_str().and_then(|v| HeaderValue::from_str(v).ok())
        };
        let (version, location) = (meta("version"), meta("location"));
        let mut response = (self.status, Value::Object(self.body).to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
        if let Some(version) = version {
            headers.insert(header::ETAG, version);
        }
        if let Some(location) = location {
            let name =
                if self.status == StatusCode::CREATED { header::LOCATION } else { header::CONTENT_LOCATION };
            headers.insert(name, location);
        }
        response
    }
}

/// A list of the RFC.
pub(crate) fn list(total: usize, start: usize, resources: Vec<Map<String, Value>>) -> Map<String, Value> {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": total, "startIndex": start, "itemsPerPage": resources.len(), "Resources": resources,
    });
    match body {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// `If-Match` and `If-None-Match` of a request.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    only: Option<String>,
    unless: Option<String>,
}

impl Conditions {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).map(|v| v.to_str().unwrap_or_default().to_owned());
        Self { only: text(header::IF_MATCH), unless: text(header::IF_NONE_MATCH) }
    }

    /// A version was named: what is at another one is not changed.
    pub(crate) fn is_bound(&self) -> bool {
        self.only.as_deref().is_some_and(|only| only.trim() != "*")
    }

    /// 412 if the resource is at another version. (RFC 7644, 3.14, writes weak ETags and compares them.)
    pub(crate) fn hold(&self, version: &str) -> Result<(), Problem> {
        match &self.only {
            Some(only) if !among(only, version) => Err(crate::versioned::stale()),
            _ => Ok(()),
        }
    }

    /// The client has this version.
    pub(crate) fn known(&self, version: &str) -> bool {
        self.unless.as_deref().is_some_and(|unless| among(unless, version))
    }
}

fn among(list: &str, version: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    list.split(',').any(|tag| tag.trim() == "*" || bare(tag) == bare(version))
}
