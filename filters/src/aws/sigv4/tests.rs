//! AWS's published test suite <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html>, with the
//! example key of AWS's documentation.

use super::*;
use std::time::Duration;

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
/// 2015-08-30T12:36:00Z.
const THEN: u64 = 1_440_938_160;
const HOST: &str = "example.amazonaws.com";

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn request<'a>(method: &'a str, path: &'a str, query: Option<&'a str>, body_hash: &'a str) -> Request<'a> {
    Request { method, host: HOST, path, query, headers: &[], body_hash }
}

fn get<'a>(headers: &'a [(HeaderName, HeaderValue)], name: &str) -> &'a str {
    headers.iter().find(|(n, _)| n == name).map_or("", |(_, v)| v.to_str().unwrap())
}

fn signature(r: &Request<'_>, token: Option<&str>) -> String {
    let keys = Credentials::new(KEY, SECRET, token.map(str::to_owned));
    let headers = sign_request(r, &keys, "us-east-1", "service", at(THEN)).unwrap();
    assert_eq!(get(&headers, "x-amz-date"), "20150830T123600Z");
    assert_eq!(get(&headers, "x-amz-security-token"), token.unwrap_or_default());
    let authorization = get(&headers, "authorization");
    assert!(
        authorization
            .starts_with("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request")
    );
    authorization.rsplit_once("Signature=").unwrap().1.to_owned()
}

#[test]
fn published_vectors() {
    let empty = body_hash(b"");
    let sorted = [("My-Header1", "value1")];
    let cases = [
        // get-vanilla
        (
            request("GET", "/", None, &empty),
            "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
        ),
        // get-vanilla-query-order-encoded
        (
            request("GET", "/", Some("Param-3=Value3&Param=Value2&%E1%88%B4=Value1"), &empty),
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        ),
        // post-vanilla-query
        (
            request("POST", "/", Some("Param1=value1"), &empty),
            "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11",
        ),
        // post-header-key-sort
        (
            Request { headers: &sorted, ..request("POST", "/", None, &empty) },
            "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c",
        ),
    ];
    for (r, expected) in cases {
        assert_eq!(signature(&r, None), expected, "{r:?}");
    }
    // get-vanilla-with-session-token
    let token = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267";
    assert_eq!(
        signature(&request("GET", "/", None, &empty), Some(token)),
        "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"
    );
}

/// double-url-encode: an ARN in the path is encoded once on the wire and twice in what is signed.
#[test]
fn an_arn_in_the_path() {
    let empty = body_hash(b"");
    let r = Request {
        host: "lambda.us-east-2.amazonaws.com",
        ..request(
            "POST",
            "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-west-2%3A892717189312%3Afunction%3Amy-rusty-fun/invocations",
            None,
            &empty,
        )
    };
    // 2021-05-11T15:40:45Z.
    let headers =
        sign_request(&r, &Credentials::new(KEY, SECRET, None), "us-east-2", "lambda", at(1_620_747_645))
            .unwrap();
    assert_eq!(get(&headers, "x-amz-date"), "20210511T154045Z");
    let signature = "4b93abbcc68be32bd64c18e2c71150660ab4c29bbd6c32a383a7517a88fc1804";
    assert!(get(&headers, "authorization").ends_with(signature), "{}", get(&headers, "authorization"));
}

/// A call of Bedrock's, as botocore signs it.
#[test]
fn bedrock() {
    let hash = body_hash(br#"{"messages":[]}"#);
    let r = Request {
        host: "bedrock-runtime.us-east-1.amazonaws.com",
        headers: &[("content-type", "application/json")],
        ..request(
            "POST",
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aapplication-inference-profile%2Fa1b2/converse",
            None,
            &hash,
        )
    };
    let keys = Credentials::new(KEY, SECRET, None);
    let headers = sign_request(&r, &keys, "us-east-1", "bedrock", at(THEN)).unwrap();
    assert_eq!(
        get(&headers, "authorization"),
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/bedrock/aws4_request, \
         SignedHeaders=content-type;host;x-amz-date, \
         Signature=e480c7128979c6d66449bc9834422071a236302d6281a2efd393f1006e5af4dc"
    );
}

/// The body counts, and no secret is shown.
#[test]
fn bodies_and_secrets() {
    let (a, b) = (body_hash(b"{}"), body_hash(b"{ }"));
    assert_ne!(
        signature(&request("POST", "/model/x%3A0/converse", None, &a), None),
        signature(&request("POST", "/model/x%3A0/converse", None, &b), None)
    );
    let keys = Credentials::new(KEY, SECRET, Some("token-secret".into()));
    let shown = format!("{keys:?}");
    assert!(!shown.contains("wJalr") && !shown.contains("token-secret"), "{shown}");
    assert!(sign_request(&request("POST", "no path\n", None, &a), &keys, "r", "s", at(0)).is_err());
}
