//! People sign in: passwords, access tokens, sessions, and the first super admin.
//!
//! A session is a row; an access token (15 minutes, a cookie or a Bearer token) names it, a refresh secret (a cookie)
//! renews it and changes with each use. Every request asks for the row: what ends a session ends it at once.

mod account;
mod again;
mod cookies;
pub(crate) mod factor;
pub(crate) mod me;
pub(crate) mod passkey;
pub(crate) mod passkeys;
pub mod password;
mod place;
mod recovery;
pub(crate) mod reset;
pub(crate) mod sessions;
pub(crate) mod setup;
mod tokens;
mod totp;
mod webauthn;

use crate::problem::Problem;
pub use account::{AccountError, display_name, email};
pub(crate) use cookies::find as find_cookie;
use http::{HeaderMap, StatusCode, header};
use password::{PasswordError, Policy};
use sallyport_config::model::{Admin, BindAddress};
use sallyport_schema::audit::{Actor, Event, Outcome};
use sallyport_schema::envelope::KeyRing;
use sallyport_schema::store::Store;
use sallyport_schema::store::people::Person;
use sallyport_schema::store::sessions::SignedIn;
use std::net::IpAddr;
use std::time::Duration;
use time::OffsetDateTime;
use tokens::Tokens;
pub(crate) use tokens::{Claims, Refused};
use tokio::sync::{Semaphore, SemaphorePermit};
use uuid::Uuid;

/// Passwords that are hashed at once: 19 MiB and a core each.
const HASHING: usize = 2;
/// Longest wait for one's turn.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest `User-Agent` that is kept, in characters.
const AGENT: usize = 300;
/// How a session began that a password alone opened.
const PASSWORD: &str = "password";
/// How one began that a passkey opened.
const PASSKEY: &str = "passkey";
/// The header that a request with a cookie needs, if it changes something.
const CSRF: &str = "x-csrf-token";

/// What signing in needs.
pub(crate) struct SignIn {
    tokens: Tokens,
    policy: Policy,
    turns: Semaphore,
    pub(crate) max_age: Duration,
    temporary: Duration,
    pub(crate) idle: Duration,
    bind: BindAddress,
    required: Vec<String>,
    passkeys: Option<webauthn::Passkeys>,
}

impl SignIn {
    /// As configured.
    pub(crate) fn new(rules: &Admin, ring: &KeyRing) -> Self {
        Self {
            tokens: Tokens::new(&rules.session, ring),
            policy: Policy::of(&rules.password),
            turns: Semaphore::new(HASHING),
            temporary: rules.password.temporary.get(),
            max_age: rules.session.max_age.get(),
            idle: rules.session.idle.get(),
            bind: rules.session.bind_address,
            required: rules.second_factor.required_roles.clone(),
            passkeys: webauthn::Passkeys::new(rules.public_url.as_deref(), ring),
        }
    }

    /// Whether a role of this user needs a second factor. Whoever manages a team is its `team_manager`.
    pub(crate) fn needs_factor(&self, person: &Person) -> bool {
        let manages = person.teams.iter().any(|t| t.manager);
        self.required
            .iter()
            .any(|r| person.roles.iter().any(|held| held.role == *r) || (manages && r == "team_manager"))
    }

    /// Whether a second factor must be set up before anything else is done in a session that began so. With OIDC the
    /// provider has asked for what is needed.
    pub(crate) fn must_enrol(&self, person: &Person, method: &str) -> bool {
        let local = method.starts_with("password") || method == PASSKEY;
        local && (method == PASSWORD || !person.has_factor()) && self.needs_factor(person)
    }

    /// One's turn to have a password hashed. Whoever checks one holds it from the question whether the account is
    /// blocked until a wrong one is counted: guesses at the same time do not get around the count.
    async fn turn(&self) -> Result<SemaphorePermit<'_>, Problem> {
        match tokio::time::timeout(PATIENCE, self.turns.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(Problem::unavailable("busy", "too many people sign in at once", 5)),
        }
    }

    /// The claims of an access token.
    pub(crate) fn verify(&self, token: &str) -> Result<Claims, Refused> {
        self.tokens.verify(token)
    }

    /// The access token that came as a cookie.
    pub(crate) fn cookie(headers: &HeaderMap) -> Option<&str> {
        cookies::find(headers, cookies::ACCESS).filter(|v| !v.is_empty())
    }

    /// Whether the header that no other site can send is there and right.
    pub(crate) fn csrf_given(&self, headers: &HeaderMap, session: Uuid) -> bool {
        headers.get(CSRF).is_some_and(|v| self.tokens.csrf_matches(session, v.as_bytes()))
    }

    /// What the client must send along.
    pub(crate) fn csrf(&self, session: Uuid) -> String {
        self.tokens.csrf(session)
    }

    /// Whether the session is used where it began: from that network, by that program. If not, the trail says so.
    pub(crate) async fn in_place(
        &self,
        store: &Store,
        found: &SignedIn,
        from: IpAddr,
        headers: &HeaderMap,
    ) -> Result<(), Problem> {
        let seen = agent(headers).unwrap_or_default();
        let session = &found.session;
        if place::same_network(self.bind, session.address, from)
            && place::family(&session.agent) == place::family(&seen)
        {
            return Ok(());
        }
        tracing::warn!(address = %from, "admin API: a session came from elsewhere");
        let actor = Actor { address: Some(from.to_string()), agent: Some(seen), ..Actor::system("sign-in") };
        let why = "the session began at another address or in another program";
        let event = Event::not_done("session.use", Outcome::Denied, why);
        let event = event.on("user", found.person.id, found.person.email.as_str());
        if let Err(error) = store.note(&actor, &event).await {
            // the denial stands
            tracing::error!(%error, "a denial could not be put into the audit trail");
        }
        Err(sessions::moved())
    }

    /// The cookies of a session; without a refresh secret the client keeps the one that it has.
    pub(crate) fn hand_out(
        &self,
        headers: &mut HeaderMap,
        session: &sallyport_schema::store::sessions::Session,
        refresh: Option<&str>,
    ) -> Result<(), Problem> {
        let left = session.expires_at - OffsetDateTime::now_utc();
        let left = Duration::try_from(left).unwrap_or_default();
        let access = self.tokens.issue(session.user, session.id, session.epoch, session.expires_at);
        let access = access.ok_or_else(failed)?;
        cookies::set(headers, cookies::ACCESS, &access, tokens::LIFE.min(left));
        if let Some(secret) = refresh {
            let value = format!("{}.{secret}", session.id);
            cookies::set(headers, cookies::REFRESH, &value, left.min(self.idle));
        }
        Ok(())
    }
}

/// Hashes on a thread for slow work.
async fn hash(password: String) -> Result<String, Problem> {
    let hashed = tokio::task::spawn_blocking(move || password::hash(&password)).await;
    match hashed {
        Ok(Ok(hash)) => Ok(hash),
        Ok(Err(error)) => {
            tracing::error!(%error, "a password was not hashed");
            Err(failed())
        }
        Err(_) => Err(failed()),
    }
}

/// Checks on a thread for slow work.
async fn verify(password: String, hash: Option<String>) -> bool {
    let checked = tokio::task::spawn_blocking(move || password::verify(&password, hash.as_deref()));
    checked.await.unwrap_or(false)
}

impl From<PasswordError> for Problem {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Failed(error) => {
                tracing::error!(error, "a password was not hashed");
                failed()
            }
            weak => Self::new(StatusCode::UNPROCESSABLE_ENTITY, "weak_password", weak.to_string()),
        }
    }
}

pub(crate) fn failed() -> Problem {
    Problem::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "internal_error",
        "the service could not do it; its log says why",
    )
}

/// The client's `User-Agent`, cut to what is kept of it.
pub(crate) fn agent(headers: &HeaderMap) -> Option<String> {
    let agent = headers.get(header::USER_AGENT).and_then(|v| v.to_str().ok())?;
    Some(agent.chars().take(AGENT).collect())
}

/// Another site's page cannot make a browser sign in, out or on. (Browsers send the header, programs do not.)
fn same_site(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get("sec-fetch-site").map(|v| v.as_bytes()) {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => {
            Err(Problem::new(StatusCode::FORBIDDEN, "cross_site", "a page of another origin may not do this"))
        }
    }
}
