//! The fuzz targets' bodies as property tests: no nightly toolchain needed.
#![allow(clippy::expect_used)]

#[path = "../fuzz/bodies.rs"]
mod bodies;

use proptest::prelude::*;

/// Bytes made of what the formats are made of.
fn made_of(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let word = prop_oneof![
        9 => proptest::sample::select(words).prop_map(|w| w.as_bytes().to_vec()),
        1 => proptest::collection::vec(any::<u8>(), 0..3),
    ];
    proptest::collection::vec(word, 0..30).prop_map(|w| w.concat())
}

const JSON: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"model\":",
    "\"Model\":",
    "\"a\"",
    "\"mod\\u0065l\":",
    "\"stream\":",
    "true",
    "false",
    "null",
    "\"stream_options\":",
    "{\"include_usage\":",
    "\"tools\":[{",
    "1",
    "-0.5e3",
    " ",
    "\n",
    "\"\\ud800\"",
    "{\"model\":\"x\"",
    "\"conversation\":",
    "\"id\":",
    "\"usage\":{\"prompt_tokens\":3}",
    "\"store\":",
    "\u{e9}",
    "\"usage\":{\"input_tokens\":3,\"cache_creation\":{}}",
    "\"response\":{",
];
const FORM: &[&str] = &[
    "--b",
    "--b\r\n",
    "\r\n--b\r\n",
    "\r\n--b--",
    "--b--\r\n",
    "\r\n",
    "\r\n\r\n",
    "Content-Disposition: form-data; ",
    "name=\"model\"",
    "name=\"x\"; filename=\"y\"",
    "name=model",
    "value",
    "; ",
    "\"",
    "\\",
    "\n",
    "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n",
];
const SSE: &[&str] = &[
    "\u{5}",
    "\u{0}",
    "data: ",
    "data:",
    "data",
    "event: ",
    "event: error\n",
    ":",
    " ",
    "\n",
    "\r",
    "\r\n",
    "\n\n",
    "x",
    "\u{feff}",
    "\u{e9}",
    "{\"error\":{}}",
    "[DONE]",
    "id: 1",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]
    #[test]
    fn body(data in made_of(JSON)) {
        bodies::body(&data);
    }
    #[test]
    fn body_in_braces(data in made_of(JSON)) {
        bodies::body(&[b"{", data.as_slice(), b"}"].concat());
    }
    #[test]
    fn multipart(data in made_of(FORM)) {
        bodies::multipart(&data);
    }
    #[test]
    fn sse(data in made_of(SSE)) {
        bodies::sse(&data);
    }
    #[test]
    fn key(data in "(sp-)?[0-9A-Za-z]{0,40}") {
        bodies::key(data.as_bytes());
    }
    #[test]
    fn meter(cut in any::<u8>(), data in made_of(JSON)) {
        bodies::meter(&[&[cut, b'{'], data.as_slice()].concat());
        bodies::meter(&[&[cut], data.as_slice()].concat());
    }
}
