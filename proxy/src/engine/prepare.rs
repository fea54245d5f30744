//! What is sent to a target: the client's own bytes, or the same in the target's wire format.

use super::call::Call;
use super::view;
use pingora_core::protocols::http::ServerSession;
use sallyport_filters::exchange::Target;
use sallyport_filters::outgoing::Outgoing;
use sallyport_filters::rejection::{ErrorKind, Rejection};
use sallyport_filters::translate::{self, Translation, Way};

/// The request for `target`, and the way back of a translated one.
pub(super) fn request(
    d: &ServerSession,
    call: &mut Call,
    target: &Target,
) -> Result<(Outgoing, Option<Box<Translation>>), Rejection> {
    call.x.dropped.clear();
    let surface = call.x.surface;
    match translate::way(&target.provider, surface) {
        Some(Way::Verbatim) => Ok((Outgoing::new(view(d), &call.x, target), None)),
        Some(Way::Translated(back)) => {
            let lossy = call.x.snapshot.config.translation.lossy.allowed();
            if translate::is_aside(surface) {
                let (translation, encoded, aside) = Translation::aside(&call.x, back, target, lossy)?;
                call.x.dropped = encoded.dropped;
                let mut out = Outgoing::translated(view(d), target, back, false, encoded.body);
                out.path_and_query = [&target.provider.base_path, aside.path(back)].concat();
                return Ok((out, Some(Box::new(translation))));
            }
            let front = translate::front(surface).ok_or_else(unserved)?;
            let conversation = match &call.x.conversation {
                Some(c) => c.clone(),
                None => call.x.conversation.insert(translate::decode(&call.x, front)?).clone(),
            };
            let (translation, encoded) =
                Translation::begin(&call.x, &conversation, front, back, target, lossy)?;
            call.x.dropped = encoded.dropped;
            let out = Outgoing::translated(view(d), target, back, translation.stream(), encoded.body);
            Ok((out, Some(Box::new(translation))))
        }
        None => Err(unserved()),
    }
}

/// The selector offers no such target.
fn unserved() -> Rejection {
    let why = "No provider can serve this model at the moment.";
    Rejection::gateway(ErrorKind::Unavailable, "no_upstream", why)
}
