//! Lanes: each process that uses the spool's directory has a sub-directory and its lock. During a graceful upgrade two
//! processes do; what a lane's owner left unshipped when it ended is adopted by the next process to start.

use super::SpoolError;
use super::index::{path, seq};
use super::position;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Two are in use during an upgrade; more are an accident.
const LANES: usize = 16;

/// Takes a free lane, adopting the segments of other free ones.
pub(super) fn take(dir: &Path) -> Result<(PathBuf, File), SpoolError> {
    make(dir)?;
    let mut taken: Option<(PathBuf, File)> = None;
    for n in 0..LANES {
        let lane = dir.join(n.to_string());
        match &taken {
            None => {
                make(&lane)?;
                taken = lock(&lane)?.map(|lock| (lane, lock));
            }
            Some((ours, _)) if lane.is_dir() => {
                if let Some(_lock) = lock(&lane)? {
                    adopt(&lane, ours)?;
                }
            }
            Some(_) => {}
        }
    }
    taken.ok_or_else(|| SpoolError::Busy(dir.to_owned()))
}

fn make(dir: &Path) -> Result<(), SpoolError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|source| SpoolError::Io {
        what: "create",
        path: dir.to_owned(),
        source,
    })
}

fn lock(lane: &Path) -> Result<Option<File>, SpoolError> {
    let path = lane.join("lock");
    let failed = |source| SpoolError::Io { what: "lock", path: path.clone(), source };
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Moves segments over, under new numbers behind ours. How far they were shipped is forgotten: the store knows the ids.
fn adopt(from: &Path, to: &Path) -> Result<(), SpoolError> {
    let ours = next_number(to, &segments(to)?)..;
    for (number, new) in segments(from)?.into_iter().zip(ours) {
        let source = path(from, number);
        std::fs::rename(&source, path(to, new)).map_err(|error| SpoolError::Io {
            what: "adopt",
            path: source.clone(),
            source: error,
        })?;
        tracing::info!(segment = %source.display(), "adopted the unshipped call records of an ended process");
    }
    Ok(())
}

/// The number after all that were ever given in a lane: files and the noted position name the last ones.
pub(super) fn next_number(lane: &Path, numbers: &[u64]) -> u64 {
    let noted = position::read(lane).map_or(0, |(seq, _)| seq);
    numbers.last().map_or(0, |last| *last).max(noted) + 1
}

/// Numbers of the segments in a lane, in order.
pub(super) fn segments(lane: &Path) -> Result<Vec<u64>, SpoolError> {
    let failed = |source| SpoolError::Io { what: "read", path: lane.to_owned(), source };
    let mut numbers = Vec::new();
    for entry in std::fs::read_dir(lane).map_err(failed)? {
        numbers.extend(seq(&entry.map_err(failed)?.path()));
    }
    numbers.sort_unstable();
    Ok(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_process_has_a_lane_and_abandoned_ones_are_adopted() {
        let dir = tempfile::tempdir().unwrap();
        let (first, first_lock) = take(dir.path()).unwrap();
        let (second, second_lock) = take(dir.path()).unwrap();
        assert_ne!(first, second);
        std::fs::write(path(&second, 7), "b").unwrap();
        std::fs::write(path(&first, 3), "a").unwrap();
        drop((first_lock, second_lock));
        let (again, _lock) = take(dir.path()).unwrap();
        assert_eq!(again, first);
        assert_eq!(segments(&again).unwrap(), [3, 4]);
        assert_eq!(std::fs::read_to_string(path(&again, 4)).unwrap(), "b");
        assert!(segments(&second).unwrap().is_empty());
    }
}
