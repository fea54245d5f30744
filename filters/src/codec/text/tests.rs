use super::read::Half;
use super::*;
use proptest::prelude::*;

fn same(text: &str) {
    let want = serde_json::to_string(text).unwrap();
    let (mut vec, mut bytes) = (b"before".to_vec(), BytesMut::from("before"));
    quote(text, &mut vec);
    quote(text, &mut bytes);
    assert_eq!(vec[6..], *want.as_bytes());
    assert_eq!(bytes, vec);
    assert_eq!(unescape(inside(&want).unwrap()).unwrap(), text);
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

#[test]
fn every_escape_in_every_place_of_a_word() {
    for escape in
        [r#"\""#, r"\\", r"\/", r"\b", r"\f", r"\n", r"\r", r"\t", r"\u00e9", r"\u20AC", r"\ud83d\uDE00"]
    {
        for before in 0..17 {
            for after in [0, 1, 7, 8, 60] {
                let json = format!("\"{}{escape}{}\"", "a".repeat(before), "é".repeat(after));
                let want: String = serde_json::from_str(&json).unwrap();
                assert_eq!(unescape(inside(&json).unwrap()).unwrap(), want, "{json}");
            }
        }
    }
}

#[test]
fn what_is_json_but_no_text_is_refused() {
    for half in
        [r"\ud83d", r"\ude00", r"\ud83dx", r"\ud83d\n", r"\ud83d\u0041", r"\ud83d\ud83d", r"\ude00\ud83d"]
    {
        let json = format!("\"so {half}\"");
        // JSON it is.
        serde_json::from_str::<&serde_json::value::RawValue>(&json).unwrap();
        serde_json::from_str::<String>(&json).unwrap_err();
        assert_eq!(unescape(inside(&json).unwrap()), Err(Half), "{json}");
    }
    assert_eq!([inside("1"), inside("null"), inside(r#"["a"]"#), inside("\"")], [None; 4]);
}

proptest! {
    #[test]
    fn any_text_is_written_as_serde_json_writes_it(text in "(?s)(.|[\"\\\\\\x00-\\x1f\\x7f]){0,200}") {
        same(&text);
    }

    #[test]
    fn any_json_string_is_read_as_serde_json_reads_it(
        inside in r#"([a-zé€]{0,12}(\\["\\/bfnrt]|\\u([0-9a-cA-C][0-9a-fA-F]{3}|d[89ab]0f\\udC[0-9a-f]{2}|[dD][0-9a-fA-F]{3}))){0,20}[a-z]{0,40}"#
    ) {
        let want = serde_json::from_str::<String>(&format!("\"{inside}\"")).ok();
        let read = unescape(&inside).ok();
        prop_assert_eq!(read.as_deref(), want.as_deref());
    }
}

#[test]
fn a_strings_end_in_every_place() {
    for quote in ['"', '\\'] {
        for before in 0..70 {
            for after in [0, 1, 7, 8, 40] {
                let text = format!(
                    "{}{quote}{}\"\\",
                    "é!#[]".repeat(14).chars().take(before).collect::<String>(),
                    "z".repeat(after)
                );
                let want = text.bytes().position(|c| c == b'"' || c == b'\\').unwrap();
                assert_eq!(string_end(text.as_bytes()), want, "{text}");
            }
        }
    }
    let none = "a".repeat(70);
    (0..70).for_each(|n| assert_eq!(string_end(&none.as_bytes()[..n]), n));
}
