//! Where a page begins: after the call with this instant and id.

use super::LogError;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fmt;
use std::str::FromStr;
use time::OffsetDateTime;
use uuid::Uuid;

/// An opaque position in the log, newest first. Its text form is URL-safe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cursor {
    pub(super) started_at: OffsetDateTime,
    pub(super) id: Uuid,
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 24];
        // Postgres keeps microseconds: that is all there is
        let micros = i64::try_from(self.started_at.unix_timestamp_nanos() / 1000).unwrap_or(i64::MAX);
        bytes[..8].copy_from_slice(&micros.to_be_bytes());
        bytes[8..].copy_from_slice(self.id.as_bytes());
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = LogError;

    fn from_str(text: &str) -> Result<Self, LogError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| LogError::BadCursor)?;
        let (micros, id) = bytes.split_first_chunk::<8>().ok_or(LogError::BadCursor)?;
        let nanos = i128::from(i64::from_be_bytes(*micros)) * 1000;
        Ok(Self {
            started_at: OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| LogError::BadCursor)?,
            id: Uuid::from_slice(id).map_err(|_| LogError::BadCursor)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_cursor_survives_its_text(micros in -30_000_000_000_000_000i64..250_000_000_000_000_000, id: u128) {
            let started_at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(micros) * 1000).unwrap();
            let cursor = Cursor { started_at, id: Uuid::from_u128(id) };
            prop_assert_eq!(cursor.to_string().parse::<Cursor>().unwrap(), cursor);
        }

        #[test]
        fn rubbish_is_an_error(text: String) {
            // 24 bytes of anything are a cursor, if their instant exists
            if text.len() != 32 {
                prop_assert!(text.parse::<Cursor>().is_err());
            }
        }
    }
}
