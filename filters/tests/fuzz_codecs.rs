//! The fuzz targets of the codecs as property tests: no nightly toolchain needed. The inputs are the golden matrix'
//! requests, answers and streams, mangled.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

#[path = "../fuzz/codecs.rs"]
mod codecs;

use proptest::prelude::*;
use sallyport_filters::codec::eventstream::encode_event;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::LazyLock;

fn matrix(folder: &str) -> Vec<(String, Value)> {
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/matrix")).join(folder);
    let mut all = Vec::new();
    for file in std::fs::read_dir(root).unwrap() {
        let path = file.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let cases: Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
        all.extend(cases.as_object().unwrap().iter().map(|(_, case)| (name.clone(), case.clone())));
    }
    assert!(all.len() > 20);
    all
}

static REQUESTS: LazyLock<Vec<Vec<u8>>> =
    LazyLock::new(|| matrix("fronts").into_iter().map(|(_, c)| c.to_string().into_bytes()).collect());
static REPLIES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let all = matrix("wires").into_iter();
    all.filter_map(|(_, c)| Some(c.get("whole")?.to_string().into_bytes())).collect()
});
static STREAMS: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let line = |wire: &str, e: &Value| match (wire, e["type"].as_str(), e.as_object()) {
        ("converse", _, Some(o)) => {
            o.iter().map(|(name, payload)| format!("{name} {payload}\n")).collect::<String>()
        }
        (_, Some(name), _) => format!("event: {name}\ndata: {e}\n\n"),
        _ => format!("data: {e}\n\n"),
    };
    let stream = |(wire, c): (String, Value)| {
        let events = c.get("events")?.as_array()?.iter().map(|e| line(&wire, e));
        Some(events.collect::<String>().into_bytes())
    };
    matrix("wires").into_iter().filter_map(stream).collect()
});
static ASIDES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    [
        r#"{"model":"m","input":["a","b"],"dimensions":256,"encoding_format":"base64","user":"u"}"#,
        r#"{"model":"m","input":[[1,2],[3]]}"#,
        r#"{"embedding":[0.25,-1e-3],"inputTextTokenCount":5}"#,
        r#"{"embeddings":{"float":[[0.5],[1]]},"id":"x","texts":["a"]}"#,
        r#"{"embeddings":[[0.5],[1]],"response_type":"embeddings_floats"}"#,
        r#"{"model":"m","query":"q","documents":["a",{"text":"b"},{"title":"c"}],"top_n":2,"return_documents":true}"#,
        r#"{"results":[{"index":1,"relevance_score":0.9},{"index":0,"relevance_score":0.1}]}"#,
        r#"{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"}]},"taskType":"RETRIEVAL_QUERY"}]}"#,
        r#"{"content":{"parts":[{"text":"a"}]},"outputDimensionality":64}"#,
        r#"{"embeddings":[{"values":[0.5]}],"embedding":{"values":[1]}}"#,
    ]
    .map(|t| t.as_bytes().to_vec())
    .to_vec()
});

/// What takes another thing's place.
const WORDS: &[&str] = &[
    "null",
    "true",
    "0",
    "-1",
    "1e999",
    "18446744073709551616",
    "\"\"",
    "[]",
    "{}",
    "[{}]",
    "{\"type\":\"text\"}",
    "\"\\ud800\"",
    "\"\u{e9}\\n\\r\"",
    "\"sp1.e30\"",
    "\"text\"",
    "\"tool_use\"",
    "\"function\"",
    "\n",
    "\r\n\r\n",
    "\n\n",
    "data: ",
    "event: error\n",
    ",",
    ":",
    "\"",
    "\\",
    "}",
    "]",
];

/// One of the seeds with some places cut out, doubled, swapped for words or for places of another seed.
fn mangled(seeds: &'static LazyLock<Vec<Vec<u8>>>) -> impl Strategy<Value = Vec<u8>> {
    let edit = (any::<prop::sample::Index>(), 0_usize..40, 0_u8..4, any::<prop::sample::Index>());
    let edits = proptest::collection::vec(edit, 0..4);
    (any::<prop::sample::Index>(), any::<prop::sample::Index>(), edits).prop_map(|(seed, other, edits)| {
        let (mut data, other) = (seed.get(seeds.as_slice()).clone(), other.get(seeds.as_slice()));
        for (at, len, kind, pick) in edits {
            // At a border of two tokens more often than not.
            let borders: Vec<usize> = (0..data.len())
                .filter(|i| matches!(data[*i], b',' | b':' | b'{' | b'[' | b'\n' | b'}'))
                .collect();
            let start =
                if borders.is_empty() || len % 3 == 0 { at.index(data.len() + 1) } else { *at.get(&borders) };
            let end = data.len().min(start + len);
            let new = match kind {
                0 => Vec::new(),
                1 => [&data[start..end], &data[start..end]].concat(),
                2 => pick.get(WORDS).as_bytes().to_vec(),
                _ => {
                    let from = pick.index(other.len());
                    other[from..other.len().min(from + len)].to_vec()
                }
            };
            data.splice(start..end, new);
        }
        data
    })
}

/// A value somewhere in a seed is swapped for another one: the JSON stays JSON, so that decoders see more of it.
fn twisted(seeds: &'static LazyLock<Vec<Vec<u8>>>) -> impl Strategy<Value = Vec<u8>> {
    let word = proptest::sample::select(WORDS);
    (any::<prop::sample::Index>(), proptest::collection::vec((any::<u16>(), word), 1..4)).prop_map(
        |(seed, twists)| {
            let seed: &Vec<u8> = seed.get(seeds.as_slice());
            let mut v: Value = serde_json::from_slice(seed).unwrap();
            for (at, word) in twists {
                let new = serde_json::from_str(word).unwrap_or_else(|_| Value::from(word));
                let mut left = usize::from(at) % count(&v);
                swap(&mut v, &mut left, new);
            }
            v.to_string().into_bytes()
        },
    )
}

fn count(v: &Value) -> usize {
    1 + match v {
        Value::Array(list) => list.iter().map(count).sum(),
        Value::Object(map) => map.values().map(count).sum(),
        _ => 0,
    }
}

fn swap(v: &mut Value, left: &mut usize, new: Value) -> bool {
    if *left == 0 {
        *v = new;
        return true;
    }
    *left -= 1;
    match v {
        Value::Array(list) => list.iter_mut().any(|v| swap(v, left, new.clone())),
        Value::Object(map) => map.values_mut().any(|v| swap(v, left, new.clone())),
        _ => false,
    }
}

/// Counts and indices as large as they can be.
#[test]
fn largest_numbers() {
    fn grow(v: &mut Value) {
        match v {
            Value::Number(_) => *v = u64::MAX.into(),
            Value::Array(list) => list.iter_mut().for_each(grow),
            Value::Object(map) => map.values_mut().for_each(grow),
            _ => {}
        }
    }
    let grown = |seed: &Vec<u8>| {
        let mut v: Value = serde_json::from_slice(seed).unwrap();
        grow(&mut v);
        v.to_string().into_bytes()
    };
    REQUESTS.iter().for_each(|s| codecs::requests(&grown(s)));
    REPLIES.iter().for_each(|s| codecs::replies(&grown(s)));
    ASIDES.iter().for_each(|s| codecs::asides(&grown(s)));
    for stream in STREAMS.iter() {
        let text = std::str::from_utf8(stream).unwrap();
        let line = |l: &str| match l.find('{') {
            Some(at) => format!("{}{}\n", &l[..at], String::from_utf8(grown(&l[at..].into())).unwrap()),
            None => format!("{l}\n"),
        };
        codecs::streams(text.lines().map(line).collect::<String>().as_bytes());
    }
}

#[test]
fn seeds() {
    REQUESTS.iter().for_each(|s| codecs::requests(s));
    REPLIES.iter().for_each(|s| codecs::replies(s));
    STREAMS.iter().for_each(|s| codecs::streams(s));
    ASIDES.iter().for_each(|s| codecs::asides(s));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]
    #[test]
    fn requests(a in mangled(&REQUESTS), b in twisted(&REQUESTS)) {
        codecs::requests(&a);
        codecs::requests(&b);
    }
    #[test]
    fn replies(a in mangled(&REPLIES), b in twisted(&REPLIES)) {
        codecs::replies(&a);
        codecs::replies(&b);
    }
    #[test]
    fn asides(a in mangled(&ASIDES), b in twisted(&ASIDES)) {
        codecs::asides(&a);
        codecs::asides(&b);
    }
    #[test]
    fn frames(seed in mangled(&REPLIES), raw in proptest::collection::vec(any::<u8>(), 0..64), at in any::<u16>()) {
        codecs::frames(&raw);
        let mut frame = bytes::BytesMut::new();
        encode_event("chunk", &seed, &mut frame).unwrap();
        codecs::frames(&frame);
        let at = usize::from(at) % frame.len();
        frame[at] ^= raw.first().copied().unwrap_or(1);
        codecs::frames(&frame);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]
    #[test]
    fn streams(a in mangled(&STREAMS)) {
        codecs::streams(&a);
    }
}
