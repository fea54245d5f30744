//! Instructions a call, counted by callgrind: the one figure that does not depend on the machine's mood.
//!
//! A target is run twice under valgrind, with few and with more calls; the difference is free of start-up.

use crate::run::child::{Running, pinned};
use crate::run::setup::Setup;
use crate::run::target::{self, Target};
use crate::run::{Context, Failure, Result, gateway};
use serde::Serialize;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Stdio};

const FEW: u64 = 200;
const MORE: u64 = 1200;

/// Instructions of one target.
#[derive(Clone, Debug, Serialize)]
pub struct Instructions {
    /// Which one.
    pub target: String,
    /// What was sent.
    pub body: String,
    /// Instructions a call.
    pub per_call: f64,
}

/// Counts the instructions of the bare proxy and of Sallyport.
///
/// # Errors
/// valgrind or a target is missing or does not start.
pub async fn count(setup: &Setup, body: &str) -> Result<Vec<Instructions>> {
    let sim = target::simulator(setup).await?;
    let mut all = Vec::new();
    let mut names = vec!["bare"];
    names.extend(setup.sallyport.is_some().then_some("sallyport"));
    for name in names {
        let few = total(setup, sim.addr, name, body, FEW).await?;
        let more = total(setup, sim.addr, name, body, MORE).await?;
        let per_call = more.saturating_sub(few) as f64 / (MORE - FEW) as f64;
        all.push(Instructions { target: name.to_owned(), body: body.to_owned(), per_call });
    }
    Ok(all)
}

fn valgrind(setup: &Setup, binary: &Path, out: &Path) -> Command {
    let mut command = pinned(setup.target_core, Path::new("valgrind"));
    command.arg("--tool=callgrind").arg(format!("--callgrind-out-file={}", out.display())).arg(binary);
    command
}

async fn total(setup: &Setup, sim: SocketAddr, name: &str, body: &str, calls: u64) -> Result<u64> {
    let out = setup.file(&format!("callgrind-{name}-{calls}.out"));
    let mut target = match (name, &setup.sallyport) {
        ("sallyport", Some(binary)) => gateway::start(setup, sim, binary, valgrind(setup, binary, &out))?,
        _ => target::bare(setup, sim, valgrind(setup, &setup.bare, &out))?,
    };
    target.ready().await?;
    send(setup, &target, body, calls).await?;
    // the count is written at the end of the process
    target.process.as_mut().map(Running::stop);
    let text = std::fs::read_to_string(&out).context(out.display())?;
    let line = text.lines().find_map(|l| l.strip_prefix("summary:").or_else(|| l.strip_prefix("totals:")));
    line.and_then(|l| l.split_whitespace().next()?.parse().ok())
        .ok_or_else(|| Failure::new(format!("callgrind counted nothing for {name}; see {}", out.display())))
}

async fn send(setup: &Setup, target: &Target, body: &str, calls: u64) -> Result<()> {
    let mut command = tokio::process::Command::from(pinned(setup.load_core, &setup.load));
    command
        .arg(target.url())
        .args(["--body", body, "--connections", "4", "--warmup", "0", "--duration", "600"])
        .args(["--requests", &calls.to_string()]);
    for header in &target.headers {
        command.args(["--header", header]);
    }
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await.context("load generator")?;
    if output.status.success() {
        Ok(())
    } else {
        Err(Failure::new(format!(
            "wrong answers of {}: {}",
            target.name,
            String::from_utf8_lossy(&output.stdout)
        )))
    }
}
