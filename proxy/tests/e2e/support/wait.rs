//! Waiting: always for a condition, always with an end.

use std::future::Future;
use std::time::Duration;

/// The patience of a wait that has no bound of its own: generous, because two cores may be busy with a build.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Awaits `future`; panics, saying `what`, when it takes longer than [`PATIENCE`].
pub(crate) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    within_time(PATIENCE, what, future).await
}

/// Awaits `future`; panics, saying `what`, when it takes longer than `limit`.
pub(crate) async fn within_time<T>(limit: Duration, what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(limit, future).await {
        Ok(value) => value,
        Err(_) => panic!("waited {limit:?} in vain for: {what}"),
    }
}

/// Asks again and again until `probe` gives something; panics, saying `what`, after [`PATIENCE`].
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut probe: impl FnMut() -> F) -> T {
    within(what, async {
        loop {
            if let Some(value) = probe().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await
}
