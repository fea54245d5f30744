//! Records in a segment: `marker │ length │ CRC-32 │ JSON`.
//!
//! The marker holds bytes that never occur in UTF-8, so it cannot occur in the JSON: after a damaged place the next
//! marker is the next frame, whatever the damaged length says. The CRC covers length and JSON.

use crate::call::CallRecord;

const MARKER: [u8; 4] = [0xF5, b'S', b'P', 0xFA];
const HEAD: usize = MARKER.len() + 4 + 4;
/// Longest JSON of a record. A length beyond it is damage.
pub(super) const MAX: usize = 1 << 20;
/// An error's story is cut to this many bytes: a provider's HTML page is no story.
const DETAIL: usize = 16 << 10;

/// Appends a record to the buffer; false (and nothing appended) if it cannot be kept.
pub(super) fn encode(record: &mut CallRecord, into: &mut Vec<u8>) -> bool {
    if let Some(detail) = &mut record.error_detail
        && detail.len() > DETAIL
    {
        detail.truncate(detail.floor_char_boundary(DETAIL));
    }
    let start = into.len();
    into.extend_from_slice(&MARKER);
    into.extend_from_slice(&[0; 8]);
    let written = serde_json::to_writer(&mut *into, record);
    let body = start + HEAD;
    let len = into.len() - body;
    let Some(len32) = u32::try_from(len).ok().filter(|_| written.is_ok() && len <= MAX) else {
        into.truncate(start);
        return false;
    };
    let crc = checksum(len32, &into[body..]);
    into[start + 4..start + 8].copy_from_slice(&len32.to_le_bytes());
    into[start + 8..body].copy_from_slice(&crc.to_le_bytes());
    true
}

fn checksum(len: u32, body: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&len.to_le_bytes());
    hasher.update(body);
    hasher.finalize()
}

/// What the bytes begin with.
#[derive(Debug, PartialEq)]
pub(super) enum Next<'a> {
    /// A whole frame: its JSON, and the bytes it takes.
    Frame(&'a [u8], usize),
    /// Damage: so many bytes to the next marker (or the end).
    Damaged(usize),
    /// The beginning of a frame; the rest is not there.
    Partial,
    /// Nothing.
    Empty,
}

/// Looks at the beginning of the bytes.
pub(super) fn next(bytes: &[u8]) -> Next<'_> {
    if bytes.is_empty() {
        return Next::Empty;
    }
    let shared = bytes.len().min(MARKER.len());
    if bytes[..shared] != MARKER[..shared] {
        return Next::Damaged(to_marker(bytes));
    }
    let Some(head) = bytes.get(..HEAD) else { return Next::Partial };
    let len = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    let crc = u32::from_le_bytes([head[8], head[9], head[10], head[11]]);
    let length = len as usize;
    if length > MAX {
        return Next::Damaged(to_marker(bytes));
    }
    match bytes.get(HEAD..HEAD + length) {
        Some(body) if checksum(len, body) == crc => Next::Frame(body, HEAD + length),
        Some(_) => Next::Damaged(to_marker(bytes)),
        // The length may be the damaged part: a marker in what is there says so, as JSON holds none.
        None => match find(&bytes[1..]) {
            Some(at) => Next::Damaged(1 + at),
            None => Next::Partial,
        },
    }
}

/// Bytes up to the next marker after this place. A marker that is cut off at the end counts.
fn to_marker(bytes: &[u8]) -> usize {
    find(&bytes[1..]).map_or_else(
        || {
            let cut = (1..MARKER.len()).rev().find(|n| bytes.len() > *n && bytes.ends_with(&MARKER[..*n]));
            bytes.len() - cut.unwrap_or(0)
        },
        |at| 1 + at,
    )
}

fn find(bytes: &[u8]) -> Option<usize> {
    bytes.windows(MARKER.len()).position(|window| window == MARKER)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::call;
    use proptest::prelude::*;

    /// Reads like the shipper: records, and the damaged places in between.
    fn read(mut bytes: &[u8]) -> (Vec<CallRecord>, usize) {
        let (mut records, mut damaged) = (Vec::new(), 0);
        loop {
            match next(bytes) {
                Next::Frame(body, len) => {
                    records.push(serde_json::from_slice(body).unwrap());
                    bytes = &bytes[len..];
                }
                Next::Damaged(len) => {
                    assert!(len > 0 && len <= bytes.len());
                    damaged += 1;
                    bytes = &bytes[len..];
                }
                Next::Partial => return (records, damaged + 1),
                Next::Empty => return (records, damaged),
            }
        }
    }

    fn frames(n: usize) -> (Vec<CallRecord>, Vec<u8>, Vec<usize>) {
        let mut bytes = Vec::new();
        let mut ends = Vec::new();
        let records: Vec<CallRecord> = (0..n)
            .map(|n| {
                let mut record = call();
                record.error_detail = Some(format!("étage {n}"));
                assert!(encode(&mut record, &mut bytes));
                ends.push(bytes.len());
                record
            })
            .collect();
        (records, bytes, ends)
    }

    #[test]
    fn what_goes_in_comes_out() {
        let (records, bytes, _) = frames(3);
        assert_eq!(read(&bytes), (records, 0));
    }

    #[test]
    fn what_is_too_large_is_cut_or_refused_and_leaves_no_trace() {
        let mut bytes = vec![1, 2, 3];
        let mut record = call();
        record.error_detail = Some("é".repeat(1 << 20));
        assert!(encode(&mut record, &mut bytes));
        assert!(bytes.len() < 2 * DETAIL);
        bytes.truncate(3);
        record.user_agent = Some("x".repeat(MAX));
        assert!(!encode(&mut record, &mut bytes));
        assert_eq!(bytes, [1, 2, 3]);
    }

    proptest! {
        #[test]
        fn a_cut_anywhere_keeps_all_records_before_it(at: proptest::sample::Index) {
            let (records, mut bytes, ends) = frames(4);
            let at = at.index(bytes.len() + 1);
            bytes.truncate(at);
            let whole = ends.iter().filter(|end| **end <= at).count();
            let (read, damaged) = read(&bytes);
            prop_assert_eq!(&read[..], &records[..whole]);
            prop_assert!(damaged <= 1);
        }

        #[test]
        fn a_flipped_bit_costs_one_record(at: proptest::sample::Index, bit in 0u8..8) {
            let (records, mut bytes, ends) = frames(4);
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
            let hit = ends.iter().filter(|end| **end <= at).count();
            let mut left = records;
            left.remove(hit);
            let (read, damaged) = read(&bytes);
            prop_assert_eq!(read, left);
            prop_assert!((1..=2).contains(&damaged), "{}", damaged);
        }

        #[test]
        fn rubbish_ends(bytes: Vec<u8>) {
            read(&bytes);
        }
    }
}
