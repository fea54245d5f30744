//! Child processes that do not outlive their test, with all they said kept for the one that fails.

use super::wait::{PATIENCE, within};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// A child in a process group of its own.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    said: Arc<Mutex<String>>,
    listeners: Vec<JoinHandle<()>>,
    /// Ends in order when dropped (it has children of its own that must be told); otherwise it is killed.
    pub(crate) gently: bool,
}

impl Process {
    /// Starts `command`.
    pub(crate) fn start(command: &Command) -> Self {
        let mut bound = bound_to_us(command);
        bound.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let mut child = bound.spawn().unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
        let said = Arc::new(Mutex::new(String::new()));
        let listeners = vec![
            listen(child.stdout.take().unwrap(), said.clone()),
            listen(child.stderr.take().unwrap(), said.clone()),
        ];
        Self { child, said, listeners, gently: false }
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// All that it has said on both outputs.
    pub(crate) fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Sends a signal to it alone.
    pub(crate) fn signal(&self, signal: Signal) {
        nix::sys::signal::kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }

    /// Kills its whole group at once.
    pub(crate) fn kill(&mut self) {
        let _ = killpg(Pid::from_raw(self.child.id() as i32), Signal::SIGKILL);
        let _ = self.child.wait();
    }

    /// Has it ended?
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end, and for the last of what it said.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        within("the process to end", async {
            loop {
                match self.ended() {
                    Some(status) if self.listeners.iter().all(JoinHandle::is_finished) => return status,
                    _ => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        })
        .await
    }

    fn end_gently(&mut self) {
        let _ = nix::sys::signal::kill(Pid::from_raw(self.child.id() as i32), Signal::SIGTERM);
        let deadline = std::time::Instant::now() + PATIENCE;
        while matches!(self.child.try_wait(), Ok(None)) && std::time::Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.gently && matches!(self.child.try_wait(), Ok(None)) {
            self.end_gently();
        }
        self.kill();
        if std::thread::panicking() {
            eprintln!("---- process {} said ----\n{}----", self.child.id(), self.said());
        }
    }
}

/// The same command, killed by the kernel if the test's process dies without dropping anything.
fn bound_to_us(command: &Command) -> Command {
    let mut bound = Command::new("setpriv");
    bound.args(["--pdeathsig", "KILL"]).arg(command.get_program()).args(command.get_args());
    bound.env_clear();
    for name in ["PATH", "HOME", "TMPDIR", "LANG", "USER"] {
        if let Some(value) = std::env::var_os(name) {
            bound.env(name, value);
        }
    }
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => bound.env(name, value),
            None => bound.env_remove(name),
        };
    }
    if let Some(directory) = command.get_current_dir() {
        bound.current_dir(directory);
    }
    bound
}

fn listen(mut output: impl Read + Send + 'static, said: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(n @ 1..) = output.read(&mut buffer) {
            said.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..n]));
        }
    })
}
