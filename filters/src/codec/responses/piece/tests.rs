use super::super::event::{self, Event};
use super::*;
use proptest::prelude::*;

proptest! {
    /// A piece is written as any event is.
    #[test]
    fn pieces_are_events(
        sequence_number in any::<u64>(),
        item_id in any::<String>(),
        output_index in any::<usize>(),
        part in any::<usize>(),
        delta in any::<String>(),
    ) {
        let kinds = [
            (TEXT, "response.output_text.delta", Some("content_index")),
            (REFUSAL, "response.refusal.delta", Some("content_index")),
            (SUMMARY, "response.reasoning_summary_text.delta", Some("summary_index")),
            (ARGUMENTS, "response.function_call_arguments.delta", None),
            (INPUT, "response.custom_tool_call_input.delta", None),
        ];
        for (kind, name, member) in kinds {
            let at = |wanted: &str| member.filter(|m| *m == wanted).map(|_| part);
            let event = Event {
                r#type: name,
                sequence_number,
                item_id: Some(&item_id),
                content_index: at("content_index"),
                summary_index: at("summary_index"),
                delta: Some(&delta),
                logprobs: (name == "response.output_text.delta").then_some(&[]),
                ..Event::at(output_index)
            };
            let (mut fast, mut slow) = (BytesMut::new(), BytesMut::new());
            let place = Place::new(&item_id, output_index, member.map(|m| (m, part)));
            write(kind, sequence_number, &place, &delta, &mut fast);
            event::write(&event, &mut slow);
            prop_assert_eq!(fast, slow);
        }
    }
}
