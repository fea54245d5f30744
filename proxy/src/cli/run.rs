//! `sallyport run`: everything is brought up in order, served, and taken down in reverse.

use super::bring_up::{self, Control};
use super::{Failure, Role, load, logging, runtime, state};
use sallyport_admin::Bootstrap;
use sallyport_proxy::estimator::Estimator;
use sallyport_proxy::gateway::Gateway;
use sallyport_proxy::health::Health;
use sallyport_proxy::metrics::Metrics;
use sallyport_proxy::server;
use sallyport_proxy::upstream::Upstreams;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

/// Below this much free disk the private Postgres and the spool would fail soon.
const LEAST_DISK: u64 = 256 * 1024 * 1024;
/// How long the end may take after the last call: the spool is shipped, Postgres is stopped.
const TEARDOWN: Duration = Duration::from_secs(10);

pub(super) fn run(files: &[PathBuf], role: Role) -> Result<ExitCode, Failure> {
    let loaded = load(files)?;
    logging::init(&loaded.config.log)?;
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    let config = loaded.config.clone();
    if !config.database.listen && role != Role::Proxy {
        return Err(
            "database.listen: false is for `sallyport run --role proxy` only: what listens tells the others \
                    by Redis, and that is done where the changes are made"
                .into(),
        );
    }
    let dir = prepare_dir(&config.data_dir.0)?;
    if role != Role::Admin {
        for address in &config.server.listen {
            server::probe(*address, "server.listen").map_err(|e| e.to_string())?;
        }
        if let Some(address) = config.metrics.listen {
            server::probe(address, "metrics.listen").map_err(|e| e.to_string())?;
        }
    }
    if role != Role::Proxy {
        server::probe(config.admin.listen, "admin.listen").map_err(|e| e.to_string())?;
    }
    let ring = Arc::new(state::key_ring(&config)?);
    let metrics = Arc::new(Metrics::new().map_err(|e| e.to_string())?);
    let health = Arc::new(Health::default());
    let control = runtime(2)?;
    let upstreams = Arc::new(Upstreams::new(&config.upstream, &dir).map_err(|e| e.to_string())?);
    let control_state = control.block_on(bring_up::start(bring_up::Start {
        files: files.to_vec(),
        loaded,
        dir: dir.clone(),
        ring,
        metrics: metrics.clone(),
        health: health.clone(),
        upstreams: upstreams.clone(),
        role,
    }))?;
    if role != Role::Proxy {
        let mut bootstrap =
            Bootstrap::ensure(&dir, config.admin.token.as_ref()).map_err(|e| e.to_string())?;
        if let Some(token) = bootstrap.newly_made.take() {
            eprintln!("The admin service's token, shown this once: {}", token.expose());
        }
        control.block_on(async { control_state.admin.serve(&config, bootstrap) })?;
    }
    match role {
        Role::Admin => {
            control.block_on(until_signal());
            control.block_on(end(control_state));
        }
        Role::All | Role::Proxy => serve(&config, control, control_state, health, metrics, upstreams, &dir)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn serve(
    config: &Arc<sallyport_config::model::Config>,
    control: tokio::runtime::Runtime,
    state: Control,
    health: Arc<Health>,
    metrics: Arc<Metrics>,
    upstreams: Arc<Upstreams>,
    dir: &Path,
) -> Result<(), Failure> {
    let estimator = Estimator::start().map_err(|e| format!("cannot start the estimator's thread: {e}"))?;
    let gateway = Gateway {
        running: state.running.clone(),
        upstreams,
        health,
        metrics,
        owners: state.owners.clone(),
        keeper: state.kept.clone(),
        awaiting: state.awaiting.clone(),
        estimator,
    };
    control.spawn(gateway.awaiting.clone().run(gateway.clone(), state.stopped()));
    for address in &config.server.listen {
        tracing::info!(%address, tls = config.server.tls.is_some(), "gateway");
    }
    let ca_file = (!config.upstream.ca_files.is_empty())
        .then(|| dir.join("upstream-ca.pem").to_string_lossy().into_owned());
    let at_end = Box::new(move || control.block_on(end(state)));
    server::run(server::Run { config: config.clone(), gateway, ca_file, at_end }).map_err(|e| e.to_string())
}

async fn end(state: Control) {
    if tokio::time::timeout(TEARDOWN, state.stop()).await.is_err() {
        tracing::warn!("the end took longer than {TEARDOWN:?}; what is not shipped stays in the spool");
    }
}

async fn until_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return;
    };
    tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
}

/// The data directory, made if need be, with room on its disk.
fn prepare_dir(dir: &Path) -> Result<PathBuf, Failure> {
    let shown = dir.display();
    std::fs::create_dir_all(dir)
        .map_err(|e| format!("cannot make the data directory {shown}: {e}; choose another with data_dir"))?;
    let dir = dir.canonicalize().map_err(|e| format!("cannot use the data directory {shown}: {e}"))?;
    let probe = dir.join(".probe");
    std::fs::write(&probe, b"x").map_err(|e| {
        format!(
            "cannot write into the data directory {shown}: {e}; free the disk or choose another with data_dir"
        )
    })?;
    let _ = std::fs::remove_file(&probe);
    if let Ok(fs) = rustix::fs::statvfs(&dir) {
        let free = fs.f_bavail.saturating_mul(fs.f_frsize);
        if free < LEAST_DISK {
            return Err(format!(
                "only {} MiB are free on the disk of {shown}; {} MiB are needed: free some, or choose another \
                 directory with data_dir",
                free >> 20,
                LEAST_DISK >> 20
            ));
        }
    }
    Ok(dir)
}
