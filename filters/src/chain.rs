//! The chain that a configuration asks for.

use crate::filter::access::Access;
use crate::filter::auth::Auth;
use crate::filter::cost::Cost;
use crate::filter::log::Log;
use crate::filter::usage::UsageFilter;
use crate::filter::{Chain, Filter};
use sallyport_config::model::Config;
use std::sync::Arc;

pub use crate::filter::log::CallSink;

/// The filters there are, in the order that a configuration without `filters` gets. `log` is outermost, so that it
/// sees every end; `usage` is innermost, so that it sees what the upstream sent and `cost` and `log` end after it.
pub const DEFAULT_ORDER: [&str; 5] = ["log", "auth", "access", "cost", "usage"];

/// Why a configuration's filters make no chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// No such filter.
    #[error("filters: there is no filter '{0}'; there are: log, auth, access, cost, usage")]
    Unknown(String),
    /// Listed twice.
    #[error("filters: '{0}' is listed twice")]
    Twice(String),
    /// What keeps the gate must be left out by saying so, never by forgetting it.
    #[error("filters: '{0}' is not listed; list it, with 'enabled: false' if the gateway is to be open")]
    Missing(&'static str),
    /// `first` must stand before `then`.
    #[error("filters: '{first}' must stand before '{then}'")]
    Order {
        /// What must come first.
        first: &'static str,
        /// What needs it.
        then: &'static str,
    },
}

impl Chain {
    /// Builds the chain of `config.filters`; an empty list means [`DEFAULT_ORDER`].
    pub fn from_config(config: &Config, sink: Arc<dyn CallSink>) -> Result<Self, ChainError> {
        let listed: Vec<(&str, bool)> = if config.filters.is_empty() {
            DEFAULT_ORDER.iter().map(|n| (*n, true)).collect()
        } else {
            config.filters.iter().map(|f| (f.name.as_str(), f.enabled)).collect()
        };
        check(&listed)?;
        let instance = config.instance_name();
        let filters = listed.iter().filter(|(_, enabled)| *enabled).map(|(name, _)| {
            let filter: Box<dyn Filter> = match *name {
                "log" => Box::new(Log::new(sink.clone(), instance.clone())),
                "auth" => Box::new(Auth),
                "access" => Box::new(Access),
                "cost" => Box::new(Cost),
                "usage" => Box::new(UsageFilter),
                other => return Err(ChainError::Unknown(other.to_owned())),
            };
            Ok(filter)
        });
        Ok(Self::new(filters.collect::<Result<_, _>>()?))
    }
}

fn check(listed: &[(&str, bool)]) -> Result<(), ChainError> {
    for (i, (name, _)) in listed.iter().enumerate() {
        if !DEFAULT_ORDER.contains(name) {
            return Err(ChainError::Unknown((*name).to_owned()));
        }
        if listed[..i].iter().any(|(n, _)| n == name) {
            return Err(ChainError::Twice((*name).to_owned()));
        }
    }
    for gate in ["auth", "access"] {
        if !listed.iter().any(|(n, _)| *n == gate) {
            return Err(ChainError::Missing(gate));
        }
    }
    let place = |name| listed.iter().position(|(n, enabled)| *n == name && *enabled);
    // `access` judges a principal; `cost` and `log` read at the end what inner filters have counted.
    for (first, then) in [("auth", "access"), ("log", "cost"), ("cost", "usage"), ("log", "usage")] {
        match (place(first), place(then)) {
            (Some(a), Some(b)) if a > b => return Err(ChainError::Order { first, then }),
            (None, Some(_)) if then == "access" => return Err(ChainError::Order { first, then }),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
