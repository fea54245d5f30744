//! Shipped files, damaged at random: whatever comes out, loading says what is wrong and never panics.

use proptest::prelude::*;
use sallyport_config::{check, load};
use std::path::Path;

const PARTS: &[&str] = &[
    "${",
    "}",
    ":",
    "- ",
    "\n",
    "  ",
    "\t",
    "!delete ",
    "!replace ",
    "&a ",
    "*a",
    "<<: *a",
    "[",
    "]",
    "{",
    "}",
    "'",
    "\"",
    "#",
    "null",
    "~",
    "-1",
    "1e400",
    "name: x",
    "\u{feff}",
    "é",
    "|",
    ">",
    "---\n",
    "%YAML 1.2\n",
    "? ",
    "x-a: 1\n",
    "\0",
];

#[derive(Clone, Debug)]
enum Edit {
    Insert(prop::sample::Index, &'static str),
    Cut(prop::sample::Index, usize),
    Copy(prop::sample::Index, prop::sample::Index, usize),
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let at = any::<prop::sample::Index>;
    let one = prop_oneof![
        3 => (at(), prop::sample::select(PARTS)).prop_map(|(i, p)| Edit::Insert(i, p)),
        2 => (at(), 1..40usize).prop_map(|(i, n)| Edit::Cut(i, n)),
        1 => (at(), at(), 1..80usize).prop_map(|(i, j, n)| Edit::Copy(i, j, n)),
    ];
    prop::collection::vec(one, 1..6)
}

fn apply(text: &str, edits: &[Edit]) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for edit in edits {
        let len = chars.len().max(1);
        match edit {
            Edit::Insert(i, part) => {
                let i = i.index(len).min(chars.len());
                chars.splice(i..i, part.chars());
            }
            Edit::Cut(i, n) => {
                let i = i.index(len).min(chars.len());
                chars.drain(i..(i + n).min(chars.len()));
            }
            Edit::Copy(i, j, n) => {
                let i = i.index(len).min(chars.len());
                let piece: Vec<char> = chars[i..(i + n).min(chars.len())].to_vec();
                let j = j.index(len).min(chars.len());
                chars.splice(j..j, piece);
            }
        }
    }
    chars.into_iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn damaged_files_are_judged(edits in edits(), which in 0..3usize) {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let name = ["base.yaml", "overlays/quickstart-simulator.yaml", "overlays/production.yaml"][which];
        let text = std::fs::read_to_string(here.join(name)).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let damaged = dir.path().join("damaged.yaml");
        std::fs::write(&damaged, apply(&text, &edits)).unwrap();
        match load(&[here.join("base.yaml"), damaged], &|_| None) {
            Ok(loaded) => {
                let _ = check::render(&loaded);
            }
            Err(errors) => {
                prop_assert!(!errors.0.is_empty());
                for p in &errors.0 {
                    prop_assert!(p.origin.is_some() || !p.path.is_empty(), "{p}");
                }
            }
        }
    }
}
