//! Why the admin service does not start, or stopped.

use crate::token::TokenError;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the admin service does not start, or stopped.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// The address cannot be bound.
    #[error("the admin service cannot listen on {listen}: {}; {}", .source, hint(.source))]
    Bind {
        /// The address.
        listen: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A certificate or key cannot be read.
    #[error("the admin service cannot read {path}: {source}")]
    TlsFile {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Certificate and key cannot be used.
    #[error("the admin service cannot use {cert} with {key}: {reason}")]
    Tls {
        /// Certificate file.
        cert: PathBuf,
        /// Key file.
        key: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// An origin that no header can hold.
    #[error("admin.cors_origins: `{0}` is no origin")]
    Origin(String),
    /// A route without a line in the permission table.
    #[error("{method} {path} has no line in the permission table")]
    NoPermission {
        /// Its method.
        method: &'static str,
        /// Its path.
        path: String,
    },
    /// A line of the permission table without a route.
    #[error("the permission table names {method} {path}, which no route serves")]
    NoRoute {
        /// Its method.
        method: &'static str,
        /// Its path.
        path: &'static str,
    },
    /// The OpenAPI document would describe one of them by the other.
    #[error("two schemas of the OpenAPI document are called {name}")]
    OneName {
        /// The name.
        name: String,
    },
    /// The OpenAPI document cannot be written.
    #[error("the OpenAPI document cannot be written: {0}")]
    Document(#[from] serde_json::Error),
    /// The bootstrap token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The accept loop ended.
    #[error("the admin service stopped: {0}")]
    Serve(#[source] io::Error),
}

fn hint(e: &io::Error) -> &'static str {
    match e.kind() {
        io::ErrorKind::AddrInUse => {
            "another process has the port: stop it, or set admin.listen to another address"
        }
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need a privilege: set admin.listen to a higher one"
        }
        io::ErrorKind::AddrNotAvailable => "this machine has no such address: correct admin.listen",
        _ => "check admin.listen",
    }
}
