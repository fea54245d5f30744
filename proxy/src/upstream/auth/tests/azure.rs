use super::stub::Stub;
use super::*;
use sallyport_config::model::{AzureOpenaiSettings, Entra, ManagedIdentity, Secret, WorkloadIdentity};

const TOKEN: &str = r#"{"token_type":"Bearer","expires_in":3599,"access_token":"tok-1"}"#;

fn entra() -> AzureOpenaiSettings {
    let entra = Entra {
        tenant_id: "tenant".into(),
        client_id: "client".into(),
        client_secret: Secret::new("s3cret~value"),
    };
    AzureOpenaiSettings { entra: Some(entra), ..Default::default() }
}

fn azure(settings: AzureOpenaiSettings, env: &[(&'static str, String)]) -> Authorizer {
    authorizer(ProviderKind::AzureOpenai, KindSettings::AzureOpenai(settings), env)
}

#[tokio::test]
async fn a_client_secret() {
    let stub = Stub::saying(200, TOKEN).await;
    let a = azure(entra(), &[("AZURE_AUTHORITY_HOST", format!("{}/", stub.url))]);
    for _ in 0..3 {
        assert_eq!(authorized(&a).await.unwrap(), "Bearer tok-1");
    }
    let asked = stub.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].method.as_str(), asked[0].path.as_str()), ("POST", "/tenant/oauth2/v2.0/token"));
    assert_eq!(asked[0].header("host"), Some(stub.host().as_str()));
    for (name, want) in [
        ("grant_type", "client_credentials"),
        ("client_id", "client"),
        ("client_secret", "s3cret~value"),
        ("scope", "https://cognitiveservices.azure.com/.default"),
    ] {
        assert_eq!(asked[0].field(name).as_deref(), Some(want));
    }
}

#[tokio::test]
async fn fifty_calls_at_once_ask_once() {
    let stub = Stub::saying(200, TOKEN).await;
    let a = Arc::new(azure(entra(), &[("AZURE_AUTHORITY_HOST", stub.url.clone())]));
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let a = a.clone();
            tokio::spawn(async move { authorized(&a).await.unwrap() })
        })
        .collect();
    for call in calls {
        assert_eq!(call.await.unwrap(), "Bearer tok-1");
    }
    assert_eq!(stub.asked().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_told_in_its_words_without_the_secret() {
    for (status, body, want) in [
        (
            401,
            r#"{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided."}"#,
            "Microsoft Entra ID answered 401: invalid_client: AADSTS7000215: Invalid client secret provided.",
        ),
        (400, r#"{"error":"x","error_description":"you sent s3cret~value"}"#, "are not shown"),
        (500, "<html>", "answered 500: (no reason is given)"),
        (200, "nonsense with tok-1", "not the JSON that its documents say"),
        (200, r#"{"access_token":"a\nb"}"#, "cannot be sent in a header"),
        (200, r#"{"access_token":""}"#, "cannot be sent in a header"),
    ] {
        let stub = Stub::saying(status, body).await;
        let a = azure(entra(), &[("AZURE_AUTHORITY_HOST", stub.url.clone())]);
        let e = authorized(&a).await.unwrap_err();
        let told = format!("{e} {e:?}");
        assert!(told.contains(want), "{told}");
        assert!(!told.contains("s3cret") && !told.contains("tok-1"), "{told}");
    }
}

#[tokio::test]
async fn nobody_there() {
    let a = azure(entra(), &[("AZURE_AUTHORITY_HOST", "http://127.0.0.1:1".into())]);
    let e = authorized(&a).await.unwrap_err();
    assert!(matches!(e, AuthError::Unreachable { what: "Microsoft Entra ID", .. }), "{e}");
}

#[tokio::test]
async fn the_machines_identity() {
    let body = format!(
        r#"{{"access_token":"tok-vm","expires_in":"3599","expires_on":"1","not_before":"1","resource":"{}"}}"#,
        "https://cognitiveservices.azure.com"
    );
    let stub = Stub::saying(200, &body).await;
    let managed = ManagedIdentity { client_id: Some("mine".into()) };
    let s = AzureOpenaiSettings { managed_identity: Some(managed), ..Default::default() };
    let a = azure(s, &[("AZURE_POD_IDENTITY_AUTHORITY_HOST", stub.url.clone())]);
    assert_eq!(authorized(&a).await.unwrap(), "Bearer tok-vm");
    let asked = &stub.asked()[0];
    assert!(asked.path.starts_with("/metadata/identity/oauth2/token?api-version=2018-02-01"), "{asked:?}");
    assert_eq!(asked.header("metadata"), Some("true"));
    assert_eq!(asked.field("client_id").as_deref(), Some("mine"));
    assert_eq!(asked.field("resource").as_deref(), Some("https://cognitiveservices.azure.com"));
}

#[tokio::test]
async fn an_apps_identity() {
    let end = time::OffsetDateTime::now_utc().unix_timestamp() + 3600;
    let stub = Stub::saying(200, &format!(r#"{{"access_token":"tok-app","expires_on":"{end}"}}"#)).await;
    let s = AzureOpenaiSettings { managed_identity: Some(ManagedIdentity::default()), ..Default::default() };
    let env = [
        ("IDENTITY_ENDPOINT", format!("{}/msi/token", stub.url)),
        ("IDENTITY_HEADER", "header-secret".to_owned()),
    ];
    let a = azure(s.clone(), &env);
    assert_eq!(authorized(&a).await.unwrap(), "Bearer tok-app");
    assert_eq!(authorized(&a).await.unwrap(), "Bearer tok-app");
    assert_eq!(stub.asked().len(), 1);
    assert_eq!(stub.asked()[0].header("x-identity-header"), Some("header-secret"));
    assert!(stub.asked()[0].path.starts_with("/msi/token?api-version=2019-08-01"));
    let e = authorized(&azure(s, &env[..1])).await.unwrap_err();
    assert!(e.to_string().contains("Azure Arc"), "{e}");
}

#[tokio::test]
async fn a_pods_identity() {
    let stub = Stub::saying(200, TOKEN).await;
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    std::fs::write(&file, "jwt-of-the-cluster\n").unwrap();
    let s =
        AzureOpenaiSettings { workload_identity: Some(WorkloadIdentity::default()), ..Default::default() };
    let mut env = vec![
        ("AZURE_AUTHORITY_HOST", stub.url.clone()),
        ("AZURE_CLIENT_ID", "client".to_owned()),
        ("AZURE_FEDERATED_TOKEN_FILE", file.display().to_string()),
    ];
    let e = authorized(&azure(s.clone(), &env)).await.unwrap_err();
    assert!(e.to_string().contains("AZURE_TENANT_ID is not set"), "{e}");
    env.push(("AZURE_TENANT_ID", "tenant".to_owned()));
    assert_eq!(authorized(&azure(s, &env)).await.unwrap(), "Bearer tok-1");
    let asked = &stub.asked()[0];
    assert_eq!(asked.field("client_assertion").as_deref(), Some("jwt-of-the-cluster"));
    assert_eq!(
        asked.field("client_assertion_type").as_deref(),
        Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
    );
}
