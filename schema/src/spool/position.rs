//! How far the spool was shipped, over a restart: `segment offset` in a small file. Losing it costs a repetition, which
//! the store recognises; so it is written without fsync.

use std::path::Path;

/// Where shipping goes on.
pub(super) fn read(lane: &Path) -> Option<(u64, u64)> {
    let text = std::fs::read_to_string(lane.join("position")).ok()?;
    let (seq, offset) = text.trim().split_once(' ')?;
    Some((seq.parse().ok()?, offset.parse().ok()?))
}

/// Notes it.
pub(super) fn write(lane: &Path, (seq, offset): (u64, u64)) -> std::io::Result<()> {
    let temporary = lane.join("position.tmp");
    std::fs::write(&temporary, format!("{seq} {offset}\n"))?;
    std::fs::rename(&temporary, lane.join("position"))
}
