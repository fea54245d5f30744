//! What the writer wrote last, still in memory: as long as the store keeps up, the shipper takes records from here and
//! nothing is read back from the disk and decoded. What is missing here (the store was away, the process began anew)
//! is read from the segments: this is a short cut, never the only copy.

use crate::call::CallRecord;
use std::collections::VecDeque;

/// Records that are kept; beyond that the oldest are forgotten. (About 1 MB.)
const MOST: usize = 2048;

/// A record that was written, and where in which segment it stands.
#[derive(Debug)]
struct Entry {
    seq: u64,
    from: u64,
    to: u64,
    record: Box<CallRecord>,
}

/// The last records, oldest first.
#[derive(Debug, Default)]
pub(super) struct Fresh(VecDeque<Entry>);

impl Fresh {
    /// Keeps what was written at `from` of segment `seq`: records and the lengths of their frames.
    pub(super) fn push(
        &mut self,
        seq: u64,
        mut from: u64,
        records: impl Iterator<Item = (u64, Box<CallRecord>)>,
    ) {
        for (len, record) in records {
            if self.0.len() == MOST {
                self.0.pop_front();
            }
            self.0.push_back(Entry { seq, from, to: from + len, record });
            from += len;
        }
    }

    /// Takes the record that stands at `from` of segment `seq` and those right behind it, at most `most`; and where they
    /// end. None: it is not here.
    pub(super) fn take(&mut self, seq: u64, from: u64, most: usize) -> Option<(Vec<CallRecord>, u64)> {
        // What lies before was shipped from the disk.
        let passed = self.0.iter().take_while(|e| (e.seq, e.from) < (seq, from)).count();
        self.0.drain(..passed);
        let mut to = from;
        let follows = |e: &&Entry| {
            let next = (e.seq, e.from) == (seq, to);
            to = e.to;
            next
        };
        let n = self.0.iter().take(most).take_while(follows).count();
        let to = self.0.get(n.checked_sub(1)?)?.to;
        Some((self.0.drain(..n).map(|e| *e.record).collect(), to))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::call;

    fn push(fresh: &mut Fresh, seq: u64, from: u64, n: usize) {
        fresh.push(seq, from, (0..n).map(|_| (10, Box::new(call()))));
    }

    fn take(fresh: &mut Fresh, seq: u64, from: u64, most: usize) -> Option<(usize, u64)> {
        fresh.take(seq, from, most).map(|(records, to)| (records.len(), to))
    }

    #[test]
    fn only_what_follows_is_taken_and_only_as_much_as_is_wanted() {
        let mut fresh = Fresh::default();
        push(&mut fresh, 1, 0, 4);
        push(&mut fresh, 1, 40, 2);
        push(&mut fresh, 2, 0, 1);
        assert_eq!(
            take(&mut fresh, 0, 0, 10),
            None,
            "an older place is not here, and nothing is forgotten for it"
        );
        assert_eq!(take(&mut fresh, 1, 0, 3), Some((3, 30)));
        assert_eq!(take(&mut fresh, 1, 30, 10), Some((3, 60)), "another segment is another file");
        assert_eq!(take(&mut fresh, 2, 10, 10), None);
        assert!(fresh.0.is_empty(), "what lies behind is forgotten");
    }

    #[test]
    fn it_is_bounded() {
        let mut fresh = Fresh::default();
        for n in 0..30 {
            push(&mut fresh, 1, n * 1000, 100);
        }
        assert_eq!(fresh.0.len(), MOST);
        assert_eq!(take(&mut fresh, 1, 0, 1), None);
        assert_eq!(take(&mut fresh, 1, 29_000, 1), Some((1, 29_010)));
    }
}
