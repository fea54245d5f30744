//! A governed call from its first to its last byte. Its end (filters, metrics, call log) happens exactly once, in
//! `Drop`: also when the task is cancelled.

use crate::health::InFlight;
use crate::metrics::Metrics;
use sallyport_filters::exchange::Exchange;
use sallyport_filters::filter::{Chain, Depth};
use std::sync::Arc;

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
    _in_flight: InFlight,
}

impl Call {
    pub(crate) fn new(x: Exchange, chain: Arc<Chain>, metrics: Arc<Metrics>, in_flight: InFlight) -> Self {
        Self { x, chain, depth: Depth::default(), finished: false, metrics, _in_flight: in_flight }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.finished {
            self.x.outcome.cancelled = true;
        }
        self.chain.end(self.depth, &mut self.x);
        self.metrics.call_ended(&self.x);
    }
}
