//! The thread that minds the server: spawns it, waits for its end, starts it again.
//!
//! A thread and not a task: the parent-death signal is tied to the thread that spawned the child, so that thread must
//! live as long as we do.

use super::cluster::{self, Cluster};
use super::error::EmbeddedError;
use super::output::{Tail, pump};
use super::place::Place;
use crate::backoff::Backoff;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use sqlx::Connection;
use std::process::Child;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{JoinHandle, Thread};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// A server that ran this long has come up well: the next death is a new story.
const SETTLED: Duration = Duration::from_secs(60);
/// How long a fast, then an immediate, then a merciless end may take.
const STOP: [(Signal, Duration); 3] = [
    (Signal::SIGINT, Duration::from_secs(30)),
    (Signal::SIGQUIT, Duration::from_secs(10)),
    (Signal::SIGKILL, Duration::from_secs(5)),
];
/// Postgres's words while the processes of a killed predecessor are still ending.
const STILL_THERE: &str = "pre-existing shared memory block";

/// Where the thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Spawned, or about to be.
    Alive,
    /// Ended before it was ever ready: not tried again.
    Failed,
    /// Ended because it was told to.
    Stopped,
}

struct Shared {
    /// Set while the child exists and has not been reaped, so that a signal never meets a stranger.
    pid: Mutex<Option<i32>>,
    ready: AtomicBool,
    stopping: AtomicBool,
    restarts: AtomicU64,
    tail: Tail,
    state: watch::Sender<State>,
}

pub(super) struct Supervisor {
    shared: Arc<Shared>,
    thread: Thread,
}

impl Supervisor {
    pub(super) fn start(cluster: Cluster, place: &Place) -> Result<Self, EmbeddedError> {
        let shared = Arc::new(Shared {
            pid: Mutex::new(None),
            ready: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
            restarts: AtomicU64::new(0),
            tail: Tail::default(),
            state: watch::Sender::new(State::Alive),
        });
        let (minded, where_) = (shared.clone(), place.clone());
        let thread = std::thread::Builder::new()
            .name("postgres".to_owned())
            .spawn(move || mind(&minded, &cluster, &where_))
            .map_err(|e| EmbeddedError::io("starting a thread for", place.base(), e))?;
        Ok(Self { shared, thread: thread.thread().clone() })
    }

    /// Waits until the server answers.
    pub(super) async fn ready(&self, place: &Place, bound: Duration) -> Result<(), EmbeddedError> {
        let mut state = self.shared.state.subscribe();
        let asked = async {
            loop {
                if let Ok(conn) = cluster::connect(place, "postgres").await {
                    // It answered: how this connection ends makes no difference.
                    let _ = conn.close().await;
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            () = asked => {
                self.shared.ready.store(true, Ordering::SeqCst);
                Ok(())
            }
            _ = state.wait_for(|s| *s != State::Alive) => {
                let words = self.shared.tail.text();
                Err(EmbeddedError::from_output(words, place.base(), EmbeddedError::Ended))
            }
            () = tokio::time::sleep(bound) => {
                Err(EmbeddedError::StartTimeout { after: bound, output: self.shared.tail.text() })
            }
        }
    }

    pub(super) fn pid(&self) -> Option<i32> {
        *self.shared.pid.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn restarts(&self) -> u64 {
        self.shared.restarts.load(Ordering::Relaxed)
    }

    pub(super) fn signal(&self, signal: Signal) {
        let pid = self.shared.pid.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pid) = *pid {
            // It may just have ended, which is what a signal to it is about.
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    /// Stops minding it, and leaves it running.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn abandon(&self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
    }

    pub(super) fn stop_without_waiting(&self) {
        if self.shared.stopping.swap(true, Ordering::SeqCst) {
            // already stopped, or stopping
            return;
        }
        self.thread.unpark();
        self.signal(Signal::SIGINT);
    }

    /// An immediate end, waited for in the calling thread: for clusters whose data nobody wants any more.
    #[cfg(any(test, feature = "testing"))]
    pub(super) fn stop_now(&self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.thread.unpark();
        let end = Instant::now() + Duration::from_secs(10);
        while *self.shared.state.borrow() == State::Alive && Instant::now() < end {
            self.signal(Signal::SIGQUIT);
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub(super) async fn stop(&self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.thread.unpark();
        let mut state = self.shared.state.subscribe();
        for (signal, patience) in STOP {
            self.signal(signal);
            let ended = state.wait_for(|s| *s != State::Alive);
            if tokio::time::timeout(patience, ended).await.is_ok() {
                return;
            }
            tracing::warn!(?signal, ?patience, "PostgreSQL has not stopped: pressing harder");
        }
    }
}

/// The thread's life.
fn mind(shared: &Arc<Shared>, cluster: &Cluster, place: &Place) {
    // The server inherits it: on one machine with the calls, the call log gives way to them.
    let _ = rustix::process::nice(5);
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(10));
    loop {
        let born = Instant::now();
        shared.tail.clear();
        match spawn(shared, cluster, place) {
            Ok((child, pump)) => {
                wait(shared, child);
                drain(&pump);
            }
            Err(error) => tracing::error!(%error, "PostgreSQL cannot be started"),
        }
        if shared.stopping.load(Ordering::SeqCst) {
            shared.state.send_replace(State::Stopped);
            return;
        }
        let words = shared.tail.text();
        if !shared.ready.load(Ordering::SeqCst) && !words.contains(STILL_THERE) {
            shared.state.send_replace(State::Failed);
            return;
        }
        if born.elapsed() > SETTLED {
            backoff.reset();
        }
        let pause = backoff.next();
        tracing::error!(output = words, ?pause, "PostgreSQL ended: starting it again");
        shared.restarts.fetch_add(1, Ordering::Relaxed);
        std::thread::park_timeout(pause);
        if shared.stopping.load(Ordering::SeqCst) {
            shared.state.send_replace(State::Stopped);
            return;
        }
    }
}

fn spawn(shared: &Arc<Shared>, cluster: &Cluster, place: &Place) -> std::io::Result<(Child, JoinHandle<()>)> {
    let mut pid = shared.pid.lock().unwrap_or_else(PoisonError::into_inner);
    let mut child = cluster.server(place).spawn()?;
    let (stderr, tail) = (child.stderr.take(), shared.tail.clone());
    // Ends with the last process that holds the pipe.
    let pumping = std::thread::Builder::new().name("postgres-log".to_owned()).spawn(move || {
        if let Some(stderr) = stderr {
            pump(stderr, &tail);
        }
    });
    let pumping = match pumping {
        Ok(pumping) => pumping,
        Err(error) => {
            // A server that nobody listens to is not begun.
            child.kill()?;
            child.wait()?;
            return Err(error);
        }
    };
    *pid = i32::try_from(child.id()).ok();
    // told to stop while it was being born: nobody has signalled it yet
    if shared.stopping.load(Ordering::SeqCst)
        && let Some(pid) = *pid
    {
        // It may have ended already.
        let _ = kill(Pid::from_raw(pid), Signal::SIGINT);
    }
    Ok((child, pumping))
}

/// Gives the last words a moment to arrive. Not more: a surviving child of the server may hold the pipe open.
fn drain(pump: &JoinHandle<()>) {
    let end = Instant::now() + Duration::from_millis(500);
    while !pump.is_finished() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits for the end; the process is reaped only when its id has been forgotten.
fn wait(shared: &Shared, mut child: Child) {
    if let Ok(raw) = i32::try_from(child.id()) {
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        while let Err(nix::errno::Errno::EINTR) = waitid(Id::Pid(Pid::from_raw(raw)), flags) {}
    }
    *shared.pid.lock().unwrap_or_else(PoisonError::into_inner) = None;
    match child.wait() {
        Ok(status) => tracing::debug!(%status, "PostgreSQL has ended"),
        Err(error) => tracing::warn!(%error, "PostgreSQL's end could not be read"),
    }
}
