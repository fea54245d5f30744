//! Signatures that Anthropic's format has no place for: Gemini signs tool calls and texts, and wants the signatures
//! back. Through an Anthropic client they travel in an empty thinking block beside what they belong to, since clients
//! give thinking blocks back untouched. The wrapped signature's id says what it belongs to.

use crate::ir::block::{Thinking, ToolCall};
use crate::ir::{Block, Origin, Signature, block::Body};
use std::collections::HashMap;

const CALL: &str = "call:";
const TEXT: &str = "text:";

/// The text of a signature field that carries a call's signature.
pub(super) fn of_call(s: &Signature, call: &str) -> String {
    Signature { id: Some(format!("{CALL}{call}")), ..s.clone() }.wrap(Origin::Anthropic)
}

/// The same for the text block number `nth` of the message (counting texts only); None: an empty text, which is not
/// written at all.
pub(super) fn of_text(s: &Signature, nth: Option<usize>) -> String {
    let id = nth.map_or_else(|| TEXT.to_owned(), |n| format!("{TEXT}{n}"));
    Signature { id: Some(id), ..s.clone() }.wrap(Origin::Anthropic)
}

/// Brings carried signatures back to their blocks and takes the carriers out.
pub(super) fn attach(content: &mut Vec<Block>) {
    if !content.iter().any(|b| target(b).is_some()) {
        return;
    }
    let mut carried = Vec::new();
    let mut kept = Vec::with_capacity(content.len());
    for mut block in content.drain(..) {
        let Some(target) = target(&block).map(str::to_owned) else {
            kept.push(block);
            continue;
        };
        let Body::Thinking(Thinking { signature: Some(s), .. }) = &mut block.body else { continue };
        s.id = None;
        let signature = s.clone();
        if target == TEXT {
            block.body =
                Body::Text { text: String::new(), citations: Vec::new(), signature: Some(signature) };
            kept.push(block);
        } else {
            carried.push((target, signature));
        }
    }
    // Where calls and texts are: a request may hold as many carriers as blocks.
    let (mut calls, mut texts) = (HashMap::new(), Vec::new());
    for (i, b) in kept.iter().enumerate() {
        match &b.body {
            Body::ToolCall(c) => drop(calls.entry(c.id.clone()).or_insert(i)),
            Body::Text { text, .. } if !text.is_empty() => texts.push(i),
            _ => {}
        }
    }
    for (target, signature) in carried {
        let nth = |n: &str| texts.get(n.parse::<usize>().ok()?).copied();
        let at = match target.strip_prefix(CALL) {
            Some(id) => calls.get(id).copied(),
            None => target.strip_prefix(TEXT).and_then(nth),
        };
        match at.and_then(|at| kept.get_mut(at)).map(|b| &mut b.body) {
            Some(Body::ToolCall(ToolCall { signature: place, .. }) | Body::Text { signature: place, .. }) => {
                *place = Some(signature);
            }
            // The client dropped what it belonged to: it still proves something to its maker.
            _ => kept.push(Block::new(Body::Text {
                text: String::new(),
                citations: Vec::new(),
                signature: Some(signature),
            })),
        }
    }
    *content = kept;
}

/// What a carrier's signature belongs to; None: no carrier.
fn target(b: &Block) -> Option<&str> {
    let Body::Thinking(Thinking { text, redacted: false, signature: Some(s), .. }) = &b.body else {
        return None;
    };
    let id = s.id.as_deref()?;
    (text.is_empty() && (id.starts_with(CALL) || id.starts_with(TEXT))).then_some(id)
}
