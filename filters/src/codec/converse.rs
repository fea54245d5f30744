//! AWS Bedrock: the Converse API to and from the conversation IR, its stream, its errors, and Claude's own events in
//! the frames of InvokeModelWithResponseStream.
//!
//! The format is that of the AWS service model `bedrock-runtime` (2023-09-30):
//! <https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html>. It is an upstream's format
//! only: no client speaks it to the gateway.
//!
//! What is not in a body: the model and the operation are in the path ([`path()`]); the id of an answer is in its
//! header `x-amzn-requestid`; the type of an error is in its header `x-amzn-errortype` ([`error::describe`]).

mod additional;
mod blocks;
mod citation;
mod content;
pub mod error;
pub mod invoke;
mod media;
mod model;
mod path;
mod reasoning;
mod reply;
mod request;
mod settings;
mod stream;
mod tools;
mod usage;

pub use model::{Family, Model};
pub use path::{Operation, path};
pub use reply::{decode_reply, decode_reply_of};
pub use request::{Options, encode_request, encode_request_with};
pub use stream::Decoder;

#[cfg(test)]
mod tests;
