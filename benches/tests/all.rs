//! The simulator and the load generator against each other and against a plain socket, in one process.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a panic is a test's way to fail")]

use sallyport_benches::load::{self, Expect, Plan, body};
use sallyport_benches::sim::{Sim, SimOptions};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What the simulator says in the formats of each provider.
mod formats {
    mod azure;
    mod bedrock;
    mod gemini;
    mod loops;
    mod refusals;
}

async fn start(options: SimOptions) -> SocketAddr {
    let sim = Sim::bind("127.0.0.1:0".parse().unwrap(), options).await.unwrap();
    let addr = sim.addr().unwrap();
    tokio::spawn(sim.run());
    addr
}

fn request(addr: SocketAddr, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Vec<u8> {
    let headers: Vec<_> = headers.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    body::request(method, path, &addr.to_string(), &headers, body.as_bytes())
}

/// Status, head and body; `Connection: close` lets the end of the stream be the end of the answer.
async fn send(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String, String) {
    let (status, head, body) = exchange(addr, method, path, headers, body).await;
    (status, head, String::from_utf8(body).unwrap())
}

/// The same with the body's bytes.
async fn exchange(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, String, Vec<u8>) {
    let mut headers = headers.to_vec();
    headers.push(("connection", "close"));
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(&request(addr, method, path, &headers, body)).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let end = answer.windows(4).position(|w| w == b"\r\n\r\n");
    let body = end.map_or_else(Vec::new, |at| answer.split_off(at + 4));
    let head = String::from_utf8(answer).unwrap().trim_end().to_owned();
    let status = head.get(9..12).and_then(|s| s.parse().ok()).unwrap_or(0);
    let body = if head.contains("transfer-encoding: chunked") { unchunk(&body) } else { body };
    (status, head, body)
}

fn unchunk(mut body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    while let Some(at) = body.windows(2).position(|w| w == b"\r\n") {
        let size = std::str::from_utf8(&body[..at]).unwrap();
        let size = usize::from_str_radix(size, 16).unwrap();
        if size == 0 {
            break;
        }
        out.extend_from_slice(&body[at + 2..at + 2 + size]);
        body = &body[at + 4 + size..];
    }
    out
}

async fn post(addr: SocketAddr, path: &str, body: Value) -> (u16, Value) {
    let headers: &[(&str, &str)] =
        if path.contains("messages") { &[("anthropic-version", "2023-06-01")] } else { &[] };
    let (status, _, text) = send(addr, "POST", path, headers, &body.to_string()).await;
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// The data of all events.
async fn events(addr: SocketAddr, path: &str, body: Value) -> Vec<String> {
    let (status, text) = post(addr, path, body).await;
    assert_eq!(status, 200);
    let text = text.as_str().expect("a stream");
    text.lines().filter_map(|l| l.strip_prefix("data: ")).map(str::to_owned).collect()
}

async fn stats(addr: SocketAddr) -> Value {
    let (_, _, body) = send(addr, "GET", "/__sim/stats", &[], "").await;
    serde_json::from_str(&body).unwrap()
}

fn chat(model: &str, stream: bool) -> Value {
    json!({"model": model, "stream": stream, "messages": [{"role": "user", "content": "12345678"}]})
}

#[tokio::test]
async fn chat_completions() {
    let addr = start(SimOptions::default()).await;
    let (status, answer) =
        post(addr, "/v1/chat/completions", chat("m;tokens=5;cached=1;reasoning=2", false)).await;
    assert_eq!(status, 200);
    assert_eq!(answer["choices"][0]["message"]["content"], "The old sea has its ");
    assert_eq!(answer["usage"]["prompt_tokens"], 2);
    assert_eq!(answer["usage"]["completion_tokens"], 7);
    assert_eq!(answer["usage"]["prompt_tokens_details"]["cached_tokens"], 1);
    let plain = events(addr, "/v1/chat/completions", chat("m;tokens=5", true)).await;
    assert_eq!(plain.len(), 8, "role, 5 tokens, finish, [DONE]");
    assert!(plain.iter().all(|e| !e.contains("usage")), "nobody asked for usage");
    assert_eq!(plain.last().unwrap(), "[DONE]");
    let mut asked = chat("m;tokens=5", true);
    asked["stream_options"] = json!({"include_usage": true});
    let asked = events(addr, "/v1/chat/completions", asked).await;
    let last: Value = serde_json::from_str(&asked[7]).unwrap();
    assert_eq!((&last["choices"], &last["usage"]["completion_tokens"]), (&json!([]), &json!(5)));
    assert!(asked[..7].iter().all(|e| e.contains("\"usage\":null")));
}

#[tokio::test]
async fn tool_calls_come_in_pieces() {
    let addr = start(SimOptions::default()).await;
    let arguments = r#"{"city":"Zürich [CH]"}"#;
    let content = format!("Call it: [tool:weather {arguments}]");
    let tools = json!([{"type": "function", "function": {"name": "weather"}}]);
    let body = json!({"model": "m", "stream": true, "tools": tools, "messages": [{"role": "user", "content": content}]});
    let pieces: Vec<Value> = events(addr, "/v1/chat/completions", body)
        .await
        .iter()
        .filter_map(|e| serde_json::from_str(e).ok())
        .filter_map(|e: Value| e.pointer("/choices/0/delta/tool_calls/0").cloned())
        .collect();
    assert_eq!(pieces[0]["function"]["name"], "weather");
    let joined: String = pieces.iter().map(|p| p["function"]["arguments"].as_str().unwrap()).collect();
    assert!(pieces.len() > 3);
    assert_eq!(joined, arguments);
}

#[tokio::test]
async fn responses_and_their_store() {
    let addr = start(SimOptions::default()).await;
    let body = json!({"model": "m;tokens=3", "input": "1234", "stream": true});
    let all = events(addr, "/v1/responses", body).await;
    let all: Vec<Value> = all.iter().map(|e| serde_json::from_str(e).unwrap()).collect();
    let kinds: Vec<&str> = all.iter().map(|e| e["type"].as_str().unwrap()).collect();
    assert_eq!((kinds[0], *kinds.last().unwrap()), ("response.created", "response.completed"));
    assert!(all.iter().enumerate().all(|(n, e)| e["sequence_number"] == n), "numbers without a hole");
    let done = &all.last().unwrap()["response"];
    assert_eq!(done["usage"]["total_tokens"], 4);
    let path = format!("/v1/responses/{}", done["id"].as_str().unwrap());
    let (status, _, stored) = send(addr, "GET", &path, &[], "").await;
    assert_eq!((status, serde_json::from_str::<Value>(&stored).unwrap()), (200, done.clone()));
    let next = json!({"model": "m", "input": "5678", "previous_response_id": done["id"]});
    assert_eq!(post(addr, "/v1/responses", next).await.1["usage"]["input_tokens"], 5);
    assert_eq!(send(addr, "DELETE", &path, &[], "").await.0, 200);
    assert_eq!(send(addr, "GET", &path, &[], "").await.0, 404);
}

#[tokio::test]
async fn messages() {
    let addr = start(SimOptions::default()).await;
    let ask = |model: &str, stream: bool| {
        let mut body = chat(model, stream);
        body["max_tokens"] = json!(100);
        body
    };
    let (_, answer) = post(addr, "/v1/messages", ask("m;tokens=2;cached=1", false)).await;
    assert_eq!(answer["content"][0]["text"], "The old ");
    assert_eq!(
        (&answer["usage"]["input_tokens"], &answer["usage"]["cache_read_input_tokens"]),
        (&json!(1), &json!(1))
    );
    let kinds: Vec<String> = events(addr, "/v1/messages", ask("m;tokens=1", true))
        .await
        .iter()
        .map(|e| serde_json::from_str::<Value>(e).unwrap()["type"].as_str().unwrap().to_owned())
        .collect();
    let wanted = "message_start content_block_start ping content_block_delta content_block_stop message_delta message_stop";
    assert_eq!(kinds.join(" "), wanted);
    let mut count = chat("m", false);
    count.as_object_mut().unwrap().remove("stream"); // not even `false` is taken there
    let (_, count) = post(addr, "/v1/messages/count_tokens", count).await;
    assert_eq!(count, json!({"input_tokens": 2}));
}

#[tokio::test]
async fn errors_have_the_dialects_shape() {
    let addr = start(SimOptions { auth: Some("k".to_owned()), ..SimOptions::default() }).await;
    let key = ("authorization", "Bearer k");
    let body = chat("m;status=429;retry_after=7", false).to_string();
    let (status, head, text) = send(addr, "POST", "/v1/chat/completions", &[key], &body).await;
    assert_eq!(status, 429);
    assert!(head.contains("retry-after: 7"), "{head}");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap()["error"]["code"], "rate_limit_exceeded");
    let anthropic = [("x-api-key", "wrong"), ("anthropic-version", "2023-06-01")];
    let (status, _, text) = send(addr, "POST", "/v1/messages", &anthropic, &body).await;
    let error: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (status, &error["type"], &error["error"]["type"]),
        (401, &json!("error"), &json!("authentication_error"))
    );
    assert_eq!(send(addr, "POST", "/v1/chat/completions", &[], &body).await.0, 401);
    assert_eq!(send(addr, "GET", "/v1/chat/completions", &[key], "").await.0, 405);
    assert_eq!(send(addr, "POST", "/v1/nothing", &[key], "").await.0, 404);
    assert_eq!(send(addr, "POST", "/v1/chat/completions", &[key], "{").await.0, 400);
    assert_eq!(
        send(addr, "POST", "/v1/chat/completions", &[key], &chat("m;what", false).to_string()).await.0,
        400
    );
    let header = [key, ("x-sim-status", "503"), ("x-sim-html", "1")];
    let (status, head, text) =
        send(addr, "POST", "/v1/chat/completions", &header, &chat("m", false).to_string()).await;
    assert!(status == 503 && head.contains("text/html") && text.contains("<h1>503"), "{head}{text}");
}

#[tokio::test]
async fn errors_for_the_first_requests_only_or_by_chance() {
    let addr = start(SimOptions::default()).await;
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(post(addr, "/v1/chat/completions", chat("m;status=500;first=2", false)).await.0);
    }
    assert_eq!(seen, [500, 500, 200]);
    let mut failed = 0;
    for _ in 0..200 {
        failed += i32::from(
            post(addr, "/v1/chat/completions", chat("m;status=500@0.25;seed=7", false)).await.0 == 500,
        );
    }
    assert!((30..=70).contains(&failed), "{failed} of 200 with probability 0.25");
}

#[tokio::test]
async fn breaks_where_it_is_told() {
    let addr = start(SimOptions::default()).await;
    let (status, head, _) =
        send(addr, "POST", "/v1/chat/completions", &[], &chat("m;drop", true).to_string()).await;
    assert_eq!((status, head.as_str()), (0, ""), "not even a head");
    let (status, _, text) =
        send(addr, "POST", "/v1/chat/completions", &[], &chat("m;cut=0", true).to_string()).await;
    assert_eq!((status, text.as_str()), (200, ""), "a head and nothing else");
    let (_, _, text) =
        send(addr, "POST", "/v1/chat/completions", &[], &chat("m;cut=3", true).to_string()).await;
    assert_eq!(text.matches("data: ").count(), 3);
    let (_, head, text) =
        send(addr, "POST", "/v1/chat/completions", &[], &chat("m;cut=10", false).to_string()).await;
    assert!(text.len() == 10 && !head.contains("content-length: 10\r\n"), "less than was promised");
    let last = events(addr, "/v1/chat/completions", chat("m;error_event=2", true)).await.pop().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&last).unwrap()["error"]["type"], "server_error");
    assert_eq!(stats(addr).await["faults"], 4);
}

/// The client leaves while the simulator waits for something.
async fn leave(addr: SocketAddr, body: Value, after: usize) -> Duration {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(&request(addr, "POST", "/v1/chat/completions", &[], &body.to_string())).await.unwrap();
    let mut read = vec![0; after];
    stream.read_exact(&mut read).await.unwrap();
    while stats(addr).await["open"] != 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let before = stats(addr).await["cancelled"].as_u64().unwrap();
    drop(stream);
    let begin = Instant::now();
    while stats(addr).await["cancelled"].as_u64().unwrap() == before {
        assert!(begin.elapsed() < Duration::from_secs(5), "never noticed: {body}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    begin.elapsed()
}

#[tokio::test]
async fn notices_that_the_client_left() {
    let addr = start(SimOptions::default()).await;
    for (model, stream, after) in [
        ("m;latency=60000", false, 0),
        ("m;hang", true, 0),
        ("m;gap=60000", true, 200),
        ("m;stall=2", true, 200),
    ] {
        let took = leave(addr, chat(model, stream), after).await;
        assert!(took < Duration::from_millis(500), "{model}: {took:?}");
    }
    let stats = stats(addr).await;
    assert_eq!((&stats["cancelled"], &stats["open"]), (&json!(4), &json!(0)));
}

#[tokio::test]
async fn http2_with_prior_knowledge() {
    use http_body_util::{BodyExt, Full};
    use hyper_util::rt::{TokioExecutor, TokioIo};
    let addr = start(SimOptions::default()).await;
    let io = TokioIo::new(TcpStream::connect(addr).await.unwrap());
    let (mut client, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    let ask = |model: &str| {
        http::Request::post(format!("http://{addr}/v1/chat/completions"))
            .body(Full::new(bytes::Bytes::from(chat(model, true).to_string())))
            .unwrap()
    };
    let answer = client.send_request(ask("m")).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.into_body().collect().await.unwrap().to_bytes().ends_with(b"data: [DONE]\n\n"));
    let cut = client.send_request(ask("m;cut=2")).await.unwrap();
    assert!(cut.into_body().collect().await.is_err());
    // leaving is a reset of one stream: the connection stays
    drop(client.send_request(ask("m;gap=60000")).await.unwrap());
    let begin = Instant::now();
    while stats(addr).await["cancelled"] != 1 {
        assert!(begin.elapsed() < Duration::from_secs(5));
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(client.send_request(ask("m")).await.unwrap().status(), 200);
}

#[tokio::test]
async fn large_bodies_and_expect() {
    let addr = start(SimOptions { max_body: 21 << 20, ..SimOptions::default() }).await;
    let mut big = chat("m;tokens=1", false);
    big["messages"][0]["content"] = json!("x".repeat(20 << 20));
    let (status, answer) = post(addr, "/v1/chat/completions", big.clone()).await;
    assert_eq!((status, &answer["usage"]["prompt_tokens"]), (200, &json!(5 << 20)));
    big["messages"][0]["content"] = json!("x".repeat(22 << 20));
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let head = format!(
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: {}\r\n\r\n",
        22 << 20
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413", "refused by its length, before it is sent");
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(head.replace(&(22 << 20).to_string(), "10").as_bytes()).await.unwrap();
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 100");
}

#[tokio::test]
async fn last_request_and_reset() {
    let addr = start(SimOptions::default()).await;
    post(addr, "/v1/chat/completions?x=1", chat("m", false)).await;
    let (_, _, last) = send(addr, "GET", "/__sim/last", &[], "").await;
    let last: Value = serde_json::from_str(&last).unwrap();
    assert_eq!((&last["method"], &last["query"]), (&json!("POST"), &json!("x=1")));
    assert_eq!(serde_json::from_str::<Value>(last["body"].as_str().unwrap()).unwrap(), chat("m", false));
    assert_eq!(stats(addr).await["requests"]["POST /v1/chat/completions"], 1);
    send(addr, "POST", "/__sim/reset", &[], "").await;
    assert_eq!(stats(addr).await["total"], 0);
    assert_eq!(send(addr, "GET", "/__sim/last", &[], "").await.0, 404);
}

fn plan(addr: SocketAddr, body: &Value) -> Plan {
    Plan {
        addr,
        request: request(addr, "POST", "/v1/chat/completions", &[], &body.to_string()).into(),
        connections: 4,
        warmup: Duration::ZERO,
        duration: Duration::from_secs(20),
        requests: Some(40),
        rate: None,
        timeout: Duration::from_secs(5),
        expect: Expect { status: 200, events: None },
        pids: vec![std::process::id()],
    }
}

#[tokio::test]
async fn the_load_generator_counts_right_and_wrong_answers() {
    let addr = start(SimOptions::default()).await;
    let report = load::run(&plan(addr, &chat("m", false))).await.unwrap();
    assert_eq!((report.requests, report.errors, report.first_byte_us.count), (40, 0, 40));
    assert!(report.first_byte_us.p50 > 0.0 && report.latency_us.max >= report.first_byte_us.p50);
    let mut stream = plan(addr, &chat("m;tokens=10;stamp;gap=2", true));
    stream.expect.events = Some(13);
    let report = load::run(&stream).await.unwrap();
    assert_eq!((report.requests, report.errors, report.event_delay_us.count), (40, 0, 400));
    assert!(report.event_spacing_us.p50 > 1000.0, "{report}");
    stream.expect.events = Some(14);
    assert_eq!(load::run(&stream).await.unwrap().problems["wrong number of events"], 40);
    for (model, stream, problem) in [
        ("m;status=500", false, "status 500"),
        ("m;cut=5", true, "connection closed in the middle"),
        ("m;cut=5", false, "connection closed in the middle"),
        ("m;drop", false, "connection closed in the middle"),
        ("m;error_event=3", true, "stream without end mark"),
    ] {
        let report = load::run(&plan(addr, &chat(model, stream))).await.unwrap();
        assert_eq!((report.requests, report.problems.get(problem)), (0, Some(&40)), "{model}: {report}");
    }
}

#[tokio::test]
async fn the_load_generator_holds_a_rate() {
    let addr = start(SimOptions::default()).await;
    let mut paced = plan(addr, &chat("m", false));
    paced.requests = None;
    paced.rate = Some(200.0);
    paced.duration = Duration::from_secs(1);
    let report = load::run(&paced).await.unwrap();
    assert!((150..=210).contains(&report.requests), "{report}");
}
