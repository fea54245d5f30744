//! What is told differently in each dialect: errors, model lists, faults of an upstream.

pub mod error;
pub mod fault;
pub mod models;
