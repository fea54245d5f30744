//! `attributes` and `excludedAttributes` (RFC 7644, 3.9).

use super::filter::Attr;
use super::shape::invalid;
use crate::problem::Problem;
use serde_json::{Map, Value};

/// Most names.
const MOST: usize = 100;
/// Always there.
const ALWAYS: [&str; 2] = ["schemas", "id"];

/// Which attributes are shown.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    only: Option<Vec<Attr>>,
    but: Vec<Attr>,
}

impl Shown {
    /// From the lists of a request. `attributes` counts if both are given.
    pub(crate) fn read(only: &[String], but: &[String], schema: &str) -> Result<Self, Problem> {
        let names = |list: &[String]| -> Result<Vec<Attr>, Problem> {
            if list.len() > MOST {
                return Err(invalid(format!("at most {MOST} attributes")));
            }
            let parse = |name: &String| {
                Attr::parse(name.trim())
                    .map_err(|e| invalid(format!("`{}`: {e}", name.chars().take(100).collect::<String>())))
            };
            let all = list.iter().filter(|n| !n.trim().is_empty()).map(parse);
            let ours = |a: &Attr| a.schema.as_deref().is_none_or(|s| s.eq_ignore_ascii_case(schema));
            Ok(all.collect::<Result<Vec<_>, _>>()?.into_iter().filter(ours).collect())
        };
        let asked = only.iter().any(|n| !n.trim().is_empty());
        Ok(Self { only: if asked { Some(names(only)?) } else { None }, but: names(but)? })
    }

    /// Whether the attribute is shown, or a part of it.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let is = |a: &Attr| a.name.eq_ignore_ascii_case(name);
        match &self.only {
            Some(only) => only.iter().any(is),
            None => !self.but.iter().any(|a| is(a) && a.sub.is_none()),
        }
    }

    /// The resource with what is shown of it.
    pub(crate) fn of(&self, resource: Map<String, Value>) -> Map<String, Value> {
        let mut shown = Map::new();
        for (name, value) in resource {
            if ALWAYS.contains(&name.as_str()) {
                shown.insert(name, value);
                continue;
            }
            let is = |a: &&Attr| a.name.eq_ignore_ascii_case(&name);
            match &self.only {
                Some(only) => {
                    let named: Vec<&Attr> = only.iter().filter(is).collect();
                    if named.iter().any(|a| a.sub.is_none()) {
                        shown.insert(name, value);
                    } else if !named.is_empty() {
                        let value = parts(value, &|part| named.iter().any(|a| has(a, part)));
                        shown.insert(name, value);
                    }
                }
                None => {
                    let named: Vec<&Attr> = self.but.iter().filter(is).collect();
                    if named.is_empty() {
                        shown.insert(name, value);
                    } else if named.iter().all(|a| a.sub.is_some()) {
                        let value = parts(value, &|part| !named.iter().any(|a| has(a, part)));
                        shown.insert(name, value);
                    }
                }
            }
        }
        shown
    }
}

fn has(attr: &Attr, part: &str) -> bool {
    attr.sub.as_deref().is_some_and(|sub| sub.eq_ignore_ascii_case(part))
}

fn parts(value: Value, keep: &dyn Fn(&str) -> bool) -> Value {
    match value {
        Value::Object(map) => Value::Object(map.into_iter().filter(|(part, _)| keep(part)).collect()),
        Value::Array(all) => Value::Array(all.into_iter().map(|v| parts(v, keep)).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn shown(only: &[&str], but: &[&str]) -> Value {
        let list = |l: &[&str]| l.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
        let resource = json!({"schemas": ["s"], "id": "1", "userName": "u", "name": {"givenName": "a", "familyName": "b"},
                              "emails": [{"value": "x", "type": "work"}]});
        let Value::Object(map) = resource else { unreachable!() };
        Value::Object(Shown::read(&list(only), &list(but), "urn:x").unwrap().of(map))
    }

    #[test]
    fn what_is_asked_for_and_what_is_left_out() {
        let base = json!({"schemas": ["s"], "id": "1"});
        assert_eq!(shown(&["nothing"], &[]), base);
        assert_eq!(shown(&["USERNAME"], &["userName"])["userName"], "u", "attributes counts");
        assert_eq!(
            shown(&["urn:x:name.givenName", "emails.value"], &[]),
            json!({"schemas": ["s"], "id": "1", "name": {"givenName": "a"}, "emails": [{"value": "x"}]})
        );
        let less = shown(&[], &["id", "emails", "name.familyName", "urn:y:userName"]);
        assert_eq!(less, json!({"schemas": ["s"], "id": "1", "userName": "u", "name": {"givenName": "a"}}));
        assert!(Shown::read(&["a b".into()], &[], "urn:x").is_err());
    }
}
