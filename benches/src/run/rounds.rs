//! Interleaved rounds.

use crate::load::Report;
use crate::run::child::pinned;
use crate::run::setup::Setup;
use crate::run::summary::{Case, Round, Summary, TRANSLATED};
use crate::run::target::{self, Target};
use crate::run::{Context, Failure, Result};
use std::process::Stdio;

/// What is sent.
struct Shape {
    name: &'static str,
    body: &'static str,
    directives: &'static str,
    /// Times the connections that were asked for.
    connections: usize,
    /// Sallyport also gets it for a model of another dialect.
    translated: bool,
}

const SHAPES: [Shape; 4] = [
    Shape { name: "1 KB JSON", body: "chat-1k", directives: "", connections: 1, translated: false },
    Shape { name: "60 KB body", body: "chat-60k", directives: "", connections: 1, translated: false },
    Shape {
        name: "100 events, back to back",
        body: "stream-100",
        directives: "",
        connections: 1,
        translated: true,
    },
    // many slow streams, as a gateway really carries them: each event is a write of its own
    Shape {
        name: "100 events, every 5 ms",
        body: "stream-100",
        directives: "gap=5;stamp",
        connections: 4,
        translated: false,
    },
];

/// The simulator's model, as its chat server has it.
pub(crate) const MODEL: &str = "sim-fast";
/// The same behind Anthropic's API.
pub(crate) const OTHER_MODEL: &str = "other-fast";

/// Share of the slowest target's throughput in the paced rounds.
const HALF: f64 = 0.5;

/// Runs all rounds and sums them up. `progress` gets a line for each round.
///
/// # Errors
/// Something is missing, or does not start.
pub async fn compare(setup: &Setup, mut progress: impl FnMut(&str)) -> Result<Summary> {
    let sim = target::simulator(setup).await?;
    let targets = target::all(setup, sim.addr).await?;
    let mut targets: Vec<&Target> = targets.iter().collect();
    targets.insert(0, &sim);
    let options = &setup.options;
    let mut cases: Vec<Case> = SHAPES.iter().map(|s| Case::new(s.name)).collect();
    for round in 0..options.rounds {
        for (shape, case) in SHAPES.iter().zip(&mut cases) {
            let load = Load {
                body: shape.body,
                directives: shape.directives,
                connections: options.connections * shape.connections,
                seconds: options.seconds,
                rate: None,
                model: MODEL,
            };
            case.rounds.push(
                one_round(setup, &targets, round, &load, (shape.name, shape.translated), &mut progress)
                    .await?,
            );
        }
    }
    let rate = cases[0].slowest() * HALF;
    let mut paced = Case::new(&format!("1 KB JSON at half load ({rate:.0} a second)"));
    let load = Load {
        body: "chat-1k",
        directives: "",
        connections: options.connections,
        seconds: options.seconds,
        rate: Some(rate),
        model: MODEL,
    };
    for round in 0..options.rounds {
        paced
            .rounds
            .push(one_round(setup, &targets, round, &load, ("half load", false), &mut progress).await?);
    }
    cases.push(paced);
    Ok(Summary::new(setup, cases))
}

/// All targets once, beginning with another one each time.
async fn one_round(
    setup: &Setup,
    targets: &[&Target],
    round: usize,
    load: &Load<'_>,
    (name, translated): (&str, bool),
    progress: &mut impl FnMut(&str),
) -> Result<Round> {
    let mut reports = Vec::new();
    for n in 0..targets.len() {
        let target = targets[(n + round) % targets.len()];
        let mut runs = vec![(target.name, *load)];
        if translated && target.name == "sallyport" {
            runs.push((TRANSLATED, Load { model: OTHER_MODEL, ..*load }));
        }
        for (who, load) in runs {
            let report = load.run(setup, target).await?;
            let cpu = report.cpu_us().unwrap_or(0.0);
            progress(&format!(
                "round {}: {name}: {who}: {:.0} a second, {cpu:.1} µs CPU, {} errors",
                round + 1,
                report.per_second,
                report.errors
            ));
            reports.push((who.to_owned(), report));
        }
    }
    Ok(Round::new(reports))
}

/// One run of the load generator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load<'a> {
    pub(crate) body: &'a str,
    pub(crate) directives: &'a str,
    pub(crate) connections: usize,
    pub(crate) seconds: f64,
    pub(crate) rate: Option<f64>,
    pub(crate) model: &'a str,
}

impl Load<'_> {
    /// Runs it in a process of its own, on the core that is not the target's.
    pub(crate) async fn run(&self, setup: &Setup, target: &Target) -> Result<Report> {
        let mut command = tokio::process::Command::from(pinned(setup.load_core, &setup.load));
        command
            .arg(target.url())
            .args([
                "--json",
                "-",
                "--body",
                self.body,
                "--directives",
                self.directives,
                "--model",
                self.model,
            ])
            .args(["--connections", &self.connections.to_string(), "--duration", &self.seconds.to_string()]);
        if let Some(rate) = self.rate {
            command.args(["--rate", &rate.to_string()]);
        }
        for header in &target.headers {
            command.args(["--header", header]);
        }
        for pid in target.pids() {
            command.args(["--pid", &pid.to_string()]);
        }
        let output = command
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("cannot start the load generator")?;
        serde_json::from_slice(&output.stdout).map_err(|_| {
            let stderr = String::from_utf8_lossy(&output.stderr);
            Failure::new(format!("the load generator failed on {}: {stderr}", target.name))
        })
    }
}
