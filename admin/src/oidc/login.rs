//! The flow: out to the provider, and back.

use super::flow::{Flow, Ticket, clear, local, stray};
use super::remote::{self, Us};
use super::{OidcError, claims, told, trial};
use crate::caller::{Caller, Peer};
use crate::guard::Noted;
use crate::params::{Named, Params};
use crate::problem::Problem;
use crate::sign_in::{agent, sessions};
use crate::state::AdminState;
use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use axum::{Extension, Json};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use sallyport_schema::audit::{Actor, Event, Outcome};
use sallyport_schema::envelope::{OIDC_CLIENT_SECRET, OIDC_ID_TOKEN};
use sallyport_schema::store::oidc::sign_in::{OidcLogin, OidcSession, unnamed};
use sallyport_schema::store::oidc::{OidcProvider, OidcState};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::net::IpAddr;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Longest code, state and ID token, in bytes.
const LONGEST: usize = 16 * 1024;

/// A way to sign in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Way {
    /// `GET /api/oidc/{slug}/login` begins it.
    slug: String,
    /// For people.
    name: String,
}

/// The ways to sign in, besides a password.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ways {
    /// Identity providers.
    providers: Vec<Way>,
}

/// How one can sign in
#[utoipa::path(get, path = "/api/sign_in", tag = "sign-in", operation_id = "listSignIns",
    responses((status = 200, description = "The identity providers that are active.", body = Ways)))]
pub(crate) async fn list(State(state): State<AdminState>) -> Result<Json<Ways>, Problem> {
    let all = state.store().oidc_providers().await?;
    let active = all.into_iter().filter(|p| p.state == OidcState::Active);
    Ok(Json(Ways { providers: active.map(|p| Way { slug: p.slug, name: p.name }).collect() }))
}

/// Where the browser goes afterwards.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct LoginQuery {
    /// A path of this service.
    #[param(max_length = 1000, example = "/keys")]
    return_to: Option<String>,
    /// From `POST /api/oidc_providers/{id}/test`.
    test: Option<String>,
}

/// Begin to sign in with an identity provider
#[utoipa::path(get, path = "/api/oidc/{slug}/login", tag = "sign-in", operation_id = "oidcLogin",
    params(("slug" = String, Path, description = "The provider."), LoginQuery),
    responses(
        (status = 302, description = "To the provider; the flow is in a cookie for 10 minutes."),
        (status = 409, description = "admin.public_url is not set."),
        (status = 502, description = "The provider cannot be reached.")))]
pub(crate) async fn begin(
    State(state): State<AdminState>,
    Named(slug): Named<String>,
    Params(query): Params<LoginQuery>,
) -> Result<Response, Problem> {
    let return_to = local(query.return_to)?;
    let provider = by_slug(&state, &slug).await?;
    let at = (provider.id, provider.configuration);
    let test = match query.test {
        Some(ticket) => {
            let ticket = Ticket::read(&state, &ticket).filter(|t| (t.provider, t.configuration) == at);
            Some(
                ticket
                    .ok_or_else(|| {
                        stray("the test is over, or the provider has been changed: begin a new one")
                    })?
                    .by,
            )
        }
        None if provider.state == OidcState::Active => None,
        None => return Err(no_such()),
    };
    let us = us(&state, &provider)?;
    let metadata = state.oidc().remotes.metadata(state.outside(), &provider).await;
    let begun = metadata.and_then(|m| remote::authorize(&m, &us, &provider.settings.scopes));
    let begun = match begun {
        Ok(begun) => begun,
        Err(error) => {
            tracing::warn!(provider = provider.slug, %error, "a sign-in could not begin");
            // whoever tests may know
            return Err(match test {
                Some(_) => Problem::new(StatusCode::BAD_GATEWAY, "provider_unreachable", error.to_string()),
                None => error.problem(),
            });
        }
    };
    let flow = Flow::new(at, (begun.state, begun.nonce, begun.verifier), return_to, test);
    let mut response = go(StatusCode::FOUND, begun.url.as_str())?;
    flow.keep(&state, response.headers_mut())?;
    Ok(response)
}

/// What the provider sends back (OpenID Connect Core 1.0, 3.1.2.5 and 3.1.2.6; RFC 9207).
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub(crate) struct CallbackQuery {
    code: Option<String>,
    state: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
    iss: Option<String>,
}

/// Come back from an identity provider
#[utoipa::path(get, path = "/api/oidc/{slug}/callback", tag = "sign-in", operation_id = "oidcCallback",
    params(("slug" = String, Path, description = "The provider."), CallbackQuery),
    responses(
        (status = 200, description = "A test login has ended; nobody is signed in.", body = trial::Tried),
        (status = 303, description = "Signed in; the session is in the cookies."),
        (status = 400, description = "This browser has not begun this, it was used before, or the provider says no."),
        (status = 403, description = "The token is not valid, or the rules say no."),
        (status = 502, description = "The provider cannot be reached, or its answer cannot be used.")))]
pub(crate) async fn callback(
    State(state): State<AdminState>,
    Extension(caller): Extension<Caller>,
    Peer(from): Peer,
    headers: HeaderMap,
    Named(slug): Named<String>,
    Params(query): Params<CallbackQuery>,
) -> Result<Response, Problem> {
    let given = query.state.as_deref().filter(|s| s.len() <= LONGEST);
    let given = given.ok_or_else(|| stray("the answer has no state: begin again"))?;
    let flow = Flow::find(&state, &headers, given)?;
    // from here on it is this browser's own flow: it works once, however it ends
    let mut response = come_back(&state, &caller, from, &headers, &slug, flow, query).await.into_response();
    clear(response.headers_mut());
    Ok(response)
}

async fn come_back(
    state: &AdminState,
    caller: &Caller,
    from: IpAddr,
    headers: &HeaderMap,
    slug: &str,
    flow: Flow,
    query: CallbackQuery,
) -> Result<Response, Problem> {
    let (name, until) = flow.once();
    if !state.store().spend_oidc(&name, until).await? {
        return Err(stray("this sign-in has been used: begin again"));
    }
    let provider = state.store().oidc_provider(flow.provider).await?.filter(|p| p.slug == slug);
    let provider = provider.ok_or_else(no_such)?;
    let now = flow.test.is_some() || provider.state == OidcState::Active;
    if !now || provider.configuration != flow.configuration {
        return Err(stray("the sign-in provider has been changed or switched off meanwhile: begin again"));
    }
    let (test, return_to) = (flow.test.clone(), flow.return_to.clone());
    let seen = identify(state, &provider, flow, query).await?;
    if let Some(by) = test {
        return trial::keep(state, caller, &provider, by, seen).await;
    }
    let result = match seen {
        Ok(seen) => sign_in(state, caller, from, headers, &provider, seen, &return_to).await?,
        Err(error) => Err(error),
    };
    match result {
        Ok(response) => Ok(response),
        Err(error) => {
            tracing::warn!(provider = provider.slug, %error, "a sign-in did not come about");
            if error.counts() {
                let event = Event::not_done("session.sign_in", Outcome::Failed, error.to_string());
                let event = event.on("oidc_provider", provider.id, &provider.slug);
                state.store().note(&anonymous(caller), &event).await?;
                let mut response = error.problem().into_response();
                response.extensions_mut().insert(Noted);
                return Ok(response);
            }
            Err(error.problem())
        }
    }
}

/// What a flow has shown.
pub(super) struct Seen {
    pub(super) claims: Map<String, Value>,
    pub(super) login: Result<OidcLogin, OidcError>,
    id_token: String,
    end_session: Option<String>,
}

/// Who it is, by the provider.
async fn identify(
    state: &AdminState,
    provider: &OidcProvider,
    flow: Flow,
    query: CallbackQuery,
) -> Result<Result<Seen, OidcError>, Problem> {
    let us = us(state, provider)?;
    Ok(shown(state, provider, &us, flow, query).await)
}

async fn shown(
    state: &AdminState,
    provider: &OidcProvider,
    us: &Us,
    flow: Flow,
    query: CallbackQuery,
) -> Result<Seen, OidcError> {
    let (outside, remotes) = (state.outside(), &state.oidc().remotes);
    let metadata = remotes.metadata(outside, provider).await?;
    // RFC 9207: answers of another provider are not mixed up with this one's
    match &query.iss {
        Some(iss) if *iss != provider.issuer => {
            return Err(OidcError::Answer("it comes from another issuer (iss)".to_owned()));
        }
        None if metadata.additional_metadata().authorization_response_iss_parameter_supported => {
            return Err(OidcError::Token(
                "the answer does not say from which issuer it comes (iss)".to_owned(),
            ));
        }
        _ => {}
    }
    if let Some(error) = query.error {
        let more = query.error_description.map(|d| format!(": {d}")).unwrap_or_default();
        return Err(OidcError::Denied(told(&format!("{error}{more}"))));
    }
    let code = query.code.filter(|c| !c.is_empty() && c.len() <= LONGEST);
    let code = code.ok_or_else(|| OidcError::Answer("there is no code in it".to_owned()))?;
    let tokens = remote::exchange(outside, &metadata, us, code, flow.verifier).await?;
    let mut claims = remotes.verify(outside, provider, &metadata, &tokens.id_token, flow.nonce).await?;
    if claims::lacks(provider, &claims) {
        let subject = claims.get("sub").and_then(Value::as_str).unwrap_or_default();
        if let Some(more) = remote::userinfo(outside, &metadata, &tokens.access_token, subject).await? {
            claims::merge(&mut claims, more);
        }
    }
    Ok(Seen {
        login: claims::login(provider, &claims),
        claims,
        id_token: tokens.id_token.to_string(),
        end_session: end_session(metadata.additional_metadata().end_session_endpoint.as_deref()),
    })
}

/// An address that a browser can be sent to.
fn end_session(endpoint: Option<&str>) -> Option<String> {
    let url = url::Url::parse(endpoint?).ok()?;
    (matches!(url.scheme(), "https" | "http") && url.as_str().len() <= 2000).then(|| url.into())
}

async fn sign_in(
    state: &AdminState,
    caller: &Caller,
    from: IpAddr,
    headers: &HeaderMap,
    provider: &OidcProvider,
    seen: Seen,
    return_to: &str,
) -> Result<Result<Response, OidcError>, Problem> {
    let login = match seen.login {
        Ok(login) => login,
        Err(error) => return Ok(Err(error)),
    };
    let (secret, refresh) = sessions::secret()?;
    let id = Uuid::now_v7();
    let until = OffsetDateTime::now_utc() + state.sign_in().max_age;
    let method = format!("oidc:{}", provider.slug);
    let session = unnamed(id, method, from, agent(headers).unwrap_or_default(), until);
    let hint = (seen.id_token.len() <= LONGEST).then(|| {
        let sealed = state.keyring().seal(&OIDC_ID_TOKEN.place(id), seen.id_token.as_bytes());
        sealed.map_err(|error| tracing::error!(%error, "an ID token was not sealed")).ok()
    });
    let begun = OidcSession {
        session,
        refresh,
        sid: claims::sid(&seen.claims),
        end_session: seen.end_session,
        id_token: hint.flatten(),
    };
    match state.store().oidc_sign_in(&login, begun, &anonymous(caller)).await? {
        Err(refusal) => Ok(Err(OidcError::Refused(refusal.to_string()))),
        Ok((_, session)) => {
            let mut response = go(StatusCode::SEE_OTHER, return_to)?;
            state.sign_in().hand_out(response.headers_mut(), &session, Some(&secret))?;
            Ok(Ok(response))
        }
    }
}

/// We at the provider.
fn us(state: &AdminState, provider: &OidcProvider) -> Result<Us, Problem> {
    let callback = state.oidc().callback(&provider.slug)?;
    let secret = match &provider.client_secret {
        None => None,
        Some(sealed) => {
            let opened = state.keyring().open(&OIDC_CLIENT_SECRET.place(provider.id), sealed);
            let opened = opened.map_err(|error| {
                tracing::error!(provider = provider.slug, %error, "a client secret does not open");
                crate::sign_in::failed()
            })?;
            Some(String::from_utf8_lossy(&opened).into_owned())
        }
    };
    Ok(Us { client_id: provider.client_id.clone(), secret, callback })
}

/// The provider of this slug.
pub(super) async fn by_slug(state: &AdminState, slug: &str) -> Result<OidcProvider, Problem> {
    if slug.len() > 40 || slug.contains('\0') {
        return Err(no_such());
    }
    state.store().oidc_provider_by_slug(slug).await?.ok_or_else(no_such)
}

fn no_such() -> Problem {
    Problem::not_found("there is no such way to sign in")
}

/// Whoever signs in is nobody yet, whatever he sent along.
pub(super) fn anonymous(caller: &Caller) -> Actor {
    sessions::anonymous(caller.actor())
}

fn go(status: StatusCode, to: &str) -> Result<Response, Problem> {
    let to = HeaderValue::from_str(to).map_err(|_| OidcError::Answer("its address".to_owned()).problem())?;
    Ok((status, [(header::LOCATION, to)]).into_response())
}
