//! The token of a client: `spscim-` and 256 random bits. Only its SHA-256 is stored.

use crate::problem::Problem;
use crate::state::Stored;
use crate::token::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use sallyport_schema::access::Effective;
use sallyport_schema::store::scim::ScimClient;
use subtle::ConstantTimeEq as _;

/// What every token begins with.
const PREFIX: &str = "spscim-";
/// Characters that are shown of it.
const SHOWN: usize = 12;

/// A new token: itself, its hash, and what is shown of it later.
pub(crate) fn make() -> Result<(String, [u8; 32], String), Problem> {
    let mut random = [0_u8; 32];
    openssl::rand::rand_bytes(&mut random).map_err(|error| {
        tracing::error!(%error, "no random numbers");
        Problem::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            "the service could not do it; its log says why",
        )
    })?;
    let token = format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(random));
    let shown = token.chars().take(SHOWN).collect();
    Ok((token.clone(), digest(&token), shown))
}

/// Does it look like one?
pub(crate) fn is_one(token: &str) -> bool {
    token.starts_with(PREFIX)
}

/// Whose token it is, and what the client may do.
pub(crate) async fn client(stored: &Stored, token: &str) -> Result<Option<(ScimClient, Effective)>, Problem> {
    let hash = digest(token);
    let found = stored.store.scim_client_of(&hash).await?;
    Ok(found
        .filter(|(kept, ..)| bool::from(kept.as_slice().ct_eq(&hash)))
        .map(|(_, client, may)| (client, may)))
}
