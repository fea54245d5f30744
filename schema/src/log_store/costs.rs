//! What calls have cost, added up by one of the things that the log knows of them.

use super::recent::conditions;
use super::{CallFilter, PAGE_MAX};
use sqlx::postgres::{PgConnection, Postgres};
use sqlx::{QueryBuilder, Row};

/// What is added up apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The virtual key's id.
    Key,
    /// The user or service account that owns the key.
    User,
    /// The team.
    Team,
    /// The model that was asked for.
    Model,
    /// The provider.
    Provider,
    /// The surface.
    Surface,
    /// Each tag of the key: a call with two tags counts in both.
    Tag,
    /// The day (UTC).
    Day,
}

/// The sum of the calls that have one thing in common. Follow-ups (see `CallRecord::follows`) bring tokens and cost,
/// but are no calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sum {
    /// What they have in common; None: they have none (no tag, no team, …).
    pub of: Option<String>,
    /// Calls, refused and failed ones too.
    pub calls: u64,
    /// Prompt tokens.
    pub input_tokens: u64,
    /// Completion tokens.
    pub output_tokens: u64,
    /// Nano-dollars (1e-9 USD), of the calls that have a price.
    pub cost_nanos: i64,
    /// Nano-dollars of these that come from estimated counts.
    pub estimated_nanos: i64,
    /// Calls that used tokens and have no known price: they are missing from the cost.
    pub unpriced: u64,
}

/// Sums, the most costly first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Costs {
    /// The sums, at most as many as were asked for.
    pub sums: Vec<Sum>,
    /// There are more.
    pub more: bool,
}

/// Sums of BIGINTs are NUMERIC: brought back into range, where a number of that size means "too many to count".
const SUMS: &str = "
    count(*) FILTER (WHERE follows IS NULL) AS calls,
    LEAST(COALESCE(sum(input_tokens), 0), 9223372036854775807)::bigint AS input_tokens,
    LEAST(COALESCE(sum(output_tokens), 0), 9223372036854775807)::bigint AS output_tokens,
    LEAST(COALESCE(sum(cost_nanos), 0), 9223372036854775807)::bigint AS cost_nanos,
    LEAST(COALESCE(sum(cost_nanos) FILTER (WHERE estimated), 0), 9223372036854775807)::bigint AS estimated_nanos,
    count(*) FILTER (WHERE cost_nanos IS NULL AND input_tokens IS NOT NULL) AS unpriced";

pub(super) async fn costs(
    conn: &mut PgConnection,
    filter: &CallFilter,
    by: By,
) -> Result<Costs, sqlx::Error> {
    let (of, from) = match by {
        By::Key => ("key_id::text", ""),
        By::User => ("user_id::text", ""),
        By::Team => ("team_id::text", ""),
        By::Model => ("model_asked", ""),
        By::Provider => ("provider", ""),
        By::Surface => ("surface", ""),
        By::Tag => ("tag", " LEFT JOIN LATERAL jsonb_array_elements_text(key_tags) AS t(tag) ON true"),
        By::Day => ("to_char(started_at AT TIME ZONE 'UTC', 'YYYY-MM-DD')", ""),
    };
    let limit = filter.limit.clamp(1, PAGE_MAX);
    let mut query =
        QueryBuilder::<Postgres>::new(format!("SELECT {of} AS of,{SUMS} FROM call_log{from} WHERE true"));
    conditions(&mut query, filter);
    query.push(" GROUP BY 1 ORDER BY cost_nanos DESC, calls DESC, 1 LIMIT ").push_bind(i64::from(limit) + 1);
    let rows = query.build().fetch_all(conn).await?;
    let sum = |row: &sqlx::postgres::PgRow| {
        let count = |column: &str| row.try_get::<i64, _>(column).map(i64::unsigned_abs);
        Ok::<_, sqlx::Error>(Sum {
            of: row.try_get("of")?,
            calls: count("calls")?,
            input_tokens: count("input_tokens")?,
            output_tokens: count("output_tokens")?,
            cost_nanos: row.try_get("cost_nanos")?,
            estimated_nanos: row.try_get("estimated_nanos")?,
            unpriced: count("unpriced")?,
        })
    };
    let mut sums = rows.iter().map(sum).collect::<Result<Vec<_>, _>>()?;
    let more = sums.len() > limit as usize;
    sums.truncate(limit as usize);
    Ok(Costs { sums, more })
}
