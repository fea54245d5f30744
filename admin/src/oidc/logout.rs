//! Signing out: here and at the provider (RP-Initiated Logout 1.0), and when the provider says so (Back-Channel Logout
//! 1.0).

use super::tokens::{LONGEST, LogoutToken, Unsigned};
use super::{OidcError, login};
use crate::caller::Caller;
use crate::params::Named;
use crate::problem::Problem;
use crate::state::AdminState;
use axum::Extension;
use axum::extract::State;
use axum::extract::rejection::BytesRejection;
use bytes::Bytes;
use http::StatusCode;
use sallyport_schema::envelope::OIDC_ID_TOKEN;
use sallyport_schema::store::oidc::OidcProvider;
use sallyport_schema::store::oidc::logout::OidcEnded;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;
use uuid::Uuid;

/// Longest ID token that goes into an address, in bytes.
const HINT: usize = 6000;

/// Where to go to sign out at the provider too.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SignedOut {
    /// Send the browser there.
    pub(crate) logout_url: String,
}

/// Where a session that came from a provider is ended there. Trouble with it must keep nobody from signing out here.
pub(crate) async fn farewell(state: &AdminState, session: Uuid) -> Option<SignedOut> {
    let found = match state.store().oidc_farewell(session).await {
        Ok(found) => found?,
        Err(error) => {
            tracing::error!(%error, "where to sign out at the identity provider is not known");
            return None;
        }
    };
    let mut url = url::Url::parse(&found.end_session).ok()?;
    let place = OIDC_ID_TOKEN.place(session);
    let token = found.id_token.and_then(|sealed| state.keyring().open(&place, &sealed).ok());
    {
        let mut query = url.query_pairs_mut();
        if let Some(token) =
            token.as_deref().and_then(|t| std::str::from_utf8(t).ok()).filter(|t| t.len() <= HINT)
        {
            query.append_pair("id_token_hint", token);
        }
        query.append_pair("client_id", &found.client_id);
        if let Ok(home) = state.oidc().public_url() {
            query.append_pair("post_logout_redirect_uri", &format!("{home}/"));
        }
    }
    Some(SignedOut { logout_url: url.into() })
}

/// What the provider sends.
#[derive(ToSchema)]
#[allow(dead_code, reason = "for the description alone: the form is read by hand")]
pub(crate) struct LogoutForm {
    /// A logout token.
    #[schema(max_length = 16384)]
    logout_token: String,
}

/// Back-channel logout
///
/// For the identity provider: ends the sessions that its logout token names.
#[utoipa::path(post, path = "/api/oidc/{slug}/backchannel_logout", tag = "sign-in", operation_id = "oidcBackchannelLogout",
    params(("slug" = String, Path, description = "The provider.")),
    request_body(content = LogoutForm, content_type = "application/x-www-form-urlencoded"),
    responses(
        (status = 200, description = "The sessions are over."),
        (status = 400, description = "It is no logout token for us."),
        (status = 502, description = "The provider's keys cannot be had.")))]
pub(crate) async fn backchannel(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Named(slug): Named<String>,
    body: Result<Bytes, BytesRejection>,
) -> Result<StatusCode, Problem> {
    let body = body.map_err(|_| Problem::bad_request("bad_body", "the body could not be read"))?;
    let provider = login::by_slug(&state, &slug).await?;
    match end(&state, &caller, &provider, &body).await? {
        Ok(sessions) => {
            tracing::info!(provider = provider.slug, sessions, "back-channel logout");
            Ok(StatusCode::OK)
        }
        Err(error) => {
            // not into the trail: anybody can send these
            tracing::warn!(provider = provider.slug, %error, "a logout token was refused");
            // 2.8: 400 for whatever is wrong with the request
            Err(match error {
                OidcError::Token(why) => {
                    Problem::bad_request("bad_logout_token", format!("logout_token: {why}"))
                }
                other => other.problem(),
            })
        }
    }
}

async fn end(
    state: &AdminState,
    caller: &Caller,
    provider: &OidcProvider,
    body: &[u8],
) -> Result<Result<u64, OidcError>, Problem> {
    let bad = |why: &str| Ok(Err(OidcError::Token(why.to_owned())));
    let mut given =
        url::form_urlencoded::parse(body).filter(|(name, _)| name == "logout_token").map(|(_, v)| v);
    let (Some(text), None) = (given.next(), given.next()) else {
        return bad("send one logout_token as a form");
    };
    if text.len() > LONGEST {
        return bad("it is too long");
    }
    let token = match LogoutToken::read(&text, &provider.issuer, &provider.client_id) {
        Ok(token) => token,
        Err(error) => return Ok(Err(error)),
    };
    if let Err(error) = signed(state, provider, &token).await {
        return Ok(Err(error));
    }
    let mut name = Sha256::new();
    name.update("jti\0");
    name.update(provider.id);
    name.update(&token.claims.jti);
    let ended = OidcEnded {
        provider: provider.id,
        slug: provider.slug.clone(),
        issuer: provider.issuer.clone(),
        token: name.finalize().into(),
        until: token.until(),
        subject: token.claims.sub,
        sid: token.claims.sid,
    };
    match state.store().end_oidc_sessions(&ended, caller.actor()).await? {
        Some(sessions) => Ok(Ok(sessions)),
        None => bad("it was used before (jti)"),
    }
}

async fn signed(state: &AdminState, provider: &OidcProvider, token: &LogoutToken) -> Result<(), OidcError> {
    let remotes = &state.oidc().remotes;
    let metadata = remotes.metadata(state.outside(), provider).await?;
    match token.verify(&metadata) {
        Ok(()) => Ok(()),
        Err(Unsigned::Wrong(error)) => Err(error),
        Err(Unsigned::Unknown(error)) => {
            let other = remotes.other_keys(state.outside(), provider, &metadata).await?.ok_or(error)?;
            token.verify(&other).map_err(|(Unsigned::Wrong(e) | Unsigned::Unknown(e))| e)
        }
    }
}
