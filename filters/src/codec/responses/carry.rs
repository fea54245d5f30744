//! What a Responses client must carry from turn to turn for another vendor, sealed in the `encrypted_content` of
//! reasoning items: the one field that clients (Codex, the SDKs) send back unread.
//!
//! A thought of another vendor is its own reasoning item. Things that are no thoughts but must come back verbatim all
//! the same get a reasoning item of their own beside them: Gemini's signature of a call or a text, the blocks of
//! another vendor's server tools. What it is stands in [`Signature::id`], which those vendors do not use.

use crate::ir::block::{Body, ServerKind, Thinking, ToolCall};
use crate::ir::{Block, Origin, Raw, Signature};
use std::borrow::Cow;

const CALL: &str = "call:";
const TEXT: &str = "text:";
const SERVER: &str = "server:";
const OPAQUE: &str = "opaque:";
const REDACTED: &str = "redacted";

/// What a reasoning item turned out to be.
#[derive(Debug)]
pub(super) enum Found {
    /// A thought.
    Thinking(Thinking),
    /// The signature of the call with this id.
    OfCall(String, Signature),
    /// The signature of the text before it.
    OfText(Signature),
    /// A block that this format has no words for.
    Block(Body),
}

/// Is it a thought of OpenAI's own?
fn native(s: &Signature) -> bool {
    s.origin == Origin::OpenAi
}

fn kind_word(kind: ServerKind) -> &'static str {
    match kind {
        ServerKind::WebSearch => "web_search",
        ServerKind::WebFetch => "web_fetch",
        ServerKind::CodeExecution => "code_execution",
        ServerKind::Other => "other",
    }
}

fn kind_of(word: &str) -> ServerKind {
    [ServerKind::WebSearch, ServerKind::WebFetch, ServerKind::CodeExecution]
        .into_iter()
        .find(|k| kind_word(*k) == word)
        .unwrap_or(ServerKind::Other)
}

fn seal(s: &Signature, id: String) -> String {
    Signature { id: Some(id), ..s.clone() }.wrap(Origin::OpenAi)
}

/// `encrypted_content` of a thought's item. None: OpenAI's own item without one (it is stored there).
pub(super) fn thinking(t: &Thinking) -> Option<Cow<'_, str>> {
    match &t.signature {
        Some(s) if native(s) => Some(s.value.as_str()).filter(|v| !v.is_empty()).map(Cow::Borrowed),
        Some(s) if t.redacted => Some(seal(s, REDACTED.to_owned()).into()),
        Some(s) => Some(s.wrap(Origin::OpenAi).into()),
        // Unsigned: marked all the same, or it would come back as an item stored at OpenAI.
        None => Some(Signature::new(Origin::Other, "").wrap(Origin::OpenAi).into()),
    }
}

/// The item that carries a call's signature.
pub(super) fn of_call(call: &ToolCall) -> Option<String> {
    call.signature.as_ref().map(|s| seal(s, format!("{CALL}{}", call.id)))
}

/// The item that carries a text's signature.
pub(super) fn of_text(s: &Signature) -> String {
    seal(s, TEXT.to_owned())
}

/// The item that carries a block of another vendor. None: it is OpenAI's, or needs none.
pub(super) fn of_block(body: &Body) -> Option<String> {
    let (origin, raw, id) = match body {
        Body::Server { kind, origin, raw } => (origin, raw, format!("{SERVER}{}", kind_word(*kind))),
        Body::Opaque { origin, name, raw } => (origin, raw, format!("{OPAQUE}{name}")),
        _ => return None,
    };
    (*origin != Origin::OpenAi).then(|| seal(&Signature::new(*origin, raw.text()), id))
}

/// Opens a reasoning item: its `id`, `encrypted_content`, parts of its summary, its raw thought.
pub(super) fn open(id: Option<String>, sealed: Option<&str>, summary: Vec<String>, text: String) -> Found {
    let Some(sealed) = sealed else {
        let signature = id.map(|id| Signature { id: Some(id), ..Signature::new(Origin::OpenAi, "") });
        return Found::Thinking(Thinking { text, summary, signature, redacted: false });
    };
    let mut s = Signature::unwrap(sealed, Origin::OpenAi);
    if native(&s) {
        s.id = s.id.or(id);
        return Found::Thinking(Thinking { text, summary, signature: Some(s), redacted: false });
    }
    if let Some(what) = s.id.take() {
        if let Some(call) = what.strip_prefix(CALL) {
            return Found::OfCall(call.to_owned(), s);
        }
        if what == TEXT {
            return Found::OfText(s);
        }
        let raw = || Raw::parse(&s.value).ok();
        if let Some(kind) = what.strip_prefix(SERVER)
            && let Some(raw) = raw()
        {
            return Found::Block(Body::Server { kind: kind_of(kind), origin: s.origin, raw });
        }
        if let Some(name) = what.strip_prefix(OPAQUE)
            && let Some(raw) = raw()
        {
            return Found::Block(Body::Opaque { origin: s.origin, name: name.to_owned(), raw });
        }
        if what != REDACTED {
            s.id = Some(what);
        } else {
            let signature = Some(s);
            return Found::Thinking(Thinking { signature, redacted: true, ..Thinking::default() });
        }
    }
    // Another vendor's thought is one text; the signature covers it, so it must come back as it was.
    let text = if summary.is_empty() { text } else { summary.join("\n\n") };
    let signature = Some(s).filter(|s| !s.value.is_empty());
    Found::Thinking(Thinking { text, summary: Vec::new(), signature, redacted: false })
}

/// Puts a signature where it belongs: at the call with its id, wherever it stands.
pub(super) fn sign_call<'a>(blocks: impl Iterator<Item = &'a mut Block>, id: &str, signature: &Signature) {
    for block in blocks {
        if let Body::ToolCall(call) = &mut block.body
            && call.id == id
        {
            call.signature = Some(signature.clone());
        }
    }
}

/// Puts a signature at the last text; gives it back if there is none.
pub(super) fn sign_text<'a>(
    blocks: impl DoubleEndedIterator<Item = &'a mut Block>,
    s: Signature,
) -> Option<Signature> {
    let last = blocks.rev().find_map(|b| match &mut b.body {
        Body::Text { signature, .. } => Some(signature),
        _ => None,
    });
    match last {
        Some(signature) => {
            *signature = Some(s);
            None
        }
        None => Some(s),
    }
}
