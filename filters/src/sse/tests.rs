use super::*;
use crate::surface::Dialect;
use proptest::prelude::*;

/// Pushes `input` in these pieces; what comes out, and the events that were seen.
fn run(
    input: &[u8],
    cuts: &[usize],
    mut fate: impl FnMut(&[u8]) -> Fate,
) -> (Vec<Bytes>, Vec<(String, String)>) {
    let input = Bytes::copy_from_slice(input);
    let mut cuts: Vec<usize> = cuts.iter().map(|c| c % (input.len() + 1)).chain([0, input.len()]).collect();
    cuts.sort_unstable();
    let (mut stream, mut out, mut seen) = (EventStream::new(), Vec::new(), Vec::new());
    let mut look = |e: &mut Event<'_>| {
        let Piece::Sse { name, data } = e.piece else { panic!("not SSE") };
        seen.push((String::from_utf8(name.to_vec()).unwrap(), String::from_utf8(data.to_vec()).unwrap()));
        e.fate = fate(data);
    };
    for w in cuts.windows(2) {
        out.extend(stream.push(input.slice(w[0]..w[1]), &mut look).unwrap());
    }
    out.extend(stream.finish(&mut look));
    (out, seen)
}

/// A second reader, written after the standard's own words: lines, then fields, then dispatch.
fn reference(input: &str) -> Vec<(String, String)> {
    let text = input.strip_prefix('\u{feff}').unwrap_or(input).replace("\r\n", "\n").replace('\r', "\n");
    let (mut out, mut name, mut data): (Vec<_>, String, Option<String>) = (Vec::new(), String::new(), None);
    for line in text.split('\n') {
        if line.is_empty() {
            if let Some(d) = data.take() {
                out.push((name.clone(), d));
            }
            name.clear();
            continue;
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => name = value.to_owned(),
            "data" => {
                data = Some(match data {
                    None => value.to_owned(),
                    Some(d) => d + "\n" + value,
                });
            }
            _ => {}
        }
    }
    // An unfinished event: we show it (its usage counts), the standard does not.
    out.extend(data.map(|d| (name, d)));
    out
}

fn streams() -> impl proptest::strategy::Strategy<Value = String> {
    let line = prop_oneof![
        3 => "data: ?[a-z{}\"é日😀: ]{0,8}",
        1 => "event: ?[a-z.]{0,6}",
        1 => ": ?[a-z]{0,5}",
        1 => "(id: 1|retry: 5|data|event|datax: 1|nonsense)",
        2 => Just(String::new()),
    ];
    let end = proptest::sample::select(vec!["\n", "\r\n", "\r"]);
    let lines = proptest::collection::vec((line, end), 0..12);
    (any::<bool>(), lines, any::<bool>()).prop_map(|(bom, lines, one_kind)| {
        let mut out = if bom { "\u{feff}".to_owned() } else { String::new() };
        let first = lines.first().map_or("\n", |l| l.1);
        for (line, end) in &lines {
            out.push_str(line);
            out.push_str(if one_kind { first } else { end });
        }
        out
    })
}

/// What [`any_cuts`] draws.
fn any_cuts() -> impl proptest::strategy::Strategy<Value = Vec<usize>> {
    proptest::collection::vec(0..200_usize, 0..8)
}

proptest! {
    /// LESSONS.md: "SSE parsers that know only LF LF, or drop a chunk cut inside a multi-byte character".
    #[test]
    fn kept_streams_come_out_byte_for_byte(text in streams(), cuts in any_cuts()) {
        let (out, seen) = run(text.as_bytes(), &cuts, |_| Fate::Keep);
        prop_assert_eq!(out.concat(), text.as_bytes());
        prop_assert_eq!(seen, reference(&text));
    }

    #[test]
    fn dropped_and_replaced_events_are_so_however_the_stream_is_cut(text in streams(), cuts in any_cuts()) {
        let fate = |data: &[u8]| match data.len() % 3 {
            0 => Fate::Drop,
            1 => Fate::Replace(Bytes::from_static(b"data: new\n\n")),
            _ => Fate::Keep,
        };
        let want: Vec<_> = reference(&text).into_iter().filter_map(|(n, d)| match fate(d.as_bytes()) {
            Fate::Keep => Some((n, d)),
            Fate::Drop => None,
            Fate::Replace(_) => Some((String::new(), "new".to_owned())),
        }).collect();
        let (out, _) = run(text.as_bytes(), &cuts, fate);
        let got = String::from_utf8(out.concat()).unwrap();
        prop_assert_eq!(reference(&got), want, "{:?} -> {:?}", text, got);
    }

    #[test]
    fn no_bytes_panic(b in proptest::collection::vec(any::<u8>(), 0..60), cuts in any_cuts()) {
        let mut s = EventStream::with_max(40);
        let b = Bytes::from(b);
        let cut = cuts.first().map_or(0, |c| c % (b.len() + 1));
        let a = s.push(b.slice(..cut), |_| ());
        if a.is_ok() {
            let _ = s.push(b.slice(cut..), |_| ());
        }
        let _ = s.finish(|e| e.fate = Fate::Drop);
        let _ = first_event_of(Dialect::OpenAi, &b);
    }
}

#[test]
fn kept_events_of_one_chunk_are_one_slice_of_it() {
    let chunk = Bytes::from_static(b"data: a\n\n: ping\n\ndata: b\n\nevent: x\ndata: c\n\ndata: ta");
    let mut s = EventStream::new();
    let mut n = 0;
    let out = s.push(chunk.clone(), |_| n += 1).unwrap();
    assert_eq!((n, out.len()), (3, 1));
    assert_eq!(out[0], &chunk[..chunk.len() - "data: ta".len()]);
    assert_eq!(out[0].as_ptr(), chunk.as_ptr(), "not copied");
    let out = s.push(Bytes::from_static(b"il\n\ndata: [DONE]\n\n"), |_| n += 1).unwrap();
    assert_eq!(
        (n, out.as_slice()),
        (5, [Bytes::from_static(b"data: tail\n\n"), Bytes::from_static(b"data: [DONE]\n\n")].as_slice())
    );
    assert!(s.finish(|_| panic!("nothing is left")).is_empty());
}

/// A lone CR may be the first half of a CR LF: the event goes out at once, and the LF as soon as it comes.
#[test]
fn a_cr_lf_cut_in_two_delays_nothing() {
    let mut s = EventStream::new();
    let mut names = Vec::new();
    let mut push = |s: &mut EventStream, b: &'static [u8]| {
        s.push(Bytes::from_static(b), |e| {
            let Piece::Sse { data, .. } = e.piece else { panic!() };
            names.push(data.to_vec());
            if data == b"drop" {
                e.fate = Fate::Drop;
            }
        })
        .unwrap()
        .concat()
    };
    assert_eq!(push(&mut s, b"data: a\r\n\r"), b"data: a\r\n\r");
    assert_eq!(push(&mut s, b"\n"), b"\n");
    assert_eq!(push(&mut s, b"data: drop\r\n\r"), b"");
    assert_eq!(push(&mut s, b"\ndata: b\r"), b"");
    assert_eq!(push(&mut s, b"\n\r\n"), b"data: b\r\n\r\n");
    assert_eq!(names, [b"a".to_vec(), b"drop".to_vec(), b"b".to_vec()]);
}

#[test]
fn events_are_bounded() {
    let mut s = EventStream::with_max(100);
    assert!(s.push(vec![b'a'; 60].into(), |_| ()).is_ok());
    assert_eq!(s.push(vec![b'a'; 60].into(), |_| ()), Err(StreamError::EventTooLarge(100)));
    let mut s = EventStream::with_max(10);
    assert!(s.push(Bytes::from_static(b"data: 1\n\ndata: 2\n\n"), |_| ()).is_ok());
    assert!(s.push(Bytes::from_static(b"data: 0123456789\n\n"), |_| ()).is_err());
}

/// Recorded streams of the providers, in pieces of several sizes.
#[test]
fn recorded_streams_come_out_byte_for_byte() {
    let mut n = 0;
    for dialect in ["openai-chat", "openai-responses", "anthropic"] {
        for case in crate::testing::recorded(dialect).unwrap_or_default() {
            let Ok(bytes) = std::fs::read(case.join("response.sse")) else { continue };
            n += 1;
            let want = reference(std::str::from_utf8(&bytes).unwrap());
            for size in [1, 2, 7, 64, 1000, 65536] {
                let cuts: Vec<_> = (0..bytes.len()).step_by(size).collect();
                let (out, seen) = run(&bytes, &cuts, |_| Fate::Keep);
                assert_eq!(out.concat(), bytes, "{} {size}", case.display());
                assert_eq!(seen, want, "{} {size}", case.display());
            }
            let verdict = first_event_of(Dialect::OpenAi, &bytes);
            assert_eq!(verdict, Verdict::Fine, "{}", case.display());
        }
    }
    println!("{n} recorded streams");
}

/// LESSONS.md: "Streams never fail over before the first byte."
#[test]
fn a_stream_that_begins_with_an_error_is_found_out() {
    use crate::dialect::fault::Fault::{ClientsOwn, CredentialsOrCredit, Retryable};
    for (dialect, text, status, fault) in [
        (
            Dialect::OpenAi,
            "data: {\"error\":{\"message\":\"x\",\"type\":\"server_error\",\"code\":null}}\n\n",
            500,
            Retryable,
        ),
        (
            Dialect::OpenAi,
            ": hi\n\ndata: {\"error\": {\"message\": \"too long\", \"code\": \"context_length_exceeded\"}}\n\n",
            400,
            ClientsOwn,
        ),
        (
            Dialect::OpenAi,
            "data: {\"object\":\"error\",\"message\":\"x\",\"code\":400,\"error\":{\"code\":503}}\n\n",
            503,
            Retryable,
        ),
        (
            Dialect::Anthropic,
            "event: ping\ndata: {\"type\":\"ping\"}\n\nevent: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n",
            529,
            Retryable,
        ),
        (
            Dialect::Responses,
            "event: error\ndata: {\"type\":\"error\",\"code\":\"insufficient_quota\",\"message\":\"x\"}\n\n",
            429,
            CredentialsOrCredit,
        ),
        (
            Dialect::Responses,
            "event: response.failed\ndata: {\"type\":\"response.failed\",\"response\":{\"error\":{\"code\":\"rate_limit_exceeded\"}}}\n\n",
            429,
            Retryable,
        ),
        (Dialect::Anthropic, "event: error\ndata: \n\n", 500, Retryable),
    ] {
        match first_event_of(dialect, text.as_bytes()) {
            Verdict::Error { status: s, fault: f, .. } => {
                assert_eq!((s.as_u16(), f), (status, fault), "{text}")
            }
            v => panic!("{v:?}: {text}"),
        }
    }
    for (text, want) in [
        ("", Verdict::NeedMore),
        (": comment\n\n", Verdict::NeedMore),
        ("event: ping\ndata: {\"type\":\"ping\"}\n\n", Verdict::NeedMore),
        ("data: {\"error\":{\"message\":\"cut", Verdict::NeedMore),
        ("data: {\"id\":\"1\",\"choices\":[],\"error\":null}\n\n", Verdict::Fine),
        ("data: {\"choices\":[{\"delta\":{\"content\":\"\\\"error\\\"\"}}]}\n\n", Verdict::Fine),
        ("event: response.created\ndata: {\"response\":{\"error\":null}}\n\n", Verdict::Fine),
        ("data: [DONE]\n\n", Verdict::Fine),
    ] {
        assert_eq!(first_event_of(Dialect::Responses, text.as_bytes()), want, "{text}");
    }
}
