//! A test login: the whole flow, but nobody is signed in; what it showed is kept for who configures the provider. And
//! what follows from it: a provider is switched on, or off.

use super::flow::Ticket;
use super::login::Seen;
use super::view::ProviderView;
use super::{OidcError, claims, write};
use crate::caller::Caller;
use crate::params::Named;
use crate::problem::Problem;
use crate::roles::view::Held;
use crate::state::AdminState;
use crate::versioned::{IfMatch, Versioned};
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::StatusCode;
use sallyport_schema::store::oidc::OidcProvider;
use sallyport_schema::store::oidc::sign_in::OidcLogin;
use sallyport_schema::store::oidc::trial::OidcTest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// A test that has begun.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OidcTestBegun {
    /// Open it in a browser within 10 minutes, and sign in there.
    url: String,
}

/// A test that has ended, to the browser that made it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Tried {
    /// Somebody could have signed in so.
    passed: bool,
    /// Where the outcome is.
    see: String,
}

/// What a sign-in would have come to.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
pub(crate) struct WouldBe {
    /// Who it is at the provider.
    subject: String,
    /// E-mail address.
    email: Option<String>,
    /// Display name.
    name: Option<String>,
    /// The user who would be signed in. None: a new one would be made.
    user: Option<Uuid>,
    /// Teams.
    teams: Vec<WouldBeIn>,
    /// Roles.
    roles: Vec<Held>,
}

/// A team that a sign-in would have led to.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct WouldBeIn {
    /// The team.
    team: Uuid,
    /// As its manager.
    manager: bool,
}

/// What is kept of it.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    error: Option<String>,
    claims: Map<String, Value>,
    maps_to: Option<WouldBe>,
}

/// How the last test login went.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OidcTestOutcome {
    /// Somebody could have signed in so.
    passed: bool,
    /// It was this configuration that was tested: it can be activated, if it passed.
    current: bool,
    /// Why not.
    error: Option<String>,
    /// What the provider says about whoever signed in.
    #[schema(value_type = Object)]
    claims: Map<String, Value>,
    /// What that comes to here.
    maps_to: Option<WouldBe>,
    /// Who began it.
    started_by: String,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
}

/// Begin a test login
///
/// The flow runs as for anybody, but nobody is signed in; what it showed is at `GET …/test`.
#[utoipa::path(post, path = "/api/oidc_providers/{id}/test", tag = "sign-in", operation_id = "testOidcProvider",
    params(("id" = Uuid, Path, description = "The provider.")),
    responses((status = 200, description = "Where to sign in.", body = OidcTestBegun)))]
pub(crate) async fn begin(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
) -> Result<Json<OidcTestBegun>, Problem> {
    let provider = write::find(&state, id).await?;
    let home = state.oidc().public_url()?;
    let ticket = Ticket::issue(&state, id, provider.configuration, caller.actor().name.clone())?;
    Ok(Json(OidcTestBegun { url: format!("{home}/api/oidc/{}/login?test={ticket}", provider.slug) }))
}

/// The last test login
#[utoipa::path(get, path = "/api/oidc_providers/{id}/test", tag = "sign-in", operation_id = "getOidcTest",
    params(("id" = Uuid, Path, description = "The provider.")),
    responses((status = 200, description = "How it went.", body = OidcTestOutcome)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Named(id): Named<Uuid>,
) -> Result<Json<OidcTestOutcome>, Problem> {
    let provider = write::find(&state, id).await?;
    let test = state.store().oidc_test(id).await?;
    let test = test.ok_or_else(|| Problem::not_found("there was no test login yet"))?;
    let kept: Kept = serde_json::from_value(test.outcome).unwrap_or_default();
    Ok(Json(OidcTestOutcome {
        passed: test.passed,
        current: test.configuration == provider.configuration,
        error: kept.error,
        claims: kept.claims,
        maps_to: kept.maps_to,
        started_by: test.started_by,
        at: test.at,
    }))
}

/// Keeps what a test login has shown.
pub(super) async fn keep(
    state: &AdminState,
    caller: &Caller,
    provider: &OidcProvider,
    by: String,
    seen: Result<Seen, OidcError>,
) -> Result<Response, Problem> {
    let (claims, login) = match seen {
        Ok(seen) => (seen.claims, seen.login),
        Err(error) => (Map::new(), Err(error)),
    };
    let mut kept = Kept::default();
    if let Value::Object(claims) = claims::shown(&Value::Object(claims), 6) {
        kept.claims = claims;
    }
    match login {
        Err(error) => kept.error = Some(error.to_string()),
        Ok(login) => {
            let would = state.store().oidc_would_sign_in(&login).await?;
            kept.error = would.as_ref().err().map(ToString::to_string);
            kept.maps_to = Some(would_be(login, would.ok().flatten().map(|p| p.id)));
        }
    }
    let test = OidcTest {
        configuration: provider.configuration,
        passed: kept.error.is_none(),
        outcome: serde_json::to_value(&kept).unwrap_or_default(),
        started_by: by,
        at: OffsetDateTime::now_utc(),
    };
    state.store().keep_oidc_test(provider.id, &test, caller.actor()).await?;
    let see = format!("/api/oidc_providers/{}/test", provider.id);
    Ok(Json(Tried { passed: test.passed, see }).into_response())
}

fn would_be(login: OidcLogin, user: Option<Uuid>) -> WouldBe {
    WouldBe {
        subject: login.subject,
        email: login.email,
        name: login.name,
        user,
        teams: login.teams.into_iter().map(|(team, manager)| WouldBeIn { team, manager }).collect(),
        roles: login.roles.into_iter().map(Held::from).collect(),
    }
}

/// Switch a provider on
///
/// Only after a test login that has passed with the configuration as it is.
#[utoipa::path(post, path = "/api/oidc_providers/{id}/activate", tag = "sign-in", operation_id = "activateOidcProvider",
    params(("id" = Uuid, Path, description = "The provider."),
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    responses((status = 200, description = "People can sign in with it.", body = ProviderView)))]
pub(crate) async fn activate(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
    version: IfMatch,
) -> Result<Versioned<ProviderView>, Problem> {
    let provider = write::changeable(&state, &caller, id).await?;
    let version = version.on(provider.version)?;
    let provider = state.store().activate_oidc_provider(id, version, caller.actor()).await?;
    Ok(Versioned(StatusCode::OK, provider.version, ProviderView::of(&state, provider)))
}

/// Switch a provider off
///
/// Nobody signs in with it any more. Sessions go on.
#[utoipa::path(post, path = "/api/oidc_providers/{id}/disable", tag = "sign-in", operation_id = "disableOidcProvider",
    params(("id" = Uuid, Path, description = "The provider."),
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    responses((status = 200, description = "Nobody can sign in with it.", body = ProviderView)))]
pub(crate) async fn disable(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
    version: IfMatch,
) -> Result<Versioned<ProviderView>, Problem> {
    let provider = write::changeable(&state, &caller, id).await?;
    let version = version.on(provider.version)?;
    let provider = state.store().disable_oidc_provider(id, version, caller.actor()).await?;
    Ok(Versioned(StatusCode::OK, provider.version, ProviderView::of(&state, provider)))
}
