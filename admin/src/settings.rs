//! Settings of the organisation: typed, judged as in YAML, each with what it does and its default.

use crate::caller::Caller;
use crate::managed::{held, written_at};
use crate::openapi::foreign::ConfigSetting;
use crate::params::{Body, Named, Params, wrong};
use crate::problem::Problem;
use crate::state::AdminState;
use crate::versioned::{IfMatch, Versioned};
use axum::extract::State;
use axum::{Extension, Json};
use http::StatusCode;
use sallyport_config::settings::{self, Setting};
use sallyport_config::snapshot::Snapshot;
use sallyport_schema::audit::AuditFilter;
use sallyport_schema::store::resources::StoredSetting;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};

/// A setting.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SettingView {
    /// Its place in YAML.
    #[schema(example = "upstream.max_attempts")]
    name: &'static str,
    /// What it does.
    about: &'static str,
    /// JSON Schema of its value.
    #[schema(value_type = Object)]
    form: Value,
    /// What it is where nobody says anything.
    #[schema(value_type = ConfigSetting)]
    default: Value,
    /// What it is.
    #[schema(value_type = ConfigSetting)]
    value: Value,
    /// Who says so: `default`, `file`, `store`.
    source: &'static str,
    /// Where it is written, if a file says so: file and line.
    origin: Option<String>,
    /// When it was set here.
    #[serde(with = "time::serde::rfc3339::option")]
    updated_at: Option<OffsetDateTime>,
}

/// All settings.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SettingList {
    /// By name.
    items: Vec<SettingView>,
}

/// A value.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SettingBody {
    /// The value, in the form that the setting says.
    #[schema(value_type = ConfigSetting)]
    value: Value,
}

/// A change of a setting.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SettingChange {
    /// Its row in the audit trail.
    seq: i64,
    /// When.
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    /// Who.
    author: String,
    /// The value before; None: not set.
    #[schema(value_type = Option<Value>)]
    before: Option<Value>,
    /// The value after; None: not set.
    #[schema(value_type = Option<Value>)]
    after: Option<Value>,
}

/// Changes of a setting.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SettingHistory {
    /// Newest first.
    items: Vec<SettingChange>,
    /// Give it as `before` to get the next page.
    next: Option<i64>,
}

/// Which page.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// Only changes before this row of the audit trail.
    #[param(minimum = 1)]
    before: Option<i64>,
}

/// Changes of one page.
const PAGE: u32 = 100;

/// Settings
#[utoipa::path(get, path = "/api/settings", tag = "settings", operation_id = "listSettings",
    responses((status = 200, description = "All that can be set here.", body = SettingList)))]
pub(crate) async fn list(State(state): State<AdminState>) -> Result<Json<SettingList>, Problem> {
    let stored = state.store().stored_settings().await?;
    let snapshot = state.snapshot().load();
    let view = |s: &'static Setting| SettingView::of(s, stored.iter().find(|k| k.key == s.name), &snapshot);
    Ok(Json(SettingList { items: settings::ALL.iter().map(view).collect() }))
}

/// One setting
#[utoipa::path(get, path = "/api/settings/{name}", tag = "settings", operation_id = "getSetting",
    params(("name" = String, Path, description = "Its name.")),
    responses((status = 200, description = "The setting.", body = SettingView)))]
pub(crate) async fn get(
    State(state): State<AdminState>,
    Named(name): Named<String>,
) -> Result<Versioned<SettingView>, Problem> {
    shown(&state, known(&name)?, None).await
}

/// Set a setting
///
/// Holds at every instance within a second. What a file says (other than the default) is changed in the file.
#[utoipa::path(put, path = "/api/settings/{name}", tag = "settings", operation_id = "putSetting",
    request_body = SettingBody,
    params(("name" = String, Path, description = "Its name."),
           ("If-Match" = Option<String>, Header, description = "The version that is meant; \"0\": not set.")),
    responses((status = 200, description = "The setting.", body = SettingView)))]
pub(crate) async fn put(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(name): Named<String>,
    version: IfMatch,
    Body(body): Body<SettingBody>,
) -> Result<Versioned<SettingView>, Problem> {
    let setting = known(&name)?;
    let snapshot = state.snapshot().load();
    held("setting", setting.name, origin(setting, &snapshot))?;
    // Against what is stored, not against this instance's snapshot: that may be a moment old.
    let mut config = (*snapshot.config).clone();
    for other in state.store().stored_settings().await?.iter().filter(|s| s.key != name) {
        if let Some(s) = settings::find(&other.key).filter(|s| origin(s, &snapshot).is_none()) {
            config = s.with(&config, &other.value).unwrap_or(config);
        }
    }
    setting.with(&config, &body.value).map_err(wrong)?;
    state.store().put_setting(&name, Some(&body.value), version.0, caller.actor()).await?;
    shown(&state, setting, Some(&body.value)).await
}

/// Take a setting back
///
/// It is what the files or the default say again.
#[utoipa::path(delete, path = "/api/settings/{name}", tag = "settings", operation_id = "resetSetting",
    params(("name" = String, Path, description = "Its name."),
           ("If-Match" = Option<String>, Header, description = "The version that is meant.")),
    responses((status = 204, description = "It is not set here any more.")))]
pub(crate) async fn delete(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(name): Named<String>,
    version: IfMatch,
) -> Result<StatusCode, Problem> {
    // Also what is not a setting any more: it can be cleaned up.
    if settings::find(&name).is_none()
        && !state.store().stored_settings().await?.iter().any(|s| s.key == name)
    {
        return Err(no_such());
    }
    state.store().put_setting(&name, None, version.0, caller.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Changes of a setting
#[utoipa::path(get, path = "/api/settings/{name}/history", tag = "settings", operation_id = "getSettingHistory",
    params(("name" = String, Path, description = "Its name."), HistoryQuery),
    responses((status = 200, description = "Its changes.", body = SettingHistory)))]
pub(crate) async fn history(
    State(state): State<AdminState>,
    Named(name): Named<String>,
    Params(query): Params<HistoryQuery>,
) -> Result<Json<SettingHistory>, Problem> {
    let setting = known(&name)?;
    if query.before.is_some_and(|b| b < 1) {
        return Err(Problem::bad_request("bad_parameter", "before: `next` of a page"));
    }
    let filter = AuditFilter {
        target_kind: Some("setting".into()),
        target_id: Some(setting.name.into()),
        outcome: Some("done".into()),
        ..AuditFilter::default()
    };
    let rows = state.store().audit_trail(&filter, query.before, PAGE).await?;
    let next = if rows.len() < PAGE as usize { None } else { rows.last().map(|r| r.seq) };
    let items = rows.into_iter().map(|r| SettingChange {
        seq: r.seq,
        at: r.at,
        author: r.actor,
        before: r.before,
        after: r.after,
    });
    Ok(Json(SettingHistory { items: items.collect(), next }))
}

/// The value, if this setting may have it.
pub(crate) fn checked(state: &AdminState, name: &str, value: Value) -> Result<Value, Problem> {
    let setting = known(name)?;
    let snapshot = state.snapshot().load();
    held("setting", setting.name, origin(setting, &snapshot))?;
    setting.with(&snapshot.config, &value).map_err(wrong)?;
    Ok(value)
}

fn known(name: &str) -> Result<&'static Setting, Problem> {
    settings::find(name).ok_or_else(no_such)
}

fn no_such() -> Problem {
    Problem::not_found("there is no such setting; GET /api/settings lists them")
}

/// `now`: the value that has just been set, which this instance's snapshot may not have yet.
async fn shown(
    state: &AdminState,
    setting: &'static Setting,
    now: Option<&Value>,
) -> Result<Versioned<SettingView>, Problem> {
    let stored = state.store().stored_settings().await?;
    let stored = stored.iter().find(|s| s.key == setting.name);
    let mut view = SettingView::of(setting, stored, &state.snapshot().load());
    if let Some(now) = now {
        view.value = now.clone();
    }
    Ok(Versioned(StatusCode::OK, stored.map_or(0, |s| s.version), view))
}

/// The line of the file that holds it.
fn origin(setting: &Setting, snapshot: &Snapshot) -> Option<String> {
    setting.held(&snapshot.files).then(|| written_at(snapshot.document.origin(setting.name)))
}

impl SettingView {
    fn of(s: &'static Setting, stored: Option<&StoredSetting>, snapshot: &Snapshot) -> Self {
        let origin = origin(s, snapshot);
        let source = match (&origin, stored) {
            (Some(_), _) => "file",
            (None, Some(_)) => "store",
            (None, None) => "default",
        };
        Self {
            name: s.name,
            about: s.about(),
            form: s.schema().cloned().unwrap_or(Value::Bool(true)),
            default: s.default(),
            value: s.of(&snapshot.config),
            source,
            origin,
            updated_at: stored.map(|s| s.updated_at),
        }
    }
}
