//! The admin service in this process: what it shows, and what its health report asks.

use super::Failure;
use super::outside::Gate;
use sallyport_admin::health::{
    ConfigurationProbe, PostgresProbe, Probe, RedisProbe, SnapshotProbe, SpoolProbe,
};
use sallyport_admin::{About, AdminState, Bootstrap, Listener, Parts, Stored};
use sallyport_config::live::SnapshotCell;
use sallyport_config::model::Config;
use sallyport_config::watch::Watcher;
use sallyport_proxy::upstream::Upstreams;
use sallyport_schema::envelope::KeyRing;
use sallyport_schema::log_store::PgLogStore;
use sallyport_schema::redis::Redis;
use sallyport_schema::spool::SpoolHandle;
use sallyport_schema::store::Store;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// What the admin service reads.
pub(super) struct AdminParts {
    pub(super) files: Vec<PathBuf>,
    pub(super) cell: Arc<SnapshotCell>,
    pub(super) watcher: Arc<Watcher>,
    pub(super) log_store: Arc<PgLogStore>,
    pub(super) spool: SpoolHandle,
    pub(super) store: Store,
    pub(super) redis: Option<Redis>,
    pub(super) keyring: Arc<KeyRing>,
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) stopped: watch::Receiver<bool>,
}

impl AdminParts {
    /// Binds the listener and serves in the background, until the end is announced.
    pub(super) fn serve(&self, config: &Config, bootstrap: Bootstrap) -> Result<(), Failure> {
        let listener = Listener::bind(&config.admin).map_err(|e| e.to_string())?;
        let files = self.files.iter().map(|f| f.display().to_string()).collect();
        let about = About::now(env!("CARGO_PKG_VERSION"), config.instance_name(), files);
        let mut probes: Vec<Arc<dyn Probe>> = vec![
            Arc::new(PostgresProbe::new(self.store.clone())),
            Arc::new(SpoolProbe::new(self.spool.stats().clone())),
            Arc::new(ConfigurationProbe::new(self.watcher.subscribe())),
            Arc::new(SnapshotProbe::new(self.cell.clone())),
        ];
        if let Some(redis) = &self.redis {
            probes.push(Arc::new(RedisProbe::new(redis.clone(), self.store.clone())));
        }
        let stored = Stored { store: self.store.clone(), keyring: self.keyring.clone() };
        let outside = Arc::new(Gate::new(self.upstreams.clone(), self.cell.clone()));
        let (cell, log, rules) = (self.cell.clone(), self.log_store.clone(), &config.admin);
        let state = AdminState::new(
            Parts { about, bootstrap, snapshot: cell, calls: log, probes, stored, outside },
            rules,
        );
        let mut stopped = self.stopped.clone();
        tokio::spawn(async move {
            let end = async move {
                let _ = stopped.changed().await;
            };
            if let Err(e) = listener.serve(state, end).await {
                tracing::error!("the admin service has ended: {e}");
            }
        });
        Ok(())
    }
}
