//! Thoughts of a history.
//!
//! A streamed thought comes in pieces, of which the last one is signed, for all of them. Clients give the pieces back as
//! they came: as parts of one content, or each in a content of its own, as the chats of Google's SDKs remember them. Who
//! signed it knows only the whole.

use crate::ir::block::{Block, Body, Thinking};
use crate::ir::{Message, Role};

/// The blocks of the model's next message with the pieces of each thought joined. `before`: what was said so far; a
/// thought that was begun there is taken out of it.
pub(super) fn joined(before: &mut Vec<Message>, content: Vec<Block>) -> Vec<Block> {
    let mut out: Vec<Block> = Vec::with_capacity(content.len());
    for (n, mut block) in content.into_iter().enumerate() {
        // What is sealed as a whole has no pieces.
        if let Body::Thinking(thought) = &mut block.body
            && !thought.redacted
        {
            let begun = if n == 0 { begun_before(before) } else { out.pop_if(|b| piece(b).is_some()) };
            if let Some(Block { body: Body::Thinking(piece), at, .. }) = begun {
                thought.text.insert_str(0, &piece.text);
                block.at = at;
            }
        }
        out.push(block);
    }
    out
}

/// The thought that the last message ends with, if its end is still to come.
fn begun_before(before: &mut Vec<Message>) -> Option<Block> {
    let last = before.last_mut().filter(|m| m.role == Role::Assistant)?;
    let begun = last.content.pop_if(|b| piece(b).is_some());
    if begun.is_some() && last.content.is_empty() {
        before.pop();
    }
    begun
}

/// A thought without a signature.
fn piece(block: &mut Block) -> Option<&Thinking> {
    match &block.body {
        Body::Thinking(thought) if thought.signature.is_none() => Some(thought),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::codec::gemini::decode_request;
    use crate::ir::Origin;
    use crate::ir::block::Body;

    /// What each assistant message thinks: text and whether it is signed.
    fn thoughts(contents: &str) -> Vec<Vec<(String, bool)>> {
        let body = format!(r#"{{"contents":[{{"role":"user","parts":[{{"text":"q"}}]}},{contents}]}}"#);
        let c = decode_request(body.as_bytes(), "m", false).unwrap();
        let told = c.messages.into_iter().skip(1).map(|m| {
            let all = m.content.into_iter().filter_map(|b| match b.body {
                Body::Thinking(t) => Some((t.text, t.signature.is_some_and(|s| s.origin == Origin::Google))),
                _ => None,
            });
            all.collect()
        });
        told.collect()
    }

    #[test]
    fn pieces_are_joined_up_to_the_signature() {
        let (a, b) = (r#"{"text":"a ","thought":true}"#, r#"{"text":"b","thought":true}"#);
        let seal = r#"{"text":"","thought":true,"thoughtSignature":"c2ln"}"#;
        let call = r#"{"functionCall":{"name":"f","args":{}}}"#;
        let one = format!(r#"{{"role":"model","parts":[{a},{b},{seal},{call},{a}]}}"#);
        assert_eq!(thoughts(&one), [[("a b".to_owned(), true), ("a ".to_owned(), false)]]);
        let content = |part: &str| format!(r#"{{"role":"model","parts":[{part}]}}"#);
        let apart = [a, b, seal, call].map(content).join(",");
        assert_eq!(thoughts(&apart), [vec![("a b".to_owned(), true)], vec![]]);
        let signed_twice = [a, seal, seal].map(content).join(",");
        assert_eq!(thoughts(&signed_twice), [[("a ".to_owned(), true)], [(String::new(), true)]]);
        let spoken = format!(r#"{},{},{}"#, content(a), content(r#"{"text":"said"}"#), content(seal));
        assert_eq!(thoughts(&spoken), [vec![("a ".to_owned(), false)], vec![], vec![(String::new(), true)]]);
    }
}
