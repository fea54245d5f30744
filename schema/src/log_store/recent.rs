//! Reading the log: newest first, by keyset, so that page 1000 costs what page 1 does.

use super::cursor::Cursor;
use super::{CallFilter, PAGE_MAX, Page};
use crate::call::{CallRecord, ErrorSource, Usage};
use crate::labels::Labels;
use sqlx::postgres::{PgConnection, PgRow, Postgres};
use sqlx::types::Json;
use sqlx::{QueryBuilder, Row};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) const SELECT: &str = "
SELECT id, started_at, instance, key_id, key_prefix, user_id, team_id, host(client_ip) AS client_ip, user_agent,
    surface, model_asked, model_served, provider, upstream_request_id, object_id, attempts, status, error_source,
    error_code, error_detail, cancelled, streamed, input_tokens, cached_input_tokens, cache_write_tokens,
    cache_write_1h_tokens, output_tokens, reasoning_tokens, cost_nanos, bytes_in, bytes_out, ttft_us, duration_us,
    dropped, estimated, follows, key_tags, key_metadata
FROM call_log WHERE true";

const DEFAULT_LIMIT: u32 = 100;

pub(super) async fn recent(
    conn: &mut PgConnection,
    filter: &CallFilter,
    cursor: Option<Cursor>,
) -> Result<Page, sqlx::Error> {
    let limit = match filter.limit {
        0 => DEFAULT_LIMIT,
        n => n.min(PAGE_MAX),
    };
    let mut query = QueryBuilder::<Postgres>::new(SELECT);
    conditions(&mut query, filter);
    if let Some(cursor) = cursor {
        // the first condition is implied by the second, but it is the one that leaves partitions out
        query.push(" AND started_at <= ").push_bind(cursor.started_at);
        query.push(" AND (started_at, id) < (").push_bind(cursor.started_at);
        query.push(", ").push_bind(cursor.id).push(")");
    }
    // one more than asked tells whether there is a next page
    query.push(" ORDER BY started_at DESC, id DESC LIMIT ").push_bind(i64::from(limit) + 1);
    let mut calls: Vec<CallRecord> =
        query.build().fetch_all(conn).await?.iter().map(call).collect::<Result<_, _>>()?;
    let more = calls.len() > limit as usize;
    calls.truncate(limit as usize);
    let last = calls.last().map(|call| Cursor { started_at: call.started_at, id: call.id });
    Ok(Page { next: last.filter(|_| more), calls })
}

/// What must hold of a call. Only the conditions that are set: a plan for `$1 IS NULL OR …` uses no index.
pub(super) fn conditions(query: &mut QueryBuilder<Postgres>, filter: &CallFilter) {
    if let Some(id) = filter.key_id {
        query.push(" AND key_id = ").push_bind(id);
    }
    if let Some(prefix) = &filter.key_prefix {
        query.push(" AND key_prefix = ").push_bind(prefix);
    }
    if let Some(model) = &filter.model {
        query.push(" AND model_asked = ").push_bind(model);
    }
    if let Some(status) = filter.status {
        query.push(" AND status = ").push_bind(i32::from(status));
    }
    if let Some(class) = filter.status_class {
        let first = i32::from(class) * 100;
        query.push(" AND status BETWEEN ").push_bind(first).push(" AND ").push_bind(first + 99);
    }
    if let Some(surface) = &filter.surface {
        query.push(" AND surface = ").push_bind(surface);
    }
    if let Some(id) = filter.user_id {
        query.push(" AND user_id = ").push_bind(id);
    }
    if let Some(id) = filter.team_id {
        query.push(" AND team_id = ").push_bind(id);
    }
    if let Some(tag) = &filter.tag {
        query.push(" AND key_tags ? ").push_bind(tag);
    }
    if let Some(provider) = &filter.provider {
        query.push(" AND provider = ").push_bind(provider);
    }
    if let Some(from) = filter.from {
        query.push(" AND started_at >= ").push_bind(from);
    }
    if let Some(to) = filter.to {
        query.push(" AND started_at < ").push_bind(to);
    }
    if let Some((teams, own)) = &filter.visible {
        query.push(" AND (user_id = ").push_bind(*own).push(" OR team_id = ANY(").push_bind(teams);
        query.push(") OR user_id IN (SELECT id FROM service_accounts WHERE team_id = ANY(");
        query.push_bind(teams).push(")))");
    }
}

pub(super) fn call(row: &PgRow) -> Result<CallRecord, sqlx::Error> {
    let count = |column: &str| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
    let maybe_count = |column: &str| row.try_get::<Option<i64>, _>(column).map(|n| n.map(i64::unsigned_abs));
    // the table's CHECKs keep these in range
    let small = |column: &str| row.try_get::<i32, _>(column).map(|n| u16::try_from(n).unwrap_or(u16::MAX));
    let usage = match maybe_count("input_tokens")? {
        None => None,
        Some(input) => Some(Usage {
            input,
            cached_input: count("cached_input_tokens")?,
            cache_write: count("cache_write_tokens")?,
            cache_write_1h: count("cache_write_1h_tokens")?,
            output: count("output_tokens")?,
            reasoning: count("reasoning_tokens")?,
        }),
    };
    Ok(CallRecord {
        id: row.try_get("id")?,
        started_at: row.try_get("started_at")?,
        instance: row.try_get("instance")?,
        key_id: row.try_get("key_id")?,
        key_prefix: row.try_get("key_prefix")?,
        user_id: row.try_get("user_id")?,
        team_id: row.try_get("team_id")?,
        labels: labels(row)?,
        client_ip: row.try_get::<Option<String>, _>("client_ip")?.and_then(|ip| ip.parse().ok()),
        user_agent: row.try_get("user_agent")?,
        surface: row.try_get("surface")?,
        model_asked: row.try_get("model_asked")?,
        model_served: row.try_get("model_served")?,
        provider: row.try_get("provider")?,
        upstream_request_id: row.try_get("upstream_request_id")?,
        object_id: row.try_get("object_id")?,
        attempts: small("attempts")?,
        status: small("status")?,
        error_source: row.try_get::<Option<&str>, _>("error_source")?.and_then(error_source),
        error_code: row.try_get("error_code")?,
        error_detail: row.try_get("error_detail")?,
        cancelled: row.try_get("cancelled")?,
        streamed: row.try_get("streamed")?,
        dropped: row.try_get::<Option<Json<Vec<String>>>, _>("dropped")?.map(|d| d.0).unwrap_or_default(),
        usage,
        estimated: row.try_get("estimated")?,
        cost_nanos: row.try_get("cost_nanos")?,
        bytes_in: count("bytes_in")?,
        bytes_out: count("bytes_out")?,
        ttft_us: maybe_count("ttft_us")?,
        duration_us: count("duration_us")?,
        follows: row.try_get("follows")?,
        awaited: false,
    })
}

fn labels(row: &PgRow) -> Result<Option<Arc<Labels>>, sqlx::Error> {
    let tags = row.try_get::<Option<Json<Vec<String>>>, _>("key_tags")?;
    let metadata = row.try_get::<Option<Json<BTreeMap<String, String>>>, _>("key_metadata")?;
    let labels = Labels { tags: tags.unwrap_or_default().0, metadata: metadata.unwrap_or_default().0 };
    Ok((!labels.is_empty()).then(|| Arc::new(labels)))
}

fn error_source(word: &str) -> Option<ErrorSource> {
    [ErrorSource::Client, ErrorSource::Upstream, ErrorSource::Gateway]
        .into_iter()
        .find(|s| s.as_str() == word)
}
