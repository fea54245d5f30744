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
