//! The tree of a YAML document, every value with its place.

use crate::errors::Origin;

/// A value and where it was written.
#[derive(Clone, Debug)]
pub struct Node {
    /// The value.
    pub data: Data,
    /// Where it was written.
    pub origin: Origin,
    /// What it does to a value below it.
    pub mark: Mark,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// A key without a value: says nothing.
    Empty,
    /// Text, as written.
    Scalar(Scalar),
    /// A list.
    List(Vec<Node>),
    /// A map, in the order of the file.
    Map(Vec<Entry>),
}

/// A scalar, as written: its type depends on the setting that it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scalar {
    /// The text, quotes and escapes undone.
    pub text: String,
    /// Written without quotes: may be a number, a boolean or null.
    pub plain: bool,
    /// Where the text came from, if not from the file itself: names of variables and `file:` paths.
    pub sources: Vec<String>,
}

/// A key and its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key was written.
    pub key_origin: Origin,
    /// The value.
    pub value: Node,
}

/// What a value does to the value below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mark {
    /// Merges.
    #[default]
    Merge,
    /// Takes its place (`!replace`).
    Replace,
    /// Removes it (`!delete`).
    Delete,
}

/// Equal if the values are; the places don't count.
impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.data == other.data && self.mark == other.mark
    }
}

/// As for [`Node`]: the places don't count.
impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key && self.value == other.value
    }
}

impl Node {
    /// The value of `name` in a map, if it is a scalar: what names an item of a list.
    pub fn item_name(&self) -> Option<&str> {
        match self.get("name").map(|n| &n.data) {
            Some(Data::Scalar(s)) => Some(&s.text),
            _ => None,
        }
    }

    /// The value of a key in a map.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.data {
            Data::Map(entries) => entries.iter().find(|e| e.key == key).map(|e| &e.value),
            _ => None,
        }
    }

    /// Does a map have the key?
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// A list (not an empty one) whose items all are maps with a name.
    pub fn is_named_list(&self) -> bool {
        match &self.data {
            Data::List(items) => !items.is_empty() && items.iter().all(|i| i.item_name().is_some()),
            _ => false,
        }
    }

    /// Carries out what the marks say: removes tombstones and what says nothing. None: nothing is left.
    pub fn settle(mut self) -> Option<Node> {
        if self.mark == Mark::Delete {
            return None;
        }
        self.mark = Mark::Merge;
        self.data = match self.data {
            Data::Empty => return None,
            Data::List(items) => Data::List(items.into_iter().filter_map(Node::settle).collect()),
            Data::Map(entries) => Data::Map(
                entries
                    .into_iter()
                    .filter_map(|e| e.value.settle().map(|value| Entry { value, ..e }))
                    .collect(),
            ),
            scalar @ Data::Scalar(_) => scalar,
        };
        Some(self)
    }
}

impl Scalar {
    /// An explicit null: the default.
    pub fn is_null(&self) -> bool {
        self.plain && matches!(self.text.as_str(), "" | "~" | "null" | "Null" | "NULL")
    }
}
