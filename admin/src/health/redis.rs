//! Redis: does it answer, and are changes heard there.

use super::probe::{Check, Detail, Probe, State};
use sallyport_schema::changes::ConnectionState;
use sallyport_schema::redis::Redis;
use sallyport_schema::store::Store;
use time::OffsetDateTime;

/// Looks at what is known: the connection is asked once a second anyway.
pub struct RedisProbe {
    redis: Redis,
    store: Store,
}

impl RedisProbe {
    /// A probe of this Redis, and of how this store hears by it.
    pub fn new(redis: Redis, store: Store) -> Self {
        Self { redis, store }
    }
}

#[async_trait::async_trait]
impl Probe for RedisProbe {
    fn name(&self) -> &str {
        "redis"
    }

    async fn check(&self) -> Check {
        let answers = self.redis.state().borrow().clone();
        let relayed = self.store.relayed();
        let heard = relayed.state();
        let detail = Detail::Redis {
            answers: answers.is_connected(),
            subscribed: heard.is_connected(),
            reads: relayed.reads(),
            ignored: relayed.ignored(),
        };
        let without = match *self.store.connection().borrow() {
            ConnectionState::Off => "nothing else tells of changes, everything is read now and then",
            _ => "changes come by LISTEN alone",
        };
        let (state, reason, since) = judge(answers, heard, without);
        Check { state, reason, since, detail }
    }
}

fn judge(
    answers: ConnectionState,
    heard: ConnectionState,
    without: &str,
) -> (State, Option<String>, Option<OffsetDateTime>) {
    match (answers, heard) {
        (ConnectionState::Disconnected { since, reason }, _) => {
            (State::Failing, Some(format!("{without}: {reason}")), Some(since))
        }
        (_, ConnectionState::Disconnected { since, reason }) => {
            (State::Degraded, Some(format!("{without}: {reason}")), Some(since))
        }
        _ => (State::Ok, None, None),
    }
}
