//! Tokens that are told later: of a response that its provider makes in the background (`background: true` at OpenAI or
//! Azure) the answer is only an id. Every token is counted all the same, whether the client comes back or not.
//!
//! The call log notes such a response (`awaited_responses`, together with the record of the call that ordered it). Its
//! end is seen in an answer that passes to the client ([`Awaiting::seen`]), or the provider is asked, with the
//! credentials that it was made with, ever more rarely ([`Awaiting::run`]; all instances share the work). Then a record
//! that `follows` the first completes the count. One instance alone gets to write it; a crash in between costs ten
//! minutes, and a second record with the same id is none.

mod ask;

use crate::gateway::Gateway;
use crate::owners::LOOKUP;
use ask::{Answer, ask};
use futures::StreamExt;
use sallyport_config::snapshot::Snapshot;
use sallyport_filters::estimate::{self, BYTES_PER_TOKEN};
use sallyport_filters::exchange::Exchange;
use sallyport_filters::filter::cost::cost_of;
use sallyport_filters::filter::log::CallSink;
use sallyport_filters::usage::Ended;
use sallyport_schema::call::{CallRecord, ErrorSource, Usage};
use sallyport_schema::store::{Awaited, Store};
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::sync::{Semaphore, watch};

/// Taken at once.
const BATCH: u32 = 32;
/// Asked for at once.
const ASKING: usize = 8;
/// A look at what is due, at least and at most so often.
const ROUND: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// Patience with one answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// The same while a client waits.
const SHORT_PATIENCE: Duration = Duration::from_secs(5);
/// After so long nobody is asked any more.
const GIVE_UP: time::Duration = time::Duration::DAY;
/// A response may not be known everywhere at once: so often "not found" is no proof.
const NOT_YET: u32 = 2;
/// Ends that clients have seen and that are being written down, at most; others are asked for.
const SEEN: usize = 64;
/// Ids of ends that were written down, so that a client that asks again costs nothing.
const RECENT: usize = 10_000;
/// The record of the call that ordered it may be on its way.
const AGAIN: [Duration; 4] =
    [Duration::ZERO, Duration::from_millis(300), Duration::from_secs(1), Duration::from_secs(3)];

/// Counts them.
pub struct Awaiting {
    store: Option<Store>,
    sink: Arc<dyn CallSink>,
    recent: quick_cache::sync::Cache<String, ()>,
    seen: Arc<Semaphore>,
}

impl std::fmt::Debug for Awaiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Awaiting").field("recent", &self.recent.len()).finish_non_exhaustive()
    }
}

/// What is known at the end.
struct End {
    usage: Option<Usage>,
    estimated: bool,
    /// Who is at fault, and a word for it, where it is no good end.
    error: Option<(ErrorSource, &'static str)>,
}

impl End {
    /// Of a response that has come to its end. `body`: the whole of it, where it is there.
    fn of(ended: &Ended, call: &CallRecord, body: Option<&[u8]>) -> Self {
        let error = match ended.status.as_str() {
            "failed" => Some((ErrorSource::Upstream, "response_failed")),
            "cancelled" => Some((ErrorSource::Client, "response_cancelled")),
            _ => None,
        };
        // A call that came to nothing counts nothing, unless its provider says so.
        let estimate = ended.usage.is_none() && ended.status != "failed";
        let model = call.model_served.as_deref().unwrap_or_default();
        let rough = || roughly(call, body.map_or(0, |b| estimate::output(b, model)));
        Self { usage: ended.usage.or_else(|| estimate.then(rough)), estimated: estimate, error }
    }

    /// Of one that nobody can tell the tokens of: its prompt at least was read.
    fn untold(call: &CallRecord, error: (ErrorSource, &'static str)) -> Self {
        Self { usage: Some(roughly(call, 0)), estimated: true, error: Some(error) }
    }
}

/// An estimate by the length of the request: the request itself is gone.
fn roughly(call: &CallRecord, output: u64) -> Usage {
    Usage { input: call.bytes_in / BYTES_PER_TOKEN, output, ..Usage::default() }
}

impl Awaiting {
    /// Learns of them from `store`, and writes their records to `sink`.
    pub fn new(store: Option<Store>, sink: Arc<dyn CallSink>) -> Self {
        Self {
            store,
            sink,
            recent: quick_cache::sync::Cache::new(RECENT),
            seen: Arc::new(Semaphore::new(SEEN)),
        }
    }

    /// Asks for what is due, until the end is announced.
    pub async fn run(self: Arc<Self>, gw: Gateway, mut stopped: watch::Receiver<bool>) {
        loop {
            let running = gw.running.load_full();
            let every =
                running.as_ref().map_or(ROUND.1, |r| r.snapshot.config.responses.background.ask_every.get());
            let mut more = false;
            if let (Some(running), Some(store)) = (running, &self.store) {
                match store.take_awaited(BATCH, every).await {
                    Ok(due) => {
                        more = due.len() == BATCH as usize;
                        let asking = futures::stream::iter(due).for_each_concurrent(ASKING, |a| {
                            let (this, gw, snapshot) = (&self, &gw, &running.snapshot);
                            async move { this.look(gw, snapshot, &a, PATIENCE).await }
                        });
                        tokio::select! {
                            () = asking => {}
                            _ = stopped.changed() => return,
                        }
                    }
                    Err(error) => {
                        tracing::debug!(%error, "the store does not say which responses are awaited")
                    }
                }
            }
            let pause = if more { Duration::ZERO } else { every.clamp(ROUND.0, ROUND.1) };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = stopped.changed() => return,
            }
        }
    }

    /// Asks the provider once, and writes the end down if there is one.
    async fn look(&self, gw: &Gateway, snapshot: &Arc<Snapshot>, a: &Awaited, patience: Duration) {
        let call = &a.call;
        let end = match ask(gw, snapshot, a, patience).await {
            Answer::Ended(ended, body) => End::of(&ended, call, Some(&body)),
            Answer::Gone if a.asked > NOT_YET => End::untold(call, (ErrorSource::Client, "response_deleted")),
            _ if OffsetDateTime::now_utc() - call.started_at > GIVE_UP => {
                End::untold(call, (ErrorSource::Upstream, "usage_unknown"))
            }
            Answer::Goes | Answer::Gone => return,
            Answer::None(why) => {
                tracing::debug!(id = a.object_id, why, "a provider does not tell how a response stands");
                return;
            }
        };
        self.settle(gw, snapshot, &a.object_id, |_| end).await;
    }

    /// A response that the client is about to delete: its provider is asked while it can still answer.
    pub(crate) async fn before_deletion(&self, gw: &Gateway, snapshot: &Arc<Snapshot>, id: &str) {
        let Some(store) = &self.store else { return };
        if let Ok(Ok(Some(a))) = tokio::time::timeout(LOOKUP, store.awaited(id)).await {
            self.look(gw, snapshot, &a, SHORT_PATIENCE).await;
        }
    }

    /// An answer about a stored response told a client of its end.
    pub(crate) fn seen(self: &Arc<Self>, gw: &Gateway, x: &Exchange, ended: Ended) {
        // Without usage the whole of it is needed: it is asked for.
        let told = ended.usage.is_some() || ended.status == "failed";
        let Some(id) = x.path_id.clone().filter(|_| told && ended.background) else { return };
        if self.recent.get(&id).is_some() {
            return;
        }
        let Ok(place) = self.seen.clone().try_acquire_owned() else { return };
        let (this, gw, snapshot) = (self.clone(), gw.clone(), x.snapshot.clone());
        // Draining waits for it.
        let in_flight = gw.health.enter();
        tokio::spawn(async move {
            for wait in AGAIN {
                tokio::time::sleep(wait).await;
                if this.settle(&gw, &snapshot, &id, |a| End::of(&ended, &a.call, None)).await {
                    break;
                }
            }
            this.recent.insert(id, ());
            drop((place, in_flight));
        });
    }

    /// Writes an end down, if it is this instance's to write. False: it is not (or not yet) awaited.
    async fn settle(
        &self,
        gw: &Gateway,
        snapshot: &Snapshot,
        id: &str,
        end: impl FnOnce(&Awaited) -> End,
    ) -> bool {
        let Some(store) = &self.store else { return false };
        let a = match store.settle_awaited(id).await {
            Ok(Some(a)) => a,
            Ok(None) => return false,
            Err(error) => {
                tracing::debug!(%error, id, "the end of a response waits to be counted");
                return false;
            }
        };
        let End { usage, estimated, error } = end(&a);
        let names = [a.call.model_served.as_deref(), a.call.model_asked.as_deref()];
        let took = OffsetDateTime::now_utc() - a.call.started_at;
        let record = CallRecord {
            attempts: a.asked.try_into().unwrap_or(u16::MAX),
            error_source: error.map(|(source, _)| source),
            error_code: error.map(|(_, code)| code.to_owned()),
            usage,
            estimated,
            cost_nanos: usage.and_then(|u| cost_of(snapshot, names, &u)),
            duration_us: took.whole_microseconds().try_into().unwrap_or(0),
            ..a.call.follow_up(&snapshot.config.instance_name())
        };
        let provider = record.provider.as_deref().unwrap_or_default();
        gw.metrics.counted(provider, usage, record.cost_nanos, estimated);
        self.sink.record(record);
        self.recent.insert(id.to_owned(), ());
        true
    }
}
