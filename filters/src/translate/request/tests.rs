use super::*;

fn lost(fields: &[&str]) -> Losses {
    let mut losses = Losses::default();
    for field in fields {
        losses.add(*field, "no such field");
    }
    losses
}

#[test]
fn claude_codes_context_management_stops_no_call() {
    let named = settle(lost(&["context_management", "speed"]), Wire::Messages, false, "p").unwrap();
    assert_eq!(named, ["context_management", "speed"], "but it is named");
    assert!(settle(lost(&["inference_geo"]), Wire::Messages, false, "p").is_err());
    assert!(settle(lost(&["context_management"]), Wire::Chat, false, "p").is_err(), "Chat has none");
}

/// vLLM and Ollama read thoughts of earlier turns as `reasoning` only; hosted services refuse a name that they do not
/// know (`Extra inputs are not permitted, field: 'messages[2].reasoning'`).
#[test]
fn a_server_of_ones_own_gets_thoughts_under_both_names() {
    for host in [
        "localhost",
        "127.0.0.1",
        "10.1.2.3",
        "[::1]",
        "vllm",
        "vllm.models.svc.cluster.local",
        "gpu.internal",
    ] {
        assert_eq!(compatible(host).thoughts, Thoughts::Both, "{host}");
    }
    for host in ["api.fireworks.ai", "api.moonshot.ai", "local.example", "10.1.2.3.example"] {
        assert_eq!(compatible(host).thoughts, Thoughts::Content, "{host}");
    }
    assert_eq!(compatible("api.mistral.ai").thoughts, Thoughts::Parts);
}
