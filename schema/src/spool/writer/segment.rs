//! The segment that is being written.

use crate::spool::Shared;
use crate::spool::disk::Disk;
use crate::spool::index::path;
use std::fs::File;
use std::io;
use std::sync::Arc;

pub(super) struct OpenSegment {
    seq: u64,
    file: Arc<File>,
    /// Bytes of whole frames in the file.
    len: u64,
}

impl OpenSegment {
    /// Closes the segment before it and begins a new one.
    pub(super) fn create(shared: &Shared, disk: &dyn Disk) -> io::Result<Self> {
        let seq = shared.index().roll();
        let file = Arc::new(disk.create(&path(&shared.dir, seq))?);
        shared.index().opened(seq);
        Ok(Self { seq, file, len: 0 })
    }

    pub(super) fn seq(&self) -> u64 {
        self.seq
    }

    pub(super) fn file(&self) -> Arc<File> {
        self.file.clone()
    }

    /// Whether so many more bytes belong into the next one.
    pub(super) fn is_full(&self, more: usize, limit: u64) -> bool {
        self.len > 0 && self.len + more as u64 > limit
    }

    pub(super) fn append(&mut self, disk: &dyn Disk, bytes: &[u8]) -> io::Result<()> {
        disk.append(&self.file, bytes)?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// Removes what a failed write left; false if even that fails.
    pub(super) fn cut_back(&self) -> bool {
        self.file.set_len(self.len).is_ok()
    }

    /// Makes it durable, now.
    pub(super) fn sync(&self, shared: &Shared) {
        if let Err(error) = self.file.sync_data() {
            shared.stats.set_last_error(Some(format!("syncing the call-log spool: {error}")));
        }
    }
}

/// Removes a segment's file. If that fails it is removed by the next start, or shipped once more.
pub(in crate::spool) fn remove(shared: &Shared, seq: u64) {
    match std::fs::remove_file(path(&shared.dir, seq)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            shared.stats.set_last_error(Some(format!("removing a spool segment: {error}")));
        }
        _ => {}
    }
}
