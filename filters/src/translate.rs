//! Translation of a call between the client's wire format and the upstream's, through the conversation IR.
//!
//! [`way`] decides how an upstream is spoken to. The same format passes verbatim (Claude on Bedrock and Vertex: with
//! splices). Otherwise the client's request is decoded once a call ([`decode`]), encoded for each attempt
//! ([`Translation::begin`]), and the answer comes back through [`Translation::reply`] or a [`Stream`].

mod aside;
mod error;
mod fields;
mod reply;
mod request;
mod schemas;
mod stream;
mod way;

pub use aside::count::{check_count, count_refused, count_reply, is_count};
pub use aside::{Answer, Aside, is_aside};
pub use error::{UpstreamAnswer, answer_of, stream_fault};
pub use reply::Translated;
pub use request::{Encoded, Translation, decode};
pub use stream::{First, Stream, Unwrapped, failure, first};

pub use way::{Back, Framing, Way, front, way};
