//! One step with many keys: what is wanted when a laptop is lost or a team leaves.

use super::{step, teams_of};
use crate::caller::Caller;
use crate::params::{Body, wrong};
use crate::problem::Problem;
use crate::state::AdminState;
use axum::extract::State;
use axum::{Extension, Json};
use sallyport_schema::access::{Object, Permission};
use sallyport_schema::store::virtual_keys::{KeyDetail, KeyFilter, KeyStep};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Most keys of one request.
const MOST: usize = 500;

/// A step.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Step {
    /// Refused until enabled.
    Disable,
    /// Good again.
    Enable,
    /// Refused for good.
    Revoke,
    /// Refused for good, and out of the lists.
    Archive,
}

/// Which keys: those of a list, or all that match what is given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct BulkStep {
    /// What is done.
    step: Step,
    /// These keys.
    #[serde(default)]
    #[schema(max_items = 500)]
    ids: Vec<Uuid>,
    /// Those of this user.
    #[serde(default)]
    user: Option<Uuid>,
    /// Those of this service account.
    #[serde(default)]
    service_account: Option<Uuid>,
    /// Those for this team.
    #[serde(default)]
    team: Option<Uuid>,
    /// Those with this tag.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 200)]
    tag: Option<String>,
    /// Only shown, not done.
    #[serde(default)]
    dry_run: bool,
}

/// What came of it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BulkDone {
    /// By id.
    items: Vec<BulkOutcome>,
    /// There are more keys that match: ask again.
    more: bool,
}

/// What came of one key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BulkOutcome {
    /// The key.
    id: Uuid,
    /// What people call it.
    name: Option<String>,
    /// Whether the step was taken (or would be).
    done: bool,
    /// Why not.
    error: Option<String>,
}

/// Take a step with many keys
///
/// Each by itself: what cannot be done to one does not hold up the others. A step that a key has taken already is done.
#[utoipa::path(post, path = "/api/keys/steps", tag = "keys", operation_id = "stepKeys", request_body = BulkStep,
    responses((status = 200, description = "What came of each.", body = BulkDone)))]
pub(crate) async fn post(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Body(asked): Body<BulkStep>,
) -> Result<Json<BulkDone>, Problem> {
    let matching = asked.user.is_some()
        || asked.service_account.is_some()
        || asked.team.is_some()
        || asked.tag.is_some();
    if matching != asked.ids.is_empty() || asked.ids.len() > MOST {
        return Err(wrong(format!("give `ids` (at most {MOST}), or what keys must match, and not both")));
    }
    let taken = match asked.step {
        Step::Disable => KeyStep::Disable,
        Step::Enable => KeyStep::Enable,
        Step::Revoke => KeyStep::Revoke,
        Step::Archive => KeyStep::Archive,
    };
    let (keys, more) = if matching {
        matched(&state, &caller, &asked, taken).await?
    } else {
        listed(&state, &asked.ids).await?
    };
    let mut items = Vec::new();
    for (id, key) in keys {
        let outcome = match &key {
            None => Err(no_such()),
            Some(key) if asked.dry_run => may(&state, &caller, key).await,
            Some(_) => step(&state, &caller, id, None, taken).await.map(drop),
        };
        // The store is away: so is it for the rest.
        if let Err(problem) = &outcome
            && problem.status().is_server_error()
        {
            return Err(problem.clone());
        }
        // of what he may not see he learns nothing
        let seen = !matches!(&outcome, Err(p) if p.status() == http::StatusCode::NOT_FOUND);
        items.push(BulkOutcome {
            id,
            name: key.filter(|_| seen).map(|k| k.name),
            done: outcome.is_ok(),
            error: outcome.err().map(|p| p.detail().to_owned()),
        });
    }
    Ok(Json(BulkDone { items, more }))
}

type Found = (Vec<(Uuid, Option<KeyDetail>)>, bool);

async fn listed(state: &AdminState, ids: &[Uuid]) -> Result<Found, Problem> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let mut keys = Vec::new();
    for id in ids {
        keys.push((id, state.store().key(id).await?));
    }
    Ok((keys, false))
}

/// Those on which the step has not been taken.
async fn matched(
    state: &AdminState,
    caller: &Caller,
    asked: &BulkStep,
    step: KeyStep,
) -> Result<Found, Problem> {
    let open = |k: &KeyDetail| match step {
        KeyStep::Disable => k.disabled_at.is_none() && k.revoked_at.is_none(),
        KeyStep::Enable => k.disabled_at.is_some() && k.revoked_at.is_none(),
        KeyStep::Revoke => k.revoked_at.is_none(),
        KeyStep::Archive => k.archived_at.is_none(),
    };
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let filter = KeyFilter {
            text: asked.tag.clone(),
            user: asked.user,
            account: asked.service_account,
            team: asked.team,
            visible: caller.visible(Permission::KeysRead),
            after,
            limit: 500,
            ..KeyFilter::default()
        };
        let page = state.store().keys(&filter).await?;
        after = page.last().map(|k| k.id);
        let last = page.len() < 500;
        for key in page {
            // `text` finds names as well
            let tagged = asked.tag.as_ref().is_none_or(|t| key.tags.contains(t));
            if tagged && open(&key) {
                if found.len() == MOST {
                    return Ok((found, true));
                }
                found.push((key.id, Some(key)));
            }
        }
        if last {
            return Ok((found, false));
        }
    }
}

async fn may(state: &AdminState, caller: &Caller, key: &KeyDetail) -> Result<(), Problem> {
    let teams = teams_of(state, key.account, key.team).await?;
    let object = Object { owner: key.owner(), teams: &teams };
    caller.need(Permission::KeysRead, Permission::KeysWrite, object, "key")
}

fn no_such() -> Problem {
    Problem::not_found("there is no such key")
}
