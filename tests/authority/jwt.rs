//! Tokens: every algorithm, every claim, and the attacks that RFC 8725 lists.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::{KeyPair, PublicKeyData};
use ringmq::access::acl::{Permission, Rule};
use ringmq::access::{Denial, Grant, Login, Verdict};
use ringmq::authority::{AccessConfig, AuthorityError, JwtConfig};
use serde_json::{Value, json};

use crate::{Rig, allowed, denied, login, password_file, secret, write};

const SECRET: &[u8] = b"0123456789abcdef0123456789abcdef";
const NOW_S: u64 = 1_800_000_000;

fn start(key: &[u8], algorithms: &[&str], change: impl FnOnce(&mut JwtConfig)) -> Result<Rig, AuthorityError> {
    let dir = tempfile::tempdir().expect("a directory");
    let mut config = JwtConfig {
        key_file: write(&dir, "key", key),
        algorithms: algorithms.iter().map(|name| name.to_string()).collect(),
        issuer: None,
        audience: None,
        user_name_claim: "sub".into(),
        client_id_claim: None,
        acl_claim: "acl".into(),
        leeway: Duration::from_secs(10),
        expiry_required: true,
    };
    change(&mut config);
    let rig = Rig::start_in(dir, &[AccessConfig { jwt: Some(config), ..AccessConfig::default() }])?;
    rig.time.wall_s.store(NOW_S, std::sync::atomic::Ordering::SeqCst);
    Ok(rig)
}

fn with_secret(change: impl FnOnce(&mut JwtConfig)) -> Rig {
    start(SECRET, &["HS256"], change).expect("a good configuration")
}

fn sign(claims: &Value) -> String {
    jsonwebtoken::encode(&Header::default(), claims, &EncodingKey::from_secret(SECRET)).expect("a token")
}

fn claims() -> Value {
    json!({"sub": "anna", "exp": NOW_S + 60})
}

/// The claims with another one.
fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn grant(verdict: Verdict) -> Grant {
    match verdict {
        Verdict::Allowed(grant) => grant,
        Verdict::Denied(denial) => panic!("denied: {denial:?}"),
    }
}

fn ask(rig: &Rig, claims: &Value) -> Verdict {
    rig.ask(login("any", &sign(claims)))
}

#[test]
fn a_token_names_the_user_and_the_time() {
    let rig = with_secret(|_| {});
    let expected = Grant { user_name: Some("anna".into()), rules: None, valid_for_ms: Some(70_000) };
    assert_eq!(grant(ask(&rig, &claims())), expected);
    let token = sign(&claims());
    let alone = Login { user_name: None, ..login("", &token) };
    assert_eq!(grant(rig.ask(alone)), expected, "MQTT 5.0 allows a password without a user name");
    let as_name = Login { password: None, ..login(&token, "") };
    assert_eq!(grant(rig.ask(as_name)), expected, "the token is the user name");
}

#[test]
fn a_token_has_its_time() {
    let rig = with_secret(|_| {});
    assert_eq!(grant(ask(&rig, &with("exp", json!(NOW_S - 9)))).valid_for_ms, Some(1_000), "the leeway");
    assert_eq!(ask(&rig, &with("exp", json!(NOW_S - 10))), denied(Denial::TokenExpired));
    assert_eq!(ask(&rig, &with("nbf", json!(NOW_S + 11))), denied(Denial::Token));
    assert!(matches!(ask(&rig, &with("nbf", json!(NOW_S + 10))), Verdict::Allowed(_)));
    assert_eq!(grant(ask(&rig, &with("exp", json!(NOW_S as f64 + 0.5)))).valid_for_ms, Some(10_500));
    assert_eq!(ask(&rig, &with("exp", json!("soon"))), denied(Denial::Token));
    assert_eq!(ask(&rig, &with("exp", Value::Null)), denied(Denial::Token));
    assert_eq!(ask(&rig, &with("exp", json!(-1))), denied(Denial::TokenExpired));
    assert_eq!(ask(&rig, &json!({"sub": "anna"})), denied(Denial::Token), "an expiry is required");
    assert_eq!(grant(ask(&rig, &with("exp", json!(1e300)))).valid_for_ms, None);
    let rig = with_secret(|config| config.expiry_required = false);
    assert_eq!(ask(&rig, &json!({"sub": "anna"})), allowed("anna"));
}

#[test]
fn a_token_is_for_somebody() {
    let rig = with_secret(|config| {
        config.issuer = Some("https://issuer".into());
        config.audience = Some("mqtt".into());
        config.client_id_claim = Some("client_id".into());
    });
    let good = json!({"sub": "anna", "exp": NOW_S + 60, "iss": "https://issuer", "aud": ["x", "mqtt"], "client_id": "client-1"});
    assert!(matches!(ask(&rig, &good), Verdict::Allowed(_)));
    let change = |name: &str, value: Option<Value>| {
        let mut claims = good.clone();
        match value {
            Some(value) => claims[name] = value,
            None => drop(claims.as_object_mut().expect("an object").remove(name)),
        }
        ask(&rig, &claims)
    };
    assert!(matches!(change("client_id", None), Verdict::Allowed(_)), "the claim counts only if it is there");
    assert!(matches!(change("aud", Some(json!("mqtt"))), Verdict::Allowed(_)));
    for (name, value) in [
        ("iss", Some(json!("https://other"))),
        ("iss", None),
        ("aud", Some(json!("http"))),
        ("aud", Some(json!([]))),
        ("aud", None),
        ("client_id", Some(json!("client-2"))),
        ("client_id", Some(json!(1))),
        ("sub", Some(json!(""))),
        ("sub", Some(json!(7))),
        ("sub", None),
    ] {
        assert_eq!(change(name, value.clone()), denied(Denial::Token), "{name}: {value:?}");
    }
}

#[test]
fn a_token_brings_rules() {
    let rig = with_secret(|_| {});
    let rule = |permission, filter: &str| Rule { permission, filter: filter.into() };
    let given = ask(&rig, &with("acl", json!({"pub": ["a/#"], "sub": ["b/%c"]})));
    let expected = vec![rule(Permission::Write, "a/#"), rule(Permission::Read, "b/%c")];
    assert_eq!(grant(given).rules, Some(expected));
    let given = ask(&rig, &with("acl", json!([{"permission": "deny", "topic": "a"}])));
    assert_eq!(grant(given).rules, Some(vec![rule(Permission::Deny, "a")]));
    assert_eq!(grant(ask(&rig, &with("acl", json!([])))).rules, Some(Vec::new()), "no rule is not no claim");
    assert_eq!(ask(&rig, &with("acl", json!({"write": ["a"]}))), denied(Denial::Token));
    assert_eq!(ask(&rig, &with("acl", Value::Null)), denied(Denial::Token));
}

#[test]
fn every_algorithm_verifies_with_its_kind_of_key() {
    let rsa = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("a key");
    let ecdsa_256 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
    let ecdsa_384 = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P384_SHA384).expect("a key");
    let ed25519 = KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("a key");
    let rsa_names = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
    type Read = fn(&[u8]) -> jsonwebtoken::errors::Result<EncodingKey>;
    let cases: [(&KeyPair, &[&str], Read); 4] = [
        (&rsa, &rsa_names, EncodingKey::from_rsa_pem),
        (&ecdsa_256, &["ES256"], EncodingKey::from_ec_pem),
        (&ecdsa_384, &["ES384"], EncodingKey::from_ec_pem),
        (&ed25519, &["EdDSA"], EncodingKey::from_ed_pem),
    ];
    for (pair, names, read) in cases {
        let key = read(pair.serialize_pem().as_bytes()).expect("the library reads it");
        for name in names {
            let algorithm: Algorithm = name.parse().expect("an algorithm");
            let token = jsonwebtoken::encode(&Header::new(algorithm), &claims(), &key).expect("a token");
            let rig = start(pair.public_key_pem().as_bytes(), &[name], |_| {}).expect("a public key");
            assert!(matches!(rig.ask(login("", &token)), Verdict::Allowed(_)), "{name}");
            let (body, _) = token.rsplit_once('.').expect("a signature");
            for signature in ["AAAA", &BASE64.encode([0; 64]), &BASE64.encode([0; 256])] {
                let forged = format!("{body}.{signature}");
                assert_eq!(rig.ask(login("", &forged)), denied(Denial::Token), "{name}");
            }
        }
    }
    for name in ["HS256", "HS384", "HS512"] {
        let algorithm: Algorithm = name.parse().expect("an algorithm");
        let key = EncodingKey::from_secret(SECRET);
        let token = jsonwebtoken::encode(&Header::new(algorithm), &claims(), &key).expect("a token");
        // An editor's newline at the end does not count.
        let rig = start(&[SECRET, b"\n"].concat(), &[name], |_| {}).expect("a secret");
        assert!(matches!(rig.ask(login("", &token)), Verdict::Allowed(_)), "{name}");
    }
}

#[test]
fn a_token_cannot_choose_how_it_is_verified() {
    let pair = KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).expect("a key");
    let pem = pair.public_key_pem();
    let rig = start(pem.as_bytes(), &["RS256"], |_| {}).expect("a public key");
    let body = |header: &Value| {
        let part = |value: &Value| BASE64.encode(value.to_string());
        format!("{}.{}", part(header), part(&claims()))
    };
    // The public key as a secret, the oldest of the attacks.
    for secret in [pem.as_bytes(), pem.trim().as_bytes(), pair.der_bytes()] {
        let key = EncodingKey::from_secret(secret);
        let token = jsonwebtoken::encode(&Header::default(), &claims(), &key).expect("a token");
        assert_eq!(rig.ask(login("", &token)), denied(Denial::Token));
    }
    for algorithm in ["none", "None", "NONE", "nOnE", ""] {
        let body = body(&json!({"alg": algorithm, "typ": "JWT"}));
        assert_eq!(rig.ask(login("", &format!("{body}.AA"))), denied(Denial::Token), "{algorithm:?}");
        // Without a signature it is not even a token.
        assert_eq!(rig.ask(login("", &format!("{body}."))), denied(Denial::Credentials), "{algorithm:?}");
    }
    // An algorithm that goes with the key, and is not accepted.
    let key = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).expect("a key");
    let token = jsonwebtoken::encode(&Header::new(Algorithm::PS256), &claims(), &key).expect("a token");
    assert_eq!(rig.ask(login("", &token)), denied(Denial::Token));
    // Extensions that must be understood.
    let header = Header { alg: Algorithm::RS256, crit: Some(vec!["exp".into()]), ..Header::default() };
    let token = jsonwebtoken::encode(&header, &claims(), &key).expect("a token");
    assert_eq!(rig.ask(login("", &token)), denied(Denial::Token));
}

#[test]
fn what_is_no_token_is_left_to_the_next_method() {
    let dir = tempfile::tempdir().expect("a directory");
    let hash = "$7$101$QR2wnWxa57Od+wVI$llF8XQ54T9MgdTv2PidvieFC0YYIeMLMMpGtDr9uNDv2Zh2YMrmnuyYTX19ls16LMBwZz5e905Ir9H63OTz+hQ==";
    let mut config = password_file(&dir, &format!("anna:{hash}\n"));
    let jwt = JwtConfig {
        key_file: write(&dir, "key", SECRET),
        algorithms: vec!["HS256".into()],
        issuer: None,
        audience: None,
        user_name_claim: "sub".into(),
        client_id_claim: None,
        acl_claim: "acl".into(),
        leeway: Duration::ZERO,
        expiry_required: false,
    };
    config.jwt = Some(jwt);
    let both = [ringmq::authority::Method::Jwt, ringmq::authority::Method::PasswordFile];
    let reversed = AccessConfig { methods: both.into(), ..config.clone() };
    let rig = Rig::start_in(dir, &[config, reversed]).expect("a good configuration");
    for listener in [0, 1].map(ringmq::access::ListenerId) {
        let at = |login: Login| rig.ask(Login { listener, ..login });
        assert_eq!(at(login("anna", "secret")), allowed("anna"));
        assert_eq!(at(login("bert", &sign(&json!({"sub": "bert"})))), allowed("bert"));
        assert_eq!(at(login("bert", "secret")), denied(Denial::Credentials));
        assert_eq!(at(login("bert", "a.b.c")), denied(Denial::Credentials));
        let bytes = Login { password: Some(secret(b"\xFF\x00")), ..login("bert", "") };
        assert_eq!(at(bytes), denied(Denial::Credentials));
    }
}

#[test]
fn keys_and_algorithms_are_checked_at_the_start() {
    let pair = KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).expect("a key");
    let public = pair.public_key_pem();
    let cases: [(&[u8], &[&str], &str); 9] = [
        (b"short", &["HS256"], "less than 32 bytes"),
        (SECRET, &["RS256"], "no algorithm for the key"),
        (SECRET, &["none"], "no algorithm for the key"),
        (SECRET, &[], "it is empty"),
        (public.as_bytes(), &["HS256"], "go with the key: ES256, ES384"),
        (public.as_bytes(), &["ES256", "RS256"], "\"RS256\" is no algorithm"),
        (pair.serialize_pem().leak().as_bytes(), &["ES256"], "private key"),
        (b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n", &["ES256"], "certificate"),
        (b"-----BEGIN PUBLIC KEY-----\nAA==\n-----END PUBLIC KEY-----\n", &["ES256"], "no public key"),
    ];
    for (key, algorithms, expected) in cases {
        let error = start(key, algorithms, |_| {}).err().expect(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
}
