//! The thread that estimates tokens: cutting a long text takes milliseconds, which no worker may spend.
//!
//! A call whose provider said no usage is handed over whole at its end, and ends here: filters, metrics, call log, in
//! the order and number of any other call. The queue is bounded in calls and in bytes; where it is full, the call ends
//! where it is, with a count by bytes.

use crate::health::InFlight;
use crate::metrics::Metrics;
use bytes::Bytes;
use sallyport_filters::estimate::{self, Care};
use sallyport_filters::exchange::Exchange;
use sallyport_filters::filter::{Chain, Depth};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use tokio::sync::oneshot;

/// Jobs that wait at most, and the bytes of requests that they hold.
const JOBS: usize = 256;
const BYTES: usize = 64 * 1024 * 1024;

/// A call that has ended but for its count.
pub(crate) struct Ended {
    pub(crate) x: Box<Exchange>,
    pub(crate) chain: Arc<Chain>,
    pub(crate) depth: Depth,
    pub(crate) metrics: Arc<Metrics>,
    /// Draining waits for it.
    pub(crate) in_flight: InFlight,
}

impl Ended {
    /// Tells filters and metrics. (What is not estimated by now, the filter `usage` counts by bytes.)
    fn tell(mut self) {
        self.chain.end(self.depth, &mut self.x);
        self.metrics.call_ended(&self.x);
        drop(self.in_flight);
    }
}

enum Job {
    Ended(Ended),
    Count { raw: Bytes, model: String, answer: oneshot::Sender<u64> },
}

impl Job {
    fn bytes(&self) -> usize {
        match self {
            Self::Ended(e) => e.x.body.raw.len(),
            Self::Count { raw, .. } => raw.len(),
        }
    }
}

/// The way to the thread. One for the process.
#[derive(Debug)]
pub struct Estimator {
    queue: SyncSender<Job>,
    waiting: Arc<AtomicUsize>,
}

impl Estimator {
    /// Starts the thread; it ends with the last handle.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start() -> std::io::Result<Arc<Self>> {
        let (queue, jobs) = sync_channel(JOBS);
        let waiting = Arc::new(AtomicUsize::new(0));
        let counter = waiting.clone();
        std::thread::Builder::new().name("estimator".into()).spawn(move || work(&jobs, &counter))?;
        Ok(Arc::new(Self { queue, waiting }))
    }

    /// Takes a job; gives it back where there is no room.
    fn offer(&self, job: Job) -> Result<(), Job> {
        let bytes = job.bytes();
        if self.waiting.fetch_add(bytes, Ordering::AcqRel) + bytes > BYTES {
            self.waiting.fetch_sub(bytes, Ordering::AcqRel);
            return Err(job);
        }
        self.queue.try_send(job).map_err(|e| {
            self.waiting.fetch_sub(bytes, Ordering::AcqRel);
            match e {
                TrySendError::Full(job) | TrySendError::Disconnected(job) => job,
            }
        })
    }

    /// Ends a call whose tokens are to be estimated.
    pub(crate) fn end(&self, call: Ended) {
        if let Err(Job::Ended(call)) = self.offer(Job::Ended(call)) {
            call.tell();
        }
    }

    /// Tokens of a request.
    pub(crate) async fn count(&self, raw: &Bytes, model: &str) -> u64 {
        let (answer, counted) = oneshot::channel();
        let job = Job::Count { raw: raw.clone(), model: model.to_owned(), answer };
        let counted = match self.offer(job) {
            Ok(()) => counted.await.ok(),
            Err(_) => None,
        };
        counted.unwrap_or_else(|| estimate::input(raw, model, Care::Rough))
    }
}

fn work(jobs: &Receiver<Job>, waiting: &AtomicUsize) {
    while let Ok(job) = jobs.recv() {
        let bytes = job.bytes();
        match job {
            Job::Ended(mut call) => {
                guarded(|| estimate::settle(&mut call.x, Care::Full));
                call.tell();
            }
            // Who asked may have left.
            Job::Count { answer, .. } if answer.is_closed() => {}
            Job::Count { raw, model, answer } => {
                if let Some(n) = guarded(|| estimate::input(&raw, &model, Care::Full)) {
                    let _ = answer.send(n);
                }
            }
        }
        waiting.fetch_sub(bytes, Ordering::AcqRel);
    }
}

/// Texts come from outside: a fault in the tokenizer costs the exact count, not the thread.
fn guarded<T>(count: impl FnOnce() -> T) -> Option<T> {
    let counted = std::panic::catch_unwind(std::panic::AssertUnwindSafe(count));
    if counted.is_err() {
        tracing::error!("tokens could not be counted; they are estimated by bytes");
    }
    counted.ok()
}
