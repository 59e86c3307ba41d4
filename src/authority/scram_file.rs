//! Credentials for SCRAM-SHA-256: one `user:$scram-sha-256$iterations$salt$stored_key$server_key` a line, all of them base64, with
//! empty lines and comments as in a password file. Who reads them can try passwords, but not log in with what it read (RFC 5802,
//! section 9).

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::path::Path;

use aws_lc_rs::{digest, hmac, pbkdf2};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::error::WrongLine;
use super::password_file::check_user_name;
use super::{AuthorityError, Warning, secret_file};
use crate::limits;

const REMEDY: &str = "write the line with `ringmq passwd --scram FILE USER`, or delete it";
/// RFC 7677, section 4, asks for at least 4,096.
pub const ITERATIONS_ALLOWED: RangeInclusive<u32> = 4_096..=limits::PBKDF2_ITERATIONS_MAX;
/// The client does this work, and clients may be small; a few times the minimum.
pub const ITERATIONS: NonZeroU32 = NonZeroU32::new(15_000).unwrap();
pub const SALT_SIZE: usize = 16;

/// Bytes of SHA-256.
pub type Digest = [u8; 32];

/// What the server knows of a user.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub iterations: NonZeroU32,
    pub salt: Box<[u8]>,
    pub stored_key: Digest,
    pub server_key: Digest,
}

/// The users of a file.
#[derive(Debug, Default)]
pub struct ScramFile {
    users: HashMap<Box<str>, Credentials>,
}

impl ScramFile {
    pub(super) fn read(path: &Path, warnings: &mut Vec<Warning>) -> Result<Self, AuthorityError> {
        let content = secret_file::read(path, limits::PASSWORD_FILE_SIZE_MAX, warnings)?;
        Self::parse(&content).map_err(|wrong| wrong.of_file(path))
    }

    /// # Errors
    /// The first line that is wrong. What is said of it has nothing secret in it.
    pub fn parse(content: &[u8]) -> Result<Self, WrongLine> {
        let mut users = HashMap::new();
        for (index, line) in content.split(|byte| *byte == b'\n').enumerate() {
            let wrong = |problem: String| WrongLine::new(index + 1, problem, REMEDY);
            let line = str::from_utf8(line).map_err(|_| wrong("it is not UTF-8".into()))?.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (user, text) = line.split_once(':').ok_or_else(|| wrong("there is no colon in it".into()))?;
            let user = user.trim();
            check_user_name(user).map_err(wrong)?;
            let credentials = Credentials::parse(text.trim());
            let credentials = credentials.map_err(|problem| wrong(format!("user {user:?}: {problem}")))?;
            if users.insert(user.into(), credentials).is_some() {
                return Err(wrong(format!("user {user:?} has a line already")));
            }
        }
        Ok(Self { users })
    }

    pub fn get(&self, user: &str) -> Option<&Credentials> {
        self.users.get(user)
    }
}

impl Credentials {
    /// Credentials of a new password (RFC 5802, section 3).
    ///
    /// # Errors
    /// The password is one that SASLprep (RFC 4013) would change or refuse: then a client would send another one.
    pub fn create(password: &str, salt: &[u8], iterations: NonZeroU32) -> Result<Self, String> {
        check_password(password)?;
        let mut salted = Zeroizing::new([0; 32]);
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, iterations, salt, password.as_bytes(), &mut *salted);
        let client_key = Zeroizing::new(keyed(&*salted, &[b"Client Key"]));
        let stored_key = sha256(&*client_key);
        Ok(Self { iterations, salt: salt.into(), stored_key, server_key: keyed(&*salted, &[b"Server Key"]) })
    }

    fn parse(text: &str) -> Result<Self, &'static str> {
        let rest = text.strip_prefix("$scram-sha-256$").ok_or("it does not begin with $scram-sha-256$")?;
        let mut parts = rest.split('$');
        let mut next = || parts.next().ok_or("it ends too early");
        let iterations: NonZeroU32 = next()?.parse().map_err(|_| "its iterations are not a number above zero")?;
        if !ITERATIONS_ALLOWED.contains(&iterations.get()) {
            return Err("its iterations are less than 4096, or absurdly many");
        }
        let mut bytes = || STANDARD.decode(next()?).map_err(|_| "a part is not base64");
        let salt = bytes()?.into_boxed_slice();
        if salt.is_empty() || salt.len() > limits::PASSWORD_SALT_SIZE_MAX {
            return Err("its salt has not 1 to 64 bytes");
        }
        let key = |bytes: Vec<u8>| Digest::try_from(bytes).map_err(|_| "a key has not 32 bytes");
        let (stored_key, server_key) = (key(bytes()?)?, key(bytes()?)?);
        if parts.next().is_some() {
            return Err("something follows the keys");
        }
        Ok(Self { iterations, salt, stored_key, server_key })
    }
}

/// As it stands in a file.
impl fmt::Display for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [salt, stored_key, server_key] =
            [&self.salt[..], &self.stored_key, &self.server_key].map(|bytes| STANDARD.encode(bytes));
        write!(out, "$scram-sha-256${}${salt}${stored_key}${server_key}", self.iterations)
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Credentials").field("iterations", &self.iterations).finish_non_exhaustive()
    }
}

/// HMAC-SHA-256 of the parts, one after the other.
pub(super) fn keyed(key: &[u8], parts: &[&[u8]]) -> Digest {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    for part in parts {
        context.update(part);
    }
    to_digest(context.sign().as_ref())
}

pub(super) fn sha256(bytes: &[u8]) -> Digest {
    to_digest(digest::digest(&digest::SHA256, bytes).as_ref())
}

fn to_digest(bytes: &[u8]) -> Digest {
    let mut digest = [0; 32];
    for (to, from) in digest.iter_mut().zip(bytes) {
        *to = *from;
    }
    digest
}

/// SASLprep changes nothing in printable ASCII; beyond it one needs Unicode's tables, and whoever has others gets another
/// password.
fn check_password(password: &str) -> Result<(), String> {
    if password.is_empty() {
        Err("the password is empty".into())
    } else if password.bytes().any(|byte| !(b' '..=b'~').contains(&byte)) {
        Err("a password for SCRAM must be of printable ASCII characters".into())
    } else {
        Ok(())
    }
}
