//! `cost`: what the counted tokens cost, by the snapshot's price table.

use crate::exchange::Exchange;
use crate::filter::Filter;
use sallyport_config::prices::PriceTable;
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
    let prices = &x.snapshot.prices;
    let mut sum = cost_of(prices, [x.model_served(), x.model_asked()], &meter.by_own_model()?)?;
    for (model, usage) in meter.by_other_models() {
        sum = sum.saturating_add(price(prices, model, usage)?);
    }
    Some(sum)
}

/// Nano-dollars for the tokens of a model, by its name at the provider, or else the one that the client asked for: an
/// alias may hide any model. None: a price is not known.
pub fn cost_of(prices: &PriceTable, names: [Option<&str>; 2], usage: &Usage) -> Option<i64> {
    Some(names.into_iter().flatten().find_map(|m| prices.find(m))?.cost(usage))
}

fn price(prices: &PriceTable, model: &str, usage: &Usage) -> Option<i64> {
    Some(prices.find(model)?.cost(usage))
}

#[cfg(test)]
mod tests;
