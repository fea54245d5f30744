//! Which upstreams can serve a call, in which order, and what to do when one fails.
//!
//! Plain arithmetic over the snapshot: the engine asks for [`candidates`], tries them in turn, and after each
//! failure asks [`RetryPolicy::decide`]. Health, breakers and other strategies come in through [`Strategy`].

mod retry;

pub use retry::{Attempt, Decision, Failure, RetryPolicy};

use crate::exchange::Target;
use crate::surface::{Dialect, Surface};
use rand::{Rng, RngCore};
use sallyport_config::model::ProviderKind;
use sallyport_config::models::{Model, Route};
use sallyport_config::snapshot::Snapshot;
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
/// surface's dialect.
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
            snapshot
                .providers
                .get(&r.provider)
                .is_some_and(|p| p.enabled && serves(p.kind, surface.dialect()))
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

/// Does a kind of provider take a dialect as it is, at the paths of its origin? (The clouds have their own:
/// [`address`](crate::outgoing::address).)
pub const fn serves(kind: ProviderKind, dialect: Dialect) -> bool {
    match dialect {
        Dialect::OpenAi | Dialect::Responses => {
            matches!(kind, ProviderKind::Openai | ProviderKind::OpenaiCompatible)
        }
        Dialect::Anthropic => matches!(kind, ProviderKind::Anthropic),
    }
}

/// Has the model a provider, enabled or not, for the surface? (If none is enabled just now, that is a 503, not a
/// model that does not exist.)
pub fn speaks(model: &Model, snapshot: &Snapshot, surface: Surface) -> bool {
    speaks_dialect(model, snapshot, surface.dialect())
}

/// Has the model a provider, enabled or not, for the dialect? OpenAI's two dialects have the same providers.
pub fn speaks_dialect(model: &Model, snapshot: &Snapshot, dialect: Dialect) -> bool {
    model.routes.iter().any(|r| snapshot.providers.get(&r.provider).is_some_and(|p| serves(p.kind, dialect)))
}

#[cfg(test)]
mod tests;
