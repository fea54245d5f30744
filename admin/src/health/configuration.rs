//! The configuration files: is what runs what they say?

use super::probe::{Check, Detail, Probe, State};
use sallyport_config::ReloadState;
use std::sync::Arc;
use tokio::sync::watch;

/// Looks at how the last reload went.
pub struct ConfigurationProbe {
    state: watch::Receiver<Arc<ReloadState>>,
}

impl ConfigurationProbe {
    /// A probe of the watcher that this comes from.
    pub fn new(state: watch::Receiver<Arc<ReloadState>>) -> Self {
        Self { state }
    }
}

#[async_trait::async_trait]
impl Probe for ConfigurationProbe {
    fn name(&self) -> &str {
        "configuration"
    }

    async fn check(&self) -> Check {
        let s = self.state.borrow().clone();
        let detail = Detail::Configuration {
            loaded_at: s.loaded_at,
            hash: s.hash.clone(),
            reloads: s.reloads,
            failures: s.failures,
            last_error: s.last_error.as_ref().map(|e| e.message.clone()),
            needs_restart: s.needs_restart.clone(),
            warnings: s.warnings.clone(),
        };
        match &s.last_error {
            Some(e) => Check {
                state: State::Degraded,
                reason: Some(format!(
                    "the files cannot be used, an older configuration runs: {}",
                    e.message.lines().next().unwrap_or_default()
                )),
                since: Some(e.at),
                detail,
            },
            None => Check { state: State::Ok, reason: None, since: Some(s.loaded_at), detail },
        }
    }
}
