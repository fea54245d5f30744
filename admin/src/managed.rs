//! What providers, models and settings share: some are the files', and those cannot be changed here; lists go by name.

use crate::params::{sought, wrong};
use crate::problem::Problem;
use http::StatusCode;
use sallyport_config::Origin;
use sallyport_config::snapshot::Snapshot;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

/// Entries of a page, unless asked for another number.
const LIMIT: usize = 50;
/// Most entries of a page.
const MOST: usize = 500;
/// Most characters of a name.
const LONGEST_NAME: usize = 200;

/// An entry of a list that goes by name.
pub(crate) trait Entry {
    /// Unique, with the exception of a stored one that a file's shadows.
    fn name(&self) -> &str;
    /// Of a file.
    fn managed(&self) -> bool;
    /// Takes traffic.
    fn enabled(&self) -> bool;
}

/// Filters, order and paging of a list that goes by name; all filters that are given must match.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct NameQuery {
    /// Part of the name; case does not count.
    #[param(min_length = 1, max_length = 200)]
    text: Option<String>,
    /// Enabled ones, or the others.
    enabled: Option<bool>,
    /// Those of the files, or those of the store.
    managed: Option<bool>,
    /// By name, forwards or backwards.
    #[param(inline)]
    sort: Sort,
    /// `next` of the page before.
    #[param(max_length = 200)]
    cursor: Option<String>,
    /// Entries of the page.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
}

/// An order.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq, ToSchema)]
pub(crate) enum Sort {
    /// Forwards.
    #[default]
    #[serde(rename = "name")]
    Name,
    /// Backwards.
    #[serde(rename = "-name")]
    Backwards,
}

/// One page.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Listing<T> {
    /// The entries.
    items: Vec<T>,
    /// Give it as `cursor` to get the next page. None: this is the last one.
    next: Option<String>,
}

impl NameQuery {
    /// The page of these.
    pub(crate) fn page<T: Entry>(self, all: Vec<T>) -> Result<Listing<T>, Problem> {
        let limit = match self.limit.unwrap_or(LIMIT) {
            n @ 1..=MOST => n,
            _ => {
                return Err(Problem::bad_request(
                    "bad_parameter",
                    format!("limit: a number from 1 to {MOST}"),
                ));
            }
        };
        if self.cursor.as_ref().is_some_and(|c| c.chars().count() > LONGEST_NAME) {
            return Err(Problem::bad_request("bad_parameter", "cursor: `next` of a page"));
        }
        let text = sought(self.text)?.map(|t| t.to_lowercase());
        let backwards = self.sort == Sort::Backwards;
        let behind = |name: &str| match &self.cursor {
            None => true,
            Some(c) if backwards => name < c.as_str(),
            Some(c) => name > c.as_str(),
        };
        let mut items: Vec<T> = all
            .into_iter()
            .filter(|e| text.as_ref().is_none_or(|t| e.name().to_lowercase().contains(t)))
            .filter(|e| self.enabled.is_none_or(|wanted| e.enabled() == wanted))
            .filter(|e| self.managed.is_none_or(|wanted| e.managed() == wanted))
            .filter(|e| behind(e.name()))
            .collect();
        items.sort_by(|a, b| a.name().cmp(b.name()).then(b.managed().cmp(&a.managed())));
        if backwards {
            items.reverse();
        }
        let more = items.len() > limit;
        // Both of one name are on one page, which may be longer by one for it.
        let cut = match items.get(limit.saturating_sub(1)..=limit) {
            Some([last, next]) if last.name() == next.name() => limit + 1,
            _ => limit,
        };
        items.truncate(cut);
        let next = if more { items.last().map(|e| e.name().to_owned()) } else { None };
        Ok(Listing { items, next })
    }
}

/// Where a provider of the files is written.
pub(crate) fn provider_origin(snapshot: &Snapshot, name: &str) -> Option<String> {
    let there = snapshot.config.providers.iter().any(|p| p.name == name);
    there.then(|| written_at(snapshot.document.origin(&format!("providers[{name}]"))))
}

/// Where a model of the files is written.
pub(crate) fn model_origin(snapshot: &Snapshot, name: &str) -> Option<String> {
    let there = snapshot.config.models.iter().any(|m| m.name == name);
    there.then(|| written_at(snapshot.document.origin(&format!("models[{name}]"))))
}

/// File and line.
pub(crate) fn written_at(origin: Option<&Origin>) -> String {
    origin.map_or_else(|| "a file".to_owned(), |o| format!("{}:{}", o.file.display(), o.line))
}

/// 409: what a file says is changed in the file.
pub(crate) fn held(what: &str, name: &str, origin: Option<String>) -> Result<(), Problem> {
    match origin {
        None => Ok(()),
        Some(origin) => Err(Problem::new(
            StatusCode::CONFLICT,
            "managed",
            format!("the {what} {name} is written in {origin}: change it there"),
        )),
    }
}

/// The document in its typed form. Never serde's own words about values: they may quote a secret.
pub(crate) fn typed<T: DeserializeOwned>(document: Map<String, Value>) -> Result<T, Problem> {
    serde_path_to_error::deserialize(Value::Object(document)).map_err(|e| {
        let path = e.path().to_string();
        let told = e.inner().to_string();
        let safe = ["unknown field", "missing field", "unknown variant", "duplicate field"];
        let known = safe.iter().any(|s| told.starts_with(s));
        let told = if known { told } else { "it has not the form that is expected there".into() };
        let place = if path == "." { String::new() } else { format!("{path}: ") };
        wrong(format!("{place}{}", told.chars().take(500).collect::<String>()))
    })
}

/// 422 with every fault.
pub(crate) fn refuse(errors: &[(String, String)]) -> Result<(), Problem> {
    if errors.is_empty() {
        return Ok(());
    }
    let all: Vec<String> = errors.iter().map(|(field, why)| format!("{field}: {why}")).collect();
    Err(wrong(all.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Thing(&'static str, bool);

    impl Entry for Thing {
        fn name(&self) -> &str {
            self.0
        }
        fn managed(&self) -> bool {
            self.1
        }
        fn enabled(&self) -> bool {
            true
        }
    }

    fn all() -> Vec<Thing> {
        vec![Thing("b", true), Thing("a", false), Thing("b", false), Thing("d", false), Thing("c", true)]
    }

    #[test]
    fn pages_meet_and_miss_nothing() {
        for (sort, want) in [(Sort::Name, "abbcd"), (Sort::Backwards, "dcbba")] {
            for limit in 1..6 {
                let (mut got, mut cursor) = (String::new(), None);
                loop {
                    let query = NameQuery { sort, cursor, limit: Some(limit), ..NameQuery::default() };
                    let page = query.page(all()).unwrap();
                    got.extend(page.items.iter().map(|t| t.0));
                    cursor = page.next;
                    if cursor.is_none() {
                        break;
                    }
                }
                assert_eq!(got, want, "{limit}");
            }
        }
    }

    #[test]
    fn filters_and_bounds() {
        let query = NameQuery { managed: Some(true), text: Some("B".into()), ..NameQuery::default() };
        assert_eq!(query.page(all()).unwrap().items.len(), 1);
        for limit in [0, 501] {
            assert!(NameQuery { limit: Some(limit), ..NameQuery::default() }.page(all()).is_err());
        }
        let from = |cursor: String| NameQuery { cursor: Some(cursor), ..NameQuery::default() }.page(all());
        assert!(from("a".repeat(200)).is_ok() && from("a".repeat(201)).is_err());
    }

    #[test]
    fn an_error_quotes_no_value() {
        let document = serde_json::json!({"name": "p", "kind": "openai", "api_key": ["sk-planted"]});
        let Value::Object(document) = document else { panic!() };
        let told = format!("{:?}", typed::<sallyport_config::model::Provider>(document).unwrap_err());
        assert!(told.contains("api_key") && !told.contains("planted"), "{told}");
    }
}
