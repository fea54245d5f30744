//! The notation of shapes.

use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// All shapes of a provider.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Shapes {
    pub(super) roots: HashMap<String, Type>,
    pub(super) types: HashMap<String, Type>,
}

/// An object.
#[derive(Debug, Deserialize)]
pub(super) struct Type {
    /// Members.
    #[serde(rename = "f")]
    pub(super) fields: BTreeMap<String, Shape>,
    /// Members that must be there.
    #[serde(rename = "r")]
    pub(super) required: Vec<String>,
    /// Exactly one member must be there.
    #[serde(rename = "o", default)]
    pub(super) one: u8,
}

/// A value.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Shape {
    /// `*`, `s`, `n`, `b`, `#Type`.
    Simple(String),
    List([Box<Shape>; 1]),
    Words {
        e: Vec<String>,
    },
    Map {
        m: Box<Shape>,
    },
    Union {
        u: Vec<Shape>,
    },
}

impl Shapes {
    /// The files are the crate's own and read by its tests: a broken one makes every check fail, not the process.
    pub(super) fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }
}
