//! The load generator's command line.
#![allow(clippy::print_stdout, reason = "the report is this tool's output")]

use clap::Parser;
use mimalloc::MiMalloc;
use sallyport_benches::load::body::{self, Kind};
use sallyport_benches::load::{self, Expect, Plan};
use std::io;
use std::net::ToSocketAddrs;
use std::process::ExitCode;
use std::time::Duration;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Sends requests over N connections and measures the answers, and the CPU and memory of the target's processes.
///
/// Exits with 1 if an answer was wrong.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// `http://HOST:PORT/path`, e.g. http://127.0.0.1:3000/v1/chat/completions.
    url: String,
    /// `chat-1k`, `chat-60k`, `stream-100`, or a file.
    #[arg(long, default_value = "chat-1k")]
    body: String,
    /// Model of the built-in bodies.
    #[arg(long, default_value = "sim-fast")]
    model: String,
    /// Directives of the simulator, appended to the model, e.g. `gap=20;stamp`.
    #[arg(long, default_value = "")]
    directives: String,
    /// `NAME: VALUE`; repeatable.
    #[arg(long = "header", short = 'H')]
    headers: Vec<String>,
    /// HTTP method.
    #[arg(long, default_value = "POST")]
    method: String,
    /// Connections, each with one request at a time.
    #[arg(long, short, default_value_t = 16)]
    connections: usize,
    /// Seconds to record.
    #[arg(long, short, default_value_t = 5.0)]
    duration: f64,
    /// Seconds before recording begins.
    #[arg(long, default_value_t = 0.5)]
    warmup: f64,
    /// Stop after so many recorded requests.
    #[arg(long, short = 'n')]
    requests: Option<u64>,
    /// Requests a second over all connections; without it as fast as they are answered.
    #[arg(long)]
    rate: Option<f64>,
    /// Longest wait for an answer, seconds.
    #[arg(long, default_value_t = 30.0)]
    timeout: f64,
    /// Status that a right answer has.
    #[arg(long, default_value_t = 200)]
    status: u16,
    /// Events that a right stream has, the end mark included.
    #[arg(long)]
    events: Option<usize>,
    /// Process whose CPU and memory are measured; repeatable.
    #[arg(long)]
    pid: Vec<u32>,
    /// Write the report as JSON into this file, `-` for stdout instead of the table.
    #[arg(long)]
    json: Option<String>,
}

fn plan(args: &Args) -> io::Result<Plan> {
    let wrong = |what: &str| io::Error::new(io::ErrorKind::InvalidInput, what.to_owned());
    let url: http::Uri = args.url.parse().map_err(|_| wrong("the URL is malformed"))?;
    if url.scheme_str() != Some("http") {
        return Err(wrong("only http:// URLs are supported"));
    }
    let authority = url.authority().ok_or_else(|| wrong("the URL has no host"))?;
    let addr = (authority.host().trim_matches(['[', ']']), authority.port_u16().unwrap_or(80))
        .to_socket_addrs()?
        .next()
        .ok_or_else(|| wrong("the host has no address"))?;
    let headers = args
        .headers
        .iter()
        .map(|h| h.split_once(':').map(|(k, v)| (k.trim().to_owned(), v.trim().to_owned())))
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| wrong("a header is written `NAME: VALUE`"))?;
    if args.connections == 0 {
        return Err(wrong("at least one connection is needed"));
    }
    let kind = Kind::parse(&args.body);
    let content = kind
        .body(&args.model, &args.directives)
        .map_err(|e| io::Error::new(e.kind(), format!("body {}: {e}", args.body)))?;
    let path = url.path_and_query().map_or("/", |p| p.as_str());
    let seconds =
        |s: f64| Duration::try_from_secs_f64(s).map_err(|_| wrong("a time is negative or too long"));
    Ok(Plan {
        addr,
        request: body::request(&args.method, path, authority.as_str(), &headers, &content).into(),
        connections: args.connections,
        warmup: seconds(args.warmup)?,
        duration: seconds(args.duration)?,
        requests: args.requests,
        rate: args.rate.filter(|r| *r > 0.0),
        timeout: seconds(args.timeout)?,
        expect: Expect { status: args.status, events: args.events.or(kind.events()) },
        pids: args.pid.clone(),
    })
}

fn main() -> io::Result<ExitCode> {
    let args = Args::parse();
    let plan = plan(&args)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let report = runtime.block_on(load::run(&plan))?;
    let json = serde_json::to_string_pretty(&report)?;
    match args.json.as_deref() {
        Some("-") => println!("{json}"),
        Some(file) => {
            std::fs::write(file, json)?;
            print!("{report}");
        }
        None => print!("{report}"),
    }
    Ok(if report.errors == 0 && report.requests > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
