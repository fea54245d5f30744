//! The upstream simulator. The first line on stdout is the address that it listens on.
#![allow(clippy::print_stdout, reason = "the bound address is this tool's output")]

use clap::Parser;
use mimalloc::MiMalloc;
use sallyport_benches::sim::directive::Behaviour;
use sallyport_benches::sim::{Sim, SimOptions};
use std::io::{self, Write};
use std::net::SocketAddr;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Simulates the APIs of OpenAI, Azure, Anthropic, Gemini, Vertex and Bedrock.
///
/// How an answer behaves is said by directives: in the model name (`gpt-x;latency=200;gap=20;tokens=100`), in
/// headers (`x-sim-latency: 200`) or for all requests with --set. Keys: latency gap burst split eol tokens bytes
/// echo unicode stamp cached cache_write reasoning redacted
/// reasoning_content strict forgetful usage status error retry_after html error_event drop cut stall
/// hang first seed. See the module documentation of `sim::directive`.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, env = "SIM_LISTEN", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Name in the statistics and in the `x-sim-name` header of all answers.
    #[arg(long, env = "SIM_NAME", default_value = "sim")]
    name: String,
    /// Requests must carry this key (Bearer, x-api-key, api-key, x-goog-api-key, ?key=, or as SigV4's access key).
    #[arg(long, env = "SIM_AUTH")]
    auth: Option<String>,
    /// Secret of that access key: signatures of calls of Bedrock are checked with it.
    #[arg(long, env = "SIM_AWS_SECRET")]
    aws_secret: Option<String>,
    /// Directives for all requests, e.g. `latency=5;tokens=20;status=500@0.01`.
    #[arg(long = "set", env = "SIM_SET", value_name = "DIRECTIVES")]
    set: Vec<String>,
    /// Models that `GET /v1/models` lists.
    #[arg(long, value_delimiter = ',', default_value = "sim-fast,gpt-5.1,claude-sonnet-4-5")]
    models: Vec<String>,
    /// Largest request body, bytes.
    #[arg(long, default_value_t = 64 << 20)]
    max_body: usize,
    /// Worker threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

fn main() -> io::Result<()> {
    let args = Args::parse();
    let mut defaults = Behaviour::default();
    for directives in &args.set {
        defaults.apply_all(directives).map_err(io::Error::other)?;
    }
    let options = SimOptions {
        name: args.name,
        auth: args.auth,
        aws_secret: args.aws_secret,
        models: args.models,
        defaults,
        max_body: args.max_body,
    };
    let mut runtime = if args.threads <= 1 {
        tokio::runtime::Builder::new_current_thread()
    } else {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        runtime.worker_threads(args.threads);
        runtime
    };
    runtime.enable_all().build()?.block_on(async {
        let sim = Sim::bind(args.listen, options).await?;
        println!("listening on http://{}", sim.addr()?);
        io::stdout().flush()?;
        sim.run().await;
        Ok(())
    })
}
