//! The request body: read once, parsed once, never re-serialised.

use bytes::Bytes;

/// The request body and what the gateway had to know of it.
#[derive(Clone, Debug, Default)]
pub struct RequestBody {
    /// The bytes as sent.
    pub raw: Bytes,
}

impl RequestBody {
    /// The model that the client asked for.
    pub fn model(&self) -> Option<&str> {
        None
    }
}
