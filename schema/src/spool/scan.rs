//! What an earlier run left: counted, and its torn tail cut off.

use super::frame::{self, Next};
use super::index::{Segment, path};
use super::stats::SpoolStats;
use super::{SpoolError, lane, position};
use std::fs::OpenOptions;
use std::path::Path;
use std::sync::atomic::Ordering;

/// Reads all segments of the lane. Finished ones are deleted.
pub(super) fn scan(lane: &Path, stats: &SpoolStats) -> Result<Vec<Segment>, SpoolError> {
    let (first, offset) = position::read(lane).unwrap_or((0, 0));
    let mut segments = Vec::new();
    for seq in lane::segments(lane)? {
        let file = path(lane, seq);
        let failed = |what| move |source| SpoolError::Io { what, path: path(lane, seq), source };
        if seq < first {
            std::fs::remove_file(&file).map_err(failed("remove"))?;
            continue;
        }
        let shipped_to = if seq == first { offset } else { 0 };
        let bytes = std::fs::read(&file).map_err(failed("read"))?;
        let segment = count(seq, &bytes, shipped_to);
        let torn = bytes.len() as u64 - segment.len;
        if torn > 0 {
            tracing::warn!(segment = seq, bytes = torn, "cut off the torn end of a spool segment");
            stats.torn_bytes.fetch_add(torn, Ordering::Relaxed);
            let cut = OpenOptions::new().write(true).open(&file).and_then(|f| f.set_len(segment.len));
            cut.map_err(failed("cut"))?;
        }
        if segment.shipped_to >= segment.len {
            std::fs::remove_file(&file).map_err(failed("remove"))?;
        } else {
            segments.push(segment);
        }
    }
    Ok(segments)
}

/// Counts whole frames; the segment ends with the last one.
fn count(seq: u64, bytes: &[u8], shipped_to: u64) -> Segment {
    let mut segment = Segment { closed: true, ..Segment::new(seq) };
    let mut at = 0;
    loop {
        match frame::next(&bytes[at..]) {
            Next::Frame(_, len) => {
                at += len;
                segment.records += 1;
                segment.len = at as u64;
                if segment.len <= shipped_to {
                    segment.shipped += 1;
                    segment.shipped_to = segment.len;
                }
            }
            Next::Damaged(len) => at += len,
            Next::Partial | Next::Empty => return segment,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::call;

    #[test]
    fn a_torn_tail_is_cut_and_the_rest_counted() {
        let dir = tempfile::tempdir().unwrap();
        let mut bytes = Vec::new();
        let mut first = 0;
        for _ in 0..3 {
            assert!(frame::encode(&mut call(), &mut bytes));
            first = if first == 0 { bytes.len() as u64 } else { first };
        }
        let whole = bytes.len() as u64;
        bytes.extend_from_within(..20);
        std::fs::write(path(dir.path(), 5), &bytes).unwrap();
        std::fs::write(path(dir.path(), 4), "long shipped").unwrap();
        position::write(dir.path(), (5, first)).unwrap();
        let stats = SpoolStats::default();
        let segments = scan(dir.path(), &stats).unwrap();
        assert_eq!(segments.len(), 1);
        assert_eq!((segments[0].len, segments[0].records, segments[0].shipped), (whole, 3, 1));
        assert_eq!(stats.torn_bytes.load(Ordering::Relaxed), 20);
        assert_eq!(std::fs::metadata(path(dir.path(), 5)).unwrap().len(), whole);
        assert!(!path(dir.path(), 4).exists());
    }

    #[test]
    fn rubbish_in_a_file_is_no_reason_not_to_start() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(path(dir.path(), 1), [0xF5; 1000]).unwrap();
        std::fs::write(dir.path().join("position"), "x y z").unwrap();
        assert_eq!(scan(dir.path(), &SpoolStats::default()).unwrap(), []);
    }
}
