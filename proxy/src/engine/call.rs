//! A governed call from its first to its last byte. Its end (filters, metrics, call log) happens exactly once, in
//! `Drop`: also when the task is cancelled.

use crate::estimator::{Ended, Estimator};
use crate::health::InFlight;
use crate::metrics::Metrics;
use sallyport_filters::estimate;
use sallyport_filters::exchange::Exchange;
use sallyport_filters::filter::{Chain, Depth};
use std::sync::Arc;
use std::time::Instant;

/// A call and what it must tell at its end.
pub(crate) struct Call {
    /// What the filters see.
    pub(crate) x: Exchange,
    /// The filters.
    pub(crate) chain: Arc<Chain>,
    /// How many of them were entered.
    pub(crate) depth: Depth,
    /// An answer was told to the end (or refused in the end): not cut short by the client.
    pub(crate) finished: bool,
    metrics: Arc<Metrics>,
    estimator: Arc<Estimator>,
    in_flight: Option<InFlight>,
}

impl Call {
    pub(crate) fn new(
        x: Exchange,
        chain: Arc<Chain>,
        metrics: Arc<Metrics>,
        estimator: Arc<Estimator>,
        in_flight: InFlight,
    ) -> Self {
        let depth = Depth::default();
        Self { x, chain, depth, finished: false, metrics, estimator, in_flight: Some(in_flight) }
    }

    /// Hands the call over to the thread that estimates its tokens.
    fn hand_over(&mut self) {
        let Some(in_flight) = self.in_flight.take() else { return };
        self.x.ended = Some(Instant::now());
        let left = Exchange::new(self.x.snapshot.clone(), self.x.surface, self.x.dialect);
        self.estimator.end(Ended {
            x: Box::new(std::mem::replace(&mut self.x, left)),
            chain: self.chain.clone(),
            depth: self.depth,
            metrics: self.metrics.clone(),
            in_flight,
        });
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.finished {
            self.x.outcome.cancelled = true;
        }
        if estimate::due(&self.x) {
            return self.hand_over();
        }
        self.chain.end(self.depth, &mut self.x);
        self.metrics.call_ended(&self.x);
    }
}
