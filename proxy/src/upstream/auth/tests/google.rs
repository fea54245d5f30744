use super::stub::Stub;
use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Verifier;
use sallyport_config::model::{Secret, VertexSettings};
use serde_json::{Value, json};

const TOKEN: &str = r#"{"access_token":"ya29.tok","expires_in":3599,"token_type":"Bearer"}"#;

fn key() -> PKey<Private> {
    PKey::from_rsa(Rsa::generate(2048).unwrap()).unwrap()
}

fn vertex(credentials: Option<Value>, listed: &[&str], env: &[(&'static str, String)]) -> Authorizer {
    let s = VertexSettings {
        project: "p".into(),
        location: "global".into(),
        credentials: credentials.map(|c| Secret::new(c.to_string())),
        ..Default::default()
    };
    let p = provider(ProviderKind::Vertex, KindSettings::Vertex(s));
    Authorizer::with(&p, client(listed), Env::of(env))
}

fn account(key: &PKey<Private>, token_uri: &str) -> Value {
    json!({
        "type": "service_account",
        "client_email": "gateway@p.iam.gserviceaccount.com",
        "private_key": String::from_utf8(key.private_key_to_pem_pkcs8().unwrap()).unwrap(),
        "private_key_id": "kid-1",
        "token_uri": token_uri,
    })
}

const HERE: &[&str] = &["127.0.0.0/8"];

#[tokio::test]
async fn a_service_account() {
    let stub = Stub::saying(200, TOKEN).await;
    let key = key();
    let uri = format!("{}/token", stub.url);
    let a = vertex(Some(account(&key, &uri)), HERE, &[]);
    assert_eq!(authorized(&a).await.unwrap(), "Bearer ya29.tok");
    let asked = &stub.asked()[0];
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    assert_eq!(asked.field("grant_type").as_deref(), Some(grant));
    let jwt = asked.field("assertion").unwrap();
    let parts: Vec<_> = jwt.split('.').collect();
    let [head, claims, signature] = parts[..] else { panic!("{jwt}") };
    let mut verifier = Verifier::new(MessageDigest::sha256(), &key).unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    assert!(verifier.verify_oneshot(&signature, format!("{head}.{claims}").as_bytes()).unwrap());
    let read = |part| serde_json::from_slice::<Value>(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    assert_eq!(read(head), json!({"alg": "RS256", "typ": "JWT", "kid": "kid-1"}));
    let claims = read(claims);
    assert_eq!(claims["iss"], "gateway@p.iam.gserviceaccount.com");
    assert_eq!(claims["aud"], uri.as_str());
    assert_eq!(claims["scope"], "https://www.googleapis.com/auth/cloud-platform");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3600);
}

/// A token's address out of a file is as good or bad as a provider's.
#[tokio::test]
async fn a_private_token_address_must_be_listed() {
    let stub = Stub::saying(200, TOKEN).await;
    let e = authorized(&vertex(Some(account(&key(), &stub.url)), &[], &[])).await.unwrap_err();
    assert!(e.to_string().contains("upstream.allow_networks"), "{e}");
    assert!(stub.asked().is_empty());
}

#[tokio::test]
async fn a_key_that_is_none() {
    let mut a = account(&key(), "https://oauth2.googleapis.com/token");
    a["private_key"] = "not-a-key".into();
    let e = authorized(&vertex(Some(a), HERE, &[])).await.unwrap_err().to_string();
    assert!(e.contains("not an RSA key") && !e.contains("not-a-key"), "{e}");
}

#[tokio::test]
async fn the_machines_account_and_its_refusals() {
    let stub = Stub::saying(200, TOKEN).await;
    let a = vertex(None, &[], &[("GCE_METADATA_HOST", stub.host())]);
    assert_eq!(authorized(&a).await.unwrap(), "Bearer ya29.tok");
    let asked = &stub.asked()[0];
    assert_eq!(asked.path, "/computeMetadata/v1/instance/service-accounts/default/token");
    assert_eq!(asked.header("metadata-flavor"), Some("Google"));
    let stub = Stub::saying(404, "service account not found").await;
    let e = authorized(&vertex(None, &[], &[("GCE_METADATA_HOST", stub.host())])).await.unwrap_err();
    assert!(matches!(e, AuthError::Refused { status: 404, .. }), "{e}");
    let e = authorized(&vertex(None, &[], &[("GCE_METADATA_HOST", "127.0.0.1:1".into())])).await.unwrap_err();
    assert!(e.to_string().contains("there are no Google credentials"), "{e}");
}

#[tokio::test]
async fn a_file_that_the_environment_names_is_read_each_time() {
    let stub = Stub::start(|_| (200, r#"{"access_token":"short","expires_in":1}"#.into())).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("adc.json");
    std::fs::write(&file, account(&key(), &stub.url).to_string()).unwrap();
    let a = vertex(None, HERE, &[("GOOGLE_APPLICATION_CREDENTIALS", file.display().to_string())]);
    assert_eq!(authorized(&a).await.unwrap(), "Bearer short");
    std::fs::write(&file, "{}").unwrap();
    tokio::time::sleep(std::time::Duration::from_millis(1000)).await;
    let e = authorized(&a).await.unwrap_err().to_string();
    assert!(e.contains("adc.json: there is no known `type`"), "{e}");
}

#[tokio::test]
async fn federation_by_file_with_impersonation() {
    let end = time::OffsetDateTime::now_utc() + time::Duration::hours(1);
    let end = end.format(&time::format_description::well_known::Rfc3339).unwrap();
    let stub = Stub::start(move |asked| match asked.path.as_str() {
        "/sts" => (200, r#"{"access_token":"federated","expires_in":3600}"#.into()),
        "/iam:generateAccessToken" => (200, json!({"accessToken": "final", "expireTime": end}).to_string()),
        _ => (404, String::new()),
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("subject");
    std::fs::write(&file, r#"{"id_token":"subject-jwt"}"#).unwrap();
    let credentials = json!({
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/x/providers/y",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": format!("{}/sts", stub.url),
        "service_account_impersonation_url": format!("{}/iam:generateAccessToken", stub.url),
        "credential_source": {
            "file": file,
            "format": {"type": "json", "subject_token_field_name": "id_token"},
        },
    });
    assert_eq!(authorized(&vertex(Some(credentials), HERE, &[])).await.unwrap(), "Bearer final");
    let asked = stub.asked();
    assert_eq!(asked[0].field("subject_token").as_deref(), Some("subject-jwt"));
    let grant = "urn:ietf:params:oauth:grant-type:token-exchange";
    assert_eq!(asked[0].field("grant_type").as_deref(), Some(grant));
    assert_eq!(asked[1].header("authorization"), Some("Bearer federated"));
    assert_eq!(
        asked[1].body,
        r#"{"scope":["https://www.googleapis.com/auth/cloud-platform"],"lifetime":"3600s"}"#
    );
}

#[tokio::test]
async fn federation_by_url() {
    let stub = Stub::start(|asked| match (asked.path.as_str(), asked.header("metadata")) {
        ("/sts", _) => (200, TOKEN.to_owned()),
        ("/subject", Some("True")) => (200, "subject-jwt".into()),
        _ => (404, String::new()),
    })
    .await;
    let credentials = |source: Value| {
        json!({
            "type": "external_account", "audience": "a", "subject_token_type": "t",
            "token_url": format!("{}/sts", stub.url), "credential_source": source,
        })
    };
    let url = format!("{}/subject", stub.url);
    let good = credentials(json!({"url": url, "headers": {"Metadata": "True"}}));
    assert_eq!(authorized(&vertex(Some(good), HERE, &[])).await.unwrap(), "Bearer ya29.tok");
    assert_eq!(stub.asked()[1].field("subject_token").as_deref(), Some("subject-jwt"));
    let bad = credentials(json!({"url": url, "headers": {"Metadata": "True"}, "format": {"type": "json"}}));
    let e = authorized(&vertex(Some(bad), HERE, &[])).await.unwrap_err().to_string();
    assert!(e.contains("no `access_token`") && !e.contains("subject-jwt"), "{e}");
}
