//! A flow under way, in a sealed cookie of the browser that began it.

use crate::problem::Problem;
use crate::state::AdminState;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::SET_COOKIE;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;
use time::OffsetDateTime;
use uuid::Uuid;

/// `Lax`: the provider's page sends the browser here.
const COOKIE: &str = "__Host-sallyport-oidc";
/// What the cookie is sealed for.
const PLACE: &str = "oidc/flow";
/// What a ticket for a test login is sealed for.
const TICKET: &str = "oidc/test";
/// How long a flow or a ticket is good, in seconds.
const LIFE: i64 = 600;
/// Longest sealed text that is looked at.
const LONGEST: usize = 4096;

/// What must be remembered until the browser comes back.
#[derive(Serialize, Deserialize)]
pub(super) struct Flow {
    pub(super) provider: Uuid,
    /// The configuration that it began with.
    pub(super) configuration: i64,
    pub(super) state: String,
    pub(super) nonce: String,
    /// PKCE (RFC 7636).
    pub(super) verifier: String,
    pub(super) return_to: String,
    /// A test login: who began it.
    pub(super) test: Option<String>,
    until: i64,
}

impl Flow {
    /// One that begins now.
    pub(super) fn new(
        (provider, configuration): (Uuid, i64),
        (state, nonce, verifier): (String, String, String),
        return_to: String,
        test: Option<String>,
    ) -> Self {
        Self { provider, configuration, state, nonce, verifier, return_to, test, until: end() }
    }

    /// Into the browser.
    pub(super) fn keep(&self, state: &AdminState, headers: &mut HeaderMap) -> Result<(), Problem> {
        set(headers, &seal(state, PLACE, self)?, LIFE);
        Ok(())
    }

    /// Out of the browser, if it is the one that began: `given` is the state that came back.
    pub(super) fn find(state: &AdminState, headers: &HeaderMap, given: &str) -> Result<Self, Problem> {
        let flow: Option<Self> =
            crate::sign_in::find_cookie(headers, COOKIE).and_then(|v| open(state, PLACE, v));
        let flow = flow.ok_or_else(|| {
            stray("this browser has begun no sign-in, or it took longer than 10 minutes: begin again")
        })?;
        // hashes: of one length, whatever came
        let (ours, theirs) = (Sha256::digest(&flow.state), Sha256::digest(given));
        if !bool::from(ours.ct_eq(&theirs)) || flow.until < OffsetDateTime::now_utc().unix_timestamp() {
            return Err(stray("this answer belongs to another sign-in, or it took too long: begin again"));
        }
        Ok(flow)
    }

    /// SHA-256 that names it, and how long it is good: it is used up under that name.
    pub(super) fn once(&self) -> ([u8; 32], OffsetDateTime) {
        let mut hash = Sha256::new();
        hash.update("state\0");
        hash.update(&self.state);
        let until = OffsetDateTime::from_unix_timestamp(self.until + 60);
        (hash.finalize().into(), until.unwrap_or_else(|_| OffsetDateTime::now_utc()))
    }
}

/// Takes the cookie away.
pub(super) fn clear(headers: &mut HeaderMap) {
    set(headers, "", 0);
}

fn set(headers: &mut HeaderMap, value: &str, age: i64) {
    let text = format!("{COOKIE}={value}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={age}");
    if let Ok(mut text) = HeaderValue::from_str(&text) {
        text.set_sensitive(true);
        headers.append(SET_COOKIE, text);
    }
}

/// 400: not of this browser.
pub(super) fn stray(detail: &'static str) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "stray_sign_in", detail)
}

/// Lets a browser begin a test login of a provider that is not active.
#[derive(Serialize, Deserialize)]
pub(super) struct Ticket {
    pub(super) provider: Uuid,
    pub(super) configuration: i64,
    /// Who asked for it.
    pub(super) by: String,
    until: i64,
}

impl Ticket {
    /// A ticket, sealed.
    pub(super) fn issue(
        state: &AdminState,
        provider: Uuid,
        configuration: i64,
        by: String,
    ) -> Result<String, Problem> {
        seal(state, TICKET, &Self { provider, configuration, by, until: end() })
    }

    /// The ticket, if it is one of ours and still good.
    pub(super) fn read(state: &AdminState, text: &str) -> Option<Self> {
        let ticket: Self = open(state, TICKET, text)?;
        (ticket.until >= OffsetDateTime::now_utc().unix_timestamp()).then_some(ticket)
    }
}

fn end() -> i64 {
    OffsetDateTime::now_utc().unix_timestamp() + LIFE
}

fn seal(state: &AdminState, place: &str, what: &impl Serialize) -> Result<String, Problem> {
    let sealed = serde_json::to_vec(what)
        .map_err(|e| e.to_string())
        .and_then(|text| state.keyring().seal(place, &text).map_err(|e| e.to_string()));
    match sealed {
        Ok(sealed) => Ok(URL_SAFE_NO_PAD.encode(sealed)),
        Err(error) => {
            tracing::error!(error, "a sign-in could not be sealed");
            Err(crate::sign_in::failed())
        }
    }
}

fn open<T: DeserializeOwned>(state: &AdminState, place: &str, text: &str) -> Option<T> {
    if text.len() > LONGEST {
        return None;
    }
    let sealed = URL_SAFE_NO_PAD.decode(text).ok()?;
    let text = state.keyring().open(place, &sealed).ok()?;
    serde_json::from_slice(&text).ok()
}

/// Where to go after the sign-in: a path of this service alone. Browsers read `//host`, and `/\host` too, as another
/// host, and drop tabs and line ends.
pub(super) fn local(path: Option<String>) -> Result<String, Problem> {
    let path = path.unwrap_or_else(|| "/".to_owned());
    let plain = path.bytes().all(|b| (0x21..=0x7e).contains(&b) && b != b'\\');
    if path.len() <= 1000 && path.starts_with('/') && !path.starts_with("//") && plain {
        Ok(path)
    } else {
        Err(Problem::bad_request("bad_parameter", "return_to: a path of this service, such as /keys"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_local_paths() {
        for good in ["/", "/keys?x=1#y", "/a//b", "/%0a", "/@evil.example"] {
            assert_eq!(local(Some(good.into())).unwrap(), good);
        }
        assert_eq!(local(None).unwrap(), "/");
        for bad in [
            "",
            "//evil.example",
            "/\\evil.example",
            "\\\\evil",
            "https://evil.example",
            "evil",
            "/\t/evil.example",
            "/\n/evil.example",
            " //evil",
            "/a b",
            "javascript:alert(1)",
            "/\u{e9}",
            "///evil.example",
            "/a\\b",
            &format!("/{}", "a".repeat(1000)),
        ] {
            assert_eq!(local(Some(bad.into())).unwrap_err().code(), "bad_parameter", "{bad:?}");
        }
    }
}
