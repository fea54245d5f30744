//! The admin service's way out: the gateway's own connections.

use async_trait::async_trait;
use bytes::Bytes;
use sallyport_admin::{Listed, Outside, OutsideError};
use sallyport_config::live::SnapshotCell;
use sallyport_config::snapshot::Provider;
use sallyport_proxy::upstream::{Upstreams, fetch, list};
use std::sync::Arc;

/// The upstreams, with the settings of the running snapshot.
pub(super) struct Gate {
    upstreams: Arc<Upstreams>,
    cell: Arc<SnapshotCell>,
}

impl Gate {
    pub(super) fn new(upstreams: Arc<Upstreams>, cell: Arc<SnapshotCell>) -> Self {
        Self { upstreams, cell }
    }
}

#[async_trait]
impl Outside for Gate {
    async fn fetch(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, OutsideError> {
        let config = self.cell.load().config.clone();
        let got = fetch::fetch(&self.upstreams, request, &config.upstream).await;
        got.map_err(|e| OutsideError(e.to_string()))
    }

    async fn models(&self, provider: &Arc<Provider>) -> Result<Vec<Listed>, OutsideError> {
        let config = self.cell.load().config.clone();
        let listed = list::models(&self.upstreams, provider, &config.upstream).await;
        let listed = listed.map_err(|e| OutsideError(e.to_string()))?;
        Ok(listed.into_iter().map(|m| Listed { name: m.name, title: m.title }).collect())
    }
}
