//! Gemini's codec: laws, recorded traffic, golden files.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::print_stdout)]

#[path = "codec_gemini/golden.rs"]
mod golden;
#[path = "codec_gemini/laws.rs"]
mod laws;
#[path = "codec_gemini/recorded.rs"]
mod recorded;
#[path = "codec_gemini/requests.rs"]
mod requests;
#[path = "codec_gemini/support.rs"]
mod support;
#[path = "codec_gemini/words.rs"]
mod words;
