//! `usage`: counts tokens, and asks OpenAI's streams for the count where the client did not.
//!
//! The chunk that comes because we asked is taken out again, so that the client gets exactly what it asked for.

use crate::estimate::{self, Care};
use crate::event::{Event, Fate};
use crate::exchange::{Exchange, Target};
use crate::filter::Filter;
use crate::outgoing::Outgoing;
use crate::rejection::{ErrorKind, Rejection};
use crate::surface::Surface;
use crate::translate::{self, Way};
use crate::usage::{Meter, Seen};
use sallyport_config::model::ProviderKind;

/// The filter. It has no settings.
#[derive(Clone, Copy, Debug, Default)]
pub struct UsageFilter;

impl Filter for UsageFilter {
    fn name(&self) -> &'static str {
        "usage"
    }

    fn on_attempt(&self, x: &mut Exchange, target: &Target, out: &mut Outgoing) -> Result<(), Rejection> {
        // A new attempt is counted anew: what a failed one said was never delivered.
        let meter = Meter::new(x.surface);
        // Of all kinds only compatible servers are known to leave usage out.
        let silent = target.provider.kind == ProviderKind::OpenaiCompatible;
        x.meter = Some(if silent { meter.keeping_words() } else { meter });
        x.usage_added = false;
        let model = target.model.as_deref().or(x.model_asked()).unwrap_or_default();
        if matches!(translate::way(&target.provider, model, x.surface), Some(Way::Translated(_))) {
            // The codec asks and tells.
            return Ok(());
        }
        let openai = matches!(
            target.provider.kind,
            ProviderKind::Openai | ProviderKind::AzureOpenai | ProviderKind::OpenaiCompatible
        );
        let streams = matches!(x.surface, Surface::Chat | Surface::Completions) && x.body.stream();
        if openai
            && streams
            && let Some((range, bytes)) = x.body.splice_include_usage()
        {
            out.splice(range, bytes).map_err(|e| {
                Rejection::gateway(
                    ErrorKind::Internal,
                    "internal_error",
                    "The request could not be prepared for the provider.",
                )
                .detail(format!("include_usage: {e}"))
            })?;
            x.usage_added = true;
        }
        Ok(())
    }

    fn on_event(&self, x: &mut Exchange, event: &mut Event<'_>) {
        let Some(meter) = &mut x.meter else { return };
        // Only a chunk without choices is ever dropped: one with choices is an answer.
        if meter.on_event(event) == Seen::UsageOnly && x.usage_added {
            event.fate = Fate::Drop;
        }
    }

    fn on_end(&self, x: &mut Exchange) {
        // Where nobody has had the time to do it with care.
        estimate::settle(x, Care::Rough);
    }
}

#[cfg(test)]
mod tests;
