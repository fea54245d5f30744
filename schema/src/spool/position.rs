//! How far the spool was shipped, over a restart: `segment offset` in a small file. Losing it costs a repetition, which
//! the store recognises; so it is written without fsync.

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Where shipping goes on.
pub(super) fn read(lane: &Path) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(lane.join("position")).ok()?;
    let (seq, offset) = text.trim().split_once(' ')?;
    Some((seq.parse().ok()?, offset.parse().ok()?))
}

/// Notes it, in place: a file made and renamed for each batch cost more than the rest of the batch's bookkeeping.
/// Always of one length and in one write, so that a killed process leaves the old position or the new one.
pub(super) fn write(lane: &Path, (seq, offset): (u64, u64)) -> std::io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(false).open(lane.join("position"))?;
    file.write_all_at(format!("{seq:020} {offset:020}\n").as_bytes(), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_replaces_any_older_one() {
        let lane = tempfile::tempdir().unwrap();
        assert_eq!(read(lane.path()), None);
        for position in [(u64::MAX, u64::MAX), (7, 0), (8, 12_345)] {
            write(lane.path(), position).unwrap();
            assert_eq!(read(lane.path()), Some(position));
        }
        // As earlier versions wrote it.
        std::fs::write(lane.path().join("position"), "5 100\n").unwrap();
        assert_eq!(read(lane.path()), Some((5, 100)));
        write(lane.path(), (5, 99)).unwrap();
        assert_eq!(read(lane.path()), Some((5, 99)));
        assert_eq!(std::fs::read_dir(lane.path()).unwrap().count(), 1);
    }
}
