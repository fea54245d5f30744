//! A connection on loan that does not go back into the pool in the middle of a conversation.

use crate::error::StoreError;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, Postgres};
use std::ops::{Deref, DerefMut};

/// Dropped without [`settle`](Self::settle) (a time-out, a cancelled caller) the connection is closed: handing it back
/// would make the pool wait for the answer of a server that may never give one.
pub(crate) struct Lease {
    conn: PoolConnection<Postgres>,
    settled: bool,
}

impl Lease {
    pub(super) fn new(conn: PoolConnection<Postgres>) -> Self {
        Self { conn, settled: false }
    }

    /// The answer has arrived, whatever it is: the connection is fit for the next one.
    pub(crate) fn settle<T>(mut self, answer: Result<T, sqlx::Error>) -> Result<T, StoreError> {
        self.settled = true;
        answer.map_err(StoreError::from)
    }
}

impl Deref for Lease {
    type Target = PgConnection;
    fn deref(&self) -> &PgConnection {
        &self.conn
    }
}

impl DerefMut for Lease {
    fn deref_mut(&mut self) -> &mut PgConnection {
        &mut self.conn
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if !self.settled {
            self.conn.close_on_drop();
        }
    }
}
