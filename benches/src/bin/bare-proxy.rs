//! The yardstick: Pingora's `ProxyHttp` passing everything through to one upstream, reading nothing. What a gateway
//! costs beyond this is its own doing.
#![allow(clippy::print_stdout, reason = "the bound address is this tool's output")]

use async_trait::async_trait;
use clap::Parser;
use mimalloc::MiMalloc;
use pingora::prelude::*;
use pingora::proxy::{ProxyHttp, Session, http_proxy_service};
use pingora::server::configuration::ServerConf;
use std::net::SocketAddr;
use std::sync::Arc;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Passes HTTP/1.1 through to one upstream.
#[derive(Parser)]
#[command(version)]
struct Args {
    /// Address to listen on.
    #[arg(long)]
    listen: SocketAddr,
    /// Address of the upstream (plain HTTP/1.1).
    #[arg(long)]
    upstream: SocketAddr,
    /// Worker threads.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

struct PassThrough {
    upstream: SocketAddr,
}

#[async_trait]
impl ProxyHttp for PassThrough {
    type CTX = ();

    fn new_ctx(&self) {}

    async fn upstream_peer(&self, _: &mut Session, _: &mut ()) -> Result<Box<HttpPeer>> {
        Ok(Box::new(HttpPeer::new(self.upstream, false, String::new())))
    }
}

fn main() {
    let args = Args::parse();
    let conf = ServerConf {
        threads: args.threads,
        upstream_keepalive_pool_size: 1024,
        // nothing to drain: it is stopped when the measurement is over
        grace_period_seconds: Some(0),
        graceful_shutdown_timeout_seconds: Some(0),
        ..ServerConf::default()
    };
    let mut server = Server::new_with_opt_and_conf(None, conf);
    server.bootstrap();
    let mut service =
        http_proxy_service(&Arc::clone(&server.configuration), PassThrough { upstream: args.upstream });
    service.add_tcp(&args.listen.to_string());
    server.add_service(service);
    println!("listening on http://{}", args.listen);
    server.run_forever();
}
