//! YAML files and their overlays → validated [`model::Config`]; configuration + stored state → immutable
//! [`snapshot::Snapshot`].

pub mod model;
pub mod units;
