//! Lists: filter, sort, page (RFC 7644, 3.4.2 and 3.4.3). The filters that directories really send (`userName eq …`) are
//! look-ups; any other reads the client's resources stretch by stretch.

use super::answer::{Told, list};
use super::filter::{Attr, Filter, Op};
use super::matching::{fits, member};
use super::project::Shown;
use super::shape::{GROUP, USER, invalid, syntax};
use super::{Scim, group, user};
use crate::params::Body;
use crate::problem::Problem;
use sallyport_schema::store::scim::Which;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::collections::HashMap;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Resources of a page, unless asked for another number.
const COUNT: usize = 100;
/// Most resources of a page.
pub(crate) const MOST: usize = 500;
/// Resources that are read at once.
const STRETCH: i64 = 500;
/// Most resources that a filter or an order is tried on.
const SCANNED: usize = 100_000;

/// Which resources, and what of them.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, rename_all = "camelCase")]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct ListQuery {
    /// RFC 7644, 3.4.2.2: `userName eq "ada@example.com"`.
    filter: Option<String>,
    /// From 1.
    start_index: Option<i64>,
    /// Resources of the page; more than 500 are 500.
    count: Option<i64>,
    /// An attribute.
    sort_by: Option<String>,
    /// `ascending` or `descending`.
    sort_order: Option<String>,
    /// These attributes only, with commas between them.
    attributes: Option<String>,
    /// All but these.
    excluded_attributes: Option<String>,
}

/// The same in a body.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, rename_all = "camelCase")]
#[schema(as = ScimSearch)]
pub(crate) struct Search {
    /// `urn:ietf:params:scim:api:messages:2.0:SearchRequest`.
    schemas: Vec<String>,
    /// RFC 7644, 3.4.2.2.
    filter: Option<String>,
    /// From 1.
    start_index: Option<i64>,
    /// Resources of the page; more than 500 are 500.
    count: Option<i64>,
    /// An attribute.
    sort_by: Option<String>,
    /// `ascending` or `descending`.
    sort_order: Option<String>,
    /// These attributes only.
    #[serde(deserialize_with = "names")]
    attributes: Vec<String>,
    /// All but these.
    #[serde(deserialize_with = "names")]
    excluded_attributes: Vec<String>,
}

fn names<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<String>, D::Error> {
    Option::<Vec<String>>::deserialize(d).map(Option::unwrap_or_default)
}

impl Search {
    /// The body of a `POST …/.search`.
    pub(crate) fn read(body: Value) -> Result<Self, Problem> {
        let search: Self = serde_json::from_value(body).map_err(|e| syntax(format!("the body: {e}")))?;
        let named = search.schemas.iter().any(|s| s == "urn:ietf:params:scim:api:messages:2.0:SearchRequest");
        if named { Ok(search) } else { Err(syntax("`schemas` does not name …:messages:2.0:SearchRequest")) }
    }
}

impl From<ListQuery> for Search {
    fn from(q: ListQuery) -> Self {
        let split =
            |l: Option<String>| l.map(|l| l.split(',').map(str::to_owned).collect()).unwrap_or_default();
        Self {
            schemas: Vec::new(),
            filter: q.filter,
            start_index: q.start_index,
            count: q.count,
            sort_by: q.sort_by,
            sort_order: q.sort_order,
            attributes: split(q.attributes),
            excluded_attributes: split(q.excluded_attributes),
        }
    }
}

/// What of one resource.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, rename_all = "camelCase")]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(crate) struct OneQuery {
    /// These attributes only, with commas between them.
    attributes: Option<String>,
    /// All but these.
    excluded_attributes: Option<String>,
}

impl OneQuery {
    pub(crate) fn shown(&self, kind: Kind) -> Result<Shown, Problem> {
        let split = |l: &Option<String>| -> Vec<String> {
            l.as_deref().map(|l| l.split(',').map(str::to_owned).collect()).unwrap_or_default()
        };
        Shown::read(&split(&self.attributes), &split(&self.excluded_attributes), kind.schema())
    }
}

/// Which kind of resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Users,
    Groups,
}

impl Kind {
    const fn schema(self) -> &'static str {
        match self {
            Self::Users => USER,
            Self::Groups => GROUP,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Users => "userName",
            Self::Groups => "displayName",
        }
    }

    async fn count(self, scim: &Scim) -> Result<usize, Problem> {
        let n = match self {
            Self::Users => scim.store().scim_people_count(scim.client.id).await?,
            Self::Groups => scim.store().scim_teams_count(scim.client.id).await?,
        };
        Ok(usize::try_from(n).unwrap_or(0))
    }

    async fn read(
        self,
        scim: &Scim,
        which: &Which,
        members: bool,
    ) -> Result<Vec<(Uuid, Map<String, Value>)>, Problem> {
        let client = scim.client.id;
        Ok(match self {
            Self::Users => {
                let found = scim.store().scim_people(client, which).await?;
                found.iter().map(|p| (p.person.id, user::shown(p, &scim.base))).collect()
            }
            Self::Groups => {
                let found = scim.store().scim_teams(client, which, members).await?;
                found.iter().map(|t| (t.team.id, group::shown(t, &scim.base))).collect()
            }
        })
    }
}

/// A request for a list, read.
struct Asked {
    filter: Option<Filter>,
    order: Option<Attr>,
    down: bool,
    skip: usize,
    count: usize,
}

impl Asked {
    fn read(search: &Search) -> Result<Self, Problem> {
        let bad = |e: super::filter::Bad| Problem::bad_request("invalidFilter", format!("`filter`: {e}"));
        let by = |by: &str| Attr::parse(by).map_err(|e| invalid(format!("`sortBy`: {e}")));
        let down = match search.sort_order.as_deref().map(str::to_ascii_lowercase).as_deref() {
            None | Some("ascending") => false,
            Some("descending") => true,
            Some(_) => return Err(invalid("`sortOrder` is ascending or descending")),
        };
        Ok(Self {
            filter: search.filter.as_deref().map(|f| Filter::parse(f).map_err(bad)).transpose()?,
            order: search.sort_by.as_deref().map(by).transpose()?,
            down,
            skip: usize::try_from(search.start_index.unwrap_or(1).max(1)).unwrap_or(1) - 1,
            count: search.count.map_or(COUNT, |n| usize::try_from(n.max(0)).unwrap_or(0)).min(MOST),
        })
    }
}

/// Answers a list of one kind, or of all.
pub(crate) async fn run(scim: &Scim, kinds: &[Kind], search: Search) -> Result<Map<String, Value>, Problem> {
    let asked = Asked::read(&search)?;
    let mut shown = Vec::new();
    for kind in kinds {
        let of = Shown::read(&search.attributes, &search.excluded_attributes, kind.schema())?;
        shown.push((*kind, of));
    }
    let (total, found) = find(scim, &shown, &asked).await?;
    let of = |kind: Kind| shown.iter().find(|(k, _)| *k == kind).map(|(_, shown)| shown);
    let resources = found.into_iter().filter_map(|(kind, r)| of(kind).map(|shown| shown.of(r)));
    Ok(list(total, asked.skip + 1, resources.collect()))
}

type Found = (usize, Vec<(Kind, Map<String, Value>)>);

async fn find(scim: &Scim, kinds: &[(Kind, Shown)], asked: &Asked) -> Result<Found, Problem> {
    let [(kind, shown)] = kinds else { return scan(scim, kinds, asked).await };
    let (kind, members) = (*kind, shown.wants("members"));
    match &asked.filter {
        None if asked.order.is_none() => {
            let total = kind.count(scim).await?;
            if asked.count == 0 {
                return Ok((total, Vec::new()));
            }
            let cut = |n| i64::try_from(n).unwrap_or(i64::MAX);
            let which = Which::Slice { offset: cut(asked.skip), limit: cut(asked.count) };
            let found = kind.read(scim, &which, members).await?;
            Ok((total, found.into_iter().map(|(_, r)| (kind, r)).collect()))
        }
        None => scan(scim, kinds, asked).await,
        Some(filter) => {
            let Some(which) = look_up(filter, kind) else { return scan(scim, kinds, asked).await };
            let found = kind.read(scim, &which, members || filter.mentions("members")).await?;
            let found: Vec<_> = found.into_iter().filter(|(_, r)| fits(filter, r, kind.schema())).collect();
            let total = found.len();
            let page = found.into_iter().skip(asked.skip).take(asked.count);
            Ok((total, page.map(|(_, r)| (kind, r)).collect()))
        }
    }
}

/// A filter that names one resource, alone or with more conditions.
fn look_up(filter: &Filter, kind: Kind) -> Option<Which> {
    let (attr, wanted) = match filter {
        Filter::And(a, b) => return look_up(a, kind).or_else(|| look_up(b, kind)),
        Filter::Compare(attr, Op::Eq, Value::String(wanted)) if attr.sub.is_none() => (attr, wanted),
        _ => return None,
    };
    if attr.schema.as_deref().is_some_and(|s| !s.eq_ignore_ascii_case(kind.schema())) {
        return None;
    }
    if attr.name.eq_ignore_ascii_case("id") {
        return Some(Which::Ids(wanted.parse().ok().into_iter().collect()));
    }
    if attr.name.eq_ignore_ascii_case("externalId") {
        return Some(Which::External(wanted.clone()));
    }
    attr.name.eq_ignore_ascii_case(kind.name()).then(|| Which::Named(wanted.clone()))
}

/// Tries all resources; without an order they come by kind and id.
async fn scan(scim: &Scim, kinds: &[(Kind, Shown)], asked: &Asked) -> Result<Found, Problem> {
    let mut all = 0;
    for (kind, _) in kinds {
        all += kind.count(scim).await?;
    }
    if all > SCANNED {
        let detail = format!(
            "there are more than {SCANNED} resources: filter by `id`, `externalId`, `userName` or `displayName`"
        );
        return Err(Problem::bad_request("tooMany", detail));
    }
    let (filter, order) = (asked.filter.as_ref(), asked.order.as_ref());
    let members = filter.is_some_and(|f| f.mentions("members"));
    let mut keys: Vec<(Option<String>, usize, Uuid)> = Vec::new();
    for (at, (kind, _)) in kinds.iter().enumerate() {
        let mut after = None;
        loop {
            let read = kind.read(scim, &Which::After(after, STRETCH), members).await?;
            let Some((last, _)) = read.last() else { break };
            after = Some(*last);
            for (id, resource) in read {
                if filter.is_none_or(|f| fits(f, &resource, kind.schema())) {
                    keys.push((order.and_then(|by| key(by, &resource)), at, id));
                }
            }
        }
    }
    if order.is_some() {
        // what has no value comes last (first, if it goes down): RFC 7644, 3.4.2.3
        keys.sort_by(|a, b| {
            let by = (a.0.is_none(), &a.0, a.1, a.2).cmp(&(b.0.is_none(), &b.0, b.1, b.2));
            if asked.down { by.reverse() } else { by }
        });
    }
    let total = keys.len();
    let page: Vec<(usize, Uuid)> =
        keys.into_iter().skip(asked.skip).take(asked.count).map(|(_, at, id)| (at, id)).collect();
    let mut found: HashMap<Uuid, (Kind, Map<String, Value>)> = HashMap::new();
    for (at, (kind, shown)) in kinds.iter().enumerate() {
        let ids: Vec<Uuid> = page.iter().filter(|(of, _)| *of == at).map(|(_, id)| *id).collect();
        if !ids.is_empty() {
            let read = kind.read(scim, &Which::Ids(ids), shown.wants("members")).await?;
            found.extend(read.into_iter().map(|(id, r)| (id, (*kind, r))));
        }
    }
    Ok((total, page.iter().filter_map(|(_, id)| found.remove(id)).collect()))
}

/// What a resource is sorted by: of a list the primary value, or the first.
fn key(by: &Attr, resource: &Map<String, Value>) -> Option<String> {
    let mut value = member(resource, &by.name)?;
    if let Value::Array(all) = value {
        value = all.iter().find(|v| v["primary"] == true).or_else(|| all.first())?;
    }
    if let Value::Object(map) = value {
        value = member(map, by.sub.as_deref().unwrap_or("value"))?;
    }
    match value {
        Value::String(text) if by.name.eq_ignore_ascii_case("id") => Some(text.clone()),
        Value::String(text) => Some(text.to_lowercase()),
        Value::Bool(flag) => Some(flag.to_string()),
        _ => None,
    }
}

/// Users and groups of this client, asked for in a body
#[utoipa::path(post, path = "/scim/v2/.search", tag = "scim", operation_id = "scimSearch",
    request_body(content = Search, content_type = "application/scim+json"),
    responses((status = 200, description = "A list.", body = Value, content_type = "application/scim+json")))]
pub(crate) async fn search(scim: Scim, Body(body): Body<Value>) -> Result<Told, Problem> {
    Ok(Told::ok(run(&scim, &[Kind::Users, Kind::Groups], Search::read(body)?).await?))
}
