//! Checking a password: counted, and in the same time and with the same answer whether there is the account or not.

use super::{SignIn, place, verify};
use crate::problem::Problem;
use http::StatusCode;
use sallyport_schema::audit::{Actor, Event, Outcome};
use sallyport_schema::store::Store;
use sallyport_schema::store::sessions::Counted;
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;
use time::OffsetDateTime;
use uuid::Uuid;

/// Wrong sign-ins of an account that cost nothing.
const ACCOUNT: i32 = 4;
/// Those of an address: an office may share one.
const ADDRESS: i32 = 50;
/// Longest e-mail address (RFC 5321: 254) and name.
const EMAIL: usize = 254;
const NAME: usize = 200;

/// An e-mail address as it is kept: lower case. Not more is checked than that a mail could be sent to it.
pub(crate) fn email(text: &str) -> Result<String, Problem> {
    let text = text.trim().to_lowercase();
    let fine = text.len() <= EMAIL
        && !text.chars().any(|c| c.is_control() || c.is_whitespace())
        && text
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'));
    if fine {
        Ok(text)
    } else {
        Err(crate::params::invalid("email: write an address such as ada@example.com"))
    }
}

/// A display name.
pub(crate) fn name(text: &str) -> Result<String, Problem> {
    let text = text.trim();
    let fine = (1..=NAME).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fine { Ok(text.to_owned()) } else { Err(crate::params::invalid("name: write 1 to 200 characters")) }
}

/// Whose password it was.
pub(super) struct Right {
    pub(super) user: Uuid,
    /// A temporary one.
    pub(super) temporary: bool,
}

/// Checks the password of the account. A wrong one is counted for account and address and put into the audit trail as
/// `action`.
pub(super) async fn check(
    sign_in: &SignIn,
    store: &Store,
    (email, password): (&str, String),
    from: IpAddr,
    actor: &Actor,
    action: &'static str,
) -> Result<Right, Problem> {
    let _turn = sign_in.turn().await?;
    let row = store.password_row(email).await?;
    let account = match &row {
        Some(row) => subject("account", row.user.as_bytes()),
        None => subject("address of no account", email.as_bytes()),
    };
    let network = subject("network", place::network(from, 32, 64).to_string().as_bytes());
    let counted = [Counted { subject: account, free: ACCOUNT }, Counted { subject: network, free: ADDRESS }];
    if let Some(wait) = store.sign_in_blocked(&counted).await? {
        let problem = Problem::new(
            StatusCode::TOO_MANY_REQUESTS,
            "too_many_failures",
            "too many wrong sign-ins; wait for the time in Retry-After",
        );
        return Err(problem.retry_after(wait.as_secs() + 1));
    }
    let hash = row.as_ref().and_then(|r| r.hash.clone());
    let right = verify(password, hash).await;
    let until = row.as_ref().and_then(|r| r.temporary_until);
    let why = match &row {
        None => "no such account, or it is not active",
        Some(_) if !right => "wrong password",
        Some(_) if until.is_some_and(|t| t <= OffsetDateTime::now_utc()) => {
            "the temporary password has expired"
        }
        Some(row) => {
            store.sign_in_right(&account).await?;
            return Ok(Right { user: row.user, temporary: until.is_some() });
        }
    };
    // what was typed stays out of the trail where it is no account: it may be a password
    let mut event = Event::not_done(action, Outcome::Failed, why);
    if let Some(row) = &row {
        event = event.on("user", row.user, email);
    }
    store.sign_in_failed(&counted, actor, &event).await?;
    tracing::warn!(address = %from, "admin API: wrong sign-in");
    Err(Problem::new(StatusCode::UNAUTHORIZED, "wrong_sign_in", "e-mail address or password are wrong"))
}

fn subject(kind: &str, of: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(kind);
    hash.update([0]);
    hash.update(of);
    hash.finalize().into()
}
