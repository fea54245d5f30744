use super::*;

/// A client is told of its own field, whatever the encoder calls it.
#[test]
fn each_front_has_its_own_words() {
    for (front, field, own) in [
        (Wire::Responses, "reasoning.summary", "reasoning.summary"),
        (Wire::Messages, "reasoning.summary", "thinking.display"),
        (Wire::Gemini, "reasoning.summary", "generationConfig.thinkingConfig.includeThoughts"),
        (Wire::Responses, "service_tier", "service_tier"),
        (Wire::Gemini, "service_tier", "serviceTier"),
        (Wire::Chat, "messages[0].content[1].detail", "messages[0].content[1].image_url.detail"),
        (Wire::Responses, "input[0].content[1].detail", "input[0].content[1].detail"),
        (Wire::Gemini, "contents[0].parts[1].detail", "contents[0].parts[1].mediaResolution"),
        (Wire::Responses, "input[1].signature", "input[1].encrypted_content"),
        (Wire::Messages, "messages.1.content.0.signature", "messages.1.content.0.signature"),
        (Wire::Chat, "messages[0].content[0].name", "messages[0].content[0].file.filename"),
    ] {
        assert_eq!(of_front(front, field), own, "{front:?} {field}");
    }
}
