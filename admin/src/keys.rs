//! Virtual keys: made, listed, changed, rotated, and put away.
//!
//! Whoever manages a key may give it no more than he may call himself; a key that somebody owns is bounded by the
//! owner's roles besides, at each call. The secret is in the answer that makes it, and nowhere else.

pub(crate) mod bulk;
pub(crate) mod effective;
mod view;
mod write;

use crate::caller::Caller;
use crate::page::{ByAge, Page, PageQuery};
use crate::params::{Body, Named, Params};
use crate::problem::Problem;
use crate::state::AdminState;
use crate::versioned::{IfMatch, Versioned};
use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use sallyport_config::key::VirtualKey;
use sallyport_schema::access::{Object, Permission};
use sallyport_schema::store::virtual_keys::{KeyDetail, KeyFilter, KeyStep, NewKey};
use serde::Deserialize;
use time::OffsetDateTime;
use utoipa::IntoParams;
use uuid::Uuid;
pub(crate) use view::KeyWithSecret;
use view::{ClientSetup, Key, Rotated};
use write::{ChangeKey, CreateKey, Opened, RotateKey};

/// Which keys.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct KeyQuery {
    /// Part of the name, the beginning of the prefix, or a tag.
    text: Option<String>,
    /// Owned by this user.
    user: Option<Uuid>,
    /// Owned by this service account.
    service_account: Option<Uuid>,
    /// For this team.
    team: Option<Uuid>,
    /// All that replaced one another with this one first.
    lineage: Option<Uuid>,
    /// Good now (not revoked, disabled, expired), or the others.
    good: Option<bool>,
    /// Archived ones too.
    archived: bool,
    /// By age: the oldest first, or the newest.
    #[param(inline)]
    sort: ByAge,
}

/// Virtual keys
///
/// Those that the caller may see, by id (which is by age).
#[utoipa::path(get, path = "/api/keys", tag = "keys", operation_id = "listKeys", params(KeyQuery, PageQuery),
    responses((status = 200, description = "One page of keys.", body = Page<Key>)))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<KeyQuery>,
    Params(page): Params<PageQuery>,
) -> Result<Json<Page<Key>>, Problem> {
    let limit = page.limit()?;
    let filter = KeyFilter {
        text: query.text,
        user: query.user,
        account: query.service_account,
        team: query.team,
        lineage: query.lineage,
        good: query.good,
        archived: query.archived,
        visible: caller.visible(Permission::KeysRead),
        after: page.cursor,
        newest_first: query.sort.newest_first(),
        limit: limit + 1,
    };
    let rows = state.store().keys(&filter).await?;
    Ok(Json(Page::of(rows, limit, |k| k.id, Key::from)))
}

/// A key
#[utoipa::path(get, path = "/api/keys/{id}", tag = "keys", operation_id = "getKey",
    params(("id" = Uuid, Path, description = "The key.")),
    responses((status = 200, description = "The key, without its secret.", body = Key)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
) -> Result<Versioned<Key>, Problem> {
    let key = find(&state, &caller, Permission::KeysRead, id).await?;
    Ok(Versioned(StatusCode::OK, key.version, Key::from(key)))
}

/// Make a key
///
/// The answer holds the secret: it is shown this once.
#[utoipa::path(post, path = "/api/keys", tag = "keys", operation_id = "createKey", request_body = CreateKey,
    responses((status = 201, description = "The key with its secret.", body = KeyWithSecret)))]
pub(crate) async fn create(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Body(wanted): Body<CreateKey>,
) -> Result<Versioned<KeyWithSecret>, Problem> {
    let secret = fresh()?;
    let new = wanted.read(&secret)?;
    for_whom(&state, &caller, new.user, new.account, new.team).await?;
    let opened = Opened { surfaces: &new.surfaces, models: &new.models, tools: &new.tools };
    write::covered(&caller, new.user.or(new.account), opened, new.team)?;
    let made = state.store().make_key(&new, caller.actor()).await?;
    let setup = ClientSetup::new(&state, secret.secret.expose());
    Ok(Versioned(StatusCode::CREATED, made.version, KeyWithSecret::new(made, secret.secret.expose(), setup)))
}

/// Change a key
#[utoipa::path(patch, path = "/api/keys/{id}", tag = "keys", operation_id = "changeKey", request_body = ChangeKey,
    params(("id" = Uuid, Path, description = "The key."),
        ("If-Match" = Option<String>, Header, description = "The ETag of the key that is to be changed.")),
    responses((status = 200, description = "The key as it is now.", body = Key)))]
pub(crate) async fn change(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
    IfMatch(version): IfMatch,
    Body(wanted): Body<ChangeKey>,
) -> Result<Versioned<Key>, Problem> {
    let key = find(&state, &caller, Permission::KeysWrite, id).await?;
    let change = wanted.read()?;
    let opened = Opened {
        surfaces: change.surfaces.as_ref().unwrap_or(&key.surfaces),
        models: change.models.as_ref().unwrap_or(&key.models),
        tools: change.tools.as_ref().unwrap_or(&key.tools),
    };
    write::covered(&caller, key.owner(), opened, key.team)?;
    let key = state.store().change_key(id, version, &change, caller.actor()).await?;
    Ok(Versioned(StatusCode::OK, key.version, Key::from(key)))
}

/// Rotate a key
///
/// Makes a key like it, with a new secret, in the same lineage. The old one is good for the time of grace.
#[utoipa::path(post, path = "/api/keys/{id}/rotate", tag = "keys", operation_id = "rotateKey",
    request_body = RotateKey, params(("id" = Uuid, Path, description = "The key."),
        ("If-Match" = Option<String>, Header, description = "The ETag of the key.")),
    responses((status = 201, description = "Both keys, the new one with its secret.", body = Rotated),
        (status = 409, description = "It has been revoked or replaced.")))]
pub(crate) async fn rotate(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
    IfMatch(version): IfMatch,
    Body(wanted): Body<RotateKey>,
) -> Result<Versioned<Rotated>, Problem> {
    let key = find(&state, &caller, Permission::KeysWrite, id).await?;
    // whoever gets the new secret acts as the owner
    for_whom(&state, &caller, key.user, key.account, key.team).await?;
    write::covered(&caller, key.owner(), Opened::by(&key), key.team)?;
    let ends = OffsetDateTime::now_utc() + wanted.grace()?;
    let secret = fresh()?;
    let (old, new) =
        state.store().rotate_key(id, version, secret.hash, &secret.prefix, ends, caller.actor()).await?;
    let setup = ClientSetup::new(&state, secret.secret.expose());
    let (version, new) = (new.version, KeyWithSecret::new(new, secret.secret.expose(), setup));
    Ok(Versioned(StatusCode::CREATED, version, Rotated { old: old.into(), new }))
}

/// Fetch a secret
///
/// Of a key that its predecessor's rotation policy has made: the secret is shown this once.
#[utoipa::path(post, path = "/api/keys/{id}/secret", tag = "keys", operation_id = "fetchKeySecret",
    params(("id" = Uuid, Path, description = "The key.")),
    responses((status = 200, description = "The key with its secret.", body = KeyWithSecret)))]
pub(crate) async fn fetch_secret(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(id): Named<Uuid>,
) -> Result<Versioned<KeyWithSecret>, Problem> {
    let key = find(&state, &caller, Permission::KeysWrite, id).await?;
    for_whom(&state, &caller, key.user, key.account, key.team).await?;
    write::covered(&caller, key.owner(), Opened::by(&key), key.team)?;
    let fetched = state.store().fetch_waiting_secret(id, state.keyring(), caller.actor()).await?;
    let Some((key, secret)) = fetched else {
        let detail = "no secret waits to be fetched: it has been shown already";
        return Err(Problem::new(StatusCode::CONFLICT, "no_secret", detail));
    };
    let setup = ClientSetup::new(&state, &secret);
    Ok(Versioned(StatusCode::OK, key.version, KeyWithSecret::new(key, &secret, setup)))
}

/// Defines the routes that take a step.
macro_rules! steps {
    ($($name:ident $step:ident $path:literal $id:literal $title:literal;)+) => { $(
        #[doc = $title]
        ///
        /// Again changes nothing.
        #[utoipa::path(post, path = $path, tag = "keys", operation_id = $id,
            params(("id" = Uuid, Path, description = "The key."),
                ("If-Match" = Option<String>, Header, description = "The ETag of the key.")),
            responses((status = 200, description = "The key as it is now.", body = Key)))]
        pub(crate) async fn $name(
            State(state): State<AdminState>,
            Extension(caller): Extension<Caller>,
            Named(id): Named<Uuid>,
            IfMatch(version): IfMatch,
        ) -> Result<Versioned<Key>, Problem> {
            step(&state, &caller, id, version, KeyStep::$step).await
        }
    )+ };
}

steps! {
    disable Disable "/api/keys/{id}/disable" "disableKey" "Disable a key: it is refused until it is enabled";
    enable Enable "/api/keys/{id}/enable" "enableKey" "Enable a key that was disabled";
    revoke Revoke "/api/keys/{id}/revoke" "revokeKey" "Revoke a key, for good";
    archive Archive "/api/keys/{id}/archive" "archiveKey" "Revoke a key and take it out of the lists";
}

async fn step(
    state: &AdminState,
    caller: &Caller,
    id: Uuid,
    version: Option<i64>,
    step: KeyStep,
) -> Result<Versioned<Key>, Problem> {
    let key = find(state, caller, Permission::KeysWrite, id).await?;
    if step == KeyStep::Enable {
        write::covered(caller, key.owner(), Opened::by(&key), key.team)?;
    }
    let key = state.store().step_key(id, version, step, caller.actor()).await?;
    Ok(Versioned(StatusCode::OK, key.version, Key::from(key)))
}

/// Whether the caller may hold the secret of a key of this owner and this team. A secret makes its holder the owner (and
/// shows him what owner and team have stored at providers): owner and team must each be the caller's to act for.
async fn for_whom(
    state: &AdminState,
    caller: &Caller,
    user: Option<Uuid>,
    account: Option<Uuid>,
    team: Option<Uuid>,
) -> Result<(), Problem> {
    let reach = caller.reach(Permission::KeysWrite);
    if reach.all {
        return Ok(());
    }
    let may =
        |owner: Option<Uuid>, teams: &[Uuid]| caller.may_on(Permission::KeysWrite, Object { owner, teams });
    let own = user.is_some() && user == caller.user();
    let (owner, at_home) = match (user, account) {
        (Some(_), _) => (own && may(user, &[]), own && team.is_some_and(|t| caller.is_in(t))),
        (None, Some(_)) => {
            let its: Vec<Uuid> = teams_of(state, account, None).await?;
            (may(account, &its), team.is_some_and(|t| its.contains(&t)))
        }
        (None, None) => (team.is_some(), false),
    };
    if !owner {
        let detail =
            "you may not make keys for this owner: give your own id as `user`, or a team that you manage";
        return Err(crate::caller::forbidden(detail));
    }
    match team {
        Some(team) if !at_home && !may(None, &[team]) => {
            Err(crate::caller::forbidden("you may not make keys for this team"))
        }
        _ => Ok(()),
    }
}

/// The key, if the caller may do this to it.
async fn find(state: &AdminState, caller: &Caller, need: Permission, id: Uuid) -> Result<KeyDetail, Problem> {
    let key = state.store().key(id).await?.ok_or_else(|| Problem::not_found("there is no such key"))?;
    let teams = teams_of(state, key.account, key.team).await?;
    let object = Object { owner: key.owner(), teams: &teams };
    caller.need(Permission::KeysRead, need, object, "key")?;
    Ok(key)
}

/// The teams that a key is in: its own, and that of its service account.
async fn teams_of(
    state: &AdminState,
    account: Option<Uuid>,
    team: Option<Uuid>,
) -> Result<Vec<Uuid>, Problem> {
    let mut teams: Vec<Uuid> = team.into_iter().collect();
    if let Some(id) = account {
        let of = state.store().account_team(id).await?;
        // a key outlives the listing of its account: then there is no team any more
        teams.extend(of.flatten());
    }
    Ok(teams)
}

/// The set-up's key: its owner's, for everything that he may call.
pub(crate) async fn first(
    state: &AdminState,
    caller: &Caller,
    user: Uuid,
    name: String,
) -> Result<KeyWithSecret, Problem> {
    let secret = fresh()?;
    let new = NewKey {
        hash: secret.hash,
        prefix: secret.prefix.clone(),
        name,
        user: Some(user),
        account: None,
        team: None,
        surfaces: vec!["*".into()],
        models: vec!["*".into()],
        tools: vec!["*".into()],
        networks: None,
        tags: Vec::new(),
        metadata: Default::default(),
        expires_at: None,
        idle_timeout: None,
        rotation: None,
    };
    let made = state.store().make_key(&new, caller.actor()).await?;
    let secret = secret.secret.expose();
    Ok(KeyWithSecret::new(made, secret, ClientSetup::new(state, secret)))
}

fn fresh() -> Result<VirtualKey, Problem> {
    VirtualKey::generate().map_err(|e| {
        tracing::error!(error = %e, "no virtual key can be made");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "no_random", "no random numbers from the system")
    })
}
