//! YAML files and their overlays → validated [`model::Config`]; configuration + stored state → immutable
//! [`snapshot::Snapshot`].

pub mod addresses;
pub mod assemble;
pub mod check;
mod decode;
mod document;
mod errors;
pub mod google;
pub mod key;
pub mod last_good;
pub mod live;
mod load;
pub mod model;
pub mod models;
pub mod overlay;
pub mod prices;
mod resolve;
pub mod resources;
pub mod rights;
mod schema_doc;
pub mod settings;
mod shape;
pub mod snapshot;
#[cfg(test)]
mod testing;
pub mod transfer;
pub mod units;
mod validate;
pub mod watch;

pub use assemble::{Assembler, Finding, assemble};
pub use document::{Document, Step};
pub use errors::{Errors, Origin, Problem};
pub use last_good::LastGood;
pub use live::SnapshotCell;
pub use load::{Loaded, load, process_env};
pub use sallyport_schema::pattern;
pub use schema_doc::{definitions, json_schema, json_schema_text};
pub use watch::{ReloadState, Watcher};
