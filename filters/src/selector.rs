//! Which upstreams can serve a call, in which order, and what to do when one fails.
//!
//! Plain arithmetic over the snapshot: the engine asks for [`candidates`], tries them in turn, and after each
//! failure asks [`RetryPolicy::decide`]. Health, breakers and other strategies come in through [`Strategy`].

mod retry;

pub use retry::{Attempt, Decision, Failure, RetryPolicy};

use crate::exchange::Target;
use crate::surface::{Dialect, Surface};
use crate::translate;
use rand::{Rng, RngCore};
use sallyport_config::models::{Model, Route};
use sallyport_config::snapshot::{Provider, Snapshot};
use smallvec::SmallVec;

/// Upstreams for one call, the next one to try first. Few models have more than four.
pub type Candidates = smallvec::IntoIter<[Target; 4]>;

/// Orders the usable routes of a model.
pub trait Strategy: Send + Sync + std::fmt::Debug {
    /// Puts the routes into the order in which they are tried; may also take some out (a breaker).
    fn order(&self, routes: &mut SmallVec<[&Route; 4]>, rng: &mut dyn RngCore);
}

/// Random by weight, without replacement; weight 0 comes last, in the order of the configuration.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weighted;

impl Strategy for Weighted {
    fn order(&self, routes: &mut SmallVec<[&Route; 4]>, rng: &mut dyn RngCore) {
        if routes.len() < 2 {
            return;
        }
        // Efraimidis and Spirakis: sorting by an exponential variate of rate `weight` draws without replacement.
        let mut keyed: SmallVec<[(f64, &Route); 4]> = routes
            .iter()
            .map(|r| {
                let uniform: f64 = 1.0 - rng.random::<f64>();
                let key = if r.weight == 0 { f64::INFINITY } else { -uniform.ln() / f64::from(r.weight) };
                (key, *r)
            })
            .collect();
        // Stable: fallbacks stay in their order.
        keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
        routes.clear();
        routes.extend(keyed.into_iter().map(|(_, r)| r));
    }
}

/// The upstreams that can serve `surface` for `model`, in the order to try them: enabled, known, and speaking the
/// surface's dialect or one that it can be translated to.
pub fn candidates(model: &Model, snapshot: &Snapshot, surface: Surface, rng: &mut dyn RngCore) -> Candidates {
    candidates_by(&Weighted, model, snapshot, surface, rng)
}

/// The same with another strategy.
pub fn candidates_by(
    strategy: &dyn Strategy,
    model: &Model,
    snapshot: &Snapshot,
    surface: Surface,
    rng: &mut dyn RngCore,
) -> Candidates {
    let mut routes: SmallVec<[&Route; 4]> = model
        .routes
        .iter()
        .filter(|r| {
            snapshot.providers.get(&r.provider).is_some_and(|p| p.enabled && can(p, r, model, surface))
        })
        .collect();
    strategy.order(&mut routes, rng);
    let targets: SmallVec<[Target; 4]> = routes
        .iter()
        .filter_map(|r| {
            let provider = snapshot.providers.get(&r.provider)?.clone();
            Some(Target { provider, model: r.model.clone() })
        })
        .collect();
    targets.into_iter()
}

/// Has the model a provider, enabled or not, for the surface? (If none is enabled just now, that is a 503, not a
/// model that does not exist.)
pub fn speaks(model: &Model, snapshot: &Snapshot, surface: Surface) -> bool {
    let serves = |r: &Route| snapshot.providers.get(&r.provider).is_some_and(|p| can(p, r, model, surface));
    model.routes.iter().any(serves)
}

/// Can a provider serve the surface by this route?
fn can(provider: &Provider, route: &Route, model: &Model, surface: Surface) -> bool {
    translate::way(provider, route.model.as_deref().unwrap_or(&model.name), surface).is_some()
}

/// Has the model a provider, enabled or not, for clients of the dialect?
pub fn speaks_dialect(model: &Model, snapshot: &Snapshot, dialect: Dialect) -> bool {
    let conversation = match dialect {
        Dialect::OpenAi => Surface::Chat,
        Dialect::Responses => Surface::Responses,
        Dialect::Anthropic => Surface::Messages,
        Dialect::Gemini => Surface::Generate,
        Dialect::Cohere => Surface::Rerank,
    };
    speaks(model, snapshot, conversation)
}

#[cfg(test)]
mod tests;
