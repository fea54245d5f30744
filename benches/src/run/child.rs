//! Processes that are stopped again, whatever happens.

use crate::run::{Context, Result};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Time between SIGTERM and SIGKILL.
const PATIENCE: Duration = Duration::from_secs(8);

/// A running process, in a process group of its own; dropping it ends the group.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

/// A command, pinned to a core if there is one to pin it to.
pub(crate) fn pinned(core: Option<usize>, program: &Path) -> Command {
    match core {
        // taskset replaces itself by the program, so that the process id is the program's
        Some(core) => {
            let mut command = Command::new("taskset");
            command.arg("-c").arg(core.to_string()).arg(program);
            command
        }
        None => Command::new(program),
    }
}

impl Running {
    /// Starts a command; stdout and stderr go into `log`.
    pub(crate) fn start(mut command: Command, log: &Path) -> Result<Self> {
        let what = || format!("{command:?}", command = log.display());
        let out = File::create(log).context(what())?;
        let err = out.try_clone().context(what())?;
        let program = command.get_program().to_string_lossy().into_owned();
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .process_group(0)
            .spawn()
            .context(format!("cannot start {program}"))?;
        Ok(Self { child, log: log.to_owned() })
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// True once it has ended by itself.
    pub(crate) fn ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// What it printed so far.
    pub(crate) fn output(&self) -> String {
        fs::read(&self.log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
    }

    /// The last lines, for an error message.
    pub(crate) fn last_words(&self) -> String {
        let output = self.output();
        let lines: Vec<&str> = output.lines().rev().take(12).collect();
        lines.into_iter().rev().map(|l| format!("\n    {l}")).collect()
    }

    /// This process and all that descend from it.
    pub(crate) fn family(&self) -> Vec<u32> {
        let mut family = vec![self.pid()];
        let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter_map(|pid: u32| Some((pid, parent(pid)?)))
            .collect();
        let mut at = 0;
        while at < family.len() {
            let of = family[at];
            family.extend(parents.iter().filter(|(_, parent)| *parent == of).map(|(pid, _)| *pid));
            at += 1;
        }
        family
    }

    /// Ends the group now, and waits for it.
    pub(crate) fn stop(&mut self) {
        let group = Pid::from_raw(self.pid() as i32);
        if self.ended() {
            // what it started may still be there
            let _ = killpg(group, Signal::SIGKILL);
            return;
        }
        let _ = killpg(group, Signal::SIGTERM);
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if self.ended() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = killpg(group, Signal::SIGKILL);
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_process_is_gone_with_its_children() {
        let log = std::env::temp_dir().join(format!("bench-child-{}.log", std::process::id()));
        let mut command = Command::new("sh");
        command.args(["-c", "echo up; sleep 60 & wait"]);
        let running = Running::start(command, &log).unwrap();
        while running.family().len() < 2 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let family = running.family();
        assert!(running.output().starts_with("up"));
        drop(running);
        assert!(family.iter().all(|pid| parent(*pid).is_none_or(|p| p != family[0])), "a child survived");
        let _ = fs::remove_file(log);
    }
}
