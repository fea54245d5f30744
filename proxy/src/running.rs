//! What requests are judged by: a snapshot, and what was compiled from it.

use sallyport_config::snapshot::Snapshot;
use sallyport_filters::filter::Chain;
use sallyport_filters::selector::RetryPolicy;
use std::sync::Arc;

/// One generation of configuration and state. A call keeps the one that it began with to its end.
#[derive(Debug)]
pub struct Running {
    /// Configuration and state.
    pub snapshot: Arc<Snapshot>,
    /// The filters in their order.
    pub chain: Arc<Chain>,
    /// When another attempt is made.
    pub retry: RetryPolicy,
}
