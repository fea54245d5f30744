//! Responses whose tokens are told later: noted with the call that ordered one, struck off with the record that
//! completes its count. Both together with the record itself, so that neither a crash nor a second delivery loses or
//! doubles one.

use super::columns::without_nul;
use crate::call::CallRecord;
use sqlx::postgres::PgConnection;
use sqlx::types::Json;
use std::borrow::Cow;
use time::OffsetDateTime;
use uuid::Uuid;

/// A record that is delivered again after its count was completed awaits nothing any more.
const NOTE: &str = "
INSERT INTO awaited_responses (object_id, call, started_at, next_at)
SELECT a.object_id, a.call, a.started_at, now()
FROM UNNEST($1::text[], $2::jsonb[], $3::timestamptz[], $4::uuid[]) AS a(object_id, call, started_at, follow_up)
WHERE NOT EXISTS (SELECT FROM call_log l WHERE l.id = a.follow_up AND l.started_at = a.started_at)
ON CONFLICT (object_id) DO NOTHING";

/// Notes what good calls have ordered.
pub(super) async fn note(conn: &mut PgConnection, records: &[CallRecord]) -> Result<(), sqlx::Error> {
    let ordered: Vec<Cow<'_, CallRecord>> = records
        .iter()
        .filter(|c| c.awaited && (200..300).contains(&c.status))
        .filter(|c| c.object_id.is_some() && c.provider.is_some())
        .map(without_nul)
        .collect();
    if ordered.is_empty() {
        return Ok(());
    }
    let ids: Vec<&str> = ordered.iter().filter_map(|c| c.object_id.as_deref()).collect();
    sqlx::query(NOTE)
        .bind(ids)
        .bind(ordered.iter().map(|c| Json(c.as_ref())).collect::<Vec<Json<&CallRecord>>>())
        .bind(ordered.iter().map(|c| c.started_at).collect::<Vec<OffsetDateTime>>())
        .bind(ordered.iter().map(|c| CallRecord::follow_up_id(c.id)).collect::<Vec<Uuid>>())
        .execute(conn)
        .await
        .map(drop)
}

/// Strikes off what the records complete.
pub(super) async fn settled(conn: &mut PgConnection, records: &[CallRecord]) -> Result<(), sqlx::Error> {
    let ids: Vec<&str> =
        records.iter().filter(|c| c.follows.is_some()).filter_map(|c| c.object_id.as_deref()).collect();
    if ids.is_empty() {
        return Ok(());
    }
    sqlx::query("DELETE FROM awaited_responses WHERE object_id = ANY($1)")
        .bind(ids)
        .execute(conn)
        .await
        .map(drop)
}
