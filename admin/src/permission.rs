//! The permission table of the API: see [`sallyport_schema::access`].

pub use sallyport_schema::access::{Permission, Rule, TABLE, rule};
