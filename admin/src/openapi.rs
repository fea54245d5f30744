//! The description of the API, made from its code: OpenAPI 3.1.
//!
//! What the permission table knows is written in from there: which routes need a token, which permission they ask
//! for, and how they answer without it.

pub(crate) mod foreign;
#[cfg(test)]
mod tests;
mod whole;

use crate::error::AdminError;
use crate::permission::{Permission, Rule, TABLE};
use crate::problem::Problem;
use crate::scim::Failure;
use axum::response::{IntoResponse, Response};
use http::header;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, OpenApi, Ref, RefOr, Response as Described, ResponseBuilder, Type,
};
use utoipa::{OpenApi as _, openapi};

const SCHEME: &str = "token";
const SCIM: &str = "scim";

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "Sallyport admin API",
        description = "What a Sallyport gateway is doing: its health, its call log, its running configuration.\n\n\
            Every error is an RFC 9457 problem document. Every answer carries `x-request-id`.",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    tags(
        (name = "health", description = "How the service and its dependencies are."),
        (name = "calls", description = "The call log."),
        (name = "users", description = "People."),
        (name = "teams", description = "Teams and their members."),
        (name = "service accounts", description = "Owners of keys that are no people."),
        (name = "roles", description = "Permissions and the roles that give them."),
        (name = "audit", description = "Who did what, when, from where."),
        (name = "snapshot", description = "What is running."),
        (name = "session", description = "Signing in and out; who one is; the set-up."),
        (name = "sign-in", description = "Identity providers (OpenID Connect)."),
        (name = "keys", description = "Virtual keys."),
        (name = "scim clients", description = "Directories that provision users and groups."),
        (name = "scim", description = "SCIM 2.0 (RFC 7643, RFC 7644): users and groups for directories."),
        (name = "providers", description = "Upstream providers: of the files (read-only) and of the store."),
        (name = "models", description = "Models that clients may ask for, with their routes."),
        (name = "settings", description = "Settings of the organisation."),
        (name = "configuration", description = "Export and import as YAML."),
        (name = "api", description = "This document.")
    ),
    components(schemas(Problem, Failure))
)]
struct Head;

/// The document without its routes.
pub(crate) fn head() -> OpenApi {
    let mut document = Head::openapi();
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description =
        Some("The admin token, printed once at the first start or set as `admin.token`.".into());
    document
        .components
        .get_or_insert_with(openapi::Components::new)
        .add_security_scheme(SCHEME, SecurityScheme::Http(bearer));
    let mut bearer = Http::new(HttpAuthScheme::Bearer);
    bearer.description = Some("The token of a SCIM client.".into());
    if let Some(components) = &mut document.components {
        components.add_security_scheme(SCIM, SecurityScheme::Http(bearer));
    }
    document.servers = Some(vec![openapi::Server::new("/")]);
    document
}

/// Writes in what holds for every route.
pub(crate) fn finish(mut document: OpenApi) -> OpenApi {
    for rule in TABLE {
        let Some(item) = document.paths.paths.get_mut(rule.path) else { continue };
        let operation = match rule.method {
            "GET" => &mut item.get,
            "PUT" => &mut item.put,
            "POST" => &mut item.post,
            "DELETE" => &mut item.delete,
            "PATCH" => &mut item.patch,
            _ => continue,
        };
        if let Some(operation) = operation {
            dress(operation, rule.permission);
            if is_keyed(rule) {
                operation.parameters.get_or_insert_default().push(RefOr::T(idempotency_key()));
            }
            refuse(operation, rule);
            errors(operation);
            if rule.permission == Permission::Scim {
                scim(operation);
            }
        }
    }
    document
}

/// Its answer is kept for those who ask again (see `idempotency`).
fn is_keyed(rule: &Rule) -> bool {
    rule.method == "POST" && !rule.permission.is_free()
}

fn idempotency_key() -> Parameter {
    let text =
        openapi::ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(255));
    ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(openapi::Required::False)
        .description(Some(
            "The same request again with the same key, within a day, gets the same answer and is not carried out again.",
        ))
        .schema(Some(text.pattern(Some("^[ -~]+$"))))
        .build()
}

fn dress(operation: &mut Operation, permission: Permission) {
    let token = SecurityRequirement::new(SCHEME, Vec::<String>::new());
    let public = permission == Permission::Public;
    // The empty requirement: it also answers without a token.
    operation.security = Some(if public { vec![SecurityRequirement::default(), token] } else { vec![token] });
    operation.extensions = Some(ExtensionsBuilder::new().add("x-permission", permission.as_str()).build());

    let mut add = |status: &str, response: Described| {
        operation.responses.responses.entry(status.to_owned()).or_insert(RefOr::T(response));
    };
    add("401", problem(if public { "The token is wrong." } else { "The token is missing or wrong." }, None));
    if !public {
        add("403", problem("The caller may not do this.", None));
    }
    add("413", problem("The request body is too large.", None));
    add("421", problem("A loopback listener was called by another name.", None));
    add("429", problem("Too many wrong tokens from this address.", Some("Seconds to wait.")));
    add("503", problem("A dependency is away, or the answer took too long.", Some("Seconds to wait.")));
}

/// How a route answers to what cannot be, as far as its form tells.
fn refuse(operation: &mut Operation, rule: &Rule) {
    let body = operation.request_body.is_some();
    let changes = rule.method != "GET";
    let named = rule.path.contains('{');
    let mut add = |on: bool, status: &str, text: &str| {
        if on {
            let answers = &mut operation.responses.responses;
            answers.entry(status.to_owned()).or_insert_with(|| RefOr::T(problem(text, None)));
        }
    };
    let asks = operation.parameters.as_ref().is_some_and(|p| {
        p.iter().any(|p| matches!(p, RefOr::T(p) if matches!(p.parameter_in, ParameterIn::Query | ParameterIn::Header)))
    });
    add(body || asks, "400", "A parameter or the body cannot be read.");
    add(named, "404", "There is no such thing, as far as the caller may see.");
    add(changes, "409", "The state of things does not allow it.");
    add(named && changes, "412", "It is at another version than If-Match says.");
    add(body, "415", "The body is no application/json.");
    add(body || is_keyed(rule), "422", "A value cannot be.");
}

/// An error that a route describes is a problem document like the others.
fn errors(operation: &mut Operation) {
    for (status, response) in &mut operation.responses.responses {
        if let (true, RefOr::T(response)) = (status.starts_with(['4', '5']), response)
            && response.content.is_empty()
        {
            response.content = problem("", None).content;
        }
    }
}

/// SCIM has errors of its own, and a token of its own.
fn scim(operation: &mut Operation) {
    operation.security = Some(vec![SecurityRequirement::new(SCIM, Vec::<String>::new())]);
    operation.responses.responses.remove("422");
    for (status, response) in &mut operation.responses.responses {
        if let (true, RefOr::T(response)) = (status.starts_with(['4', '5']), response) {
            let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("ScimError"))).build();
            response.content.clear();
            response.content.insert("application/scim+json".into(), RefOr::T(content));
        }
    }
}

fn problem(description: &str, retry_after: Option<&str>) -> Described {
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    let mut response =
        ResponseBuilder::new().description(description).content("application/problem+json", content);
    if let Some(text) = retry_after {
        let seconds = openapi::ObjectBuilder::new().schema_type(Type::Integer).build();
        let header = HeaderBuilder::new().schema(Some(seconds)).description(Some(text)).build();
        response = response.header("Retry-After", header);
    }
    response.build()
}

/// The document as it is sent: the committed one, which a test holds to what [`document`] says.
static COMMITTED: &str = include_str!("../openapi.json");

/// As text: the same bytes as the committed file.
pub(crate) fn text(document: &OpenApi) -> Result<String, AdminError> {
    let mut whole = serde_json::to_value(document)?;
    whole::complete(&mut whole);
    Ok(format!("{whole:#}\n"))
}

/// This document
#[utoipa::path(get, path = "/api/openapi.json", tag = "api", operation_id = "getOpenapi",
    responses((status = 200, description = "OpenAPI 3.1.", body = serde_json::Value, content_type = "application/json")))]
pub(crate) async fn get() -> Response {
    ([(header::CONTENT_TYPE, "application/json")], COMMITTED).into_response()
}

/// The description of this API.
pub fn document() -> Result<String, AdminError> {
    text(&finish(crate::router::describe()?))
}
