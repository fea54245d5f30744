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
    // The provider's name of the model first: an alias may hide any model.
    let own = [x.model_served(), x.model_asked()].into_iter().flatten().find_map(|m| prices.find(m));
    let mut sum = own?.cost(&meter.by_own_model()?);
    for (model, usage) in meter.by_other_models() {
        sum = sum.saturating_add(price(prices, model, usage)?);
    }
    Some(sum)
}

fn price(prices: &PriceTable, model: &str, usage: &Usage) -> Option<i64> {
    Some(prices.find(model)?.cost(usage))
}

#[cfg(test)]
mod tests;
