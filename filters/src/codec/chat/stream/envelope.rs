//! What all chunks of a stream begin with: id, model, time and the like, word by word the same up to `choices`. It is most
//! of a chunk, and it is read once.

use super::Chunk;

const CHOICES: &str = "\"choices\":";
/// Chunks in a row with another beginning each, after which it is given up.
const PATIENCE: u8 = 4;

/// The beginning that is known.
#[derive(Debug, Default)]
pub(super) struct Envelope {
    /// A chunk up to and with `"choices":`. Nothing in it counts for a stream that has begun.
    head: String,
    misses: u8,
}

impl Envelope {
    /// Reads a chunk with the known beginning, of which only what comes after it; None: it begins otherwise, or must be
    /// read whole. `scratch` holds what is behind the choices.
    pub(super) fn open<'a>(&mut self, data: &'a str, scratch: &'a mut String) -> Option<Chunk<'a>> {
        let rest = data.strip_prefix(self.head.as_str()).filter(|_| !self.head.is_empty())?;
        let mut values = serde_json::Deserializer::from_str(rest).into_iter();
        let choices = values.next()?.ok()?;
        let mut chunk = match rest.get(values.byte_offset()..)?.trim_ascii() {
            "}" | ",\"usage\":null}" => Chunk::default(),
            more => {
                scratch.push('{');
                // A member must follow: of a comma alone an object would be made.
                scratch.push_str(more.strip_prefix(',').filter(|m| m.trim_ascii_start().starts_with('"'))?);
                serde_json::from_str(scratch).ok().filter(|c: &Chunk<'_>| c.choices.is_none())?
            }
        };
        chunk.choices = Some(choices);
        self.misses = 0;
        Some(chunk)
    }

    /// Learns the beginning of a chunk that was read whole.
    pub(super) fn learn(&mut self, data: &str, chunk: &Chunk<'_>) {
        if self.misses >= PATIENCE || chunk.choices.is_none() {
            return;
        }
        self.misses += 1;
        self.head.clear();
        let Some(at) = memchr::memmem::find(data.as_bytes(), CHOICES.as_bytes()) else { return };
        let Some(head) = data.get(..at + CHOICES.len()) else { return };
        // Is it the chunk's own member? In a text or further inside, this would not be the whole of an object.
        let alone = format!("{head}[]}}");
        let Ok(alone) = serde_json::from_str::<Chunk<'_>>(&alone) else { return };
        if alone.usage.is_none() && alone.error.is_none() && alone.x_groq.is_none() {
            self.head.push_str(head);
        }
    }
}

#[cfg(test)]
mod tests;
