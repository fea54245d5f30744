//! A passkey in software: ES256, attestation `none` (WebAuthn level 2, 6.5 and 6.1), as a browser would pass it on.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use openssl::bn::{BigNum, BigNumContext};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::{PKey, Private};
use openssl::sign::Signer;
use serde_json::{Value, json};

const PRESENT: u8 = 1;
const VERIFIED: u8 = 4;
const ATTESTED: u8 = 0x40;

/// One credential in an authenticator.
#[derive(Clone)]
pub(super) struct Authenticator {
    key: PKey<Private>,
    id: Vec<u8>,
    /// Whose it says it is.
    pub(super) user: String,
    rp: String,
    /// Where the browser is.
    pub(super) origin: String,
    /// What it has counted; stays 0 if it does not count.
    pub(super) counter: u32,
    pub(super) counts: bool,
    /// Whether its user has shown a finger.
    pub(super) verified: bool,
}

fn b64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    openssl::sha::sha256(bytes)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

impl Authenticator {
    /// `navigator.credentials.create`.
    pub(super) fn create(options: &Value, origin: &str, verified: bool) -> (Self, Value) {
        let options = &options["publicKey"];
        let wish = &options["authenticatorSelection"];
        assert_eq!(
            (&wish["residentKey"], &wish["userVerification"]),
            (&json!("required"), &json!("required"))
        );
        assert!(options["pubKeyCredParams"].as_array().unwrap().iter().any(|p| p["alg"] == -7), "{options}");
        let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1).unwrap();
        let key = EcKey::generate(&group).unwrap();
        let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
        let mut context = BigNumContext::new().unwrap();
        key.public_key().affine_coordinates_gfp(&group, &mut x, &mut y, &mut context).unwrap();
        let mut id = vec![0; 32];
        openssl::rand::rand_bytes(&mut id).unwrap();
        let mut made = Self {
            key: PKey::from_ec_key(key).unwrap(),
            id,
            user: text(&options["user"]["id"]),
            rp: text(&options["rp"]["id"]),
            origin: origin.into(),
            counter: 0,
            counts: true,
            verified,
        };
        // the key as COSE (RFC 9053, 7.1): kty EC2, alg ES256, crv P-256, x, y
        let mut cose = vec![0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32];
        cose.extend(x.to_vec_padded(32).unwrap());
        cose.extend([0x22, 0x58, 32]);
        cose.extend(y.to_vec_padded(32).unwrap());
        let mut data = made.data(ATTESTED);
        data.extend([0; 16]);
        data.extend(u16::try_from(made.id.len()).unwrap().to_be_bytes());
        data.extend(&made.id);
        data.extend(cose);
        let mut object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58".to_vec();
        object.push(u8::try_from(data.len()).unwrap());
        object.extend(data);
        let response = json!({
            "clientDataJSON": b64(&made.client("webauthn.create", &text(&options["challenge"]))),
            "attestationObject": b64(&object),
        });
        let credential = made.credential(response);
        made.verified = true;
        (made, credential)
    }

    /// `navigator.credentials.get`.
    pub(super) fn get(&mut self, options: &Value) -> Value {
        let options = &options["publicKey"];
        assert_eq!(
            (text(&options["rpId"]), &options["userVerification"]),
            (self.rp.clone(), &json!("required"))
        );
        self.counter += u32::from(self.counts);
        let client = self.client("webauthn.get", &text(&options["challenge"]));
        let data = self.data(0);
        let mut signer = Signer::new(MessageDigest::sha256(), &self.key).unwrap();
        signer.update(&data).unwrap();
        signer.update(&sha256(&client)).unwrap();
        let signature = signer.sign_to_vec().unwrap();
        self.credential(json!({
            "clientDataJSON": b64(&client), "authenticatorData": b64(&data), "signature": b64(&signature),
            "userHandle": self.user,
        }))
    }

    fn client(&self, kind: &str, challenge: &str) -> Vec<u8> {
        let data = json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false});
        data.to_string().into_bytes()
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        let mut data = sha256(self.rp.as_bytes()).to_vec();
        data.push(PRESENT | flags | if self.verified { VERIFIED } else { 0 });
        data.extend(self.counter.to_be_bytes());
        data
    }

    fn credential(&self, response: Value) -> Value {
        json!({"id": b64(&self.id), "rawId": b64(&self.id), "type": "public-key", "response": response,
               "authenticatorAttachment": "platform", "clientExtensionResults": {}})
    }
}
