//! Bedrock's codec on golden files, laws and recorded traffic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "codec_bedrock/golden.rs"]
mod golden;
#[path = "codec_bedrock/laws.rs"]
mod laws;
#[path = "codec_bedrock/recorded.rs"]
mod recorded;
#[path = "codec_bedrock/samples.rs"]
mod samples;
#[path = "codec_bedrock/support.rs"]
mod support;
