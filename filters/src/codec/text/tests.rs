use super::*;
use proptest::prelude::*;

fn same(text: &str) {
    let want = serde_json::to_string(text).unwrap();
    let mut out = String::new();
    quote(text, |piece| out.push_str(piece));
    assert_eq!(out, want);
}

#[test]
fn every_byte_in_every_place_of_a_word() {
    for c in '\0'..='\u{100}' {
        for before in 0..17 {
            for after in [0, 1, 7, 8, 60] {
                same(&format!("{}{c}{}", "a".repeat(before), "z".repeat(after)));
                same(&format!("{}{c}\"{c}{}", "é".repeat(before), "\u{1f600}".repeat(after)));
            }
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_written_as_serde_json_writes_it(text in "(?s)(.|[\"\\\\\\x00-\\x1f\\x7f]){0,200}") {
        same(&text);
    }
}
