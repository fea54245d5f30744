//! What a virtual key's makers say of it: for finding and for adding up; it decides nothing.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The tags and metadata of a key. The serialised names are those of the spool's files: short.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Labels {
    /// Words.
    #[serde(rename = "t", default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Names and texts.
    #[serde(rename = "m", default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
}

impl Labels {
    /// Nothing is said.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty() && self.metadata.is_empty()
    }
}
