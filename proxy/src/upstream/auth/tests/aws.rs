use super::super::aws;
use super::stub::{Asked, Stub};
use super::*;
use sallyport_config::model::{BedrockSettings, Secret};
use std::path::Path;

fn settings() -> BedrockSettings {
    BedrockSettings { region: "us-east-1".into(), ..Default::default() }
}

fn bedrock(settings: BedrockSettings, env: &[(&'static str, String)]) -> Authorizer {
    authorizer(ProviderKind::Bedrock, KindSettings::Bedrock(settings), env)
}

/// Where no file of the machine that the tests run on is looked at.
fn nowhere() -> Vec<(&'static str, String)> {
    vec![("HOME", "/nowhere".into()), ("AWS_EC2_METADATA_DISABLED", "true".into())]
}

/// The access key's id in a signature, and the session token.
async fn signed(a: &Authorizer) -> Result<(String, Option<String>), AuthError> {
    let mut out = request();
    out.headers.insert("content-type", "application/json".parse().unwrap());
    a.authorize(&mut out, &Method::POST, "bedrock-runtime.us-east-1.amazonaws.com").await?;
    let authorization = out.headers["authorization"].to_str().unwrap();
    assert!(authorization.contains("/us-east-1/bedrock/aws4_request"), "{authorization}");
    assert!(authorization.contains("SignedHeaders=content-type;host;x-amz-date"), "{authorization}");
    let id = authorization.split("Credential=").nth(1).unwrap().split('/').next().unwrap();
    let token = out.headers.get("x-amz-security-token").map(|t| t.to_str().unwrap().to_owned());
    Ok((id.to_owned(), token))
}

fn in_an_hour() -> String {
    let end = time::OffsetDateTime::now_utc() + time::Duration::hours(1);
    end.format(&time::format_description::well_known::Rfc3339).unwrap()
}

fn json_keys(id: &str) -> String {
    format!(
        r#"{{"Code":"Success","AccessKeyId":"{id}","SecretAccessKey":"s","Token":"t-{id}","Expiration":"{}"}}"#,
        in_an_hour()
    )
}

fn sts(asked: &Asked) -> (u16, String) {
    let action = asked.field("Action").unwrap_or_default();
    let xml = format!(
        "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
         <AccessKeyId>ASIA{action}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>\
         <SessionToken>t</SessionToken><Expiration>{}</Expiration></Credentials></{action}Result></{action}Response>",
        in_an_hour()
    );
    (200, xml)
}

#[tokio::test]
async fn keys_of_the_settings_and_of_the_environment() {
    let s = BedrockSettings {
        access_key_id: Some(Secret::new("AKCONFIG")),
        secret_access_key: Some(Secret::new("s")),
        session_token: Some(Secret::new("tok")),
        ..settings()
    };
    let env = [("AWS_ACCESS_KEY_ID", "AKENV".to_owned()), ("AWS_SECRET_ACCESS_KEY", "s".to_owned())];
    assert_eq!(signed(&bedrock(s, &env)).await.unwrap(), ("AKCONFIG".into(), Some("tok".into())));
    assert_eq!(signed(&bedrock(settings(), &env)).await.unwrap(), ("AKENV".into(), None));
}

#[tokio::test]
async fn a_bedrock_key_of_the_environment() {
    let env = [("AWS_BEARER_TOKEN_BEDROCK", "bedrock-api-key-x".to_owned())];
    assert_eq!(authorized(&bedrock(settings(), &env)).await.unwrap(), "Bearer bedrock-api-key-x");
}

#[tokio::test]
async fn nothing_anywhere() {
    let e = signed(&bedrock(settings(), &nowhere())).await.unwrap_err();
    assert!(e.to_string().contains("there are no AWS credentials"), "{e}");
}

#[tokio::test]
async fn profiles() {
    let stub = Stub::start(sts).await;
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let mut env = nowhere();
    env.push(("AWS_CONFIG_FILE", write("c", "[profile cross]\nrole_arn = arn:r\nsource_profile = base\nexternal_id = x-1\n[profile loop]\nrole_arn = arn:r\nsource_profile = loop2\n[profile loop2]\nrole_arn = arn:r\nsource_profile = loop\n")));
    env.push((
        "AWS_SHARED_CREDENTIALS_FILE",
        write("k", "[default]\naws_access_key_id=AKDEF\naws_secret_access_key=s\n[base]\naws_access_key_id=AKBASE\naws_secret_access_key=s\n"),
    ));
    env.push(("AWS_ENDPOINT_URL_STS", stub.url.clone()));
    let of = |name: &str| BedrockSettings { profile: Some(name.into()), ..settings() };
    assert_eq!(signed(&bedrock(settings(), &env)).await.unwrap().0, "AKDEF");
    assert_eq!(signed(&bedrock(of("base"), &env)).await.unwrap().0, "AKBASE");
    assert_eq!(signed(&bedrock(of("cross"), &env)).await.unwrap().0, "ASIAAssumeRole");
    let asked = &stub.asked()[0];
    assert_eq!(asked.field("ExternalId").as_deref(), Some("x-1"));
    assert_eq!(asked.field("RoleSessionName").as_deref(), Some("sallyport"));
    let authorization = asked.header("authorization").unwrap();
    assert!(authorization.contains("Credential=AKBASE/") && authorization.contains("/us-east-1/sts/"));
    for (name, want) in [("loop", "leads to itself"), ("nope", "there is no AWS profile `nope`")] {
        let e = signed(&bedrock(of(name), &env)).await.unwrap_err();
        assert!(e.to_string().contains(want), "{e}");
    }
}

fn token_file(dir: &Path) -> (&'static str, String) {
    let file = dir.join("token");
    std::fs::write(&file, "cluster-jwt\n").unwrap();
    ("AWS_WEB_IDENTITY_TOKEN_FILE", file.display().to_string())
}

#[tokio::test]
async fn web_identity() {
    let stub = Stub::start(sts).await;
    let dir = tempfile::tempdir().unwrap();
    let mut env = nowhere();
    env.extend([
        token_file(dir.path()),
        ("AWS_ROLE_ARN", "arn:env".to_owned()),
        ("AWS_ENDPOINT_URL_STS", stub.url.clone()),
    ]);
    assert_eq!(signed(&bedrock(settings(), &env)).await.unwrap().0, "ASIAAssumeRoleWithWebIdentity");
    let role = BedrockSettings { role_arn: Some("arn:config".into()), ..settings() };
    assert_eq!(signed(&bedrock(role, &env)).await.unwrap().0, "ASIAAssumeRoleWithWebIdentity");
    let asked = stub.asked();
    assert_eq!(asked[0].field("RoleArn").as_deref(), Some("arn:env"));
    assert_eq!(asked[0].field("WebIdentityToken").as_deref(), Some("cluster-jwt"));
    assert_eq!(asked[0].header("authorization"), None);
    assert_eq!(asked[1].field("RoleArn").as_deref(), Some("arn:config"));
}

#[tokio::test]
async fn a_role_with_the_settings_own_keys() {
    let stub = Stub::start(sts).await;
    let s = BedrockSettings {
        access_key_id: Some(Secret::new("AKCONFIG")),
        secret_access_key: Some(Secret::new("s")),
        role_arn: Some("arn:config".into()),
        ..settings()
    };
    let a = bedrock(s, &[("AWS_ENDPOINT_URL_STS", stub.url.clone())]);
    assert_eq!(signed(&a).await.unwrap(), ("ASIAAssumeRole".into(), Some("t".into())));
    assert!(stub.asked()[0].header("authorization").unwrap().contains("Credential=AKCONFIG/"));
}

#[tokio::test]
async fn a_refusal_of_sts() {
    let xml = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
               <Message>Not authorized to perform sts:AssumeRoleWithWebIdentity</Message></Error></ErrorResponse>";
    let dir = tempfile::tempdir().unwrap();
    let mut env = nowhere();
    env.extend([token_file(dir.path()), ("AWS_ROLE_ARN", "arn:env".to_owned())]);
    for (status, body, want) in [
        (403, xml, "AWS STS answered 403: AccessDenied: Not authorized to perform"),
        (200, "<x/>", "`AccessKeyId` is missing"),
    ] {
        let stub = Stub::saying(status, body).await;
        let mut env = env.clone();
        env.push(("AWS_ENDPOINT_URL_STS", stub.url.clone()));
        let e = signed(&bedrock(settings(), &env)).await.unwrap_err();
        assert!(e.to_string().contains(want), "{e}");
    }
}

#[tokio::test]
async fn a_container_and_a_pod() {
    let stub = Stub::saying(200, &json_keys("ASIAPOD")).await;
    let dir = tempfile::tempdir().unwrap();
    let (_, file) = token_file(dir.path());
    let mut env = nowhere();
    env.extend([
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{}/v1/credentials", stub.url)),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file),
    ]);
    assert_eq!(
        signed(&bedrock(settings(), &env)).await.unwrap(),
        ("ASIAPOD".into(), Some("t-ASIAPOD".into()))
    );
    assert_eq!(stub.asked()[0].header("authorization"), Some("cluster-jwt"));
    assert_eq!(stub.asked()[0].path, "/v1/credentials");
}

#[tokio::test]
async fn an_instance() {
    let stub = Stub::start(|asked| {
        let token = asked.header("x-aws-ec2-metadata-token");
        match (asked.method.as_str(), asked.path.as_str(), token) {
            ("PUT", "/latest/api/token", None) => (200, "imds-token".into()),
            ("GET", "/latest/meta-data/iam/security-credentials/", Some("imds-token")) => {
                (200, "role-1".into())
            }
            ("GET", "/latest/meta-data/iam/security-credentials/role-1", Some("imds-token")) => {
                (200, json_keys("ASIAEC2"))
            }
            _ => (401, String::new()),
        }
    })
    .await;
    let env =
        [("HOME", "/nowhere".to_owned()), ("AWS_EC2_METADATA_SERVICE_ENDPOINT", format!("{}/", stub.url))];
    assert_eq!(signed(&bedrock(settings(), &env)).await.unwrap().0, "ASIAEC2");
    assert_eq!(stub.asked().len(), 3);
}

#[tokio::test]
async fn the_signature_covers_the_spliced_body() {
    let a = aws::bearer(&settings(), &Env::of(&[]));
    assert!(a.is_none());
    let s = BedrockSettings {
        access_key_id: Some(Secret::new("AK")),
        secret_access_key: Some(Secret::new("s")),
        ..settings()
    };
    let a = bedrock(s, &[]);
    let signature = async |body: &'static str, splice: Option<(std::ops::Range<usize>, &'static str)>| {
        // Within one second: the time is signed too.
        for _ in 0..5 {
            let mut out = request();
            out.body = body.into();
            if let Some((range, new)) = splice.clone() {
                out.splice(range, new.into()).unwrap();
            }
            a.authorize(&mut out, &Method::POST, "h").await.unwrap();
            let date = out.headers["x-amz-date"].to_str().unwrap().to_owned();
            let signed = out.headers["authorization"].to_str().unwrap().to_owned();
            if time::OffsetDateTime::now_utc().millisecond() < 900 {
                return (date, signed);
            }
            tokio::time::sleep(std::time::Duration::from_millis(150)).await;
        }
        panic!("a slow clock")
    };
    for _ in 0..5 {
        let whole = signature(r#"{"a":2}"#, None).await;
        let spliced = signature(r#"{"a":1}"#, Some((5..6, "2"))).await;
        let other = signature(r#"{"a":1}"#, None).await;
        if whole.0 == spliced.0 && whole.0 == other.0 {
            assert_eq!(whole, spliced);
            assert_ne!(whole, other);
            return;
        }
    }
    panic!("never within one second");
}
