//! Pages of lists, by the id behind which they begin.

use crate::problem::Problem;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Entries of a page, unless asked for another number.
const LIMIT: u32 = 50;
/// Most entries of a page.
const MOST: u32 = 500;

/// The order of a list by id, which is by age.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, ToSchema)]
pub(crate) enum ByAge {
    /// The oldest first.
    #[default]
    #[serde(rename = "id")]
    Oldest,
    /// The newest first.
    #[serde(rename = "-id")]
    Newest,
}

impl ByAge {
    /// Is the newest first?
    pub(crate) fn newest_first(self) -> bool {
        self == Self::Newest
    }
}

/// Which page.
#[derive(Clone, Copy, Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// `next` of the page before; default: the first page.
    pub(crate) cursor: Option<Uuid>,
    /// Entries of the page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    pub(crate) limit: Option<u32>,
}

impl PageQuery {
    /// How many, within bounds.
    pub(crate) fn limit(self) -> Result<u32, Problem> {
        match self.limit.unwrap_or(LIMIT) {
            n @ 1..=MOST => Ok(n),
            _ => Err(Problem::bad_request("bad_parameter", format!("limit: a number from 1 to {MOST}"))),
        }
    }
}

/// One page.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Page<T> {
    /// The entries.
    pub(crate) items: Vec<T>,
    /// Give it as `cursor` to get the next page. None: this is the last one.
    pub(crate) next: Option<Uuid>,
}

impl<T> Page<T> {
    /// From one entry more than the page has (it tells whether there is a next one).
    pub(crate) fn of<R>(
        mut rows: Vec<R>,
        limit: u32,
        id: impl Fn(&R) -> Uuid,
        show: impl Fn(R) -> T,
    ) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = if more { rows.last().map(id) } else { None };
        Self { items: rows.into_iter().map(show).collect(), next }
    }

    /// The same with only those that the caller may see (a deny can take single ones out of what the query found).
    pub(crate) fn of_seen<R>(
        rows: Vec<R>,
        limit: u32,
        id: impl Fn(&R) -> Uuid,
        sees: impl Fn(&R) -> bool,
        show: impl Fn(R) -> T,
    ) -> Self {
        let page = Page::<Option<T>>::of(rows, limit, id, |row| sees(&row).then(|| show(row)));
        Self { items: page.items.into_iter().flatten().collect(), next: page.next }
    }
}
