//! The cursor as text: the place of the last call that was seen. Opaque to clients, so that it can change.

use super::reader::Cursor;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use time::OffsetDateTime;
use uuid::Uuid;

/// The first byte says which form it is.
const FORM: u8 = 1;

pub(super) fn write(cursor: &Cursor) -> String {
    let mut bytes = vec![FORM];
    bytes.extend(cursor.started_at.unix_timestamp_nanos().to_be_bytes());
    bytes.extend(cursor.id.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(super) fn read(text: &str) -> Option<Cursor> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (form, rest) = bytes.split_first()?;
    let (at, id) = rest.split_at_checked(16)?;
    if *form != FORM {
        return None;
    }
    let at = i128::from_be_bytes(at.try_into().ok()?);
    Some(Cursor {
        started_at: OffsetDateTime::from_unix_timestamp_nanos(at).ok()?,
        id: Uuid::from_slice(id).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_it_was_and_rubbish_is_refused() {
        let cursor = Cursor { started_at: OffsetDateTime::now_utc(), id: Uuid::now_v7() };
        let text = write(&cursor);
        assert_eq!(read(&text), Some(cursor));
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'), "fits into a URL");
        for bad in ["", "x", "!!!!", &text[1..], &text[..text.len() - 2], &format!("{text}AAAA")] {
            assert_eq!(read(bad), None, "{bad}");
        }
        let far = [&[FORM][..], &i128::MAX.to_be_bytes(), &[0; 16]].concat();
        assert_eq!(read(&URL_SAFE_NO_PAD.encode(far)), None);
    }
}
