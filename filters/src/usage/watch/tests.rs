use super::*;

fn seen(stream: bool, text: &str, piece: usize) -> Option<Ended> {
    let mut watch = Watch::new(stream);
    for piece in text.as_bytes().chunks(piece) {
        watch.push(&Bytes::copy_from_slice(piece));
    }
    watch.ended()
}

fn object(status: &str, background: bool) -> String {
    format!(
        r#"{{"id":"resp_1","status":"{status}","background":{background},"output":[{{"status":"completed","background":true,"usage":{{"input_tokens":1}}}}],"usage":{{"input_tokens":7,"output_tokens":9}}}}"#
    )
}

#[test]
fn the_end_is_seen_however_it_is_cut() {
    let usage = Some(Usage { input: 7, output: 9, ..Usage::default() });
    for piece in [1, 3, 10_000] {
        for status in ["completed", "incomplete", "failed", "cancelled"] {
            let want = Some(Ended { status: status.into(), background: true, usage });
            assert_eq!(seen(false, &object(status, true), piece), want);
            let event = format!(
                "event: response.created\ndata: {{\"type\":\"response.created\",\"response\":{}}}\n\nevent: response.{status}\ndata: {{\"type\":\"response.{status}\",\"response\":{}}}\n\n",
                object("queued", true),
                object(status, true)
            );
            assert_eq!(seen(true, &event, piece), want);
        }
    }
}

#[test]
fn what_is_no_end_is_none() {
    for text in [
        &object("in_progress", true),
        &object("queued", true),
        r#"{"error":{"message":"no"}}"#,
        "<html>",
        "",
        &object("completed", true)[..60],
    ] {
        assert_eq!(seen(false, text, 7), None, "{text}");
    }
    let begun = format!(
        "data: {{\"type\":\"response.in_progress\",\"response\":{}}}\n\n",
        object("in_progress", true)
    );
    assert_eq!(seen(true, &begun, 5), None);
    assert!(!seen(false, &object("completed", false), 7).unwrap().background);
    let untold = r#"{"status":"failed","background":true,"usage":null}"#;
    assert_eq!(
        seen(false, untold, 4),
        Some(Ended { status: "failed".into(), background: true, usage: None })
    );
}
