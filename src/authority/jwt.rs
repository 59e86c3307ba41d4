//! Tokens in place of passwords: JSON Web Tokens (RFC 7519) that are signed (RFC 7515).
//!
//! The kind of the key decides which algorithms are possible, and the configuration which of these are accepted; a token's header
//! only chooses among them (RFC 8725, section 3.1).

use std::str::FromStr;
use std::time::{Duration, SystemTime};

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};

use super::grant_json::Rules;
use super::{AuthorityError, JwtConfig, Warning, secret_file};
use crate::access::{Denial, Grant, Login, Verdict};
use crate::limits;

/// A key that is shorter can be guessed (RFC 7518, section 3.2).
const SECRET_SIZE_MIN: usize = 32;

/// Verifies tokens with one key.
pub struct Jwt {
    config: JwtConfig,
    key: DecodingKey,
    validation: Validation,
}

impl Jwt {
    pub(super) fn load(config: &JwtConfig, warnings: &mut Vec<Warning>) -> Result<Self, AuthorityError> {
        let place = config.key_file.display();
        let content =
            secret_file::read_public(&config.key_file, limits::KEY_FILE_SIZE_MAX).map(zeroize::Zeroizing::new)?;
        let key = if content.trim_ascii_start().starts_with(b"-----BEGIN ") {
            public_key(&content).map_err(|(problem, remedy)| AuthorityError::new(place, problem, remedy))?
        } else {
            // Only a secret must not be read by others.
            secret_file::read(&config.key_file, limits::KEY_FILE_SIZE_MAX, warnings)?;
            secret(&content).map_err(|(problem, remedy)| AuthorityError::new(place, problem, remedy))?
        };
        let algorithms = algorithms(config, &key)?;
        Ok(Self { validation: validation(config, algorithms), key, config: config.clone() })
    }

    /// The token of a login, if it has one: the password, or the user name of who has no password.
    pub(super) fn token(login: &Login) -> Option<&[u8]> {
        let token = match (&login.password, &login.user_name) {
            (Some(password), _) => &password.0[..],
            (None, Some(user_name)) => user_name.as_bytes(),
            (None, None) => return None,
        };
        is_token(token).then_some(token)
    }

    /// `None` if there is no token.
    pub(super) fn decide(&self, login: &Login, now: SystemTime) -> Option<Verdict> {
        let token = Self::token(login)?;
        Some(match self.verify(token, login, now) {
            Ok(grant) => Verdict::Allowed(grant),
            Err(denial) => Verdict::Denied(denial),
        })
    }

    fn verify(&self, token: &[u8], login: &Login, now: SystemTime) -> Result<Grant, Denial> {
        let verified = jsonwebtoken::decode::<Map<String, Value>>(token, &self.key, &self.validation);
        let verified = verified.map_err(|_| Denial::Token)?;
        // Extensions that must be understood (RFC 7515, section 4.1.11): there are none here.
        if verified.header.crit.is_some() {
            return Err(Denial::Token);
        }
        let claims = verified.claims;
        let valid_for_ms = self.check_time(&claims, now)?;
        self.check_client_id(&claims, login)?;
        // The user name that the client gave counts for nothing: MQTT 3.1.1 demands one with every password, and many write
        // any.
        let user_name = match claims.get(&self.config.user_name_claim) {
            Some(Value::String(name)) if !name.is_empty() && !name.contains('\0') => name.as_str().into(),
            _ => return Err(Denial::Token),
        };
        let rules = match claims.get(&self.config.acl_claim) {
            None => None,
            Some(rules) => {
                let rules: Option<Rules> = serde_json::from_value(rules.clone()).ok();
                Some(rules.and_then(Rules::into_rules).ok_or(Denial::Token)?)
            }
        };
        Ok(Grant { user_name: Some(user_name), rules, valid_for_ms })
    }

    /// How long the token is valid from now on, the leeway included.
    fn check_time(&self, claims: &Map<String, Value>, now: SystemTime) -> Result<Option<u64>, Denial> {
        let leeway_s = self.config.leeway.as_secs_f64();
        let now_s = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        if number(claims, "nbf")?.is_some_and(|begin_s| now_s + leeway_s < begin_s) {
            return Err(Denial::Token);
        }
        let Some(end_s) = number(claims, "exp")? else {
            return if self.config.expiry_required { Err(Denial::Token) } else { Ok(None) };
        };
        let left_s = end_s + leeway_s - now_s;
        if left_s <= 0.0 {
            return Err(Denial::TokenExpired);
        }
        // Beyond what a duration can hold is for ever.
        Ok(Duration::try_from_secs_f64(left_s).ok().map(|left| left.as_millis() as u64))
    }

    fn check_client_id(&self, claims: &Map<String, Value>, login: &Login) -> Result<(), Denial> {
        let claim = self.config.client_id_claim.as_ref().and_then(|name| claims.get(name));
        match claim {
            None => Ok(()),
            Some(Value::String(client_id)) if **client_id == *login.client_id => Ok(()),
            Some(_) => Err(Denial::Token),
        }
    }
}

type Complaint = (&'static str, &'static str);

fn secret(content: &[u8]) -> Result<DecodingKey, Complaint> {
    // Editors end a file with a newline that nobody means.
    let secret = content.strip_suffix(b"\n").unwrap_or(content);
    let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
    if secret.len() < SECRET_SIZE_MIN {
        return Err(("the secret has less than 32 bytes", "write a new one, `openssl rand -base64 48`"));
    }
    Ok(DecodingKey::from_secret(secret))
}

fn public_key(pem: &[u8]) -> Result<DecodingKey, Complaint> {
    let has = |label: &str| memchr::memmem::find(pem, label.as_bytes()).is_some();
    if has("PRIVATE KEY-----") {
        return Err((
            "there is a private key in it, which only who signs should have",
            "write the public key instead, `openssl pkey -pubout`",
        ));
    }
    if has("BEGIN CERTIFICATE-----") {
        return Err(("there is a certificate in it", "write its public key instead, `openssl x509 -noout -pubkey`"));
    }
    let of_any_kind = DecodingKey::from_rsa_pem(pem)
        .or_else(|_| DecodingKey::from_ec_pem(pem))
        .or_else(|_| DecodingKey::from_ed_pem(pem));
    of_any_kind
        .map_err(|_| ("it is no public key of RSA, ECDSA or Ed25519 as PEM", "write one, `openssl pkey -pubout`"))
}

fn algorithms(config: &JwtConfig, key: &DecodingKey) -> Result<Vec<Algorithm>, AuthorityError> {
    let family = key.family();
    let possible = family.algorithms();
    let names = || possible.iter().map(|algorithm| format!("{algorithm:?}")).collect::<Vec<_>>().join(", ");
    let remedy = || format!("name algorithms that go with the key: {}", names());
    if config.algorithms.is_empty() {
        return Err(AuthorityError::new("access.jwt.algorithms", "it is empty", remedy()));
    }
    let known = config.algorithms.iter().map(|name| {
        let algorithm = Algorithm::from_str(name).ok().filter(|algorithm| possible.contains(algorithm));
        algorithm.ok_or_else(|| {
            let problem = format!("{name:?} is no algorithm for the key in {}", config.key_file.display());
            AuthorityError::new("access.jwt.algorithms", problem, remedy())
        })
    });
    known.collect()
}

/// Signature, issuer and audience are the library's; it would read the clock for the times.
fn validation(config: &JwtConfig, algorithms: Vec<Algorithm>) -> Validation {
    let mut validation = Validation::default();
    validation.algorithms = algorithms;
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.required_spec_claims.clear();
    if let Some(issuer) = &config.issuer {
        validation.set_issuer(&[issuer]);
        validation.required_spec_claims.insert("iss".into());
    }
    match &config.audience {
        Some(audience) => {
            validation.set_audience(&[audience]);
            validation.required_spec_claims.insert("aud".into());
        }
        // Whoever does not say who he is has no audience to compare with.
        None => validation.validate_aud = false,
    }
    validation
}

/// Three parts of base64url with dots between (RFC 7515, section 3.1).
fn is_token(text: &[u8]) -> bool {
    let is_base64url = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let mut parts = 0;
    let is_made_of = text.split(|byte| *byte == b'.').all(|part| {
        parts += 1;
        !part.is_empty() && part.iter().all(is_base64url)
    });
    // A header begins with `{"`, and no shorter one names an algorithm.
    is_made_of && parts == 3 && text.starts_with(b"ey") && text.len() <= limits::TOKEN_SIZE_MAX
}

/// A NumericDate (RFC 7519, section 2).
fn number(claims: &Map<String, Value>, name: &str) -> Result<Option<f64>, Denial> {
    claims.get(name).map(|value| value.as_f64().ok_or(Denial::Token)).transpose()
}
