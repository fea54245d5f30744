//! Paths of the Bedrock runtime.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What is asked of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operation {
    /// One conversation turn, answered at once.
    Converse,
    /// The same as a stream of frames.
    ConverseStream,
    /// The model's own format.
    Invoke,
    /// The same as a stream of frames.
    InvokeStream,
    /// Tokens of a prompt.
    CountTokens,
}

/// All but RFC 3986's unreserved characters: what the AWS SDKs encode in a path label, the `/` of an ARN included.
const LABEL: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The path for a model id, the ARN of a model or of an inference profile:
/// `/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse`.
///
/// SigV4 encodes this path once more for its canonical request (all services but S3 do).
pub fn path(model: &str, operation: Operation) -> String {
    let operation = match operation {
        Operation::Converse => "converse",
        Operation::ConverseStream => "converse-stream",
        Operation::Invoke => "invoke",
        Operation::InvokeStream => "invoke-with-response-stream",
        Operation::CountTokens => "count-tokens",
    };
    format!("/model/{}/{operation}", utf8_percent_encode(model, LABEL))
}
