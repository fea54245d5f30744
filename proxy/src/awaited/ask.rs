//! `GET /v1/responses/{id}` at the provider that makes it, for the gateway itself.

use crate::gateway::Gateway;
use crate::upstream::whole;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sallyport_config::snapshot::Snapshot;
use sallyport_filters::exchange::{Exchange, Request, Target};
use sallyport_filters::outgoing::Outgoing;
use sallyport_filters::surface::Surface;
use sallyport_filters::usage::{Ended, Watch};
use sallyport_schema::store::Awaited;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

/// Largest response that is read, in bytes.
const MOST: usize = 64 * 1024 * 1024;

/// What stays as it is in an id.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-').remove(b'.');

/// What the provider says.
pub(super) enum Answer {
    /// The end, and the whole response.
    Ended(Ended, Bytes),
    /// It goes on.
    Goes,
    /// There is no such response.
    Gone,
    /// Nothing of use.
    None(String),
}

/// Asks once.
pub(super) async fn ask(gw: &Gateway, snapshot: &Arc<Snapshot>, a: &Awaited, patience: Duration) -> Answer {
    match tokio::time::timeout(patience, get(gw, snapshot, a)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(why)) => Answer::None(why),
        Err(_) => Answer::None(format!("no answer within {patience:?}")),
    }
}

async fn get(gw: &Gateway, snapshot: &Arc<Snapshot>, a: &Awaited) -> Result<Answer, String> {
    let name = a.call.provider.as_deref().unwrap_or_default();
    let provider = snapshot.providers.get(name).filter(|p| p.enabled).cloned();
    let provider = provider.ok_or_else(|| format!("provider '{name}' is not available"))?;
    let settings = &snapshot.config.upstream;
    let endpoint = gw.upstreams.endpoint(&provider, settings);
    let path = format!("/v1/responses/{}", utf8_percent_encode(&a.object_id, PLAIN));
    let (method, headers) = (Method::GET, HeaderMap::new());
    let request = Request { method: &method, path: &path, query: None, headers: &headers };
    let surface = Surface::StoredResponse;
    let x = Exchange::new(snapshot.clone(), surface, surface.dialect());
    let mut out = Outgoing::new(request, &x, &Target { provider: provider.clone(), model: None });
    let authorizer = endpoint.authorizer();
    authorizer.authorize(&mut out, &method, &provider.authority).await.map_err(|e| e.to_string())?;
    let room = AtomicUsize::new(MOST);
    let got = whole::ask(&gw.upstreams, &endpoint, &method, &out, settings, &room).await;
    let got = got.map_err(|e| e.to_string())?;
    match got.status {
        StatusCode::OK => {
            let mut watch = Watch::new(false);
            watch.push(&got.body);
            Ok(watch.ended().map_or(Answer::Goes, |e| Answer::Ended(e, got.body)))
        }
        StatusCode::NOT_FOUND => Ok(Answer::Gone),
        status => {
            if status == StatusCode::UNAUTHORIZED {
                authorizer.refused();
            }
            Ok(Answer::None(format!("provider '{name}' answered {status}")))
        }
    }
}
