//! The merged document: which value came from which file and line.

use crate::errors::Origin;
use crate::overlay::{Data, Mark, Node};
use crate::resolve::{item_path, join};
use std::path::Path;
use std::sync::Arc;

/// A step into a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Into a map.
    Key(String),
    /// Into a list.
    Index(usize),
}

/// The merged document, variables filled in, secrets masked.
#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) root: Node,
}

/// A document that says nothing.
impl Default for Document {
    fn default() -> Self {
        let origin = Origin { file: Arc::from(Path::new("")), line: 1, column: 1 };
        Self { root: Node { data: Data::Map(Vec::new()), origin, mark: Mark::default() } }
    }
}

impl Document {
    /// The value at a place and the place's name (`providers[openai].base_url`). Where the document does not go so
    /// far, the last value on the way.
    pub(crate) fn locate(&self, steps: &[Step]) -> (String, &Node, bool) {
        let (mut node, mut path, mut whole) = (&self.root, String::new(), true);
        for step in steps {
            let next = match (step, &node.data) {
                (Step::Key(key), _) => {
                    path = join(&path, key);
                    node.get(key)
                }
                (Step::Index(i), Data::List(items)) => {
                    let next = items.get(*i);
                    path = next.map_or_else(|| format!("{path}[{i}]"), |n| item_path(&path, *i, n));
                    next
                }
                (Step::Index(i), _) => {
                    path = format!("{path}[{i}]");
                    None
                }
            };
            match next {
                Some(n) if whole => node = n,
                _ => whole = false,
            }
        }
        (path, node, whole)
    }

    /// The origin of the value with this name (`providers[openai].base_url`, `server.listen[0]`); None: a default.
    pub fn origin(&self, path: &str) -> Option<&Origin> {
        let mut node = &self.root;
        let mut rest = path;
        while !rest.is_empty() {
            rest = rest.strip_prefix('.').unwrap_or(rest);
            if let Some(inside) = rest.strip_prefix('[') {
                let end = inside.find(']')?;
                let Data::List(items) = &node.data else { return None };
                let name = &inside[..end];
                let by_name = items.iter().find(|i| i.item_name() == Some(name));
                node = by_name.or_else(|| name.parse::<usize>().ok().and_then(|i| items.get(i)))?;
                rest = &inside[end + 1..];
            } else {
                // A key may itself hold dots (`prices.models.gpt-4.1`): the longest one that is there.
                let Data::Map(entries) = &node.data else { return None };
                let fits = |key: &str| {
                    rest.strip_prefix(key).is_some_and(|r| r.is_empty() || r.starts_with(['.', '[']))
                };
                let entry = entries.iter().filter(|e| fits(&e.key)).max_by_key(|e| e.key.len())?;
                node = &entry.value;
                rest = &rest[entry.key.len()..];
            }
        }
        Some(&node.origin)
    }

    /// As [`Document::origin`]; for a default, the origin of what is around it.
    pub(crate) fn nearest_origin(&self, path: &str) -> Option<&Origin> {
        let mut path = path;
        loop {
            if let Some(origin) = self.origin(path) {
                return (!path.is_empty()).then_some(origin);
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}
