//! Where at a provider a wire format is spoken.

use crate::codec::Wire;
use sallyport_config::snapshot::Provider;

/// Path and query.
pub(super) fn of(provider: &Provider, wire: Wire, _model: &str, _stream: bool) -> String {
    let path = match wire {
        Wire::Chat => "/chat/completions",
        Wire::Responses => "/responses",
        Wire::Messages => "/messages",
        Wire::Gemini | Wire::Converse => "",
    };
    [&provider.base_path, path].concat()
}
