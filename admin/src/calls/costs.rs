//! `GET /api/costs`: what calls have cost, by key, team, tag, …

use super::answer;
use super::query::{CallQuery, bad};
use super::view::Cost;
use crate::caller::Caller;
use crate::params::Params;
use crate::problem::Problem;
use crate::state::AdminState;
use axum::extract::State;
use axum::{Extension, Json};
use sallyport_schema::access::Permission;
use sallyport_schema::log_store::CallFilter;
use sallyport_schema::log_store::costs::{By, Sum};
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::{IntoParams, ToSchema};

/// The time that is added up, unless asked for.
const WINDOW: Duration = Duration::days(30);
/// The longest time that is added up at once.
const LONGEST: Duration = Duration::days(92);

/// From this instant, before that one.
type Window = (OffsetDateTime, OffsetDateTime);

/// What is added up apart.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = CostsBy)]
enum Group {
    /// The virtual key.
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
    /// Each tag of the key.
    Tag,
    /// The day (UTC).
    Day,
}

impl From<Group> for By {
    fn from(group: Group) -> Self {
        match group {
            Group::Key => Self::Key,
            Group::User => Self::User,
            Group::Team => Self::Team,
            Group::Model => Self::Model,
            Group::Provider => Self::Provider,
            Group::Surface => Self::Surface,
            Group::Tag => Self::Tag,
            Group::Day => Self::Day,
        }
    }
}

/// What is added up. What is not known is refused.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct CostQuery {
    /// By what.
    by: Group,
    /// Calls that started at this instant or later (RFC 3339); if absent: 30 days before `to`. At most 92 days.
    #[param(value_type = Option<String>, format = DateTime)]
    from: Option<String>,
    /// Calls that started before this instant (RFC 3339); if absent: until now.
    #[param(value_type = Option<String>, format = DateTime)]
    to: Option<String>,
    /// A virtual key: its id, or its prefix as the log shows it.
    #[param(min_length = 1, max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f\\ufffd]+$")]
    key: Option<String>,
    /// A user or service account, by id: the owner of the key.
    #[param(value_type = Option<Uuid>)]
    user: Option<String>,
    /// A team, by id.
    #[param(value_type = Option<Uuid>)]
    team: Option<String>,
    /// A tag that the key had then.
    #[param(min_length = 1, max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f\\ufffd]+$")]
    tag: Option<String>,
    /// The model that was asked for.
    #[param(min_length = 1, max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f\\ufffd]+$")]
    model: Option<String>,
    /// The provider of the last attempt.
    #[param(min_length = 1, max_length = 200, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f\\ufffd]+$")]
    provider: Option<String>,
    /// Sums in the answer.
    #[param(value_type = Option<u32>, minimum = 1, maximum = 1000, default = 50)]
    limit: Option<String>,
}

impl CostQuery {
    /// What to ask of the log, and of which time.
    fn read(self, now: OffsetDateTime) -> Result<(Group, Window, CallFilter), Problem> {
        let Self { by, from, to, key, user, team, tag, model, provider, limit } = self;
        let query =
            CallQuery { from, to, key, user, team, tag, model, provider, limit, ..CallQuery::default() };
        let (mut filter, _) = query.read()?;
        let to = *filter.to.get_or_insert(now);
        let from = *filter.from.get_or_insert(to.saturating_sub(WINDOW));
        if to - from > LONGEST {
            return Err(bad(format!("from and to may be {} days apart at most", LONGEST.whole_days())));
        }
        Ok((by, (from, to), filter))
    }
}

/// Sums, the most costly first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Costs {
    /// What they are sums by.
    by: Group,
    /// Of calls that started at this instant or later …
    #[serde(with = "time::serde::rfc3339")]
    from: OffsetDateTime,
    /// … and before this one.
    #[serde(with = "time::serde::rfc3339")]
    to: OffsetDateTime,
    /// The sums.
    sums: Vec<CostSum>,
    /// There are more than `limit`.
    more: bool,
}

/// The sum of the calls that have one thing in common.
#[derive(Debug, Serialize, ToSchema)]
struct CostSum {
    /// An id (key, user, team), a name, a tag, or a day (UTC); null: of those that have none.
    of: Option<String>,
    /// Calls, refused and failed ones too.
    calls: u64,
    /// Prompt tokens.
    input_tokens: u64,
    /// Completion tokens.
    output_tokens: u64,
    /// Of the calls that have a price.
    cost: Cost,
    /// The part of it that comes from estimated counts.
    estimated: Cost,
    /// Calls that used tokens and have no known price: they are missing from `cost`.
    unpriced: u64,
}

impl From<Sum> for CostSum {
    fn from(s: Sum) -> Self {
        Self {
            of: s.of,
            calls: s.calls,
            input_tokens: s.input_tokens,
            output_tokens: s.output_tokens,
            cost: Cost::new(s.cost_nanos),
            estimated: Cost::new(s.estimated_nanos),
            unpriced: s.unpriced,
        }
    }
}

/// What calls have cost
///
/// Sums over the calls that the caller may see, the most costly first. All filters must match. A call whose key has
/// two tags counts in both sums of `by=tag`.
#[utoipa::path(get, path = "/api/costs", tag = "calls", operation_id = "listCosts", params(CostQuery),
    responses(
        (status = 200, description = "The sums.", body = Costs),
        (status = 400, description = "A parameter cannot be used.")))]
pub(crate) async fn list(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Params(query): Params<CostQuery>,
) -> Result<Json<Costs>, Problem> {
    let (by, (from, to), mut filter) = query.read(OffsetDateTime::now_utc())?;
    filter.visible = caller.visible(Permission::CallsRead);
    let found = answer(state.calls().costs(&filter, by.into())).await?;
    Ok(Json(Costs {
        by,
        from,
        to,
        sums: found.sums.into_iter().map(CostSum::from).collect(),
        more: found.more,
    }))
}
