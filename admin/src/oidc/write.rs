//! Sign-in providers: list, make, look at, change, delete.
//!
//! A provider's rules give roles and teams: whoever writes, activates or deletes them must hold what they give. And
//! whoever lets a provider take existing users over by their address must hold everything, for it opens everybody's.

use super::view::{
    NewOidcProvider, OidcProviderPatch, ProviderView, client_id, client_secret, issuer, name,
    preset_settings, slug,
};
use crate::caller::{Caller, forbidden};
use crate::params::{Body, Named, wrong};
use crate::permission::Permission;
use crate::problem::Problem;
use crate::state::AdminState;
use crate::versioned::{IfMatch, Versioned};
use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use sallyport_schema::access::{Assignment, Object, built_in};
use sallyport_schema::envelope::OIDC_CLIENT_SECRET;
use sallyport_schema::error::StoreError;
use sallyport_schema::rows::HeldRole;
use sallyport_schema::store::oidc::{OidcProvider, OidcProviderValues, OidcSettings};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use zeroize::Zeroizing;

/// All of them.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OidcProviders {
    /// By slug; there are at most 50.
    items: Vec<ProviderView>,
}

/// Sign-in providers
#[utoipa::path(get, path = "/api/oidc_providers", tag = "sign-in", operation_id = "listOidcProviders",
    responses((status = 200, description = "All of them.", body = OidcProviders)))]
pub(crate) async fn list(State(state): State<AdminState>) -> Result<Json<OidcProviders>, Problem> {
    let all = state.store().oidc_providers().await?;
    Ok(Json(OidcProviders { items: all.into_iter().map(|p| ProviderView::of(&state, p)).collect() }))
}

/// One sign-in provider
#[utoipa::path(get, path = "/api/oidc_providers/{id}", tag = "sign-in", operation_id = "getOidcProvider",
    params(("id" = Uuid, Path, description = "The provider.")),
    responses((status = 200, description = "The provider.", body = ProviderView)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Named(id): Named<Uuid>,
) -> Result<Versioned<ProviderView>, Problem> {
    let provider = find(&state, id).await?;
    Ok(Versioned(StatusCode::OK, provider.version, ProviderView::of(&state, provider)))
}

/// Make a sign-in provider
///
/// As a draft: nobody signs in with it before a test login has passed and it is activated. Nobody makes rules that give
/// more than he holds himself.
#[utoipa::path(post, path = "/api/oidc_providers", tag = "sign-in", operation_id = "createOidcProvider",
    request_body = NewOidcProvider,
    responses((status = 201, description = "The provider.", body = ProviderView)))]
pub(crate) async fn create(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Body(body): Body<NewOidcProvider>,
) -> Result<Versioned<ProviderView>, Problem> {
    let id = Uuid::now_v7();
    let settings = body.settings.on(preset_settings(&body.preset)?)?;
    covered(&state, &caller, &settings, Missing::Wrong).await?;
    let slug = slug(body.slug)?;
    let new = OidcProviderValues {
        name: name(&body.name)?,
        preset: body.preset,
        issuer: issuer(body.issuer)?,
        client_id: client_id(body.client_id)?,
        client_secret: body.client_secret.map(|s| sealed(&state, id, s)).transpose()?,
        settings,
    };
    let made = state.store().create_oidc_provider(id, &slug, &new, caller.actor()).await?;
    Ok(Versioned(StatusCode::CREATED, made.version, ProviderView::of(&state, made)))
}

/// Change a sign-in provider
///
/// All but its name makes it a draft again: it is tested and activated anew. Nobody changes rules that give, or gave,
/// more than he holds himself.
#[utoipa::path(patch, path = "/api/oidc_providers/{id}", tag = "sign-in", operation_id = "changeOidcProvider",
    request_body = OidcProviderPatch,
    params(("id" = Uuid, Path, description = "The provider."),
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    responses((status = 200, description = "The provider.", body = ProviderView)))]
pub(crate) async fn change(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
    version: IfMatch,
    Body(body): Body<OidcProviderPatch>,
) -> Result<Versioned<ProviderView>, Problem> {
    let old = changeable(&state, &caller, id).await?;
    let version = version.on(old.version)?;
    let settings = body.settings.on(old.settings.clone())?;
    if settings != old.settings {
        // rules that stay may outlive their teams and roles
        let same = settings.group_rules == old.settings.group_rules
            && settings.default_roles == old.settings.default_roles;
        let missing = if same { Missing::Nothing } else { Missing::Wrong };
        covered(&state, &caller, &settings, missing).await?;
    }
    let secret = match body.client_secret {
        None => old.client_secret.clone(),
        Some(None) => None,
        Some(Some(secret)) => Some(sealed(&state, id, secret)?),
    };
    let new = OidcProviderValues {
        name: body.name.map_or(Ok(old.name), |n| name(&n))?,
        preset: old.preset,
        issuer: body.issuer.map_or(Ok(old.issuer.clone()), issuer)?,
        client_id: body.client_id.map_or(Ok(old.client_id.clone()), client_id)?,
        client_secret: secret,
        settings,
    };
    let anew = (&new.issuer, &new.client_id, &new.client_secret, &new.settings)
        != (&old.issuer, &old.client_id, &old.client_secret, &old.settings);
    let changed = state.store().change_oidc_provider(id, version, &new, anew, caller.actor()).await?;
    Ok(Versioned(StatusCode::OK, changed.version, ProviderView::of(&state, changed)))
}

/// Delete a sign-in provider
///
/// Sessions that came from it end, and the roles and teams that it gave are taken back. Users that it made stay.
#[utoipa::path(delete, path = "/api/oidc_providers/{id}", tag = "sign-in", operation_id = "deleteOidcProvider",
    params(("id" = Uuid, Path, description = "The provider."),
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    responses((status = 204, description = "It is gone.")))]
pub(crate) async fn delete(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
    version: IfMatch,
) -> Result<StatusCode, Problem> {
    let old = changeable(&state, &caller, id).await?;
    state.store().delete_oidc_provider(id, version.on(old.version)?, caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The provider.
pub(super) async fn find(state: &AdminState, id: Uuid) -> Result<OidcProvider, Problem> {
    let found = state.store().oidc_provider(id).await?;
    found.ok_or_else(|| Problem::not_found("there is no such sign-in provider"))
}

/// The provider, if its rules give nothing that the caller does not hold.
pub(super) async fn changeable(
    state: &AdminState,
    caller: &Caller,
    id: Uuid,
) -> Result<OidcProvider, Problem> {
    let found = find(state, id).await?;
    covered(state, caller, &found.settings, Missing::Nothing).await?;
    Ok(found)
}

/// What a role or team that does not exist is.
#[derive(Clone, Copy, PartialEq)]
enum Missing {
    /// An error: it has just been written.
    Wrong,
    /// Nothing to hold: it has gone meanwhile.
    Nothing,
}

/// The caller holds what the rules give. Each by itself: what one rule denies does not bound what another one gives, for
/// nobody need be in both groups.
async fn covered(
    state: &AdminState,
    caller: &Caller,
    settings: &OidcSettings,
    missing: Missing,
) -> Result<(), Problem> {
    if settings.link_by_email
        && let Some(role) = built_in("super_admin")
    {
        let everything = caller.covers(&[Assignment { role, team: None }]);
        everything.map_err(|_| {
            forbidden("link_by_email opens the accounts of everybody: only who holds everything may")
        })?;
    }
    let mut seen: Vec<&HeldRole> = Vec::new();
    let given = settings.group_rules.iter().filter_map(|r| r.role.as_ref()).chain(&settings.default_roles);
    for held in given {
        if seen.contains(&held) {
            continue;
        }
        seen.push(held);
        match state.store().assignments(std::slice::from_ref(held)).await {
            Ok(assignments) => caller.covers(&assignments)?,
            Err(StoreError::NotFound { .. }) if missing == Missing::Nothing => {}
            Err(StoreError::NotFound { name, .. }) => {
                let name: String = name.chars().take(100).collect();
                return Err(wrong(format!("there is no role `{name}`")));
            }
            Err(e) => return Err(e.into()),
        }
        if let Some(team) = held.team {
            exists(state, team, missing).await?;
        }
    }
    let mut teams: Vec<(Uuid, bool)> = Vec::new();
    for rule in &settings.group_rules {
        if let Some(team) = rule.team
            && !teams.contains(&(team, rule.manager))
        {
            teams.push((team, rule.manager));
        }
    }
    for (team, manager) in teams {
        if !exists(state, team, missing).await? {
            continue;
        }
        if !caller.may_on(Permission::TeamsMembers, Object { owner: None, teams: &[team] }) {
            return Err(forbidden("you may not put people into one of these teams: it needs teams.members"));
        }
        if manager && let Some(role) = built_in("team_manager") {
            caller.covers(&[Assignment { role, team: Some(team) }])?;
        }
    }
    Ok(())
}

async fn exists(state: &AdminState, team: Uuid, missing: Missing) -> Result<bool, Problem> {
    match state.store().team(team).await? {
        Some(_) => Ok(true),
        None if missing == Missing::Nothing => Ok(false),
        None => Err(wrong(format!("there is no team {team}"))),
    }
}

fn sealed(state: &AdminState, id: Uuid, secret: String) -> Result<Vec<u8>, Problem> {
    let secret = Zeroizing::new(secret);
    client_secret(&secret)?;
    state.keyring().seal(&OIDC_CLIENT_SECRET.place(id), secret.as_bytes()).map_err(|error| {
        tracing::error!(%error, "a client secret was not sealed");
        crate::sign_in::failed()
    })
}
