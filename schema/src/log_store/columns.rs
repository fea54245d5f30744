//! Records as columns, for one INSERT by UNNEST: one statement and one plan whatever the number of rows.

use crate::call::CallRecord;
use sqlx::postgres::PgConnection;
use std::borrow::Cow;
use std::collections::BTreeMap;
use time::OffsetDateTime;
use uuid::Uuid;

const INSERT: &str = "
INSERT INTO call_log (
    id, started_at, instance, key_id, key_prefix, user_id, team_id, client_ip, user_agent, surface,
    model_asked, model_served, provider, upstream_request_id, object_id, attempts, status,
    error_source, error_code, error_detail, cancelled, streamed,
    input_tokens, cached_input_tokens, cache_write_tokens, cache_write_1h_tokens, output_tokens, reasoning_tokens,
    cost_nanos, bytes_in, bytes_out, ttft_us, duration_us, dropped, estimated, follows, key_tags, key_metadata)
SELECT a1, a2, a3, a4, a5, a6, a7, a8::inet, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20, a21, a22,
    a23, a24, a25, a26, a27, a28, a29, a30, a31, a32, a33, a34::jsonb, a35, a36,
    a37::jsonb, a38::jsonb
FROM UNNEST(
    $1::uuid[], $2::timestamptz[], $3::text[], $4::uuid[], $5::text[], $6::uuid[], $7::uuid[], $8::text[], $9::text[],
    $10::text[], $11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::int[], $17::int[], $18::text[],
    $19::text[], $20::text[], $21::bool[], $22::bool[], $23::bigint[], $24::bigint[], $25::bigint[], $26::bigint[],
    $27::bigint[], $28::bigint[], $29::bigint[], $30::bigint[], $31::bigint[], $32::bigint[], $33::bigint[],
    $34::text[], $35::bool[], $36::uuid[], $37::text[], $38::text[])
    AS t(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, a16, a17, a18, a19, a20, a21, a22, a23,
         a24, a25, a26, a27, a28, a29, a30, a31, a32, a33, a34, a35, a36, a37, a38)
ON CONFLICT (id, started_at) DO NOTHING";

/// The first maker stays: a later call about the same object does not take it over.
const INSERT_OBJECTS: &str = "
INSERT INTO stored_objects (object_id, provider, key_id, user_id, team_id, created_at)
SELECT * FROM UNNEST($1::text[], $2::text[], $3::uuid[], $4::uuid[], $5::uuid[], $6::timestamptz[])
ON CONFLICT (object_id) DO NOTHING";

/// Inserts the records; those whose id is there stay as they are.
pub(super) async fn insert_calls(conn: &mut PgConnection, records: &[CallRecord]) -> Result<(), sqlx::Error> {
    let clean: Vec<Cow<'_, CallRecord>> = records.iter().map(without_nul).collect();
    let r: Vec<&CallRecord> = clean.iter().map(AsRef::as_ref).collect();
    let usage = |part: fn(&crate::call::Usage) -> u64| column(&r, |c| c.usage.as_ref().map(|u| int(part(u))));
    sqlx::query(INSERT)
        .bind(column(&r, |c| c.id))
        .bind(column(&r, |c| c.started_at))
        .bind(column(&r, |c| c.instance.as_str()))
        .bind(column(&r, |c| c.key_id))
        .bind(column(&r, |c| c.key_prefix.as_deref()))
        .bind(column(&r, |c| c.user_id))
        .bind(column(&r, |c| c.team_id))
        .bind(column(&r, |c| c.client_ip.map(|ip| ip.to_canonical().to_string())))
        .bind(column(&r, |c| c.user_agent.as_deref()))
        .bind(column(&r, |c| c.surface.as_str()))
        .bind(column(&r, |c| c.model_asked.as_deref()))
        .bind(column(&r, |c| c.model_served.as_deref()))
        .bind(column(&r, |c| c.provider.as_deref()))
        .bind(column(&r, |c| c.upstream_request_id.as_deref()))
        .bind(column(&r, |c| c.object_id.as_deref()))
        .bind(column(&r, |c| i32::from(c.attempts)))
        .bind(column(&r, |c| i32::from(c.status)))
        .bind(column(&r, |c| c.error_source.map(|s| s.as_str())))
        .bind(column(&r, |c| c.error_code.as_deref()))
        .bind(column(&r, |c| c.error_detail.as_deref()))
        .bind(column(&r, |c| c.cancelled))
        .bind(column(&r, |c| c.streamed))
        .bind(usage(|u| u.input))
        .bind(usage(|u| u.cached_input))
        .bind(usage(|u| u.cache_write))
        .bind(usage(|u| u.cache_write_1h))
        .bind(usage(|u| u.output))
        .bind(usage(|u| u.reasoning))
        .bind(column(&r, |c| c.cost_nanos))
        .bind(column(&r, |c| int(c.bytes_in)))
        .bind(column(&r, |c| int(c.bytes_out)))
        .bind(column(&r, |c| c.ttft_us.map(int)))
        .bind(column(&r, |c| int(c.duration_us)))
        .bind(column(&r, |c| json(&c.dropped)))
        .bind(column(&r, |c| c.estimated))
        .bind(column(&r, |c| c.follows))
        .bind(column(&r, |c| c.labels.as_ref().and_then(|l| json(&l.tags))))
        .bind(column(&r, |c| c.labels.as_ref().and_then(|l| object(&l.metadata))))
        .execute(conn)
        .await
        .map(drop)
}

/// Notes who made the objects that successful calls made.
pub(super) async fn insert_objects(
    conn: &mut PgConnection,
    records: &[CallRecord],
) -> Result<(), sqlx::Error> {
    let made: Vec<(&CallRecord, &str, &str)> = records
        .iter()
        .filter(|c| (200..300).contains(&c.status))
        .filter_map(|c| Some((c, c.object_id.as_deref()?, c.provider.as_deref()?)))
        .collect();
    if made.is_empty() {
        return Ok(());
    }
    sqlx::query(INSERT_OBJECTS)
        .bind(made.iter().map(|(_, id, _)| *id).collect::<Vec<&str>>())
        .bind(made.iter().map(|(_, _, provider)| *provider).collect::<Vec<&str>>())
        .bind(made.iter().map(|(c, ..)| c.key_id).collect::<Vec<Option<Uuid>>>())
        .bind(made.iter().map(|(c, ..)| c.user_id).collect::<Vec<Option<Uuid>>>())
        .bind(made.iter().map(|(c, ..)| c.team_id).collect::<Vec<Option<Uuid>>>())
        .bind(made.iter().map(|(c, ..)| c.started_at).collect::<Vec<OffsetDateTime>>())
        .execute(conn)
        .await
        .map(drop)
}

fn column<'a, T>(records: &[&'a CallRecord], field: impl Fn(&'a CallRecord) -> T) -> Vec<T> {
    records.iter().map(|record| field(record)).collect()
}

/// A list as JSON; None: an empty one.
fn json(names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| serde_json::Value::from(names).to_string())
}

/// Names and texts as JSON; None: there are none.
fn object(texts: &BTreeMap<String, String>) -> Option<String> {
    (!texts.is_empty()).then(|| serde_json::json!(texts).to_string())
}

/// Postgres has no unsigned numbers; a count beyond 2⁶³ is not one.
fn int(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Postgres text holds no NUL, but a client's headers and a provider's errors may: better a replaced character than a
/// lost record.
pub(super) fn without_nul(record: &CallRecord) -> Cow<'_, CallRecord> {
    let mut record = Cow::Borrowed(record);
    let fields: [fn(&mut CallRecord) -> Option<&mut String>; 11] = [
        |c| Some(&mut c.instance),
        |c| Some(&mut c.surface),
        |c| c.key_prefix.as_mut(),
        |c| c.user_agent.as_mut(),
        |c| c.model_asked.as_mut(),
        |c| c.model_served.as_mut(),
        |c| c.provider.as_mut(),
        |c| c.upstream_request_id.as_mut(),
        |c| c.object_id.as_mut(),
        |c| c.error_code.as_mut(),
        |c| c.error_detail.as_mut(),
    ];
    if has_nul(&record) {
        let owned = record.to_mut();
        for text in fields {
            if let Some(text) = text(owned)
                && text.contains('\0')
            {
                *text = text.replace('\0', "\u{fffd}");
            }
        }
        for name in &mut owned.dropped {
            *name = name.replace('\0', "\u{fffd}");
        }
    }
    record
}

fn has_nul(c: &CallRecord) -> bool {
    let optional = [
        &c.key_prefix,
        &c.user_agent,
        &c.model_asked,
        &c.model_served,
        &c.provider,
        &c.upstream_request_id,
        &c.object_id,
        &c.error_code,
        &c.error_detail,
    ];
    let texts = optional.into_iter().flatten().chain([&c.instance, &c.surface]).chain(&c.dropped);
    texts.into_iter().any(|text| text.contains('\0'))
}
