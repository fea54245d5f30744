//! Targets: what stands between the load generator and the simulator.

use crate::run::child::{Running, pinned};
use crate::run::setup::{Setup, free_port};
use crate::run::{Context, Failure, Result, gateway};
use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest wait for a target's first right answer (a gateway may have to set up a database).
const START: Duration = Duration::from_secs(60);

/// The path that is measured.
pub(crate) const PATH: &str = "/v1/chat/completions";

/// Something to send requests to.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) name: &'static str,
    pub(crate) addr: SocketAddr,
    /// Headers that a request needs.
    pub(crate) headers: Vec<String>,
    pub(crate) process: Option<Running>,
}

impl Target {
    pub(crate) fn url(&self) -> String {
        format!("http://{}{PATH}", self.addr)
    }

    /// Processes whose CPU counts. The first one is the target itself; others work for it.
    pub(crate) fn pids(&self) -> Vec<u32> {
        self.process.as_ref().map(Running::family).unwrap_or_default()
    }

    /// Moves the processes that work for the target (Sallyport's private Postgres) to the load's core, where they take
    /// only what is left over: as if the database were on another machine, where it is in earnest. Their CPU is counted
    /// all the same. Without `chrt` they stay where they are.
    fn send_helpers_away(&self, setup: &Setup) {
        let Some(core) = setup.load_core else { return };
        for pid in self.pids().iter().skip(1).map(u32::to_string) {
            // One that has just ended needs no moving.
            let _ = Command::new("taskset").args(["-acp", &core.to_string(), &pid]).output();
            let _ = Command::new("chrt").args(["-aip", "0", &pid]).output();
        }
    }

    /// Waits for a right answer.
    pub(crate) async fn ready(&mut self) -> Result<()> {
        let begin = Instant::now();
        loop {
            let answer = probe(self.addr, &self.headers).await;
            let why = match answer {
                Ok(200) => return Ok(()),
                Ok(status) => format!("it answers {status}"),
                Err(e) => e.to_string(),
            };
            let ended = self.process.as_mut().is_some_and(Running::ended);
            if ended || begin.elapsed() > START {
                let words = self.process.as_ref().map(Running::last_words).unwrap_or_default();
                let state = if ended { "ended by itself" } else { "gave no right answer in time" };
                return Err(Failure::new(format!("{} {state} ({why}); its last words:{words}", self.name)));
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// One small request; the status of its answer.
async fn probe(addr: SocketAddr, headers: &[String]) -> std::io::Result<u16> {
    let body = r#"{"model":"sim-probe;tokens=1","messages":[{"role":"user","content":"hi"}]}"#;
    let extra: String = headers.iter().map(|h| format!("{h}\r\n")).collect();
    let request = format!(
        "POST {PATH} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\ncontent-type: application/json\r\n{extra}content-length: {}\r\n\r\n{body}",
        body.len()
    );
    let exchange = async {
        let mut stream = TcpStream::connect(addr).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut head = [0; 12];
        stream.read_exact(&mut head).await?;
        let status = std::str::from_utf8(&head[9..]).ok().and_then(|s| s.parse().ok());
        status.ok_or_else(|| std::io::Error::other("it speaks no HTTP"))
    };
    tokio::time::timeout(Duration::from_secs(5), exchange).await?
}

/// Starts the simulator.
pub(crate) async fn simulator(setup: &Setup) -> Result<Target> {
    let addr = free_port()?;
    let mut command = pinned(setup.load_core, &setup.sim);
    // the simulator shall not be what is measured: bodies are not checked
    command.args(["--listen", &addr.to_string(), "--name", "bench", "--set", "strict=0"]);
    let process = Running::start(command, &setup.file("sim.log"))?;
    let mut target = Target { name: "direct", addr, headers: Vec::new(), process: Some(process) };
    target.ready().await?;
    Ok(target)
}

/// Starts everything that is compared, in front of the simulator.
pub(crate) async fn all(setup: &Setup, sim: SocketAddr) -> Result<Vec<Target>> {
    let mut targets = Vec::new();
    if setup.nginx.is_some() {
        targets.push(nginx(setup, sim)?);
    }
    targets.push(bare(setup, sim, pinned(setup.target_core, &setup.bare))?);
    if let Some(binary) = &setup.sallyport {
        targets.push(gateway::start(setup, sim, binary, pinned(setup.target_core, binary))?);
    }
    for target in &mut targets {
        target.ready().await?;
        target.send_helpers_away(setup);
        if !target.headers.is_empty() && probe(target.addr, &[]).await.is_ok_and(|status| status == 200) {
            return Err(Failure::new(format!(
                "{} answers without a key: it checks nothing, and what it costs then is of no interest. Its base \
                 configuration (--base) must list the filters",
                target.name
            )));
        }
    }
    Ok(targets)
}

/// Starts the bare proxy with a command that ends with its binary.
pub(crate) fn bare(setup: &Setup, sim: SocketAddr, mut command: Command) -> Result<Target> {
    let addr = free_port()?;
    command.args(["--listen", &addr.to_string(), "--upstream", &sim.to_string()]);
    let process = Running::start(command, &setup.file("bare.log"))?;
    Ok(Target { name: "bare", addr, headers: Vec::new(), process: Some(process) })
}

fn nginx(setup: &Setup, sim: SocketAddr) -> Result<Target> {
    let binary = setup.nginx.as_ref().ok_or_else(|| Failure::new("nginx was not found"))?;
    let addr = free_port()?;
    let dir = &setup.dir.path;
    // as root the worker would change to a user that may not write here
    let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
    let conf = include_str!("nginx.conf.in")
        .replace("{user}", user)
        .replace("{dir}", &dir.to_string_lossy())
        .replace("{listen}", &addr.to_string())
        .replace("{upstream}", &sim.to_string())
        .replace("{{", "{")
        .replace("}}", "}");
    let file = setup.file("nginx.conf");
    fs::write(&file, conf).context(file.display())?;
    let mut command = pinned(setup.target_core, binary);
    command.arg("-p").arg(dir).arg("-c").arg(&file).arg("-e").arg(setup.file("nginx-error.log"));
    let process = Running::start(command, &setup.file("nginx.log"))?;
    Ok(Target { name: "nginx", addr, headers: Vec::new(), process: Some(process) })
}
