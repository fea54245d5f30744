//! One golden file a pair: `SALLYPORT_BLESS=1` writes them anew. The schemas of what they hold are checked by
//! proxy/tests/sdk/test_schemas.py.

use super::call::{Upstream, begin, failed, stream, whole};
use super::data::{Answers, CASES, FRONTS, UPSTREAMS, folder, name_of, requests};
use super::{second, show};
use sallyport_filters::codec::Wire;
use sallyport_filters::dialect::error as dialect_error;
use sallyport_filters::translate::Way;
use serde_json::Value;
use std::fmt::Write as _;

/// The pairs that are translated; the others pass verbatim.
pub(crate) fn pairs() -> Vec<(Wire, &'static str, Upstream)> {
    let mut all = Vec::new();
    for front in FRONTS {
        for name in UPSTREAMS {
            let up = Upstream::new(name);
            match up.way(front) {
                Way::Translated(wire) => {
                    assert_eq!(wire, up.wire, "{name}");
                    all.push((front, name, up));
                }
                Way::Verbatim => assert!(same_dialect(front, name), "{front:?} {name}"),
                other => panic!("{front:?} {name}: {other:?}"),
            }
        }
    }
    all
}

fn same_dialect(front: Wire, name: &str) -> bool {
    match front {
        Wire::Chat => matches!(name, "compatible" | "azure" | "responses"),
        Wire::Responses => matches!(name, "azure" | "responses"),
        _ => name == name_of(front),
    }
}

fn section(out: &mut String, title: &str, text: &str) {
    write!(out, "## {title}\n{}\n", text.replace("\r\n", "\n").trim_end()).unwrap();
}

/// What a pair makes of every case.
fn pair(front: Wire, name: &str, up: &Upstream) -> String {
    let (asks, answers) = (requests(front), Answers::of(name, up.wire));
    let way = (front, up);
    let mut out = String::new();
    for case in &CASES {
        let ask = &asks[case.ask];
        let missing = case.answer.is_some_and(|a| answers.stream(a).is_none());
        if missing || case.name == "signed call" {
            continue;
        }
        writeln!(out, "# {}", case.name).unwrap();
        let own = case.name == case.ask;
        if own && let Err(why) = begin(way, ask, false, false) {
            let dialect = super::call::exchange(front, ask, false).dialect;
            let said = dialect_error::render(&why, dialect, "0199a000-0000-7000-8000-000000000001");
            section(&mut out, "refused", &String::from_utf8_lossy(&said.body));
        }
        let begun = begin(way, ask, false, true).map_err(|e| e.to_string()).unwrap();
        let dropped = &begun.encoded.dropped;
        if own && !dropped.is_empty() {
            section(&mut out, "dropped", &dropped.join(", "));
        }
        if own {
            section(&mut out, "request", &show::json(&begun.encoded.body));
        }
        let Some(answer) = case.answer else { continue };
        let streamed = begin(way, ask, true, true).map_err(|e| e.to_string()).unwrap();
        if case.name == "text" {
            section(&mut out, "request of the stream", &show::json(&streamed.encoded.body));
        }
        let told = whole(&begun, &answers, answer).unwrap();
        section(&mut out, "whole", &show::json(&told.body));
        let flow = stream(streamed, &answers.stream(answer).unwrap(), &[]);
        section(&mut out, "stream", &String::from_utf8_lossy(&flow.body));
        if case.name == "thinking" {
            let answer: Value = serde_json::from_slice(&told.body).unwrap();
            for (bare, title) in [(false, "second request"), (true, "second request, bare")] {
                if bare && front != Wire::Chat {
                    continue;
                }
                let next = second::request(front, ask, &answer, bare);
                let begun = begin(way, &next, false, true).map_err(|e| e.to_string()).unwrap();
                section(&mut out, title, &show::json(&begun.encoded.body));
            }
        }
    }
    out.push_str("# broken\n");
    let begun = begin(way, &asks["text"], true, true).map_err(|e| e.to_string()).unwrap();
    let flow = stream(begun, &answers.stream("broken").unwrap(), &[]);
    assert!(!flow.ended);
    section(&mut out, "stream", &String::from_utf8_lossy(&flow.body));
    out.push_str("# errors\n");
    for e in answers.errors() {
        let (status, headers, body) = failed(way, &e);
        let headers: String =
            headers.iter().map(|(k, v)| format!("{k}: {}\n", v.to_str().unwrap())).collect();
        section(&mut out, &format!("{} as {status}", e["status"]), &(headers + &show::json(&body)));
    }
    out
}

#[test]
fn golden() {
    let mut wrong = Vec::new();
    for (front, name, up) in pairs() {
        let said = pair(front, name, &up);
        let path = folder().join(format!("{}-{name}.txt", name_of(front)));
        if std::env::var_os("SALLYPORT_BLESS").is_some() {
            std::fs::write(&path, &said).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        if golden != said {
            let at = golden.lines().zip(said.lines()).position(|(a, b)| a != b).unwrap_or_default();
            let line = |text: &str| text.lines().nth(at).unwrap_or_default().to_owned();
            wrong.push(format!("{}:{}\n- {}\n+ {}", path.display(), at + 1, line(&golden), line(&said)));
        }
    }
    assert!(wrong.is_empty(), "SALLYPORT_BLESS=1 writes them anew\n{}", wrong.join("\n"));
}
