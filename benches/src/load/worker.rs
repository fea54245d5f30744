//! One connection's loop.

use crate::load::Plan;
use crate::load::connection::Connection;
use crate::load::record::{Problem, Recorder};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Behind schedule by more than this, a paced request counts as late: the rate was not held.
const LATE: Duration = Duration::from_millis(10);
/// Wait after a failed connect, so that a dead target does not turn the loop into a busy one.
const RETRY: Duration = Duration::from_millis(20);

pub(crate) struct Worker {
    plan: Arc<Plan>,
    number: usize,
    measure_from: Instant,
    until: Instant,
}

impl Worker {
    pub(crate) fn new(plan: Arc<Plan>, number: usize, measure_from: Instant, until: Instant) -> Self {
        Self { plan, number, measure_from, until }
    }

    pub(crate) async fn run(self) -> Recorder {
        let mut recorder = Recorder { on: false, ..Recorder::default() };
        let mut connection = None;
        let mut turn = 0;
        if self.plan.rate.is_none() {
            // closed loops start one after the other during warm-up: in step, their streams would tick together
            let share = 0.8 * self.number as f64 / self.plan.connections as f64;
            tokio::time::sleep(self.plan.warmup.mul_f64(share)).await;
        }
        // an equal share each, the first ones one more
        let share = self.plan.requests.map(|all| {
            let n = self.plan.connections as u64;
            all / n + u64::from((self.number as u64) < all % n)
        });
        loop {
            if let Some(due) = self.due(turn) {
                tokio::time::sleep_until(due.into()).await;
                if recorder.on && due.elapsed() > LATE {
                    recorder.late += 1;
                }
            }
            turn += 1;
            let now = Instant::now();
            recorder.on = now >= self.measure_from;
            let enough =
                share.is_some_and(|share| recorder.ok + recorder.problems.values().sum::<u64>() >= share);
            if now >= self.until || enough {
                break;
            }
            let result =
                tokio::time::timeout(self.plan.timeout, self.request(&mut connection, &mut recorder)).await;
            match result.unwrap_or(Err(Problem::Timeout)) {
                Ok(()) => {
                    let ended = Instant::now();
                    recorder.finished += u64::from(ended >= self.measure_from && ended < self.until);
                }
                Err(problem) => {
                    connection = None;
                    recorder.problem(problem);
                    if problem == Problem::Connect {
                        tokio::time::sleep(RETRY).await;
                    }
                }
            }
        }
        recorder
    }

    /// When the `turn`th request of this worker is to be sent.
    fn due(&self, turn: u32) -> Option<Instant> {
        let rate = self.plan.rate?;
        let position = f64::from(turn) * self.plan.connections as f64 + self.number as f64;
        Some(self.measure_from - self.plan.warmup + Duration::from_secs_f64(position / rate))
    }

    async fn request(&self, slot: &mut Option<Connection>, recorder: &mut Recorder) -> Result<(), Problem> {
        let mut connection = match slot.take() {
            Some(connection) => connection,
            None => Connection::open(&self.plan).await?,
        };
        if connection.exchange(&self.plan.request, &self.plan.expect, recorder).await? {
            *slot = Some(connection);
        }
        Ok(())
    }
}
