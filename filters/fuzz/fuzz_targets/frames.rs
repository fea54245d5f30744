#![no_main]
#[path = "../codecs.rs"]
#[allow(dead_code)]
mod codecs;
libfuzzer_sys::fuzz_target!(|data: &[u8]| codecs::frames(data));
