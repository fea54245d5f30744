//! Bringing the control side up: database, snapshot, call log, reloads; and down again, in reverse.

use super::admin::AdminParts;
use super::{Failure, Role, redis, state};
use arc_swap::ArcSwapOption;
use sallyport_config::assemble::Assembler;
use sallyport_config::key::VirtualKey;
use sallyport_config::last_good::LastGood;
use sallyport_config::live::{self, SnapshotCell};
use sallyport_config::model::Config;
use sallyport_config::snapshot::Source;
use sallyport_config::watch::Watcher;
use sallyport_config::{Loaded, process_env};
use sallyport_filters::chain::CallSink;
use sallyport_filters::filter::Chain;
use sallyport_filters::selector::RetryPolicy;
use sallyport_proxy::awaited::Awaiting;
use sallyport_proxy::health::Health;
use sallyport_proxy::kept::Keeper;
use sallyport_proxy::metrics::Metrics;
use sallyport_proxy::owners::Owners;
use sallyport_proxy::running::Running;
use sallyport_proxy::upstream::Upstreams;
use sallyport_proxy::upstream::endpoint::DNS_TTL;
use sallyport_schema::audit::Actor;
use sallyport_schema::call::CallRecord;
use sallyport_schema::changes::{ConnectionState, Watch};
use sallyport_schema::embedded::Embedded;
use sallyport_schema::envelope::KeyRing;
use sallyport_schema::log_store::{LogStore, PgLogStore};
use sallyport_schema::rows::{Change, StoredState};
use sallyport_schema::spool::{Spool, SpoolHandle, SpoolOptions, SpoolStats};
use sallyport_schema::store::Store;
use sallyport_schema::store::virtual_keys::FreshSecret;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

/// How long the start waits for the store before it takes the last-good snapshot.
const FIRST_STATE: Duration = Duration::from_secs(5);
/// How long the end waits for the spool to be shipped; the rest is shipped after the next start.
const LAST_SHIPMENT: Duration = Duration::from_secs(5);

/// What the start needs.
pub(super) struct Start {
    pub(super) files: Vec<PathBuf>,
    pub(super) loaded: Loaded,
    pub(super) dir: PathBuf,
    pub(super) ring: Arc<KeyRing>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) health: Arc<Health>,
    pub(super) upstreams: Arc<Upstreams>,
    pub(super) role: Role,
}

/// What runs beside the data plane.
pub(super) struct Control {
    pub(super) running: Arc<ArcSwapOption<Running>>,
    pub(super) owners: Arc<Owners>,
    pub(super) kept: Arc<Keeper>,
    pub(super) awaiting: Arc<Awaiting>,
    pub(super) admin: AdminParts,
    store: Store,
    embedded: Option<Embedded>,
    spool: SpoolHandle,
    keeper: JoinHandle<()>,
    stop: watch::Sender<bool>,
}

/// Takes finished calls: the record goes to the spool.
struct Sink {
    spool: SpoolHandle,
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sink")
    }
}

impl CallSink for Sink {
    fn record(&self, call: CallRecord) {
        self.spool.record(call);
    }
}

/// Starts everything. Returns when there is a snapshot, or when waiting for one is of no use.
pub(super) async fn start(s: Start) -> Result<Control, Failure> {
    let config = s.loaded.config.clone();
    let state::Database { store, embedded } = state::start(&config).await?;
    let redis = redis::start(&config)?;
    let (migrate, listen) = (s.role != Role::Proxy, config.database.listen);
    let mut changes = store.watch(Watch { migrate, listen, redis: redis.clone() });
    let last_good = LastGood::new(&s.dir, s.ring.clone());
    let (first, source) = first_state(&store, &mut changes, &last_good).await;
    let known = first.is_some();
    let loaded = Arc::new(s.loaded);
    let assembler = Assembler::new(&loaded, first.unwrap_or_default(), source, s.ring.clone());
    let cell = SnapshotCell::new(&assembler);
    let (watcher, reloads) = Watcher::start(s.files.clone(), Arc::new(process_env), loaded);
    let (stop, stopped) = watch::channel(false);
    let changes = until_stopped(changes, stopped.clone());
    let reloads = until_stopped(reloads, stopped.clone());
    let keeper = live::spawn(cell.clone(), assembler, changes, reloads, Some(last_good));

    let log_store = Arc::new(PgLogStore::new(store.clone()));
    let spool = open_spool(&s.dir, &config, log_store.clone())?;
    let owners = Arc::new(Owners::new(Some(store.clone())));
    let kept = Arc::new(Keeper::new(Some(store.clone()), s.ring.clone()));
    tokio::spawn(kept.clone().run());
    let sink: Arc<dyn CallSink> = Arc::new(Sink { spool: spool.clone() });
    let awaiting = Arc::new(Awaiting::new(Some(store.clone()), sink.clone()));
    let running = Arc::new(ArcSwapOption::empty());
    let publisher = Publisher {
        cell: cell.clone(),
        running: running.clone(),
        sink,
        upstreams: s.upstreams.clone(),
        health: s.health.clone(),
        from_disk: known,
    };
    publisher.publish()?;
    tokio::spawn(publisher.run());
    tokio::spawn(resolve(s.upstreams.clone(), stopped.clone()));
    tokio::spawn(reload_on_hangup(watcher.clone()));
    tokio::spawn(maintain(log_store.clone(), store.clone(), cell.clone(), s.ring.clone(), stopped.clone()));
    gauges(&s.metrics, &cell, &watcher, &spool, &store, &s.health, &kept).map_err(|e| e.to_string())?;
    if let Some(redis) = &redis {
        redis::gauges(&s.metrics, redis, &store).map_err(|e| e.to_string())?;
    }
    let admin = AdminParts {
        files: s.files,
        cell,
        watcher,
        log_store,
        spool: spool.clone(),
        store: store.clone(),
        redis,
        keyring: s.ring,
        upstreams: s.upstreams,
        stopped,
    };
    Ok(Control { running, owners, kept, awaiting, admin, store, embedded, spool, keeper, stop })
}

/// Passes everything on until the end is announced: the keeper of the snapshot then writes its last-good copy.
fn until_stopped<T: Send + 'static>(
    mut from: mpsc::Receiver<T>,
    mut stopped: watch::Receiver<bool>,
) -> mpsc::Receiver<T> {
    let (to, receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        loop {
            let item = tokio::select! {
                item = from.recv() => item,
                _ = stopped.changed() => return,
            };
            let Some(item) = item else { return };
            if to.send(item).await.is_err() {
                return;
            }
        }
    });
    receiver
}

/// The stored state at start: from the store if it answers soon, else the last-good copy.
async fn first_state(
    store: &Store,
    changes: &mut mpsc::Receiver<Change>,
    last_good: &LastGood,
) -> (Option<StoredState>, Source) {
    let mut connection = store.connection();
    let from_store = async {
        loop {
            tokio::select! {
                change = changes.recv() => match change {
                    Some(Change::Everything(state)) => return Some(*state),
                    Some(_) => {}
                    None => return None,
                },
                changed = connection.changed() => {
                    if changed.is_err() || matches!(&*connection.borrow(), ConnectionState::Disconnected { .. }) {
                        return None;
                    }
                }
            }
        }
    };
    if let Ok(Some(state)) = tokio::time::timeout(FIRST_STATE, from_store).await {
        return (Some(state), Source::Store);
    }
    match last_good.read() {
        Ok(Some(state)) => {
            tracing::warn!("Postgres does not answer: serving from the last-good snapshot on disk");
            (Some(state), Source::Disk)
        }
        Ok(None) => {
            tracing::warn!("Postgres does not answer and there is no last-good snapshot yet: not ready");
            (None, Source::Disk)
        }
        Err(e) => {
            tracing::error!("Postgres does not answer, and the last-good snapshot cannot be used: {e}");
            (None, Source::Disk)
        }
    }
}

fn open_spool(dir: &Path, config: &Config, store: Arc<dyn LogStore>) -> Result<SpoolHandle, Failure> {
    let c = &config.call_log;
    let options = SpoolOptions {
        queue: c.queue,
        flush_interval: c.flush_interval.get(),
        max_bytes: c.spool_max.bytes(),
    };
    Spool::open(&dir.join("spool"), options, store).map_err(|e| format!("call log: {e}"))
}

/// Turns each new snapshot into what requests read.
struct Publisher {
    cell: Arc<SnapshotCell>,
    running: Arc<ArcSwapOption<Running>>,
    sink: Arc<dyn CallSink>,
    upstreams: Arc<Upstreams>,
    health: Arc<Health>,
    /// The first snapshot may be served although it is not from the store.
    from_disk: bool,
}

impl Publisher {
    fn publish(&self) -> Result<(), Failure> {
        let snapshot = self.cell.snapshot();
        if snapshot.source == Source::Disk && !self.from_disk {
            return Ok(());
        }
        let old = self.running.load_full();
        // The chain changes with the configuration only; a key's change makes none.
        let chain = match &old {
            Some(old) if Arc::ptr_eq(&old.snapshot.config, &snapshot.config) => old.chain.clone(),
            _ => {
                Arc::new(Chain::from_config(&snapshot.config, self.sink.clone()).map_err(|e| e.to_string())?)
            }
        };
        self.upstreams.adopt(&snapshot);
        let retry = RetryPolicy::from(&snapshot.config.upstream);
        self.running.store(Some(Arc::new(Running { snapshot, chain, retry })));
        self.health.set_snapshot();
        Ok(())
    }

    async fn run(self) {
        let mut versions = self.cell.subscribe();
        while versions.changed().await.is_ok() {
            if let Err(e) = self.publish() {
                tracing::error!("the new snapshot is not used: {e}");
            }
        }
    }
}

/// Keeps the providers' addresses fresh, so that no request waits for a resolver.
async fn resolve(upstreams: Arc<Upstreams>, mut stopped: watch::Receiver<bool>) {
    loop {
        for endpoint in upstreams.endpoints() {
            if let Err(e) = endpoint.refresh().await {
                tracing::debug!(provider = endpoint.name(), error = %e, "no address");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(DNS_TTL / 6) => {}
            _ = stopped.changed() => return,
        }
    }
}

async fn reload_on_hangup(watcher: Arc<Watcher>) {
    use tokio::signal::unix::{SignalKind, signal};
    match signal(SignalKind::hangup()) {
        Ok(mut hangup) => {
            while hangup.recv().await.is_some() {
                tracing::info!("SIGHUP: reading the configuration again");
                watcher.reload();
            }
        }
        Err(e) => tracing::warn!("SIGHUP cannot be heard: {e}"),
    }
}

/// Drops what is past its time (call-log partitions, kept responses, sessions), makes the partitions of the next days,
/// disables idle keys, replaces those whose policy says so, warns of those that expire soon, purges what was deleted.
async fn maintain(
    log: Arc<PgLogStore>,
    store: Store,
    cell: Arc<SnapshotCell>,
    ring: Arc<KeyRing>,
    mut stopped: watch::Receiver<bool>,
) {
    let fresh = || {
        let key = VirtualKey::generate().ok()?;
        let secret = key.secret.expose().to_owned().into();
        Some(FreshSecret { secret, hash: key.hash, prefix: key.prefix })
    };
    loop {
        let (days, purge) = {
            let config = &cell.load().config;
            (config.call_log.retention_days, config.admin.purge_after_days)
        };
        let done = async {
            log.maintain(days).await.map_err(|e| format!("call-log partitions: {e}"))?;
            store.expire_responses().await.map_err(|e| format!("old responses: {e}"))?;
            store
                .key_chores(&Actor::system("chores"))
                .await
                .map_err(|e| format!("idle and expiring keys: {e}"))?;
            store
                .rotate_due_keys(&ring, &fresh, &Actor::system("chores"))
                .await
                .map_err(|e| format!("keys to be rotated: {e}"))?;
            erase_and_purge(&store, purge).await?;
            store.sweep_sessions().await.map_err(|e| format!("old sessions: {e}"))?;
            store.sweep_answers().await.map_err(|e| format!("old answers: {e}"))
        };
        let wait = match done.await {
            Ok(()) => Duration::from_secs(900),
            Err(e) => {
                tracing::debug!("{e}");
                Duration::from_secs(60)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = stopped.changed() => return,
        }
    }
}

/// Takes the addresses of erased people out of the call log, and removes what was deleted `days` ago (0: nothing); bit by
/// bit, so that no statement takes long.
async fn erase_and_purge(store: &Store, days: u32) -> Result<(), String> {
    let failed = |e| format!("erased people's calls: {e}");
    while store.forget_calls(5000).await.map_err(failed)? > 0 {}
    if days == 0 {
        return Ok(());
    }
    loop {
        let gone = store.purge(days, &Actor::system("chores")).await;
        match gone.map_err(|e| format!("deleted users, teams and keys: {e}"))? {
            Some(gone) if gone.total() > 0 => {}
            _ => return Ok(()),
        }
    }
}

fn gauges(
    metrics: &Metrics,
    cell: &Arc<SnapshotCell>,
    watcher: &Arc<Watcher>,
    spool: &SpoolHandle,
    store: &Store,
    health: &Arc<Health>,
    kept: &Arc<Keeper>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    metrics.info("build_info", "Version of the binary", &[("version", env!("CARGO_PKG_VERSION"))])?;
    let h = health.clone();
    metrics.gauge("calls_in_flight", "Calls in flight", move || h.in_flight())?;
    let c = cell.clone();
    metrics.gauge("snapshot_version", "Version of the running snapshot", move || signed(c.load().version))?;
    let c = cell.clone();
    metrics.gauge(
        "snapshot_from_store",
        "1: the snapshot is from Postgres, 0: the last-good copy",
        move || i64::from(c.load().source == Source::Store),
    )?;
    let c = cell.clone();
    metrics.gauge("snapshot_keys", "Virtual keys in the snapshot", move || {
        i64::try_from(c.load().keys.len()).unwrap_or(i64::MAX)
    })?;
    let w = watcher.clone();
    metrics.gauge("config_reload_failures", "Reloads that failed since the start", move || {
        signed(w.state().failures)
    })?;
    let w = watcher.clone();
    metrics.gauge(
        "config_last_reload_ok",
        "0: the files on disk are bad and an older configuration runs",
        move || i64::from(w.state().last_error.is_none()),
    )?;
    let k = kept.clone();
    metrics.gauge("responses_lost", "Responses that could not be kept since the start", move || {
        signed(k.lost())
    })?;
    let connection = store.connection();
    metrics.gauge("postgres_connected", "1: the listening connection to Postgres is up", move || {
        i64::from(connection.borrow().is_connected())
    })?;
    let stats = spool.stats();
    type Read = fn(&SpoolStats) -> &AtomicU64;
    let all: [(&str, &str, Read); 7] = [
        ("call_log_recorded", "Call records taken since the start", |s| &s.recorded),
        ("call_log_shipped", "Call records that the store has taken since the start", |s| &s.shipped),
        ("call_log_dropped_queue", "Call records lost because the queue was full", |s| &s.dropped_queue),
        ("call_log_dropped_spool", "Call records lost because the spool was full", |s| &s.dropped_spool),
        ("call_log_write_errors", "Failed writes of the spool", |s| &s.write_errors),
        ("call_log_backlog", "Call records on disk that the store does not have yet", |s| &s.backlog),
        ("call_log_spool_bytes", "Disk that the spool takes", |s| &s.spooled_bytes),
    ];
    for (name, help, read) in all {
        let stats = stats.clone();
        metrics.gauge(name, help, move || signed(read(&stats).load(Ordering::Relaxed)))?;
    }
    Ok(())
}

impl Control {
    /// Tells when the end is announced.
    pub(super) fn stopped(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// Takes everything down, in reverse: the call log is shipped while Postgres is still there.
    pub(super) async fn stop(self) {
        self.stop.send_replace(true);
        if let Err(e) = self.keeper.await {
            tracing::warn!("the last-good snapshot may be old: {e}");
        }
        self.kept.flush(LAST_SHIPMENT).await;
        let flushed = self.spool.close(LAST_SHIPMENT).await;
        if flushed.backlog > 0 {
            tracing::warn!(backlog = flushed.backlog, "call records stay in the spool for the next start");
        }
        self.store.close().await;
        if let Some(pg) = self.embedded {
            pg.shutdown().await;
        }
    }
}
