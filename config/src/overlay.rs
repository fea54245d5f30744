//! YAML files and how they are laid over one another.
//!
//! - Maps merge, key by key.
//! - Lists whose items all are maps with a `name` merge by that name; items keep the order of the lower file, new
//!   ones are appended. Every other list replaces.
//! - `!delete` in front of a value removes the key (`tls: !delete`) or the named item (`- !delete {name: openai}`).
//! - `!replace` in front of a map, a list or a named item takes it as a whole instead of merging it. This is also how
//!   a named list gets another order: `filters: !replace [...]`.
//! - A key without any value (`server:` with all its lines commented out) says nothing; an explicit `null` or `~`
//!   puts the setting back to its default.
//! - `${NAME}` (must be set), `${NAME:-default}` (unset or empty), `${NAME:+text}` (set and not empty) inside scalars;
//!   `$${` is a literal `${`. They are filled in after merging, so that what an overlay removed is not asked for.
//! - Top-level keys that begin with `x-` are left out: a place for YAML anchors.
//!
//! [`parse()`] reads one file, [`merge()`] lays one over another (associative: tombstones stay until
//! [`Node::settle`]).

mod interpolate;
mod merge;
mod node;
mod parse;
mod scalar;

pub(crate) use interpolate::fill;
pub use merge::merge;
pub use node::{Data, Entry, Mark, Node, Scalar};
pub use parse::parse;
pub(crate) use scalar::{Plain, plain};

#[cfg(test)]
mod tests;
