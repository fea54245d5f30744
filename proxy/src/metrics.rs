//! Prometheus metrics: one registry for the process, names under `sallyport_`.

use prometheus::core::Collector;
use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};
use sallyport_filters::exchange::Exchange;
use sallyport_filters::usage::Meter;
use sallyport_schema::call::{ErrorSource, Usage};
use std::sync::Arc;

/// A source of values that are read when Prometheus asks (spool, store, configuration).
pub type Refresh = Box<dyn Fn() + Send + Sync>;

/// Counters and histograms of the data plane.
pub struct Metrics {
    registry: Registry,
    calls: IntCounterVec,
    duration: HistogramVec,
    ttft: HistogramVec,
    attempts: IntCounterVec,
    tokens: IntCounterVec,
    estimated_tokens: IntCounterVec,
    cost: IntCounterVec,
    estimated_cost: IntCounterVec,
    errors: IntCounterVec,
    cancelled: IntCounter,
    bytes: IntCounterVec,
    refresh: std::sync::RwLock<Vec<Refresh>>,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

/// From 1 ms to 10 min: a cache hit to a long thought.
const SECONDS: [f64; 16] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 120.0, 600.0];

impl Metrics {
    /// All metrics, registered.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new_custom(Some("sallyport".into()), None)?;
        let counters =
            |name: &str, help: &str, labels: &[&str]| IntCounterVec::new(Opts::new(name, help), labels);
        let seconds = |name: &str, help: &str| {
            HistogramVec::new(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()), &["surface"])
        };
        let m = Self {
            calls: counters(
                "calls_total",
                "Calls by surface and status (499: the client left)",
                &["surface", "status"],
            )?,
            duration: seconds("call_duration_seconds", "From request head to the end of the answer")?,
            ttft: seconds(
                "call_first_byte_seconds",
                "From request head to the first body byte to the client",
            )?,
            attempts: counters(
                "upstream_attempts_total",
                "Attempts by provider and outcome",
                &["provider", "outcome"],
            )?,
            tokens: counters("tokens_total", "Tokens by provider and kind", &["provider", "kind"])?,
            estimated_tokens: counters(
                "estimated_tokens_total",
                "Of tokens_total: tokens of calls whose count is an estimate, because the provider did not say it",
                &["provider", "kind"],
            )?,
            estimated_cost: counters(
                "estimated_cost_nanodollars_total",
                "Of cost_nanodollars_total: the cost of calls whose tokens are an estimate",
                &["provider"],
            )?,
            cost: counters(
                "cost_nanodollars_total",
                "Cost in nano-dollars (1e-9 USD) by provider",
                &["provider"],
            )?,
            errors: counters("call_errors_total", "Failed calls by source and code", &["source", "code"])?,
            cancelled: IntCounter::new("calls_cancelled_total", "Calls whose client left before the end")?,
            bytes: counters(
                "body_bytes_total",
                "Body bytes by direction (in: from clients, out: to clients)",
                &["direction"],
            )?,
            refresh: std::sync::RwLock::default(),
            registry,
        };
        for c in [
            Box::new(m.calls.clone()) as Box<dyn Collector>,
            Box::new(m.duration.clone()),
            Box::new(m.ttft.clone()),
            Box::new(m.attempts.clone()),
            Box::new(m.tokens.clone()),
            Box::new(m.estimated_tokens.clone()),
            Box::new(m.cost.clone()),
            Box::new(m.estimated_cost.clone()),
            Box::new(m.errors.clone()),
            Box::new(m.cancelled.clone()),
            Box::new(m.bytes.clone()),
        ] {
            m.registry.register(c)?;
        }
        Ok(m)
    }

    /// Registers a gauge whose value `read` gives when Prometheus asks.
    pub fn gauge(
        &self,
        name: &str,
        help: &str,
        read: impl Fn() -> i64 + Send + Sync + 'static,
    ) -> Result<(), prometheus::Error> {
        let gauge = IntGauge::new(name, help)?;
        self.registry.register(Box::new(gauge.clone()))?;
        self.on_scrape(Box::new(move || gauge.set(read())));
        Ok(())
    }

    /// Registers a gauge that is always 1 and tells by its labels.
    pub fn info(&self, name: &str, help: &str, labels: &[(&str, &str)]) -> Result<(), prometheus::Error> {
        let (names, values): (Vec<&str>, Vec<&str>) = labels.iter().copied().unzip();
        let gauge = IntGaugeVec::new(Opts::new(name, help), &names)?;
        gauge.with_label_values(&values).set(1);
        self.registry.register(Box::new(gauge))
    }

    /// Runs `refresh` before each scrape.
    pub fn on_scrape(&self, refresh: Refresh) {
        match self.refresh.write() {
            Ok(mut all) => all.push(refresh),
            Err(poisoned) => poisoned.into_inner().push(refresh),
        }
    }

    /// An attempt ended.
    pub(crate) fn attempt(&self, provider: &str, outcome: &str) {
        self.attempts.with_label_values(&[provider, outcome]).inc();
    }

    /// A call ended.
    pub(crate) fn call_ended(&self, x: &Exchange) {
        let surface = x.surface.name();
        let o = &x.outcome;
        if o.cancelled {
            self.cancelled.inc();
        }
        let took = x.ended.map_or_else(|| x.started.elapsed(), |at| at.duration_since(x.started));
        let status = if o.status == 0 { 499 } else { o.status };
        let mut text = itoa::Buffer::new();
        self.calls.with_label_values(&[surface, text.format(status)]).inc();
        self.duration.with_label_values(&[surface]).observe(took.as_secs_f64());
        if let Some(first) = o.first_byte {
            self.ttft.with_label_values(&[surface]).observe(first.duration_since(x.started).as_secs_f64());
        }
        self.bytes.with_label_values(&["in"]).inc_by(x.body.raw.len() as u64 + o.bytes_in);
        self.bytes.with_label_values(&["out"]).inc_by(o.bytes_out);
        if let Some(r) = &o.rejection {
            self.errors.with_label_values(&[r.fault.as_str(), r.code]).inc();
        } else if o.status >= 400 {
            self.errors.with_label_values(&[ErrorSource::Client.as_str(), "passed_on"]).inc();
        }
        let Some(target) = &x.target else { return };
        let estimated = x.meter.as_ref().is_some_and(Meter::estimated);
        let usage = x.meter.as_ref().and_then(Meter::usage);
        self.counted(&target.provider.name, usage, x.cost_nanos, estimated);
    }

    /// Tokens and cost (nano-dollars) at a provider, as far as they are known: of a call, or told after its end.
    pub(crate) fn counted(
        &self,
        provider: &str,
        usage: Option<Usage>,
        cost_nanos: Option<i64>,
        estimated: bool,
    ) {
        if let Some(usage) = usage {
            for (kind, n) in [
                ("input", usage.input),
                ("cached_input", usage.cached_input),
                ("cache_write", usage.cache_write + usage.cache_write_1h),
                ("output", usage.output),
                ("reasoning", usage.reasoning),
            ] {
                if n > 0 {
                    self.tokens.with_label_values(&[provider, kind]).inc_by(n);
                    if estimated {
                        self.estimated_tokens.with_label_values(&[provider, kind]).inc_by(n);
                    }
                }
            }
        }
        if let Some(cost) = cost_nanos.and_then(|c| u64::try_from(c).ok()) {
            self.cost.with_label_values(&[provider]).inc_by(cost);
            if estimated {
                self.estimated_cost.with_label_values(&[provider]).inc_by(cost);
            }
        }
    }

    /// The text format (version 0.0.4).
    pub fn render(&self) -> Result<Vec<u8>, prometheus::Error> {
        if let Ok(all) = self.refresh.read() {
            all.iter().for_each(|r| r());
        }
        let mut out = Vec::with_capacity(8192);
        TextEncoder::new().encode(&self.registry.gather(), &mut out)?;
        Ok(out)
    }
}

/// Shared by the engine and the endpoints.
pub type Shared = Arc<Metrics>;
