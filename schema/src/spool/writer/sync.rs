//! fdatasync, away from the writer. Requests for a file that is waiting already are one request, and between two of
//! them is a pause: what a killed process has written is safe without it, so it is only the power cut that it costs.

use std::collections::VecDeque;
use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// Least time from one fdatasync to the next: each one wakes the disk, and takes the core from the calls.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Default)]
struct Queue {
    files: VecDeque<Arc<File>>,
    ended: bool,
}

/// The thread's other end; the thread ends with it.
pub(super) struct Syncer(Arc<(Mutex<Queue>, Condvar)>);

impl Syncer {
    pub(super) fn start() -> std::io::Result<Self> {
        let shared = Arc::new((Mutex::new(Queue::default()), Condvar::new()));
        let theirs = shared.clone();
        std::thread::Builder::new().name("spool-sync".to_owned()).spawn(move || run(&theirs))?;
        Ok(Self(shared))
    }

    /// What was written to the file before this call will be durable soon.
    pub(super) fn sync(&self, file: Arc<File>) {
        let (queue, wake) = &*self.0;
        let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
        if !queue.files.iter().any(|waiting| Arc::ptr_eq(waiting, &file)) {
            queue.files.push_back(file);
            wake.notify_one();
        }
    }
}

impl Drop for Syncer {
    fn drop(&mut self) {
        let (queue, wake) = &*self.0;
        queue.lock().unwrap_or_else(PoisonError::into_inner).ended = true;
        wake.notify_one();
    }
}

fn run((queue, wake): &(Mutex<Queue>, Condvar)) {
    loop {
        let file = {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                if let Some(file) = queue.files.pop_front() {
                    break file;
                }
                if queue.ended {
                    return;
                }
                queue = wake.wait(queue).unwrap_or_else(PoisonError::into_inner);
            }
        };
        if let Err(error) = file.sync_data() {
            // The data are with the operating system; the next write asks again.
            tracing::error!(%error, "the call-log spool cannot be synced to disk");
        }
        let locked = queue.lock().unwrap_or_else(PoisonError::into_inner);
        drop(wake.wait_timeout_while(locked, PAUSE, |queue| !queue.ended));
    }
}
