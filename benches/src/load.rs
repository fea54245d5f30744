//! A closed-loop load generator: N connections, each with one request at a time, over plain TCP and HTTP/1.1.
//!
//! It measures what a client sees (first byte, whole answer, delay of each event of a stream) and what the target
//! spends on it (CPU and memory of its processes). Each answer is checked: status, framing, valid JSON or the
//! number of events and the end mark; an answer that fails a check is an error, not a fast answer.

pub mod body;
mod check;
mod chunked;
mod connection;
mod process;
mod record;
pub mod report;
mod worker;

pub use process::Process;
pub use report::Report;

use record::Recorder;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use worker::Worker;

/// Size of a target's memory is sampled this often.
const SAMPLE: Duration = Duration::from_millis(100);

/// What answers must look like.
#[derive(Clone, Debug)]
pub struct Expect {
    /// HTTP status.
    pub status: u16,
    /// Events of a stream, the end mark included; `None`: any number above 1.
    pub events: Option<usize>,
}

/// One run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where to connect.
    pub addr: SocketAddr,
    /// The whole request as sent: head and body.
    pub request: Arc<[u8]>,
    /// Connections.
    pub connections: usize,
    /// Not recorded.
    pub warmup: Duration,
    /// Recorded.
    pub duration: Duration,
    /// Stop earlier, after so many recorded requests.
    pub requests: Option<u64>,
    /// Requests a second over all connections; `None`: as fast as they are answered.
    pub rate: Option<f64>,
    /// Longest wait for one answer.
    pub timeout: Duration,
    /// What an answer must look like.
    pub expect: Expect,
    /// Processes whose CPU and memory are measured.
    pub pids: Vec<u32>,
}

/// Runs a plan. Call it inside a Tokio runtime; a current-thread one costs least.
///
/// # Errors
/// A process given by its id cannot be read. Failing requests are no error: they are in the report.
pub async fn run(plan: &Plan) -> io::Result<Report> {
    let begin = Instant::now();
    let measure_from = begin + plan.warmup;
    let until = measure_from + plan.duration;
    let plan = Arc::new(plan.clone());
    let workers: Vec<_> = (0..plan.connections)
        .map(|number| tokio::spawn(Worker::new(Arc::clone(&plan), number, measure_from, until).run()))
        .collect();
    tokio::time::sleep_until(measure_from.into()).await;
    let mut processes = Vec::with_capacity(plan.pids.len());
    for (n, pid) in plan.pids.iter().enumerate() {
        match Process::open(*pid) {
            Ok(process) => processes.push(process),
            // Helpers come and go (workers of a database); the target itself must be there.
            Err(e) if n > 0 && e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    // CPU is read at the end of recording, not when the last stream that began before has ended
    let sampler = async {
        while Instant::now() < until {
            tokio::time::sleep_until((Instant::now() + SAMPLE).min(until).into()).await;
            for process in &mut processes {
                process.sample();
            }
        }
        measure_from.elapsed()
    };
    let gather = async {
        let mut recorder = Recorder::default();
        for worker in workers {
            if let Ok(part) = worker.await {
                recorder.merge(&part);
            }
        }
        recorder
    };
    tokio::pin!(gather);
    let (recorder, seconds) = tokio::select! {
        recorded = sampler => (gather.await, recorded),
        recorder = &mut gather => {
            // all requests that were asked for are done
            processes.iter_mut().for_each(Process::sample);
            (recorder, measure_from.elapsed())
        }
    };
    Ok(Report::new(&plan, &recorder, seconds.as_secs_f64(), &processes))
}
