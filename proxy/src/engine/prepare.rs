//! What is sent to a target: the client's own bytes, or the same in the target's wire format.

use super::call::Call;
use super::view;
use bytes::Bytes;
use pingora_core::protocols::http::ServerSession;
use sallyport_filters::exchange::Target;
use sallyport_filters::outgoing::address::Operation;
use sallyport_filters::outgoing::{self, Outgoing};
use sallyport_filters::rejection::{ErrorKind, Rejection};
use sallyport_filters::translate::{self, Back, Translation, Way};

/// A request, ready to be authenticated and sent.
pub(crate) struct Prepared {
    pub(crate) out: Outgoing,
    /// What comes back, where it is not what the client gets.
    pub(crate) back: Option<Back>,
    /// The way back of a translated request.
    pub(crate) translation: Option<Box<Translation>>,
    /// Bodies of further calls, where one request of the client's is several there.
    pub(crate) more: Vec<Bytes>,
}

/// The request for `target`.
pub(crate) fn request(d: &ServerSession, call: &mut Call, target: &Target) -> Result<Prepared, Rejection> {
    call.x.dropped.clear();
    let surface = call.x.surface;
    let model = target.model.as_deref().or(call.x.model_asked()).unwrap_or_default();
    let way = translate::way(&target.provider, model, surface).ok_or_else(unserved)?;
    let back = way.back(&target.provider);
    let prepared = |out, translation| Ok(Prepared { out, back, translation, more: Vec::new() });
    match way {
        Way::Verbatim => prepared(Outgoing::new(view(d), &call.x, target), None),
        // The engine answers before it asks for a request.
        Way::Estimated => Err(unserved()),
        Way::Platform(platform) => {
            let out = Outgoing::on_platform(view(d), &call.x, target, platform).map_err(|e| {
                let why = e.why.clone();
                Rejection::client(ErrorKind::InvalidRequest, "invalid_request", why).detail(e.to_string())
            })?;
            prepared(out, None)
        }
        Way::Translated(wire) => {
            let back = back.ok_or_else(unserved)?;
            let lossy = call.x.snapshot.config.translation.lossy.allowed();
            if translate::is_count(surface) {
                let betas = outgoing::betas(&d.req_header().headers);
                let (translation, encoded) = Translation::count(&call.x, &betas, back, target, lossy)?;
                call.x.dropped = encoded.dropped;
                let out = Outgoing::count(view(d), &call.x, target, wire, encoded.body);
                return prepared(out.ok_or_else(unserved)?, Some(Box::new(translation)));
            }
            if translate::is_aside(surface) {
                let (translation, encoded, operation) = Translation::aside(&call.x, back, target, lossy)?;
                call.x.dropped = encoded.dropped;
                let way = (wire, operation);
                let out = Outgoing::translated(view(d), &call.x, target, way, false, encoded.body);
                let more = encoded.more.into_iter().map(Bytes::from).collect();
                let translation = Some(Box::new(translation));
                return Ok(Prepared { out: out.ok_or_else(unserved)?, back: Some(back), translation, more });
            }
            let front = translate::front(surface).ok_or_else(unserved)?;
            let conversation = match &call.x.conversation {
                Some(c) => c.clone(),
                None => call.x.conversation.insert(translate::decode(&call.x, front)?).clone(),
            };
            let (translation, encoded) =
                Translation::begin(&call.x, &conversation, front, back, target, lossy)?;
            call.x.dropped = encoded.dropped;
            let stream = translation.stream();
            let way = (wire, Operation::Generate);
            let out = Outgoing::translated(view(d), &call.x, target, way, stream, encoded.body);
            prepared(out.ok_or_else(unserved)?, Some(Box::new(translation)))
        }
    }
}

/// The selector offers no such target.
fn unserved() -> Rejection {
    let why = "No provider can serve this model at the moment.";
    Rejection::gateway(ErrorKind::Unavailable, "no_upstream", why)
}
