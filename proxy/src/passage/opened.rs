//! `/passthrough/{provider}/{path}`: what an administrator has opened of a provider, with its credentials instead of the
//! virtual key. The rules for paths: [`sallyport_filters::outgoing::opened`].

use crate::engine::{self, request_body};
use pingora_core::protocols::http::ServerSession;
use sallyport_config::model::{ProviderKind, Server};
use sallyport_filters::exchange::{Exchange, Target};
use sallyport_filters::outgoing::Outgoing;
use sallyport_filters::outgoing::opened::{self, PathError};
use sallyport_filters::rejection::{ErrorKind, Rejection};
use sallyport_filters::surface::{Dialect, PASSTHROUGH};

/// What the log has in place of a model, also of a call that is refused.
pub(super) fn note(d: &ServerSession, x: &mut Exchange) {
    let head = d.req_header();
    let path = head.uri.path();
    let shown = opened::split(path.strip_prefix(PASSTHROUGH).unwrap_or_default()).map_or(path, |(_, p)| p);
    x.passed = Some(format!("{} {shown}", head.method).into());
}

/// The provider and the request for it, of a call that may use the surface. From here on errors are told in the
/// provider's dialect.
pub(super) fn find(
    d: &ServerSession,
    x: &mut Exchange,
    server: &Server,
) -> Result<(Target, Outgoing), Rejection> {
    let request = engine::view(d);
    let rest = request.path.strip_prefix(PASSTHROUGH).unwrap_or_default();
    let (name, raw) = opened::split(rest).ok_or_else(|| unknown("no provider and path"))?;
    let provider = x.snapshot.providers.get(name).cloned();
    let provider = provider.ok_or_else(|| unknown("no such provider"))?;
    x.dialect = dialect(provider.kind);
    let path = opened::path(&provider, raw).map_err(|e| refused(e, name))?;
    if !provider.enabled {
        let why = "The provider is not available.";
        return Err(Rejection::gateway(ErrorKind::Unavailable, "no_upstream", why));
    }
    if request_body::content_length(d).is_some_and(|n| n > server.max_passthrough_body.bytes()) {
        return Err(too_large(server));
    }
    let out = Outgoing::opened(request, &provider, path);
    Ok((Target { provider, model: None }, out))
}

/// The dialect of a provider's own errors. (Bedrock's own is none of the gateway's fronts'.)
const fn dialect(kind: ProviderKind) -> Dialect {
    match kind {
        ProviderKind::Anthropic => Dialect::Anthropic,
        ProviderKind::Gemini | ProviderKind::Vertex => Dialect::Gemini,
        ProviderKind::Openai
        | ProviderKind::AzureOpenai
        | ProviderKind::OpenaiCompatible
        | ProviderKind::Bedrock => Dialect::OpenAi,
    }
}

/// One status and text for what does not exist and for what is not opened. (The dialect tells of a provider's kind, to
/// those only who may use the surface.)
fn unknown(detail: &str) -> Rejection {
    let why = "Unknown request URL: nothing is opened at this path. Check the provider's name and the path.";
    Rejection::client(ErrorKind::NotFound, "unknown_url", why).detail(format!("passthrough: {detail}"))
}

fn refused(e: PathError, provider: &str) -> Rejection {
    let detail = format!("passthrough to provider '{provider}': {e}");
    match e {
        PathError::Closed => unknown(&detail),
        PathError::Ambiguous => {
            let why = "The path must be written plainly: no '.', '..', empty or encoded parts that change its meaning.";
            Rejection::client(ErrorKind::InvalidRequest, "invalid_path", why).detail(detail)
        }
        PathError::Governed => {
            let why =
                "This path has an API of its own at this gateway: call it there, without /passthrough/….";
            Rejection::client(ErrorKind::Permission, "governed_path", why).detail(detail)
        }
    }
}

/// More of a body than may pass.
pub(super) fn too_large(server: &Server) -> Rejection {
    let max = server.max_passthrough_body.bytes();
    let why = format!("The request body is larger than the {max} bytes that this gateway passes on.");
    Rejection::client(ErrorKind::TooLarge, "request_too_large", why)
}
