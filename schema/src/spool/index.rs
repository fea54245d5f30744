//! What is in which segment, and how far it has been shipped. Writer and shipper share it under a lock that neither
//! holds while doing I/O.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

/// One segment file.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Segment {
    /// Number; segments are shipped in this order.
    pub(super) seq: u64,
    /// Bytes of whole frames.
    pub(super) len: u64,
    /// Records in it.
    pub(super) records: u64,
    /// Bytes that were shipped.
    pub(super) shipped_to: u64,
    /// Records that were shipped.
    pub(super) shipped: u64,
    /// Nothing more will be written to it.
    pub(super) closed: bool,
}

impl Segment {
    pub(super) fn new(seq: u64) -> Self {
        Self { seq, len: 0, records: 0, shipped_to: 0, shipped: 0, closed: false }
    }

    fn backlog(&self) -> u64 {
        self.records.saturating_sub(self.shipped)
    }
}

/// File of a segment.
pub(super) fn path(dir: &Path, seq: u64) -> PathBuf {
    dir.join(format!("{seq:016}.seg"))
}

/// Number of a segment file.
pub(super) fn seq(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?;
    name.strip_suffix(".seg").filter(|n| n.len() == 16)?.parse().ok()
}

/// All segments, oldest first.
#[derive(Debug, Default)]
pub(super) struct Index {
    segments: VecDeque<Segment>,
    /// The segment that is being shipped at this moment: not to be dropped.
    in_flight: Option<u64>,
    /// Number of the next segment.
    next: u64,
}

impl Index {
    /// `next` is above every number that was ever given, or the noted position would take a new segment for an old one.
    pub(super) fn new(segments: Vec<Segment>, next: u64) -> Self {
        Self { segments: segments.into(), in_flight: None, next }
    }

    pub(super) fn bytes(&self) -> u64 {
        self.segments.iter().map(|s| s.len).sum()
    }

    pub(super) fn backlog(&self) -> u64 {
        self.segments.iter().map(Segment::backlog).sum()
    }

    /// Closes the open segment and gives the number for a new one, which is entered by [`opened`](Self::opened).
    pub(super) fn roll(&mut self) -> u64 {
        self.close();
        self.next += 1;
        self.next - 1
    }

    /// A new segment exists.
    pub(super) fn opened(&mut self, seq: u64) {
        self.segments.push_back(Segment::new(seq));
    }

    /// Nothing more comes for now.
    pub(super) fn close(&mut self) {
        if let Some(last) = self.segments.back_mut() {
            last.closed = true;
        }
    }

    /// Whether this is the segment to write to. (Not if its file was found to be gone.)
    pub(super) fn is_open(&self, seq: u64) -> bool {
        self.segments.back().is_some_and(|last| last.seq == seq && !last.closed)
    }

    /// Frames were written to the open segment: where they begin; None if it is gone, and they with it.
    pub(super) fn wrote(&mut self, seq: u64, bytes: u64, records: u64) -> Option<u64> {
        let last = self.segments.back_mut().filter(|last| last.seq == seq)?;
        let from = last.len;
        last.len += bytes;
        last.records += records;
        Some(from)
    }

    /// The next stretch to ship: number, from, to. It counts as in flight until [`arrived`](Self::arrived).
    pub(super) fn depart(&mut self) -> Option<(u64, u64, u64)> {
        let segment = self.segments.iter().find(|s| s.shipped_to < s.len)?;
        self.in_flight = Some(segment.seq);
        Some((segment.seq, segment.shipped_to, segment.len))
    }

    /// It did not get there: to be sent again.
    pub(super) fn stranded(&mut self) {
        self.in_flight = None;
    }

    /// What departed has been dealt with up to `to`; `records` of it were readable.
    pub(super) fn arrived(&mut self, seq: u64, to: u64, records: u64) {
        self.in_flight = None;
        if let Some(segment) = self.segments.iter_mut().find(|s| s.seq == seq) {
            segment.shipped_to = to;
            segment.shipped += records;
            if segment.shipped_to >= segment.len {
                // damaged records were counted by the scan of their intact neighbours only
                segment.shipped = segment.records;
            }
        }
    }

    /// Takes out what is finished: closed segments of which all was shipped.
    pub(super) fn take_finished(&mut self) -> Vec<u64> {
        let mut finished = Vec::new();
        while let Some(first) = self.segments.front()
            && first.closed
            && first.shipped_to >= first.len
        {
            finished.push(first.seq);
            self.segments.pop_front();
        }
        finished
    }

    /// Takes out a segment whose file is gone; the records that were lost with it.
    pub(super) fn lost(&mut self, seq: u64) -> u64 {
        self.in_flight = None;
        let Some(at) = self.segments.iter().position(|s| s.seq == seq) else { return 0 };
        self.segments.remove(at).map_or(0, |s| s.backlog())
    }

    /// Takes out the oldest segment that may go (closed, not in flight), if there is one and the bound is passed:
    /// its number, and the records that are lost.
    pub(super) fn drop_oldest(&mut self, max_bytes: u64) -> Option<(u64, u64)> {
        if self.bytes() <= max_bytes {
            return None;
        }
        let at = self.segments.iter().position(|s| s.closed && self.in_flight != Some(s.seq))?;
        self.segments.remove(at).map(|s| (s.seq, s.backlog()))
    }

    /// Where shipping goes on after a restart.
    pub(super) fn position(&self) -> (u64, u64) {
        self.segments
            .iter()
            .find(|s| s.shipped_to < s.len || !s.closed)
            .map_or((self.next, 0), |s| (s.seq, s.shipped_to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_closed_segment_goes_unless_it_is_under_way() {
        let mut index = Index::default();
        for _ in 0..3 {
            let seq = index.roll();
            index.opened(seq);
            assert!(index.is_open(seq) && index.wrote(seq, 100, 10) == Some(0));
        }
        assert_eq!((index.bytes(), index.backlog()), (300, 30));
        assert_eq!(index.drop_oldest(300), None);
        assert_eq!(index.depart(), Some((0, 0, 100)));
        assert_eq!(index.drop_oldest(250), Some((1, 10)), "the first is in flight");
        assert_eq!(index.drop_oldest(150), None, "the last is open");
        index.arrived(0, 40, 4);
        assert_eq!(index.position(), (0, 40));
        assert_eq!(index.drop_oldest(150), Some((0, 6)));
        assert_eq!(index.position(), (2, 0));
    }

    #[test]
    fn names_of_files() {
        let file = path(Path::new("/x"), 42);
        assert_eq!(seq(&file), Some(42));
        for other in ["/x/position", "/x/1.seg", "/x/00000000000000x2.seg"] {
            assert_eq!(seq(Path::new(other)), None);
        }
    }
}
