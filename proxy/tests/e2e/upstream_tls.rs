//! TLS and HTTP/2 towards upstreams: the right certificate and no other.

use super::support::answer::json;
use super::support::gateway::Gateway;
use super::support::h2stub::{H2Answer, H2Stub};
use super::support::samples::SAMPLES;
use super::support::setups::{DIALECTS, anthropic, error_type, openai, with};
use super::support::stub::Stub;
use super::support::tls::{Authority, ServerTls};
use serde_json::json as object;

/// The name that upstreams go by.
const NAME: &str = "models.example.com";
const H1: &[&str] = &["http/1.1"];

/// Asks a gateway that trusts `authority` for an answer of a stub behind `tls`; its status, and whether the stub got it.
async fn ask(tls: &ServerTls, trusted: &Authority, more: serde_json::Value) -> (u16, usize) {
    let stub = Stub::manual_tls(tls).await.with_answers(|_| json(200, "{}"));
    let directory = tempfile::tempdir().unwrap();
    let ca = trusted.write(directory.path());
    let mut setup = with(openai(&stub.url()), object!({"upstream": {"ca_files": [ca], "max_attempts": 1}}));
    setup["providers"][0]["tls_name"] = NAME.into();
    for (name, value) in more.as_object().unwrap() {
        setup["providers"][0][name] = value.clone();
    }
    let gateway = Gateway::start(setup).await;
    let answer = gateway.post(DIALECTS[0].path, DIALECTS[0].body).await;
    if answer.status() != 200 {
        error_type(DIALECTS[0].path, &answer.json());
        let call = gateway.logged(&answer.id()).await;
        assert_eq!(call["error_source"], "upstream", "{call}");
        let detail = call["error_detail"].to_string().to_lowercase();
        assert!(detail.contains("certificate") || detail.contains("tls") || detail.contains("ssl"), "{call}");
    }
    (answer.status(), stub.received().len())
}

fn refused((status, received): (u16, usize)) {
    assert!(matches!(status, 502 | 503), "{status}");
    assert_eq!(received, 0, "the request, key and all, went to somebody who could not prove who he is");
}

#[tokio::test]
async fn an_own_authority() {
    let own = Authority::new();
    for name in [NAME, "*.example.com"] {
        assert_eq!(ask(&own.server(&["x.test", name], H1), &own, object!({})).await, (200, 1), "{name}");
    }
}

#[tokio::test]
async fn a_wrong_name() {
    let own = Authority::new();
    for wrong in ["example.com", "other.example.com", "models.example.com.evil.test", "*.com", "127.0.0.1"] {
        refused(ask(&own.server(&[wrong], H1), &own, object!({})).await);
    }
}

/// An address cannot stand in SNI, and the name check would be skipped: a name must be given.
#[tokio::test]
async fn an_address_is_no_name() {
    let own = Authority::new();
    refused(ask(&own.server(&["127.0.0.1"], H1), &own, object!({"tls_name": "127.0.0.1"})).await);
    refused(ask(&own.server(&["127.0.0.1"], H1), &own, object!({"tls_name": null})).await);
}

#[tokio::test]
async fn expired_or_unknown() {
    let own = Authority::new();
    refused(ask(&own.expired_server(&[NAME]), &own, object!({})).await);
    let stranger = Authority::new();
    refused(ask(&stranger.server(&[NAME], H1), &own, object!({})).await);
}

/// "An empty SNI turns TLS verification off: refuse it."
#[tokio::test]
async fn an_empty_name_does_not_turn_verification_off() {
    let (own, stranger) = (Authority::new(), Authority::new());
    let stub = Stub::manual_tls(&stranger.server(&["x"], H1)).await.with_answers(|_| json(200, "{}"));
    let directory = tempfile::tempdir().unwrap();
    let ca = own.write(directory.path());
    let mut setup = with(openai(&stub.url()), object!({"upstream": {"ca_files": [ca], "max_attempts": 1}}));
    setup["providers"][0]["tls_name"] = "".into();
    // Refused at start, or as a call; never served.
    let mut gateway = super::support::gateway::Setup::new(setup).spawn().await;
    let ended = super::support::wait::until("an end or a listener", || {
        let ended = gateway.process.ended();
        let port = gateway.port;
        async move {
            match ended {
                Some(status) => Some(Some(status)),
                None => tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok().map(|_| None),
            }
        }
    })
    .await;
    match ended {
        Some(status) => assert_eq!(status.code(), Some(1), "{}", gateway.process.said()),
        None => {
            gateway.ready().await;
            gateway.key = gateway.new_key(&["--surfaces", "*", "--models", "*"]).await;
            refused((gateway.post(DIALECTS[0].path, DIALECTS[0].body).await.status(), stub.received().len()));
        }
    }
}

/// "The upstream pool key leaves out CA, ALPN …": two providers at one address, of which one is trusted, do not share
/// connections.
#[tokio::test]
async fn connections_are_not_shared_across_trust() {
    let (own, other) = (Authority::new(), Authority::new());
    let stub = Stub::manual_tls(&own.server(&[NAME], H1)).await.with_answers(|_| json(200, "{}"));
    let directory = tempfile::tempdir().unwrap();
    let own_file = own.write(directory.path());
    let other_directory = tempfile::tempdir().unwrap();
    let other_file = other.write(other_directory.path());
    let provider = |name: &str, ca: &std::path::Path| object!({"name": name, "kind": "openai", "base_url": stub.url(), "api_key": "k", "ca_file": ca, "tls_name": NAME});
    let gateway = Gateway::start(object!({
        "providers": [provider("trusts", &own_file), provider("does-not", &other_file)],
        "models": [
            {"name": "m", "routes": [{"provider": "trusts"}]},
            {"name": "n", "routes": [{"provider": "does-not"}]},
        ],
        "upstream": {"max_attempts": 1},
    }))
    .await;
    for _ in 0..3 {
        gateway.post(DIALECTS[0].path, r#"{"model":"m"}"#).await.expect(200);
        let answer = gateway.post(DIALECTS[0].path, r#"{"model":"n"}"#).await;
        assert!(matches!(answer.status(), 502 | 503), "{}", answer.status());
    }
    assert_eq!(stub.received().len(), 3);
}

fn h2_answer(path: &str, stream: bool) -> H2Answer {
    let sample = SAMPLES.iter().find(|s| s.path == path).unwrap();
    match stream {
        true => H2Answer::whole(
            200,
            "text/event-stream",
            &sample.events.iter().map(|e| e.as_bytes()).collect::<Vec<_>>(),
        ),
        false => H2Answer::whole(200, "application/json", &[sample.json.as_bytes()]),
    }
}

/// HTTP/2 by ALPN, and by prior knowledge on plain TCP: JSON, streams, big bodies, one connection for many calls.
#[tokio::test]
async fn http2_upstreams() {
    let own = Authority::new();
    for tls in [None, Some(own.server(&[NAME], &["h2"]))] {
        for (dialect, sample) in DIALECTS.iter().zip(SAMPLES) {
            let stub =
                H2Stub::answering(tls.clone(), |r| h2_answer(r.target(), r.json()["stream"] == true)).await;
            let directory = tempfile::tempdir().unwrap();
            let ca = own.write(directory.path());
            let setup =
                if dialect.kind == "anthropic" { anthropic(&stub.url()) } else { openai(&stub.url()) };
            let mut setup = with(setup, object!({"upstream": {"ca_files": [ca]}}));
            setup["providers"][0]["tls_name"] = NAME.into();
            if tls.is_none() {
                setup["providers"][0]["http"] = "h2".into();
            }
            let gateway = Gateway::start(setup).await;
            let big = format!(r#"{{"model":"m","x":"{}"}}"#, "y".repeat(3 << 20));
            for _ in 0..2 {
                assert_eq!(gateway.post(dialect.path, dialect.body).await.expect(200).text(), sample.json);
                assert_eq!(
                    gateway.post(dialect.path, dialect.stream).await.expect(200).text(),
                    sample.events.concat()
                );
                gateway.post(dialect.path, &big).await.expect(200);
            }
            let all = stub.received();
            assert_eq!(all.len(), 6);
            assert_eq!(all[2].body, big.as_bytes());
            assert!(
                all.iter().all(|r| r.head.line.ends_with("HTTP/2.0") && r.connection == 0),
                "one connection for all"
            );
            let authority = format!("127.0.0.1:{}", stub.port);
            assert_eq!(all[0].head.get(":authority"), Some(&*authority), "{:?}", all[0].head);
        }
    }
}

/// An HTTP/2 upstream that answers 503, then one that answers: the whole body goes to both.
#[tokio::test]
async fn http2_upstreams_fail_over() {
    let first = H2Stub::answering(None, |_| H2Answer::whole(503, "application/json", &[b"{}"])).await;
    let second = Stub::answering(|_| json(200, SAMPLES[0].json)).await;
    let mut setup = super::support::setups::two("openai", &first.url(), &second.url());
    setup["providers"][0]["http"] = "h2".into();
    let gateway = Gateway::start(setup).await;
    let big = format!(r#"{{"model":"m","x":"{}"}}"#, "y".repeat(1 << 20));
    for body in [DIALECTS[0].body, &big] {
        gateway.post(DIALECTS[0].path, body).await.expect(200);
        assert_eq!(first.received().pop().unwrap().body, body.as_bytes());
        assert_eq!(second.received().pop().unwrap().body, body.as_bytes());
    }
}

/// Lessons, Control plane: "Private upstreams blocked by SSRF rules without an allow-list": an address is refused by
/// name of the setting at start, a name that leads to one when it is called.
#[tokio::test]
async fn private_addresses_only_if_listed() {
    let stub = Stub::answering(|_| json(200, "{}")).await;
    let closed = object!({"upstream": {"allow_networks": ["10.0.0.0/8"], "max_attempts": 1}});
    let mut gateway =
        super::support::gateway::Setup::new(with(openai(&stub.url()), closed.clone())).spawn().await;
    assert_eq!(gateway.process.end().await.code(), Some(1));
    assert!(gateway.process.said().contains("allow_networks"), "{}", gateway.process.said());

    // The name of this machine, which leads to an address of its own.
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned();
    let private = |a: std::net::SocketAddr| match a.ip() {
        std::net::IpAddr::V4(ip) => (ip.is_loopback() || ip.is_private()) && ip.octets()[0] != 10,
        std::net::IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    };
    let found = tokio::net::lookup_host((name.as_str(), stub.port)).await;
    if !found.is_ok_and(|mut all| all.all(private)) {
        eprintln!("SKIPPED: {name} does not lead to a private address outside 10/8 here");
        return;
    }
    let gateway = Gateway::start(with(openai(&stub.url().replace("127.0.0.1", &name)), closed)).await;
    let answer = gateway.post(DIALECTS[0].path, DIALECTS[0].body).await;
    assert!(matches!(answer.status(), 502 | 503), "{}", answer.text());
    assert!(stub.received().is_empty());
    let detail = gateway.logged(&answer.id()).await["error_detail"].to_string();
    assert!(detail.contains("allow_networks"), "the operator should learn which setting it is: {detail}");
    assert!(!answer.text().contains(&name), "{}", answer.text());
}
