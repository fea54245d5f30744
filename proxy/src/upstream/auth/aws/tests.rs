//! Signatures as botocore makes them of the same requests (`SigV4Auth`, with its clock held).

use super::*;

#[test]
fn as_botocore_signs() {
    for (path, region, token, want) in [
        (
            "/model/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Ainference-profile%2Fus.x/converse",
            "us-east-1",
            None,
            "8bbdb08cc6bdbd5fa3b3d129aa591fcc8c6195a8b315889a6108d4bd5d080ffc",
        ),
        (
            "/model/a.b-v1%3A0/invoke-with-response-stream",
            "eu-west-1",
            Some("TOK/+=="),
            "d2550df33a3af1eee0c4a64e42b61bfa8cc725a2efcca0249e9beccff7f7aefd",
        ),
    ] {
        let mut out = Outgoing {
            path_and_query: path.into(),
            headers: http::HeaderMap::new(),
            body: "{\"a\":1,\"é\":2}".into(),
            splices: Vec::new(),
        };
        out.splice(5..6, "22".into()).unwrap();
        for (name, value) in [
            ("content-type", "application/json"),
            ("x-amzn-bedrock-guardrailidentifier", "g  x"),
            ("user-agent", "not signed"),
        ] {
            out.headers.insert(name, value.parse().unwrap());
        }
        let secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
        let keys = Credentials::new("AKIDEXAMPLE", secret, token.map(str::to_owned));
        // 2015-08-30T12:36:00Z
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_440_938_160);
        let host = "bedrock-runtime.us-east-1.amazonaws.com";
        sign(&mut out, &Method::POST, host, &keys, region, SERVICE, time).unwrap();
        let authorization = out.headers["authorization"].to_str().unwrap();
        assert_eq!(authorization.rsplit_once("Signature=").unwrap().1, want);
        assert_eq!(out.headers["x-amz-date"], "20150830T123600Z");
    }
}
