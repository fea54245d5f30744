//! One call, by an id.

use super::recent::{SELECT, call};
use crate::call::CallRecord;
use sqlx::QueryBuilder;
use sqlx::postgres::{PgConnection, Postgres};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

/// How far the instant inside a request id may be from the start of its call (they are the same but for clock
/// steps): the bound that leaves the other days' partitions out.
const AROUND: Duration = Duration::DAY;

/// By request id, or by the id that the provider gave the request; of several the newest.
pub(super) async fn find(conn: &mut PgConnection, id: &str) -> Result<Option<CallRecord>, sqlx::Error> {
    if let Ok(id) = id.parse::<Uuid>()
        && let Some(found) = by_request_id(conn, id).await?
    {
        return Ok(Some(found));
    }
    let mut query = QueryBuilder::<Postgres>::new(SELECT);
    query.push(" AND upstream_request_id = ").push_bind(id);
    query.push(" ORDER BY started_at DESC, id DESC LIMIT 1");
    query.build().fetch_optional(conn).await?.as_ref().map(call).transpose()
}

async fn by_request_id(conn: &mut PgConnection, id: Uuid) -> Result<Option<CallRecord>, sqlx::Error> {
    let mut query = QueryBuilder::<Postgres>::new(SELECT);
    query.push(" AND id = ").push_bind(id);
    if let Some(made) = instant(id) {
        query.push(" AND started_at >= ").push_bind(made.saturating_sub(AROUND));
        query.push(" AND started_at < ").push_bind(made.saturating_add(AROUND));
    }
    query.push(" LIMIT 1");
    query.build().fetch_optional(conn).await?.as_ref().map(call).transpose()
}

/// When a UUIDv7 was made.
fn instant(id: Uuid) -> Option<OffsetDateTime> {
    if id.get_version_num() != 7 {
        return None;
    }
    let (seconds, _) = id.get_timestamp()?.to_unix();
    OffsetDateTime::from_unix_timestamp(i64::try_from(seconds).ok()?).ok()
}
