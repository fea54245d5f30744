//! Checking a password and a second factor: counted, and in the same time and with the same answer whether there is the
//! account or not.

use super::{SignIn, place, recovery, totp, verify};
use crate::problem::Problem;
use http::StatusCode;
use sallyport_schema::audit::{Actor, Event, Outcome};
use sallyport_schema::envelope::{KeyRing, USER_TOTP};
use sallyport_schema::error::StoreError;
use sallyport_schema::store::Store;
use sallyport_schema::store::factor::PasswordRow;
use sallyport_schema::store::sessions::Counted;
use sha2::{Digest as _, Sha256};
use std::net::IpAddr;
use time::OffsetDateTime;
use tokio::sync::SemaphorePermit;
use uuid::Uuid;
use zeroize::Zeroizing;

/// Wrong sign-ins of an account that cost nothing.
const ACCOUNT: i32 = 4;
/// Those of an address: an office may share one.
const ADDRESS: i32 = 50;
/// Longest e-mail address (RFC 5321: 254) and name.
const EMAIL: usize = 254;
const NAME: usize = 200;
/// Longest code, in bytes.
const CODE: usize = 64;

/// What a person wrote about an account cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccountError {
    /// No mail could be sent there.
    #[error("email: write an address such as ada@example.com")]
    Email,
    /// Empty, too long, or not printable.
    #[error("name: write 1 to {NAME} characters")]
    Name,
}

impl From<AccountError> for Problem {
    fn from(error: AccountError) -> Self {
        crate::params::wrong(error.to_string())
    }
}

/// An e-mail address as it is kept: lower case. Not more is checked than that a mail could be sent to it.
///
/// # Errors
/// [`AccountError::Email`].
pub fn email(text: &str) -> Result<String, AccountError> {
    let text = text.trim().to_lowercase();
    let fine = text.len() <= EMAIL
        && !text.chars().any(|c| c.is_control() || c.is_whitespace())
        && text
            .split_once('@')
            .is_some_and(|(user, host)| !user.is_empty() && !host.is_empty() && !host.contains('@'));
    if fine { Ok(text) } else { Err(AccountError::Email) }
}

/// A display name.
///
/// # Errors
/// [`AccountError::Name`].
pub fn display_name(text: &str) -> Result<String, AccountError> {
    let text = text.trim();
    let fine = (1..=NAME).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    if fine { Ok(text.to_owned()) } else { Err(AccountError::Name) }
}

/// What is shown beside the password.
#[derive(Default)]
pub(super) struct Proof {
    /// The password.
    pub(super) password: Zeroizing<String>,
    /// Of an authenticator app.
    pub(super) code: Option<String>,
    /// One of those for emergencies.
    pub(super) recovery_code: Option<Zeroizing<String>>,
}

impl Proof {
    /// From a request.
    pub(super) fn of(
        password: Zeroizing<String>,
        code: Option<String>,
        recovery_code: Option<String>,
    ) -> Result<Self, Problem> {
        if password.chars().count() > super::password::LONGEST {
            return Err(crate::params::wrong("password: at most 256 characters"));
        }
        if [&code, &recovery_code].into_iter().flatten().any(|c| c.len() > CODE) {
            return Err(crate::params::wrong(format!("code, recovery_code: at most {CODE} characters")));
        }
        if code.is_some() && recovery_code.is_some() {
            return Err(crate::params::wrong("send `code` or `recovery_code`, not both"));
        }
        Ok(Self { password, code, recovery_code: recovery_code.map(Zeroizing::new) })
    }
}

/// Whether an account's second factor is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Factor {
    /// If there is one.
    Asked,
    /// No: it was shown when the session began.
    Shown,
}

/// Whose password it was.
pub(super) struct Right {
    pub(super) user: Uuid,
    /// A temporary one.
    pub(super) temporary: bool,
    /// As the session names it: `password`, `password+totp`, `password+recovery_code`.
    pub(super) method: &'static str,
}

/// Why somebody has not shown who he is.
pub(super) enum Failed {
    /// Account or password.
    Password,
    /// The code, or the recovery code.
    Code,
    /// The password is right and the account has a second factor: of these.
    Missing(Vec<&'static str>),
    /// It was not even looked at.
    Other(Problem),
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Other(problem)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Other(error.into())
    }
}

impl Failed {
    /// As a sign-in answers.
    pub(super) fn sign_in(self) -> Problem {
        let problem = |code, detail| Problem::new(StatusCode::UNAUTHORIZED, code, detail);
        match self {
            Self::Password => problem("wrong_sign_in", "e-mail address or password are wrong"),
            Self::Code => problem("wrong_code", "the code is wrong, or has been used: wait for the next one"),
            Self::Missing(methods) => {
                let detail = "the account has a second factor: send `code` or `recovery_code` too, or sign in with \
                              a passkey";
                problem("second_factor_required", detail).methods(methods)
            }
            Self::Other(problem) => problem,
        }
    }

    /// As a change of one's own account answers: who asks is signed in.
    pub(super) fn again(self) -> Problem {
        let problem = |code, detail| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail);
        match self {
            Self::Password => problem("wrong_password", "the current password is wrong"),
            Self::Code => problem("wrong_code", "the code is wrong, or has been used: wait for the next one"),
            Self::Missing(methods) => {
                problem("second_factor_required", "send `code` or `recovery_code` too").methods(methods)
            }
            Self::Other(problem) => problem,
        }
    }
}

/// A try to show who one is. One's turn to hash is held from the question whether one is blocked until a wrong one is
/// counted.
pub(super) struct Attempt<'a> {
    store: &'a Store,
    counted: Vec<Counted>,
    from: IpAddr,
    actor: &'a Actor,
    action: &'static str,
    _turn: SemaphorePermit<'a>,
}

impl<'a> Attempt<'a> {
    /// Begins one, unless account (None: an address alone) or address must wait.
    pub(super) async fn begin(
        (turn, store): (SemaphorePermit<'a>, &'a Store),
        account: Option<[u8; 32]>,
        from: IpAddr,
        actor: &'a Actor,
        action: &'static str,
    ) -> Result<Self, Problem> {
        let network = subject("network", place::network(from, 32, 64).to_string().as_bytes());
        let account = account.map(|subject| Counted { subject, free: ACCOUNT });
        let counted: Vec<_> =
            account.into_iter().chain([Counted { subject: network, free: ADDRESS }]).collect();
        if let Some(wait) = store.sign_in_blocked(&counted).await? {
            let problem = Problem::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_failures",
                "too many wrong sign-ins; wait for the time in Retry-After",
            );
            return Err(problem.retry_after(wait.as_secs() + 1));
        }
        Ok(Self { store, counted, from, actor, action, _turn: turn })
    }

    /// Counts a wrong one. `of`: the account; what was typed stays out of the trail where it is no account: it may be a
    /// password.
    pub(super) async fn wrong(&self, why: &'static str, of: Option<(Uuid, &str)>) -> Result<(), Problem> {
        let mut event = Event::not_done(self.action, Outcome::Failed, why);
        if let Some((user, email)) = of {
            event = event.on("user", user, email);
        }
        self.store.sign_in_failed(&self.counted, self.actor, &event).await?;
        tracing::warn!(address = %self.from, "admin API: wrong sign-in");
        Ok(())
    }
}

/// Under which name an account's wrong sign-ins are counted.
pub(super) fn counted(user: Uuid) -> [u8; 32] {
    subject("account", user.as_bytes())
}

/// Checks the password of the account and, if that is asked, its second factor. A wrong one is counted for account and
/// address and put into the audit trail as `action`.
pub(super) async fn check(
    (sign_in, store, ring): (&SignIn, &Store, &KeyRing),
    email: &str,
    proof: Proof,
    factor: Factor,
    from: IpAddr,
    actor: &Actor,
    action: &'static str,
) -> Result<Right, Failed> {
    let turn = sign_in.turn().await?;
    let row = store.password_row(email).await?;
    let account = match &row {
        Some(row) => counted(row.user),
        None => subject("address of no account", email.as_bytes()),
    };
    let attempt = Attempt::begin((turn, store), Some(account), from, actor, action).await?;
    let of = row.as_ref().map(|r| (r.user, email));
    let hash = row.as_ref().and_then(|r| r.hash.clone());
    let right = verify(proof.password.to_string(), hash).await;
    let until = row.as_ref().and_then(|r| r.temporary_until);
    let row = match row {
        None => Err("no such account, or it is not active"),
        Some(_) if !right => Err("wrong password"),
        Some(_) if until.is_some_and(|t| t <= OffsetDateTime::now_utc()) => {
            Err("the temporary password has expired")
        }
        Some(row) => Ok(row),
    };
    let row = match row {
        Ok(row) => row,
        Err(why) => {
            attempt.wrong(why, of).await?;
            return Err(Failed::Password);
        }
    };
    let mut method = "password";
    if row.has_factor() {
        // a right password alone buys no further guesses at codes
        if factor == Factor::Shown {
            return Ok(Right { user: row.user, temporary: until.is_some(), method });
        }
        match second((store, ring), &row, email, &proof, actor).await? {
            Second::Right(shown) => method = shown,
            Second::Wrong(why) => {
                attempt.wrong(why, of).await?;
                return Err(Failed::Code);
            }
            Second::Missing => {
                let why = "the password is right, the second factor was not sent";
                let event = Event::not_done(action, Outcome::Denied, why).on("user", row.user, email);
                store.note(actor, &event).await?;
                let totp = row.totp.is_some().then_some("totp");
                let passkey = row.passkey.then_some("passkey");
                return Err(Failed::Missing(
                    totp.into_iter().chain(["recovery_code"]).chain(passkey).collect(),
                ));
            }
        }
    }
    store.sign_in_right(&counted(row.user)).await?;
    Ok(Right { user: row.user, temporary: until.is_some(), method })
}

enum Second {
    Right(&'static str),
    Wrong(&'static str),
    Missing,
}

/// Checks a second factor and uses it up.
async fn second(
    (store, ring): (&Store, &KeyRing),
    row: &PasswordRow,
    email: &str,
    proof: &Proof,
    actor: &Actor,
) -> Result<Second, Problem> {
    if let Some(code) = &proof.recovery_code {
        let taken = store.use_recovery_code(row.user, &recovery::hash(code), email, actor).await?;
        return Ok(if taken {
            Second::Right("password+recovery_code")
        } else {
            Second::Wrong("wrong recovery code")
        });
    }
    let Some(code) = &proof.code else { return Ok(Second::Missing) };
    let Some(sealed) = &row.totp else { return Ok(Second::Wrong("a code, but the account has no TOTP")) };
    let secret = ring.open(&USER_TOTP.place(row.user), sealed).map_err(|error| {
        tracing::error!(%error, user = %row.user, "the secret of a second factor does not open");
        super::failed()
    })?;
    let now = OffsetDateTime::now_utc().unix_timestamp();
    Ok(match totp::check(&secret, code, now, row.totp_step) {
        // another instance may have been quicker
        totp::Code::Right(step) if store.use_totp_step(row.user, step).await? => {
            Second::Right("password+totp")
        }
        totp::Code::Right(_) | totp::Code::Used => Second::Wrong("the code was used before"),
        totp::Code::Wrong => Second::Wrong("wrong code"),
    })
}

fn subject(kind: &str, of: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(kind);
    hash.update([0]);
    hash.update(of);
    hash.finalize().into()
}
