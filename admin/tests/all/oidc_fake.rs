//! An identity provider in memory, behind the way out.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, Response};
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::ecdsa::EcdsaSig;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Signer;
use sallyport_admin::{Listed, Outside, OutsideError};
use sallyport_config::snapshot::Provider;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use time::OffsetDateTime;

pub(super) const ISSUER: &str = "https://id.example/realms/corp";
pub(super) const CLIENT: &str = "gate";
pub(super) const SECRET: &str = "planted-client-secret";

/// A key that signs tokens.
#[derive(Clone)]
pub(super) struct SigningKey {
    pub(super) kid: String,
    key: PKey<Private>,
    ec: bool,
}

impl SigningKey {
    pub(super) fn rsa(kid: &str) -> Self {
        let key = PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap();
        Self { kid: kid.into(), key, ec: false }
    }

    pub(super) fn ec(kid: &str) -> Self {
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = PKey::from_ec_key(EcKey::generate(&group).unwrap()).unwrap();
        Self { kid: kid.into(), key, ec: true }
    }

    fn alg(&self) -> &'static str {
        if self.ec { "ES256" } else { "RS256" }
    }

    fn jwk(&self) -> Value {
        let b64 = |n: &[u8]| URL_SAFE_NO_PAD.encode(n);
        if self.ec {
            let key = self.key.ec_key().unwrap();
            let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
            let mut context = BigNumContext::new().unwrap();
            key.public_key().affine_coordinates(key.group(), &mut x, &mut y, &mut context).unwrap();
            let (x, y) = (x.to_vec_padded(32).unwrap(), y.to_vec_padded(32).unwrap());
            return json!({"kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid, "x": b64(&x), "y": b64(&y)});
        }
        let key = self.key.rsa().unwrap();
        json!({"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "n": b64(&key.n().to_vec()),
               "e": b64(&key.e().to_vec())})
    }

    pub(super) fn public_pem(&self) -> Vec<u8> {
        self.key.public_key_to_pem().unwrap()
    }

    /// Signs with what the key is for.
    pub(super) fn token(&self, claims: &Value) -> String {
        self.token_with(&json!({"alg": self.alg(), "kid": self.kid, "typ": "JWT"}), claims)
    }

    /// With another header.
    pub(super) fn token_with(&self, header: &Value, claims: &Value) -> String {
        let text = parts(header, claims);
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key).unwrap();
        let mut signature = signer.sign_oneshot_to_vec(text.as_bytes()).unwrap();
        if self.ec {
            let der = EcdsaSig::from_der(&signature).unwrap();
            signature = [der.r().to_vec_padded(32).unwrap(), der.s().to_vec_padded(32).unwrap()].concat();
        }
        format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

fn parts(header: &Value, claims: &Value) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()))
}

/// A token without a signature.
pub(super) fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.", parts(header, claims))
}

/// A token with a shared secret.
pub(super) fn hs256(secret: &[u8], kid: &str, claims: &Value) -> String {
    let text = parts(&json!({"alg": "HS256", "kid": kid, "typ": "JWT"}), claims);
    let key = PKey::hmac(secret).unwrap();
    let mut signer = Signer::new(MessageDigest::sha256(), &key).unwrap();
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signer.sign_oneshot_to_vec(text.as_bytes()).unwrap()))
}

/// Makes an ID token of the claims that it would have.
pub(super) type Forge = Box<dyn Fn(&SigningKey, Value) -> String + Send>;

struct Code {
    challenge: String,
    redirect: String,
    claims: Value,
}

struct Inner {
    keys: Vec<SigningKey>,
    signs: SigningKey,
    codes: HashMap<String, Code>,
    asked: Vec<String>,
    forge: Option<Forge>,
    userinfo: Option<Value>,
    metadata: Value,
    away: bool,
    made: u32,
}

/// The provider.
pub(super) struct Fake(Mutex<Inner>);

impl Fake {
    pub(super) fn new() -> Self {
        let key = SigningKey::rsa("k1");
        let metadata = json!({
            "issuer": ISSUER, "authorization_endpoint": format!("{ISSUER}/auth"),
            "token_endpoint": format!("{ISSUER}/token"), "userinfo_endpoint": format!("{ISSUER}/userinfo"),
            "jwks_uri": format!("{ISSUER}/jwks"), "end_session_endpoint": format!("{ISSUER}/end"),
            "response_types_supported": ["code"], "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "HS256", "none"],
        });
        Self(Mutex::new(Inner {
            keys: vec![key.clone()],
            signs: key,
            codes: HashMap::new(),
            asked: Vec::new(),
            forge: None,
            userinfo: None,
            metadata,
            away: false,
            made: 0,
        }))
    }

    /// Signs with this key from now on. `told`: the key is among those that it shows.
    pub(super) fn rotate(&self, key: SigningKey, told: bool) {
        let mut inner = self.0.lock().unwrap();
        if told {
            inner.keys = vec![key.clone()];
        }
        inner.signs = key;
    }

    pub(super) fn key(&self) -> SigningKey {
        self.0.lock().unwrap().signs.clone()
    }

    /// Tokens are made so from now on.
    pub(super) fn forge(&self, forge: Option<Forge>) {
        self.0.lock().unwrap().forge = forge;
    }

    pub(super) fn userinfo(&self, claims: Value) {
        self.0.lock().unwrap().userinfo = Some(claims);
    }

    pub(super) fn describe(&self, name: &str, value: Value) {
        self.0.lock().unwrap().metadata[name] = value;
    }

    pub(super) fn away(&self, away: bool) {
        self.0.lock().unwrap().away = away;
    }

    /// How often this path was asked for.
    pub(super) fn asked(&self, path: &str) -> usize {
        self.0.lock().unwrap().asked.iter().filter(|p| p.ends_with(path)).count()
    }

    /// Somebody signs in at the page and is sent back with this query.
    pub(super) fn sign_in(&self, page: &str, claims: Value) -> String {
        let url = url::Url::parse(page).unwrap();
        assert!(page.starts_with(&format!("{ISSUER}/auth?")), "{page}");
        let query: HashMap<String, String> = url.query_pairs().into_owned().collect();
        assert_eq!((&*query["response_type"], &*query["client_id"]), ("code", CLIENT));
        assert_eq!(query["code_challenge_method"], "S256");
        assert!(query["scope"].split(' ').any(|s| s == "openid"), "{query:?}");
        let now = OffsetDateTime::now_utc().unix_timestamp();
        let mut all =
            json!({"iss": ISSUER, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": query["nonce"]});
        for (name, value) in claims.as_object().unwrap() {
            all[name] = value.clone();
        }
        let mut inner = self.0.lock().unwrap();
        inner.made += 1;
        let code = format!("code-{}", inner.made);
        let (challenge, redirect) = (query["code_challenge"].clone(), query["redirect_uri"].clone());
        inner.codes.insert(code.clone(), Code { challenge, redirect, claims: all });
        format!("code={code}&state={}", query["state"])
    }

    fn token(inner: &mut Inner, request: &Request<Bytes>) -> (u16, Value) {
        let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT}:{SECRET}")));
        if request.headers().get("authorization").is_none_or(|v| *v != *basic) {
            return (401, json!({"error": "invalid_client"}));
        }
        let form: HashMap<String, String> =
            url::form_urlencoded::parse(request.body()).into_owned().collect();
        let refused = (400, json!({"error": "invalid_grant"}));
        let Some(code) = inner.codes.remove(&form["code"]) else { return refused };
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&form["code_verifier"]));
        if challenge != code.challenge || form["redirect_uri"] != code.redirect {
            return refused;
        }
        let token = match &inner.forge {
            Some(forge) => forge(&inner.signs, code.claims),
            None => inner.signs.token(&code.claims),
        };
        (200, json!({"access_token": "at-1", "token_type": "Bearer", "expires_in": 300, "id_token": token}))
    }
}

#[async_trait::async_trait]
impl Outside for Fake {
    async fn fetch(&self, request: Request<Bytes>) -> Result<Response<Bytes>, OutsideError> {
        let mut inner = self.0.lock().unwrap();
        let uri = request.uri().to_string();
        let path = uri.strip_prefix(ISSUER).unwrap_or_else(|| panic!("{uri} was asked for")).to_owned();
        inner.asked.push(path.clone());
        if inner.away {
            return Err(OutsideError("id.example: connection refused".into()));
        }
        let (status, body) = match path.as_str() {
            "/.well-known/openid-configuration" => (200, inner.metadata.clone()),
            "/jwks" => (200, json!({"keys": inner.keys.iter().map(SigningKey::jwk).collect::<Vec<_>>()})),
            "/token" => Self::token(&mut inner, &request),
            "/userinfo" => {
                assert_eq!(request.headers()["authorization"], "Bearer at-1");
                (200, inner.userinfo.clone().unwrap_or_else(|| json!({"sub": "nobody"})))
            }
            other => panic!("{other} was asked for"),
        };
        let answer = Response::builder().status(status).header("content-type", "application/json");
        Ok(answer.body(Bytes::from(body.to_string())).unwrap())
    }

    async fn models(&self, _: &Arc<Provider>) -> Result<Vec<Listed>, OutsideError> {
        unreachable!("nobody asks for models here")
    }
}
