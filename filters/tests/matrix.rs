//! Every front before every upstream's wire format, through [`sallyport_filters::translate`] as the engine uses it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "matrix/call.rs"]
mod call;
#[path = "matrix/data.rs"]
mod data;
#[path = "matrix/first.rs"]
mod first;
#[path = "matrix/golden.rs"]
mod golden;
#[path = "matrix/laws.rs"]
mod laws;
#[path = "matrix/reasoning_field.rs"]
mod reasoning_field;
#[path = "matrix/second.rs"]
mod second;
#[path = "matrix/show.rs"]
mod show;
