//! YAML files and their overlays → validated [`model::Config`]; configuration + stored state → immutable
//! [`snapshot::Snapshot`].

pub mod model;
pub mod models;
pub mod pattern;
pub mod prices;
pub mod snapshot;
pub mod units;
