//! An error before the first word is told as if the head had said so: the next candidate can still be asked.

use super::call::Upstream;
use super::data::Answers;
use sallyport_filters::codec::Wire;
use sallyport_filters::translate::{self, First};

#[test]
fn an_error_right_after_the_beginning_is_the_heads() {
    // How many events of the `text` case say only that an answer begins.
    for (name, opening) in
        [("compatible", 1), ("azure", 2), ("responses", 2), ("messages", 1), ("gemini", 0), ("converse", 1)]
    {
        let up = Upstream::new(name);
        let answers = Answers::of(name, up.wire);
        let mut events = answers.events("text").unwrap()[..opening].to_vec();
        if up.wire == Wire::Chat {
            // Groq and OpenRouter tell it from the first piece on, as Anthropic does.
            events.iter_mut().for_each(|e| e["service_tier"] = "default".into());
        }
        let back = || up.back(if up.wire == Wire::Messages { Wire::Chat } else { Wire::Messages });
        assert!(matches!(translate::first(back(), &[answers.bytes(&events)]), First::NeedMore), "{name}");
        events.push(answers.events("broken").unwrap().last().unwrap().clone());
        let told = translate::first(back(), &[answers.bytes(&events)]);
        assert!(matches!(told, First::Error { .. }), "{name}: {told:?}");
        // A word has been said: it is too late.
        let told = translate::first(back(), &[answers.stream("broken").unwrap()]);
        assert!(matches!(told, First::Fine), "{name}: {told:?}");
    }
}
