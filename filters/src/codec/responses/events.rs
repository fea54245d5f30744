//! Events of a response that is made in the background: kept as they are, so that a client that left may have them again
//! under the same numbers. Sources: <https://platform.openai.com/docs/guides/background>,
//! <https://platform.openai.com/docs/api-reference/responses/get>.

use crate::codec::DecodeError;
use bytes::{BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use std::borrow::Cow;

/// All events of a response, in their order: the JSON of each.
#[derive(Debug, Deserialize, Serialize)]
#[serde(transparent)]
pub struct Events(Vec<Box<RawValue>>);

impl Events {
    /// Those of `data`.
    pub fn new<'a>(data: impl Iterator<Item = &'a Bytes>) -> Self {
        Self(data.filter_map(|d| serde_json::from_slice(d).ok()).collect())
    }

    /// What [`Events::to_bytes`] has written.
    ///
    /// # Errors
    /// It is something else.
    pub fn from_bytes(kept: &[u8]) -> Result<Self, DecodeError> {
        serde_json::from_slice(kept).map_err(|e| DecodeError::new("", e.to_string()))
    }

    /// As they are kept.
    pub fn to_bytes(&self) -> Vec<u8> {
        // Raw JSON always serialises.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Those from `number` on, as a stream.
    pub fn from(&self, number: u64) -> Bytes {
        let mut out = BytesMut::new();
        for data in self.0.iter().skip(usize::try_from(number).unwrap_or(usize::MAX)) {
            event(data.get().as_bytes(), &mut out);
        }
        out.freeze()
    }
}

/// Writes an event whose JSON is `data`.
pub fn event(data: &[u8], out: &mut BytesMut) {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow)]
        r#type: Cow<'a, str>,
    }
    if let Ok(Typed { r#type }) = serde_json::from_slice::<Typed<'_>>(data) {
        out.put_slice(b"event: ");
        out.put_slice(r#type.as_bytes());
        out.put_u8(b'\n');
    }
    out.put_slice(b"data: ");
    out.put_slice(data);
    out.put_slice(b"\n\n");
}

/// The JSON of an event that tells how the whole response stands: `kind` is `response.created`, `response.queued`, or
/// `response.` with its last status.
pub fn state(kind: &str, sequence_number: u64, response: &[u8]) -> Bytes {
    #[derive(Serialize)]
    struct State<'a> {
        r#type: &'a str,
        sequence_number: u64,
        response: &'a RawValue,
    }
    let response = serde_json::from_slice::<&RawValue>(response).unwrap_or(RawValue::NULL);
    // Strings, numbers and raw JSON always serialise.
    serde_json::to_vec(&State { r#type: kind, sequence_number, response }).unwrap_or_default().into()
}

/// Does an event of this kind end a response's stream?
pub fn ends(kind: &[u8]) -> bool {
    matches!(
        kind,
        b"response.completed" | b"response.incomplete" | b"response.failed" | b"response.cancelled"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_back_as_they_were() {
        let data = [state("response.created", 0, b"{\"id\": 1}"), state("response.completed", 1, b"{}")];
        let kept = Events::from_bytes(&Events::new(data.iter()).to_bytes()).unwrap();
        let second = "event: response.completed\ndata: {\"type\":\"response.completed\",\"sequence_number\":1,\"response\":{}}\n\n";
        let first = "event: response.created\ndata: {\"type\":\"response.created\",\"sequence_number\":0,\"response\":{\"id\": 1}}\n\n";
        assert_eq!(kept.from(0), format!("{first}{second}"));
        assert_eq!(kept.from(1), second);
        assert_eq!(kept.from(2), "");
        assert!(Events::from_bytes(b"{}").is_err());
    }
}
