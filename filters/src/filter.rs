//! The filter chain: a trait, and an order given by YAML.
//!
//! A chain is an onion: requests go in from the first filter to the last, responses come out in reverse, and
//! `on_end` runs, in reverse too, for exactly the filters that were entered, exactly once, however the call ended.

pub mod access;
pub mod auth;
pub mod cost;
pub mod log;
pub mod usage;

use crate::event::Event;
use crate::exchange::{Exchange, Request, Target};
use crate::outgoing::Outgoing;
use crate::rejection::Rejection;
use futures::future::BoxFuture;
use http::{HeaderMap, StatusCode};

/// What a filter says to a request: at once in most cases (no allocation), or after a wait.
#[allow(missing_debug_implementations)]
pub enum Step<'a> {
    /// Decided.
    Ready(Result<(), Rejection>),
    /// Needs to wait (an external guard, a shared limiter). Every wait must have a time-out of its own.
    Wait(BoxFuture<'a, Result<(), Rejection>>),
}

impl Step<'_> {
    /// Go on.
    pub const PASS: Self = Step::Ready(Ok(()));
}

/// Status and headers of an upstream's answer, before they go to the client.
#[derive(Debug)]
pub struct ResponseHead<'a> {
    /// Status.
    pub status: StatusCode,
    /// Headers, already free of what must not pass.
    pub headers: &'a mut HeaderMap,
}

/// One filter. All state of a call is in the [`Exchange`]; a filter holds only its settings.
pub trait Filter: Send + Sync + std::fmt::Debug {
    /// Its name in YAML.
    fn name(&self) -> &'static str;
    /// Must the body be read (bounded) and parsed before `on_request`? The engine reads it right before the first
    /// filter that says yes, so that nobody uploads 32 MiB without a key.
    fn needs_body(&self) -> bool {
        false
    }
    /// The request. A rejection ends the call; filters further in are not entered.
    fn on_request<'a>(&'a self, x: &'a mut Exchange, request: Request<'a>) -> Step<'a> {
        let _ = (x, request);
        Step::PASS
    }
    /// Before each upstream attempt: may edit what is sent.
    fn on_attempt(&self, x: &mut Exchange, target: &Target, out: &mut Outgoing) -> Result<(), Rejection> {
        let _ = (x, target, out);
        Ok(())
    }
    /// The head of the answer that goes to the client.
    fn on_head(&self, x: &mut Exchange, head: &mut ResponseHead<'_>) {
        let _ = (x, head);
    }
    /// One event of a stream, or one piece of any other body. Hot: no wait, no allocation when nothing changes.
    fn on_event(&self, x: &mut Exchange, event: &mut Event<'_>) {
        let _ = (x, event);
    }
    /// The end of the call.
    fn on_end(&self, x: &mut Exchange) {
        let _ = x;
    }
}

/// The filters in their order.
#[derive(Debug, Default)]
pub struct Chain {
    filters: Vec<Box<dyn Filter>>,
}

/// How far into the chain a call has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Depth(usize);

impl Chain {
    /// A chain of these filters, outermost first.
    pub fn new(filters: Vec<Box<dyn Filter>>) -> Self {
        Self { filters }
    }

    /// The filters' names.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.filters.iter().map(|f| f.name())
    }

    /// Does the next filter need the body?
    pub fn next_needs_body(&self, depth: Depth) -> bool {
        self.filters.get(depth.0).is_some_and(|f| f.needs_body())
    }

    /// Enters the next filter. None: all are entered.
    pub fn enter<'a>(
        &'a self,
        depth: &mut Depth,
        x: &'a mut Exchange,
        request: Request<'a>,
    ) -> Option<Step<'a>> {
        let f = self.filters.get(depth.0)?;
        depth.0 += 1;
        Some(f.on_request(x, request))
    }

    /// Tells all filters of an attempt.
    pub fn attempt(&self, x: &mut Exchange, target: &Target, out: &mut Outgoing) -> Result<(), Rejection> {
        self.filters.iter().try_for_each(|f| f.on_attempt(x, target, out))
    }

    /// Shows the head to all filters, innermost first.
    pub fn head(&self, x: &mut Exchange, head: &mut ResponseHead<'_>) {
        self.filters.iter().rev().for_each(|f| f.on_head(x, head));
    }

    /// Shows an event to all filters, innermost first.
    pub fn event(&self, x: &mut Exchange, event: &mut Event<'_>) {
        self.filters.iter().rev().for_each(|f| f.on_event(x, event));
    }

    /// Ends the call for the filters that were entered, innermost first.
    pub fn end(&self, depth: Depth, x: &mut Exchange) {
        self.filters[..depth.0.min(self.filters.len())].iter().rev().for_each(|f| f.on_end(x));
    }
}
