//! `cost`: what the counted tokens cost, by the snapshot's price table.

use crate::exchange::Exchange;
use crate::filter::Filter;
use sallyport_config::snapshot::Snapshot;
use sallyport_schema::call::Usage;

/// The filter. It has no settings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost;

impl Filter for Cost {
    fn name(&self) -> &'static str {
        "cost"
    }

    fn on_end(&self, x: &mut Exchange) {
        x.cost_nanos = cost(x);
    }
}

/// Nano-dollars; None: nothing was counted, or a price is not known (unknown is not zero).
fn cost(x: &Exchange) -> Option<i64> {
    let meter = x.meter.as_ref()?;
    let names = [x.model_served(), x.model_asked()];
    let mut sum = cost_of(&x.snapshot, names, &meter.by_own_model()?)?;
    for (model, usage) in meter.by_other_models() {
        sum = sum.saturating_add(price(&x.snapshot, model, x.model_asked(), usage)?);
    }
    Some(sum)
}

/// Nano-dollars for the tokens of a model, by its name at the provider, or else the one that the client asked for: an
/// alias may hide any model. The model that was asked for may have a price of its own, and factors. None: a price is
/// not known.
pub fn cost_of(snapshot: &Snapshot, [served, asked]: [Option<&str>; 2], usage: &Usage) -> Option<i64> {
    let other = asked.filter(|_| asked != served);
    let find = || [served, other].into_iter().flatten().find_map(|m| snapshot.prices.find(m));
    match asked.and_then(|m| snapshot.models.charge(m)) {
        None => Some(find()?.cost(usage)),
        Some(c) => {
            let rate = c.rate.as_ref().or_else(find)?;
            Some(rate.times(c.input, c.output).cost(usage))
        }
    }
}

/// The same for tokens of another model that took part: at its own price, with the factors of the call.
fn price(snapshot: &Snapshot, model: &str, asked: Option<&str>, usage: &Usage) -> Option<i64> {
    let rate = snapshot.prices.find(model)?;
    Some(match asked.and_then(|m| snapshot.models.charge(m)) {
        None => rate.cost(usage),
        Some(c) => rate.times(c.input, c.output).cost(usage),
    })
}

#[cfg(test)]
mod tests;
