//! Signature Version 4 from the other side: is the request the one that was signed? Written from AWS's description, apart
//! from the crate that signs in the gateway, so that both cannot be wrong in the same way.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>

use crate::sim::fault::Fault;
use hmac::{Hmac, KeyInit, Mac};
use http::request::Parts;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// All but the unreserved characters and the borders of segments.
const PATH: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~').remove(b'/');

/// What `Authorization` says.
struct Claim<'a> {
    date: &'a str,
    region: &'a str,
    service: &'a str,
    headers: &'a str,
    signature: &'a str,
}

impl<'a> Claim<'a> {
    fn parse(fields: &'a str) -> Option<Self> {
        let field =
            |name: &str| fields.split(',').find_map(|f| f.trim().strip_prefix(name)?.strip_prefix('='));
        let mut scope = field("Credential")?.split('/').skip(1);
        let claim = Self {
            date: scope.next()?,
            region: scope.next()?,
            service: scope.next()?,
            headers: field("SignedHeaders")?,
            signature: field("Signature")?,
        };
        (scope.next() == Some("aws4_request") && scope.next().is_none()).then_some(claim)
    }
}

/// Checks the signature of a request that has one; others pass.
pub(super) fn check(parts: &Parts, body: &[u8], secret: &str) -> Result<(), Fault> {
    let header = |name: &str| parts.headers.get(name).and_then(|v| v.to_str().ok());
    let Some(fields) = header("authorization").and_then(|v| v.strip_prefix(ALGORITHM)) else {
        return Ok(());
    };
    let incomplete = || {
        let name = Some("IncompleteSignatureException".to_owned());
        Fault { kind: name, ..Fault::new(400, "The request signature does not conform to AWS standards.") }
    };
    let claim = Claim::parse(fields).ok_or_else(incomplete)?;
    let time = header("x-amz-date").ok_or_else(incomplete)?;
    let signs = |name: &str| claim.headers.split(';').any(|h| h == name);
    if !time.starts_with(claim.date) || !signs("host") || !signs("x-amz-date") {
        return Err(incomplete());
    }
    if claim.service != "bedrock" {
        let name = Some("InvalidSignatureException".to_owned());
        let message = "Credential should be scoped to correct service: 'bedrock'.";
        return Err(Fault { kind: name, ..Fault::new(403, message) });
    }
    let canonical = canonical(parts, body, claim.headers).ok_or_else(incomplete)?;
    let scope = format!("{}/{}/{}/aws4_request", claim.date, claim.region, claim.service);
    let text = format!("{ALGORITHM}\n{time}\n{scope}\n{}", hex::encode(Sha256::digest(canonical)));
    let key = [claim.date, claim.region, claim.service, "aws4_request"]
        .iter()
        .fold(format!("AWS4{secret}").into_bytes(), |key, part| mac(&key, part.as_bytes()));
    if hex::encode(mac(&key, text.as_bytes())) == claim.signature {
        return Ok(());
    }
    let name = Some("InvalidSignatureException".to_owned());
    let message = "The request signature we calculated does not match the signature you provided. Check your AWS \
                   Secret Access Key and signing method. Consult the service documentation for details.";
    Err(Fault { kind: name, ..Fault::new(403, message) })
}

/// The request in the form that is signed; `None`: a signed header is not there.
fn canonical(parts: &Parts, body: &[u8], signed: &str) -> Option<String> {
    // What is sent is percent-encoded once, and once more to be signed.
    let path = utf8_percent_encode(parts.uri.path(), PATH);
    let mut query: Vec<&str> = parts.uri.query().unwrap_or_default().split('&').collect();
    query.sort_unstable();
    let mut text = format!("{}\n{path}\n{}\n", parts.method, query.join("&"));
    for name in signed.split(';') {
        let all: Vec<String> = parts
            .headers
            .get_all(name)
            .iter()
            .map(|v| String::from_utf8_lossy(v.as_bytes()).split_whitespace().collect::<Vec<_>>().join(" "))
            .collect();
        let value = match (name, parts.uri.authority()) {
            ("host", Some(authority)) if all.is_empty() => authority.to_string(), // HTTP/2
            _ if all.is_empty() => return None,
            _ => all.join(","),
        };
        text.push_str(&format!("{name}:{value}\n"));
    }
    Some(format!("{text}\n{signed}\n{}", hex::encode(Sha256::digest(body))))
}

fn mac(key: &[u8], message: &[u8]) -> Vec<u8> {
    // keys of any length are good
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(message);
    mac.finalize().into_bytes().to_vec()
}
