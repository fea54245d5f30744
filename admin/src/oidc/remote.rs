//! The identity provider at the other end: its discovery document and keys (cached), code against tokens, userinfo.
//!
//! Everything goes over [`Outside`]: bounded in time and size, no redirects, no private networks unless allowed.

use super::{OidcError, told};
use crate::outside::{Outside, OutsideError};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthenticationFlow, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod,
    CoreGrantType, CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm, CoreJwsSigningAlgorithm, CoreResponseMode, CoreResponseType,
    CoreSubjectIdentifierType,
};
use openidconnect::{
    AdditionalProviderMetadata, AsyncHttpClient, AuthType, AuthorizationCode, ClaimsVerificationError,
    ClientId, ClientSecret, CsrfToken, DiscoveryError, HttpRequest, HttpResponse, IssuerUrl, JsonWebKeySet,
    Nonce, OAuth2TokenResponse as _, PkceCodeChallenge, PkceCodeVerifier, ProviderMetadata, RedirectUrl,
    RequestTokenError, Scope, SignatureVerificationError, TokenResponse as _,
};
use sallyport_schema::store::oidc::OidcProvider;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Mutex;
use uuid::Uuid;

/// How long discovery and keys are taken as they are.
const FRESH: Duration = Duration::from_secs(15 * 60);
/// A provider that is away is not asked again before.
const REST: Duration = Duration::from_secs(5);
/// Keys are not asked for more often because of tokens with an unknown one: anybody can send such tokens.
const REFETCH: Duration = Duration::from_secs(10);
/// Clocks may differ by so many seconds.
pub(super) const LEEWAY: i64 = 60;

/// What signs tokens. No `none`, and nothing with a shared secret: a public key would pass as one.
pub(super) const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// What discovery says besides (RP-Initiated Logout 1.0; RFC 9207).
#[derive(Clone, Debug, Default, Deserialize, Serialize)]
pub(super) struct Extra {
    pub(super) end_session_endpoint: Option<String>,
    #[serde(default)]
    pub(super) authorization_response_iss_parameter_supported: bool,
}
impl AdditionalProviderMetadata for Extra {}

/// A discovery document with its keys.
pub(super) type Metadata = ProviderMetadata<
    Extra,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// The crate's HTTP client: the way out.
struct Http<'s>(&'s dyn Outside);

impl<'c> AsyncHttpClient<'c> for Http<'_> {
    type Error = OutsideError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, OutsideError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let answer = self.0.fetch(request.map(Bytes::from)).await?;
            Ok(answer.map(|body| body.to_vec()))
        })
    }
}

/// What is known of one provider as it is configured.
struct Remote {
    configuration: i64,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    found: Option<(Instant, Arc<Metadata>)>,
    failed: Option<(Instant, OidcError)>,
    refetched: Option<Instant>,
}

/// What is known of all of them. As many as there are rows.
#[derive(Default)]
pub(super) struct Remotes(std::sync::Mutex<HashMap<Uuid, Arc<Remote>>>);

impl Remotes {
    fn of(&self, provider: &OidcProvider) -> Arc<Remote> {
        let mut all = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let anew = || Arc::new(Remote { configuration: provider.configuration, known: Mutex::default() });
        let entry = all.entry(provider.id).or_insert_with(anew);
        if entry.configuration != provider.configuration {
            *entry = anew();
        }
        Arc::clone(entry)
    }

    /// The discovery document, from the cache or anew.
    pub(super) async fn metadata(
        &self,
        outside: &dyn Outside,
        provider: &OidcProvider,
    ) -> Result<Arc<Metadata>, OidcError> {
        let remote = self.of(provider);
        // one asks, the others wait for his answer
        let mut known = remote.known.lock().await;
        if let Some((at, found)) = &known.found
            && at.elapsed() < FRESH
        {
            return Ok(Arc::clone(found));
        }
        if let Some((at, error)) = &known.failed
            && at.elapsed() < REST
        {
            return Err(error.clone());
        }
        match discover(outside, provider).await {
            Ok(found) => {
                let found = Arc::new(found);
                *known = Known { found: Some((Instant::now(), Arc::clone(&found))), ..Known::default() };
                Ok(found)
            }
            Err(error) => {
                known.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// The document with its keys fetched anew, for a token that none of those in `seen` has signed. None: they were
    /// fetched a moment ago.
    pub(super) async fn other_keys(
        &self,
        outside: &dyn Outside,
        provider: &OidcProvider,
        seen: &Arc<Metadata>,
    ) -> Result<Option<Arc<Metadata>>, OidcError> {
        let remote = self.of(provider);
        let mut known = remote.known.lock().await;
        if let Some((_, found)) = &known.found
            && !Arc::ptr_eq(found, seen)
        {
            return Ok(Some(Arc::clone(found)));
        }
        if known.refetched.is_some_and(|at| at.elapsed() < REFETCH) {
            return Ok(None);
        }
        known.refetched = Some(Instant::now());
        let keys = JsonWebKeySet::fetch_async(seen.jwks_uri(), &Http(outside)).await.map_err(discovery)?;
        let found = Arc::new((**seen).clone().set_jwks(keys));
        let at = known.found.as_ref().map_or_else(Instant::now, |(at, _)| *at);
        known.found = Some((at, Arc::clone(&found)));
        Ok(Some(found))
    }
}

async fn discover(outside: &dyn Outside, provider: &OidcProvider) -> Result<Metadata, OidcError> {
    let issuer = IssuerUrl::new(provider.issuer.clone())
        .map_err(|_| OidcError::Answer("the issuer is no URL".to_owned()))?;
    let found = Metadata::discover_async(issuer, &Http(outside)).await.map_err(discovery)?;
    // the secret and the codes go there: not in the clear
    let plain = provider.issuer.starts_with("http:");
    let places = [
        ("authorization_endpoint", Some(found.authorization_endpoint().url())),
        ("token_endpoint", found.token_endpoint().map(|e| e.url())),
        ("userinfo_endpoint", found.userinfo_endpoint().map(|e| e.url())),
        ("jwks_uri", Some(found.jwks_uri().url())),
    ];
    for (name, url) in places {
        if url.is_some_and(|u| u.scheme() != "https" && !(plain && u.scheme() == "http")) {
            return Err(OidcError::Answer(format!("its {name} is no https URL")));
        }
    }
    Ok(found)
}

fn discovery(error: DiscoveryError<OutsideError>) -> OidcError {
    match error {
        DiscoveryError::Request(e) => OidcError::Away(told(&e.0)),
        DiscoveryError::Response(status, _, why) => {
            OidcError::Answer(told(&format!("{why} (HTTP {status})")))
        }
        DiscoveryError::Parse(e) => OidcError::Answer(told(&format!("discovery: {e}"))),
        DiscoveryError::Validation(why) => OidcError::Answer(told(&why)),
        e => OidcError::Answer(told(&e.to_string())),
    }
}

/// We at the provider.
pub(super) struct Us {
    pub(super) client_id: String,
    pub(super) secret: Option<String>,
    pub(super) callback: String,
}

/// Where the browser goes, and what must come back.
pub(super) struct Begun {
    pub(super) url: url::Url,
    pub(super) state: String,
    pub(super) nonce: String,
    pub(super) verifier: String,
}

macro_rules! client {
    ($metadata:expr, $us:expr) => {{
        let secret = $us.secret.clone().map(ClientSecret::new);
        let redirect = RedirectUrl::new($us.callback.clone())
            .map_err(|_| OidcError::Answer("admin.public_url makes no callback URL".to_owned()))?;
        CoreClient::from_provider_metadata(
            (**$metadata).clone(),
            ClientId::new($us.client_id.clone()),
            secret,
        )
        .set_redirect_uri(redirect)
        .set_auth_type(authentication($metadata))
    }};
}

/// The address at which the provider signs people in.
pub(super) fn authorize(metadata: &Arc<Metadata>, us: &Us, scopes: &[String]) -> Result<Begun, OidcError> {
    let client = client!(metadata, us);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state, nonce) = client
        .authorize_url(CoreAuthenticationFlow::AuthorizationCode, CsrfToken::new_random, Nonce::new_random)
        // the crate asks for `openid` by itself
        .add_scopes(scopes.iter().filter(|s| *s != "openid").map(|s| Scope::new(s.clone())))
        .set_pkce_challenge(challenge)
        .url();
    Ok(Begun {
        url,
        state: state.secret().clone(),
        nonce: nonce.secret().clone(),
        verifier: verifier.secret().clone(),
    })
}

/// How the provider takes the secret (RFC 6749, 2.3.1): as basic authentication unless it says that it takes it in the
/// body only.
fn authentication(metadata: &Metadata) -> AuthType {
    match metadata.token_endpoint_auth_methods_supported() {
        Some(all)
            if !all.contains(&CoreClientAuthMethod::ClientSecretBasic)
                && all.contains(&CoreClientAuthMethod::ClientSecretPost) =>
        {
            AuthType::RequestBody
        }
        _ => AuthType::BasicAuth,
    }
}

/// What came for a code.
pub(super) struct Tokens {
    pub(super) id_token: CoreIdToken,
    pub(super) access_token: String,
}

/// Exchanges the code.
pub(super) async fn exchange(
    outside: &dyn Outside,
    metadata: &Arc<Metadata>,
    us: &Us,
    code: String,
    verifier: String,
) -> Result<Tokens, OidcError> {
    let client = client!(metadata, us);
    let http = Http(outside);
    let answer = client
        .exchange_code(AuthorizationCode::new(code))
        .map_err(|_| OidcError::Answer("its discovery names no token_endpoint".to_owned()))?
        .set_pkce_verifier(PkceCodeVerifier::new(verifier))
        .request_async(&http)
        .await
        .map_err(|e| match e {
            RequestTokenError::Request(e) => OidcError::Away(told(&e.0)),
            RequestTokenError::ServerResponse(e) => {
                OidcError::Answer(told(&format!("the token endpoint says {e}")))
            }
            // not what could not be read: there are tokens in it
            RequestTokenError::Parse(..) => {
                OidcError::Answer("the token endpoint's answer cannot be read".to_owned())
            }
            RequestTokenError::Other(why) => OidcError::Answer(told(&why)),
        })?;
    let id_token = answer.id_token().cloned();
    let id_token = id_token.ok_or_else(|| OidcError::Answer("there is no ID token in it".to_owned()))?;
    Ok(Tokens { id_token, access_token: answer.access_token().secret().clone() })
}

/// Whether other keys might help.
enum Doubt {
    Key(OidcError),
    Wrong(OidcError),
}

fn verified(metadata: &Metadata, client_id: &str, token: &CoreIdToken, nonce: &Nonce) -> Result<(), Doubt> {
    let keys = metadata.jwks().clone();
    // as of a public client: the secret signs nothing
    let verifier = CoreIdTokenVerifier::new_public_client(
        ClientId::new(client_id.to_owned()),
        metadata.issuer().clone(),
        keys,
    )
    .set_allowed_algs(ALGORITHMS)
    // further audiences need `azp` to be us, see below
    .set_other_audience_verifier_fn(|_| true)
    .set_issue_time_verifier_fn(|at| {
        let ahead = at.timestamp() - time::OffsetDateTime::now_utc().unix_timestamp();
        if ahead > LEEWAY { Err("it is from the future".to_owned()) } else { Ok(()) }
    });
    let claims = token.claims(&verifier, nonce).map_err(|e| {
        let unknown = matches!(
            e,
            ClaimsVerificationError::SignatureVerification(
                SignatureVerificationError::NoMatchingKey | SignatureVerificationError::CryptoError(_)
            )
        );
        let why = match &e {
            ClaimsVerificationError::SignatureVerification(e) => format!("signature: {e}"),
            e => e.to_string(),
        };
        let error = OidcError::Token(told(&why));
        if unknown { Doubt::Key(error) } else { Doubt::Wrong(error) }
    })?;
    // OpenID Connect Core 1.0, 3.1.3.7, 4 and 5
    match claims.authorized_party() {
        Some(party) if party.as_str() == client_id => Ok(()),
        None if claims.audiences().len() == 1 => Ok(()),
        _ => Err(Doubt::Wrong(OidcError::Token("it was issued to another client (azp)".to_owned()))),
    }
}

impl Remotes {
    /// The claims of an ID token that the provider has signed for us, for this nonce.
    pub(super) async fn verify(
        &self,
        outside: &dyn Outside,
        provider: &OidcProvider,
        metadata: &Arc<Metadata>,
        token: &CoreIdToken,
        nonce: String,
    ) -> Result<Map<String, Value>, OidcError> {
        let nonce = Nonce::new(nonce);
        match verified(metadata, &provider.client_id, token, &nonce) {
            Ok(()) => {}
            Err(Doubt::Wrong(error)) => return Err(error),
            Err(Doubt::Key(error)) => {
                let other = self.other_keys(outside, provider, metadata).await?.ok_or(error)?;
                verified(&other, &provider.client_id, token, &nonce)
                    .map_err(|(Doubt::Key(e) | Doubt::Wrong(e))| e)?;
            }
        }
        // the very bytes whose signature was verified, with all their claims
        super::tokens::payload(&token.to_string())
    }
}

/// The claims of the userinfo endpoint (OpenID Connect Core 1.0, 5.3); None: there is no such endpoint.
pub(super) async fn userinfo(
    outside: &dyn Outside,
    metadata: &Metadata,
    access_token: &str,
    subject: &str,
) -> Result<Option<Map<String, Value>>, OidcError> {
    let Some(endpoint) = metadata.userinfo_endpoint() else { return Ok(None) };
    let bad = |why: &str| OidcError::Answer(format!("userinfo: {why}"));
    let token = HeaderValue::from_str(&format!("Bearer {access_token}"));
    let mut token = token.map_err(|_| bad("the access token cannot be sent"))?;
    token.set_sensitive(true);
    let request = http::Request::get(endpoint.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::AUTHORIZATION, token)
        .body(Bytes::new())
        .map_err(|_| bad("its address cannot be asked"))?;
    let answer = outside.fetch(request).await.map_err(|e| OidcError::Away(told(&e.0)))?;
    if answer.status() != StatusCode::OK {
        return Err(bad(&format!("HTTP {}", answer.status().as_u16())));
    }
    let claims: Map<String, Value> = serde_json::from_slice(answer.body())
        .map_err(|_| bad("it is no JSON object (signed ones are not read)"))?;
    match claims.get("sub").and_then(Value::as_str) {
        Some(sub) if sub == subject => Ok(Some(claims)),
        _ => Err(bad("it is about somebody else")),
    }
}
