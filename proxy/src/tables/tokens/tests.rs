//! Tokens of every algorithm, made with keys of the test's own, and those that must not be believed.

use std::path::PathBuf;
use std::time::Duration;

use jsonwebtoken::jwk::JwkSet;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{
    self, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
    RsaEncoding, RsaKeyPair,
};
use selvedge_conf::expr::Type;
use selvedge_conf::{Algorithm as Alg, TokenSource};
use selvedge_filters::{Believed, Claim};
use serde_json::json;

use super::*;

/// 2026-01-01, in ms.
const NOW: Time = Time(1_767_225_600_000);
const SECRET: &[u8] = b"sixty-four bytes or more of a secret that both sides know: 0123456789";

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            text.push(char::from(DIGITS[(bits >> (18 - 6 * digit)) as usize & 63]));
        }
    }
    text
}

fn signed(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let message = format!("{}.{}", base64(header.to_string().as_bytes()), base64(claims.to_string().as_bytes()));
    let signature = sign(message.as_bytes());
    format!("{message}.{}", base64(&signature))
}

fn hs256(header: &Value, claims: &Value) -> String {
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, SECRET);
    signed(header, claims, |message| ring::hmac::sign(&key, message).as_ref().to_vec())
}

struct Desk {
    folder: tempfile::TempDir,
    facts: Facts,
}

impl Desk {
    fn new(file: &str, keys: &[u8], algorithms: &[Alg]) -> Desk {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(file);
        std::fs::write(&path, keys).unwrap();
        let claims = [("sub", Type::String), ("admin", Type::Bool), ("n", Type::Int), ("x", Type::Double)];
        let mut claims: Vec<_> = claims.into_iter().map(|(name, of)| (name.to_owned(), of)).collect();
        claims.push(("roles".to_owned(), Type::List(Box::new(Type::String))));
        let facts = Facts {
            name: "shop".to_owned(),
            keys: path,
            algorithms: algorithms.to_vec(),
            issuer: None,
            audience: Vec::new(),
            from: TokenSource::Bearer,
            leeway: Duration::from_secs(30),
            claims,
            realm: "shop".to_owned(),
            tenant: Some("org".to_owned()),
            place: selvedge_conf::Place { file: PathBuf::new(), line: 0, column: 0 },
        };
        Desk { folder, facts }
    }

    fn secret() -> Desk {
        Desk::new("shared.key", SECRET, &[Alg::Hs256])
    }

    fn issuer(&self) -> Arc<Issuer> {
        Issuer::load(&self.facts, &Ledger::default(), &[]).unwrap()
    }

    fn fault(&self) -> String {
        let fault = Issuer::load(&self.facts, &Ledger::default(), &[]).unwrap_err().remove(0);
        fault.message.replace(&self.folder.path().display().to_string(), ".")
    }

    fn check(&self, claims: &Value) -> Token {
        Token::clone(&self.issuer().verify(&hs256(&json!({ "alg": "HS256" }), claims), NOW))
    }
}

fn is_valid(token: &Token) -> bool {
    matches!(token, Token::Valid(_))
}

#[test]
fn claims_come_typed_and_in_the_config_s_order() {
    let claims = json!({ "sub": "ada", "admin": true, "n": 3.0, "x": 2, "roles": "one" });
    let Token::Valid(found) = Desk::secret().check(&claims) else { panic!("not valid") };
    let expected = [
        Claim::String("ada".to_owned()),
        Claim::Bool(true),
        Claim::Int(3),
        Claim::Double(2.0),
        Claim::Strings(vec!["one".to_owned()]),
    ];
    assert_eq!(found.claims, expected.map(Some));
    let claims = json!({ "sub": 1, "admin": "true", "n": 3.5, "x": "2", "roles": ["a", 1] });
    let nothing = Token::Valid(Believed { claims: vec![None; 5], ..Believed::default() });
    assert_eq!(Desk::secret().check(&claims), nothing, "of other types");
    assert_eq!(Desk::secret().check(&json!({})), nothing, "missing");
}

#[test]
fn a_token_says_what_can_be_revoked_of_it() {
    let second = NOW.0 / 1000;
    let check = |claims| match Desk::secret().check(&claims) {
        Token::Valid(Believed { id, user, tenant, issued, until, .. }) => (id, user, tenant, issued, until),
        Token::Invalid(why) => panic!("{why}"),
    };
    let text = |text: &str| Some(text.to_owned());
    let all = json!({ "jti": "t1", "sub": "ada", "org": "acme", "iat": second - 60, "exp": second + 60 });
    let expires = Time((second + 90) * 1000);
    assert_eq!(check(all), (text("t1"), text("ada"), text("acme"), Time((second - 60) * 1000), Some(expires)));
    assert_eq!(check(json!({ "org": 42 })), (None, None, text("42"), Time::ZERO, None), "as old as can be");
    assert_eq!(check(json!({ "jti": 1, "sub": 7, "org": 4.5, "iat": "now" })), (None, None, None, Time::ZERO, None));
}

#[test]
fn times_are_judged_by_the_node_s_clock_with_leeway() {
    let second = NOW.0 / 1000;
    let desk = Desk::secret();
    assert!(is_valid(&desk.check(&json!({ "exp": second - 29 }))));
    assert_eq!(desk.check(&json!({ "exp": second - 30 })), Token::Invalid("expired"));
    assert!(is_valid(&desk.check(&json!({ "nbf": second + 30 }))));
    assert_eq!(desk.check(&json!({ "nbf": second + 31 })), Token::Invalid("not valid yet"));
    assert!(is_valid(&desk.check(&json!({ "exp": second as f64 + 0.5 }))));
    assert_eq!(desk.check(&json!({ "exp": "soon" })), Token::Invalid("its exp is no time"));
    assert_eq!(desk.check(&json!({ "exp": -1 })), Token::Invalid("its exp is no time"));
    assert!(is_valid(&desk.check(&json!({ "exp": u64::MAX }))));
}

#[test]
fn a_token_that_was_believed_ends_when_it_expires_and_one_that_was_early_begins() {
    let second = NOW.0 / 1000;
    let issuer = Desk::secret().issuer();
    let token = hs256(&json!({ "alg": "HS256" }), &json!({ "exp": second + 10 }));
    assert!(is_valid(&issuer.verify(&token, NOW)));
    assert!(is_valid(&issuer.verify(&token, Time(NOW.0 + 39_999))));
    assert_eq!(*issuer.verify(&token, Time(NOW.0 + 40_000)), Token::Invalid("expired"));
    let token = hs256(&json!({ "alg": "HS256" }), &json!({ "nbf": second + 60 }));
    assert_eq!(*issuer.verify(&token, NOW), Token::Invalid("not valid yet"));
    assert!(is_valid(&issuer.verify(&token, Time(NOW.0 + 60_000))));
    // As soon as it begins, and not when it is looked at next: the leeway is 30 s.
    let token = hs256(&json!({ "alg": "HS256" }), &json!({ "nbf": second + 31 }));
    assert_eq!(*issuer.verify(&token, NOW), Token::Invalid("not valid yet"));
    assert!(is_valid(&issuer.verify(&token, Time(second * 1000 + 1000))));
}

#[test]
fn issuer_and_audience_must_be_those_of_the_config() {
    let mut desk = Desk::secret();
    desk.facts.issuer = Some("https://id.example".to_owned());
    desk.facts.audience = vec!["edge".to_owned(), "shop".to_owned()];
    assert!(is_valid(&desk.check(&json!({ "iss": "https://id.example", "aud": "shop" }))));
    assert!(is_valid(&desk.check(&json!({ "iss": "https://id.example", "aud": ["x", "edge"] }))));
    assert_eq!(desk.check(&json!({ "aud": "shop" })), Token::Invalid("from another issuer"));
    let other = json!({ "iss": "https://id.example", "aud": ["x"] });
    assert_eq!(desk.check(&other), Token::Invalid("for another audience"));
    assert_eq!(desk.check(&json!({ "iss": "https://id.example" })), Token::Invalid("for another audience"));
}

#[test]
fn what_is_not_signed_by_the_key_is_not_believed() {
    let issuer = Desk::secret().issuer();
    let good = hs256(&json!({ "alg": "HS256" }), &json!({ "sub": "ada" }));
    assert!(is_valid(&issuer.verify(&good, NOW)));
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, _) = message.split_once('.').unwrap();
    let forged = format!("{header}.{}.{signature}", base64(br#"{"sub":"eve"}"#));
    assert_eq!(*issuer.verify(&forged, NOW), Token::Invalid("its signature does not hold"));
    assert_eq!(*issuer.verify(&format!("{message}."), NOW), Token::Invalid("its signature does not hold"));
    let none = signed(&json!({ "alg": "none" }), &json!({}), |_| Vec::new());
    assert_eq!(*issuer.verify(&none, NOW), Token::Invalid("malformed"));
    let other = signed(&json!({ "alg": "HS512" }), &json!({}), |_| vec![0; 64]);
    assert_eq!(*issuer.verify(&other, NOW), Token::Invalid("its algorithm is not accepted"));
    let critical = hs256(&json!({ "alg": "HS256", "crit": ["b64"] }), &json!({}));
    assert_eq!(*issuer.verify(&critical, NOW), Token::Invalid("it has critical extensions"));
    assert_eq!(*issuer.verify(&"x".repeat(TOKEN_MAX + 1), NOW), Token::Invalid("too long"));
    for text in ["", ".", "..", "a.b.c", "a.b.c.d.e", "\u{1F980}"] {
        assert_eq!(*issuer.verify(text, NOW), Token::Invalid("malformed"), "{text:?}");
    }
}

#[test]
fn a_jwk_set_s_keys_are_chosen_by_kid_and_those_without_are_tried() {
    let random = SystemRandom::new();
    let ed = Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref()).unwrap();
    let ec = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let ec = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, ec.as_ref(), &random).unwrap();
    let point = ec.public_key().as_ref();
    let (x, y) = (base64(&point[1..33]), base64(&point[33..65]));
    let set = json!({ "keys": [
        { "kty": "OKP", "crv": "Ed25519", "x": base64(ed.public_key().as_ref()), "kid": "new", "use": "sig" },
        { "kty": "EC", "crv": "P-256", "x": x, "y": y },
        { "kty": "oct", "k": base64(SECRET), "kid": "enc", "use": "enc" },
        { "kty": "something-new", "kid": "future" },
    ] });
    let desk = Desk::new("keys.json", set.to_string().as_bytes(), &[Alg::EdDsa, Alg::Es256]);
    let issuer = desk.issuer();
    let by_ed = |header: Value| signed(&header, &json!({}), |message| ed.sign(message).as_ref().to_vec());
    let by_ec =
        |header: Value| signed(&header, &json!({}), |message| ec.sign(&random, message).unwrap().as_ref().to_vec());
    assert!(is_valid(&issuer.verify(&by_ed(json!({ "alg": "EdDSA", "kid": "new" })), NOW)));
    assert!(is_valid(&issuer.verify(&by_ed(json!({ "alg": "EdDSA" })), NOW)), "no kid: those that fit are tried");
    assert_eq!(*issuer.verify(&by_ed(json!({ "alg": "EdDSA", "kid": "old" })), NOW), Token::Invalid("no key for it"));
    assert!(is_valid(&issuer.verify(&by_ec(json!({ "alg": "ES256", "kid": "any" })), NOW)), "a key without kid");
    assert_eq!(
        *issuer.verify(&by_ec(json!({ "alg": "EdDSA", "kid": "new" })), NOW),
        Token::Invalid("its signature does not hold")
    );
}

/// RFC 7515 appendix A.2: a token signed with RSASSA-PKCS1-v1_5 and its key, so that a signer of somebody else is heard too.
#[test]
fn the_rsa_example_of_the_standard_holds() {
    const N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMs\
        D1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdV\
        MTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    const TOKEN: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
        cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZ\
        cAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-e\
        OkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let set = json!({ "keys": [{ "kty": "RSA", "n": N, "e": "AQAB" }] });
    let desk = Desk::new("keys.json", set.to_string().as_bytes(), &[Alg::Rs256]);
    assert!(is_valid(&desk.issuer().verify(TOKEN, Time(1_300_000_000_000))));
    assert_eq!(*desk.issuer().verify(TOKEN, NOW), Token::Invalid("expired"));
}

/// A token of this algorithm is believed, one that says another of the config's is not.
fn holds(desk: &Desk, name: &str, other: &str, sign: impl Fn(&[u8]) -> Vec<u8>) {
    let issuer = desk.issuer();
    assert!(is_valid(&issuer.verify(&signed(&json!({ "alg": name }), &json!({}), &sign), NOW)), "{name}");
    let claimed = signed(&json!({ "alg": other }), &json!({}), &sign);
    assert_eq!(*issuer.verify(&claimed, NOW), Token::Invalid("its signature does not hold"), "{name} as {other}");
}

#[test]
fn every_length_of_shared_secrets_holds() {
    let desk = Desk::new("shared.key", SECRET, &[Alg::Hs256, Alg::Hs384, Alg::Hs512]);
    for (name, other, hash) in [
        ("HS256", "HS384", hmac::HMAC_SHA256),
        ("HS384", "HS512", hmac::HMAC_SHA384),
        ("HS512", "HS256", hmac::HMAC_SHA512),
    ] {
        let key = hmac::Key::new(hash, SECRET);
        holds(&desk, name, other, |message| hmac::sign(&key, message).as_ref().to_vec());
    }
}

#[test]
fn every_rsa_signature_holds() {
    let pair = RsaKeyPair::from_der(include_bytes!("fixtures/test-only-rsa.der")).unwrap();
    let algorithms = [Alg::Rs256, Alg::Rs384, Alg::Rs512, Alg::Ps256, Alg::Ps384, Alg::Ps512];
    let desk = Desk::new("keys.pem", include_bytes!("fixtures/test-only-rsa.pub.pem"), &algorithms);
    let encodings: [(&str, &str, &'static dyn RsaEncoding); 6] = [
        ("RS256", "PS256", &signature::RSA_PKCS1_SHA256),
        ("RS384", "RS512", &signature::RSA_PKCS1_SHA384),
        ("RS512", "RS256", &signature::RSA_PKCS1_SHA512),
        ("PS256", "PS384", &signature::RSA_PSS_SHA256),
        ("PS384", "RS384", &signature::RSA_PSS_SHA384),
        ("PS512", "PS256", &signature::RSA_PSS_SHA512),
    ];
    for (name, other, encoding) in encodings {
        holds(&desk, name, other, |message| {
            let mut made = vec![0; pair.public().modulus_len()];
            pair.sign(encoding, &SystemRandom::new(), message, &mut made).unwrap();
            made
        });
    }
}

#[test]
fn the_longer_curve_holds() {
    let random = SystemRandom::new();
    let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, pair.as_ref(), &random).unwrap();
    let point = pair.public_key().as_ref();
    let (x, y) = (base64(&point[1..49]), base64(&point[49..97]));
    let set = json!({ "keys": [{ "kty": "EC", "crv": "P-384", "x": x, "y": y }] });
    let desk = Desk::new("keys.json", set.to_string().as_bytes(), &[Alg::Es384]);
    let token = signed(&json!({ "alg": "ES384" }), &json!({}), |message| {
        pair.sign(&random, message).unwrap().as_ref().to_vec()
    });
    assert!(is_valid(&desk.issuer().verify(&token, NOW)));
}

#[test]
fn a_public_key_never_passes_for_a_shared_secret() {
    let set = json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "x": base64(&[7; 32]) }] });
    let desk = Desk::new("keys.json", set.to_string().as_bytes(), &[Alg::Hs256]);
    assert_eq!(desk.fault(), "jwt shop: key file ./keys.json: it holds no key for any of the algorithms");
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &[7; 32]);
    let token =
        signed(&json!({ "alg": "HS256" }), &json!({}), |message| ring::hmac::sign(&key, message).as_ref().to_vec());
    let desk = Desk::new("keys.json", set.to_string().as_bytes(), &[Alg::EdDsa]);
    assert_eq!(*desk.issuer().verify(&token, NOW), Token::Invalid("its algorithm is not accepted"));
}

#[test]
fn pem_public_keys_are_taken_and_private_ones_refused() {
    let [one, two] = [(); 2].map(|()| rcgen::KeyPair::generate().unwrap());
    let pem = format!("{}\n{}", one.public_key_pem(), two.public_key_pem());
    let desk = Desk::new("keys.pem", pem.as_bytes(), &[Alg::Es256]);
    let random = SystemRandom::new();
    let signer = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &two.serialize_der(), &random).unwrap();
    let sign = |message: &[u8]| signer.sign(&random, message).unwrap().as_ref().to_vec();
    let token = signed(&json!({ "alg": "ES256" }), &json!({}), sign);
    assert!(is_valid(&desk.issuer().verify(&token, NOW)), "the second key of the file");
    let desk = Desk::new("keys.pem", one.serialize_pem().as_bytes(), &[Alg::Es256]);
    assert_eq!(desk.fault(), "jwt shop: key file ./keys.pem: it holds a PRIVATE KEY; only public keys are taken");
}

#[test]
fn files_that_hold_no_usable_key_are_named_with_the_reason() {
    for (file, keys, algorithm, cause) in [
        ("keys.json", "{}".as_bytes(), Alg::Es256, "it is no JWK set: missing field `keys`"),
        ("keys.pem", b"hello", Alg::Es256, "it holds no public key"),
        (
            "keys.pem",
            b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
            Alg::Rs256,
            "it holds what is no public key",
        ),
        ("shared.key", b"too short", Alg::Hs256, "a secret of 9 bytes; HS256 needs 32 at least"),
    ] {
        let fault = Desk::new(file, keys, &[algorithm]).fault();
        assert!(fault.starts_with(&format!("jwt shop: key file ./{file}: {cause}")), "{fault}");
    }
    let keys = vec![json!({ "kty": "OKP", "crv": "Ed25519", "x": base64(&[7; 32]) }); 9];
    let set = json!({ "keys": keys });
    let fault = Desk::new("keys.json", set.to_string().as_bytes(), &[Alg::EdDsa]).fault();
    assert!(fault.ends_with("9 keys without `kid`; at most 8 are tried"), "{fault}");
    assert!(serde_json::from_value::<JwkSet>(set).is_ok());
}

#[test]
fn the_same_keys_keep_what_they_remember() {
    let mut desk = Desk::secret();
    let first = desk.issuer();
    desk.facts.name = "renamed".to_owned();
    let again = Issuer::load(&desk.facts, &Ledger::default(), std::slice::from_ref(&first)).unwrap();
    assert!(Arc::ptr_eq(&first, &again));
    desk.facts.leeway = Duration::from_secs(1);
    let other = Issuer::load(&desk.facts, &Ledger::default(), std::slice::from_ref(&first)).unwrap();
    assert!(!Arc::ptr_eq(&first, &other));
    std::fs::write(&desk.facts.keys, [9; 64]).unwrap();
    let rotated = Issuer::load(&desk.facts, &Ledger::default(), std::slice::from_ref(&other)).unwrap();
    assert!(!Arc::ptr_eq(&other, &rotated));
}

#[test]
fn no_text_is_a_token_by_accident() {
    let issuer = Desk::secret().issuer();
    let mut random = fastrand::Rng::with_seed(7);
    let good = hs256(&json!({ "alg": "HS256" }), &json!({ "sub": "ada" })).into_bytes();
    for _ in 0..2_000 {
        let mut bytes = good.clone();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..bytes.len());
            bytes[at] = random.u8(b'-'..b'z');
        }
        if bytes != good
            && let Ok(text) = String::from_utf8(bytes)
        {
            // The last digit of the signature has bits that mean nothing, and must be zero.
            assert!(!is_valid(&issuer.verify(&text, NOW)), "{text}");
        }
    }
}
