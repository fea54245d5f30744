//! `auth`: who calls? The presented key's hash is looked up in the snapshot: no query, no wait.
//!
//! A refused key gets one and the same answer whatever is wrong with it; the reason is for the log only.

use crate::credentials::{self, CredentialError};
use crate::exchange::{Exchange, Principal, Request};
use crate::filter::{Filter, Step};
use crate::key::VirtualKey;
use crate::rejection::{ErrorKind, Rejection};
use crate::surface::Surface;
use sallyport_config::addresses::canonical;

/// The filter. It has no settings.
#[derive(Clone, Copy, Debug, Default)]
pub struct Auth;

impl Filter for Auth {
    fn name(&self) -> &'static str {
        "auth"
    }

    fn on_request<'a>(&'a self, x: &'a mut Exchange, request: Request<'a>) -> Step<'a> {
        if x.surface == Surface::Hello {
            return Step::PASS;
        }
        Step::Ready(match authenticate(x, request) {
            Ok(principal) => {
                x.principal = Some(principal);
                Ok(())
            }
            Err(e) => Err(e),
        })
    }
}

fn authenticate(x: &Exchange, request: Request<'_>) -> Result<Principal, Rejection> {
    let presented = credentials::find(request.headers, request.query).map_err(|e| match e {
        CredentialError::Missing => Rejection::client(
            ErrorKind::Authentication,
            "missing_api_key",
            "No API key was sent. Send it as 'Authorization: Bearer <key>' or as 'x-api-key: <key>'.",
        ),
        CredentialError::Conflict => Rejection::client(
            ErrorKind::InvalidRequest,
            "conflicting_api_keys",
            "The request holds two different API keys. Send one.",
        ),
        CredentialError::NotText => refused("a credential that is not text"),
    })?;
    let hash = VirtualKey::parse(&presented).map_err(|e| refused(e.to_string()))?;
    let snapshot = &x.snapshot;
    let shown = || VirtualKey::display_prefix(&presented).unwrap_or_default().to_owned();
    let key = snapshot.keys.get(&hash).ok_or_else(|| refused(format!("unknown key {}…", shown())))?;
    let because = |why: &str| refused(format!("key '{}' ({}…, {}) {why}", key.name, key.prefix, key.id));
    if key.revoked {
        return Err(because("is revoked"));
    }
    if key.disabled {
        return Err(because("is disabled"));
    }
    if let Some(networks) = &key.networks {
        let from = x.client_ip.map(canonical);
        if !from.is_some_and(|ip| networks.iter().any(|n| n.contains(&ip))) {
            return Err(because("may not be used from this address"));
        }
    }
    if key.expires_at.is_some_and(|at| x.started_at.unix_timestamp() >= at) {
        return Err(because("has expired"));
    }
    // An owner that the snapshot does not know was deleted: its keys go with it. A key without any owner belongs
    // to the organisation.
    let owner = match (key.user, key.account) {
        (None, None) => None,
        (user, account) => {
            let user = user.and_then(|id| snapshot.users.get(&id));
            match user.or_else(|| snapshot.accounts.get(&account?)) {
                Some(owner) if owner.active => Some(owner.clone()),
                _ => return Err(because("is of an inactive or deleted user or service account")),
            }
        }
    };
    let team = match key.team {
        None => None,
        Some(id) => match snapshot.teams.get(&id) {
            Some(team) if team.active => Some(team.clone()),
            _ => return Err(because("is of an inactive or deleted team")),
        },
    };
    Ok(Principal { key: key.clone(), team, owner })
}

/// The same words for every reason.
fn refused(detail: impl Into<String>) -> Rejection {
    Rejection::client(
        ErrorKind::Authentication,
        "invalid_api_key",
        "The API key is not valid. Check it, or ask whoever runs this gateway for a new one.",
    )
    .detail(detail)
}

#[cfg(test)]
mod tests;
