//! A Postgres that an earlier run left behind: kill -9 of the owner may leave it running, a crash of the machine leaves
//! its pid file.

use super::error::EmbeddedError;
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::path::Path;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How long a fast, then an immediate shutdown may take.
const PATIENCE: [(Signal, Duration); 2] =
    [(Signal::SIGINT, Duration::from_secs(20)), (Signal::SIGQUIT, Duration::from_secs(10))];

/// Stops a postmaster that still runs on these data, and removes a pid file that names somebody else's process
/// (process ids are used again after a reboot or in a new container, and Postgres would refuse to start).
///
/// A file that names a dead process stays: Postgres handles it, and uses it to find the dead one's shared memory.
pub(super) async fn stop(pgdata: &Path) -> Result<(), EmbeddedError> {
    let file = pgdata.join("postmaster.pid");
    let Some(pid) = read_pid(&file) else { return Ok(()) };
    if !is_alive(pid) {
        return Ok(());
    }
    if !is_postmaster_of(pid, pgdata) {
        tracing::warn!(
            pid,
            "removing a stale postmaster.pid: its process is not PostgreSQL on this directory"
        );
        return std::fs::remove_file(&file).map_err(|e| EmbeddedError::io("removing", &file, e));
    }
    tracing::warn!(pid, "stopping PostgreSQL left over from an earlier run");
    for (signal, patience) in PATIENCE {
        match kill(Pid::from_raw(pid), signal) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(errno) => return Err(EmbeddedError::io("stopping PostgreSQL of", pgdata, errno.into())),
        }
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            if !is_postmaster_of(pid, pgdata) {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
    Err(EmbeddedError::LeftoverStays(pid))
}

/// First line of the file; a standalone backend writes it negative.
fn read_pid(file: &Path) -> Option<i32> {
    let text = std::fs::read_to_string(file).ok()?;
    let pid: i32 = text.lines().next()?.trim().parse().ok()?;
    (pid.unsigned_abs() > 1).then(|| pid.saturating_abs())
}

fn is_alive(pid: i32) -> bool {
    // a process of another user is alive, too
    !matches!(kill(Pid::from_raw(pid), None), Err(Errno::ESRCH))
}

/// A postmaster's working directory is its data directory. (A zombie has none: it counts as gone.)
fn is_postmaster_of(pid: i32, pgdata: &Path) -> bool {
    let cwd = std::fs::read_link(format!("/proc/{pid}/cwd"));
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
    match (cwd, pgdata.canonicalize()) {
        (Ok(cwd), Ok(data)) => cwd == data && name.trim() == "postgres",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pid_file_of_somebody_else_is_removed_and_nobody_is_killed() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("postmaster.pid");
        // our own pid: alive, and surely not a postmaster
        std::fs::write(&file, format!("{}\n/elsewhere\n", std::process::id())).unwrap();
        stop(dir.path()).await.unwrap();
        assert!(!file.exists());
    }

    #[tokio::test]
    async fn a_pid_file_of_a_dead_process_is_left_to_postgres() {
        let dir = tempfile::tempdir().unwrap();
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let pid = child.id();
        child.wait().unwrap();
        let file = dir.path().join("postmaster.pid");
        std::fs::write(&file, format!("{pid}\n")).unwrap();
        stop(dir.path()).await.unwrap();
        assert!(file.exists());
    }

    #[tokio::test]
    async fn rubbish_is_not_a_pid() {
        let dir = tempfile::tempdir().unwrap();
        for text in ["", "x", "-1", "0", "1"] {
            std::fs::write(dir.path().join("postmaster.pid"), text).unwrap();
            stop(dir.path()).await.unwrap();
        }
    }
}
