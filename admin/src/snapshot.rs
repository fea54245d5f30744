//! `GET /api/snapshot`: what is running, since when.

mod view;

use crate::state::AdminState;
use axum::Json;
use axum::extract::State;
use view::Running;

pub use view::SnapshotSource;

/// What is running
///
/// The configuration and state that requests are served from at this moment. Secrets are shown as set or not set,
/// with a fingerprint to compare instances by.
#[utoipa::path(get, path = "/api/snapshot", tag = "snapshot", operation_id = "getSnapshot",
    responses((status = 200, description = "What is running.", body = Running)))]
pub(crate) async fn get(State(state): State<AdminState>) -> Json<Running> {
    Json(Running::of(state.about(), &state.snapshot().load()))
}
