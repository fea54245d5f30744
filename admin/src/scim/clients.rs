//! `/api/scim_clients`: who may provision.

mod view;

use super::token;
use crate::caller::{Caller, forbidden};
use crate::page::{Page, PageQuery};
use crate::params::{Body, Named, Params, line};
use crate::problem::Problem;
use crate::roles::view::named;
use crate::state::AdminState;
use crate::versioned::{IfMatch, Versioned};
use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use sallyport_schema::access::Assignment;
use sallyport_schema::rows::HeldRole;
use sallyport_schema::store::scim::{NewScimClient, ScimClient, ScimClientChange};
use std::time::Duration;
use uuid::Uuid;
use view::{ClientPatch, ClientView, NewClient, RotateToken, WithToken};

/// Longest grace of a rotation: 90 days.
const GRACE: u64 = 90 * 86_400;

/// SCIM clients
#[utoipa::path(get, path = "/api/scim_clients", tag = "scim clients", operation_id = "listScimClients", params(PageQuery),
    responses((status = 200, description = "One page of clients, by id.", body = Page<ClientView>)))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Params(query): Params<PageQuery>,
) -> Result<Json<Page<ClientView>>, Problem> {
    let limit = query.limit()?;
    let rows = state.store().scim_clients(query.cursor, limit + 1).await?;
    Ok(Json(Page::of(rows, limit, |c| c.id, ClientView::from)))
}

/// One SCIM client
#[utoipa::path(get, path = "/api/scim_clients/{id}", tag = "scim clients", operation_id = "getScimClient",
    params(("id" = Uuid, Path, description = "The client.")),
    responses((status = 200, description = "The client.", body = ClientView)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Named(id): Named<Uuid>,
) -> Result<Versioned<ClientView>, Problem> {
    let found = find(&state, id).await?;
    Ok(Versioned(StatusCode::OK, found.version, found.into()))
}

/// Make a SCIM client
///
/// Its token is shown this once. Nobody gives a client, or the users that it makes, what he does not hold himself.
#[utoipa::path(post, path = "/api/scim_clients", tag = "scim clients", operation_id = "createScimClient",
    request_body = NewClient,
    responses((status = 201, description = "The client, with its token.", body = WithToken)))]
pub(crate) async fn create(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<NewClient>,
) -> Result<Versioned<WithToken>, Problem> {
    let name = line("name", &body.name)?;
    let (roles, holds) = match body.roles {
        Some(held) => whole(named(&state, held).await?)?,
        None => own(&state, &caller).await?,
    };
    caller.covers(&holds)?;
    let (default_roles, gives) = whole(named(&state, body.default_roles).await?)?;
    given(&caller, &holds, &gives)?;
    view::end(body.expires_at)?;
    let (secret, hash, prefix) = token::make()?;
    let new = NewScimClient {
        hash,
        prefix,
        name,
        roles,
        default_roles,
        adopt: body.adopt,
        expires_at: body.expires_at,
    };
    let made = state.store().make_scim_client(&new, caller.actor()).await?;
    Ok(Versioned(StatusCode::CREATED, made.version, WithToken { client: made.into(), token: secret }))
}

/// Change a SCIM client
#[utoipa::path(patch, path = "/api/scim_clients/{id}", tag = "scim clients", operation_id = "changeScimClient",
    request_body = ClientPatch,
    params(("id" = Uuid, Path, description = "The client."),
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    responses((status = 200, description = "The client.", body = ClientView)))]
pub(crate) async fn change(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
    version: IfMatch,
    Body(body): Body<ClientPatch>,
) -> Result<Versioned<ClientView>, Problem> {
    let found = below(&state, &caller, id).await?;
    let version = version.on(found.version)?;
    let roles = match body.roles {
        Some(held) => Some(whole(named(&state, held).await?)?),
        None => None,
    };
    let default_roles = match body.default_roles {
        Some(held) => Some(whole(named(&state, held).await?)?),
        None => None,
    };
    // what will be, both together
    let holds = match &roles {
        Some((_, holds)) => holds.clone(),
        None => known(&state, &found.roles).await?,
    };
    caller.covers(&holds)?;
    match &default_roles {
        Some((_, gives)) => given(&caller, &holds, gives)?,
        None => given(&caller, &holds, &known(&state, &found.default_roles).await?)?,
    }
    view::end(body.expires_at.flatten())?;
    let change = ScimClientChange {
        name: body.name.map(|n| line("name", &n)).transpose()?,
        roles: roles.map(|r| r.0),
        default_roles: default_roles.map(|r| r.0),
        adopt: body.adopt,
        active: body.active,
        expires_at: body.expires_at,
    };
    let changed = state.store().change_scim_client(id, version, &change, caller.actor()).await?;
    Ok(Versioned(StatusCode::OK, changed.version, changed.into()))
}

/// Rotate a SCIM client's token
///
/// The new token is shown this once; the old one stays good for the time of grace. (One that was rotated before is not.)
#[utoipa::path(post, path = "/api/scim_clients/{id}/rotate", tag = "scim clients", operation_id = "rotateScimClient",
    request_body = RotateToken,
    params(("id" = Uuid, Path, description = "The client."),
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    responses((status = 200, description = "The client, with its new token.", body = WithToken)))]
pub(crate) async fn rotate(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
    version: IfMatch,
    Body(body): Body<RotateToken>,
) -> Result<Versioned<WithToken>, Problem> {
    let found = below(&state, &caller, id).await?;
    let version = version.on(found.version)?;
    let grace = match body.grace_seconds.unwrap_or(86_400) {
        s if s <= GRACE => Duration::from_secs(s),
        _ => return Err(crate::params::wrong(format!("grace_seconds: at most {GRACE}"))),
    };
    let (secret, hash, prefix) = token::make()?;
    let made = state.store().rotate_scim_client(id, version, (&hash, &prefix), grace, caller.actor()).await?;
    Ok(Versioned(StatusCode::OK, made.version, WithToken { client: made.into(), token: secret }))
}

/// Delete a SCIM client
///
/// Its users and teams stay as they are; another client that may adopt can take them over.
#[utoipa::path(delete, path = "/api/scim_clients/{id}", tag = "scim clients", operation_id = "deleteScimClient",
    params(("id" = Uuid, Path, description = "The client."),
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    responses((status = 204, description = "The client is gone.")))]
pub(crate) async fn delete(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
    version: IfMatch,
) -> Result<StatusCode, Problem> {
    let found = below(&state, &caller, id).await?;
    state.store().delete_scim_client(id, version.on(found.version)?, caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn find(state: &AdminState, id: Uuid) -> Result<ScimClient, Problem> {
    let found = state.store().scim_client(id).await?;
    found.ok_or_else(|| Problem::not_found("there is no such SCIM client"))
}

/// The client, if the caller holds all that it holds: with its token he could do what it may.
async fn below(state: &AdminState, caller: &Caller, id: Uuid) -> Result<ScimClient, Problem> {
    let found = find(state, id).await?;
    caller.covers(&known(state, &found.roles).await?)?;
    Ok(found)
}

/// Those of the roles that there still are.
pub(crate) async fn known(state: &AdminState, held: &[HeldRole]) -> Result<Vec<Assignment>, Problem> {
    let mut all = Vec::new();
    for one in held {
        match state.store().assignments(std::slice::from_ref(one)).await {
            Ok(found) => all.extend(found),
            Err(sallyport_schema::error::StoreError::NotFound { .. }) => {}
            Err(e) => return Err(e.into()),
        }
    }
    Ok(all)
}

/// The client can do what its maker can: his roles that hold everywhere.
async fn own(state: &AdminState, caller: &Caller) -> Result<(Vec<HeldRole>, Vec<Assignment>), Problem> {
    let roles = match caller.person() {
        Some(person) => person.roles.iter().filter(|h| h.team.is_none()).cloned().collect(),
        None => vec![HeldRole { role: "super_admin".into(), team: None }],
    };
    let holds = known(state, &roles).await?;
    Ok((roles, holds))
}

/// A client is of the whole organisation.
fn whole(named: (Vec<HeldRole>, Vec<Assignment>)) -> Result<(Vec<HeldRole>, Vec<Assignment>), Problem> {
    if named.0.iter().any(|h| h.team.is_some()) {
        return Err(crate::params::wrong("the roles of a SCIM client hold everywhere: no `team`"));
    }
    Ok(named)
}

/// What users get, both the caller and the client hold.
fn given(caller: &Caller, holds: &[Assignment], gives: &[Assignment]) -> Result<(), Problem> {
    caller.covers(gives)?;
    let client = sallyport_schema::access::Effective::new(Default::default(), holds.to_vec());
    client.covers(gives).map_err(|missing| {
        forbidden(format!("the client cannot give what its own roles do not hold: {missing}"))
    })
}
