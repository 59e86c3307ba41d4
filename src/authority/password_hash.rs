//! One password's hash, in the three forms that mosquitto writes:
//!
//! | form | hash |
//! |---|---|
//! | `$6$salt$hash` | SHA-512 of password and salt; mosquitto before 2.0 |
//! | `$7$iterations$salt$hash` | PBKDF2 with HMAC-SHA-512 (RFC 8018); mosquitto 2.0 |
//! | `$argon2id$v=19$m=47104,t=1,p=1$salt$hash` | argon2id (RFC 9106); mosquitto 2.1 |
//!
//! Salt and hash are base64. A 64-byte salt is longer than the PHC string format allows, so argon2's line is read here.

use std::fmt;
use std::num::NonZeroU32;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use aws_lc_rs::{constant_time, digest, pbkdf2};
use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::general_purpose::{STANDARD as PADDED, STANDARD_NO_PAD as UNPADDED};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::limits;

/// mosquitto pads, argon2's reference program does not.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What mosquitto 2.1 and OWASP use: 46 MiB in one pass.
const ARGON2_MEMORY_KIB: u32 = 47_104;
const ARGON2_PASSES: u32 = 1;
/// OWASP's figure for PBKDF2 with HMAC-SHA-512.
const PBKDF2_ITERATIONS: u32 = 210_000;
/// What mosquitto 2.0 writes, and can read; a salt of 64 bytes is refused by it.
const SALT_SIZE: usize = 12;
const HASH_SIZE: usize = 64;
/// Shorter hashes could be met by chance.
const HASH_SIZE_MIN: usize = 16;

/// How a password is hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scheme {
    Argon2id { memory_kib: u32, passes: u32, lanes: u32 },
    Sha512Pbkdf2 { iterations: NonZeroU32 },
    Sha512,
}

/// A password's hash.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    scheme: Scheme,
    salt: Box<[u8]>,
    hash: Box<[u8]>,
}

/// Memory for argon2 that is used again by the next hash: taking 46 MiB from the kernel costs a tenth of the hash.
#[derive(Default)]
pub struct Workspace {
    blocks: Vec<Block>,
}

impl Workspace {
    /// Gives the memory back.
    pub fn free(&mut self) {
        self.blocks = Vec::new();
    }
}

impl Scheme {
    /// argon2id with the numbers of mosquitto 2.1.
    pub fn argon2id() -> Self {
        Self::Argon2id { memory_kib: ARGON2_MEMORY_KIB, passes: ARGON2_PASSES, lanes: 1 }
    }

    /// PBKDF2; `None` is OWASP's number of iterations.
    pub fn sha512_pbkdf2(iterations: Option<NonZeroU32>) -> Self {
        Self::Sha512Pbkdf2 { iterations: iterations.or(NonZeroU32::new(PBKDF2_ITERATIONS)).unwrap_or(NonZeroU32::MIN) }
    }

    /// Whether hashing with it stays within what a line may demand.
    pub fn check(self) -> Result<(), String> {
        match self {
            Self::Argon2id { memory_kib, passes, lanes } => {
                let is_bounded = memory_kib <= limits::ARGON2_MEMORY_KIB_MAX
                    && passes <= limits::ARGON2_PASSES_MAX
                    && u64::from(memory_kib) * u64::from(passes) <= limits::ARGON2_WORK_MAX
                    && lanes <= limits::ARGON2_LANES_MAX;
                if !is_bounded {
                    return Err(format!(
                        "it demands more of argon2 than m={}, t={}, p={}, or m times t of {}",
                        limits::ARGON2_MEMORY_KIB_MAX,
                        limits::ARGON2_PASSES_MAX,
                        limits::ARGON2_LANES_MAX,
                        limits::ARGON2_WORK_MAX
                    ));
                }
                let params = Params::new(memory_kib, passes, lanes, None);
                params.map(drop).map_err(|error| format!("argon2 does not take its numbers ({error})"))
            }
            Self::Sha512Pbkdf2 { iterations } if iterations.get() > limits::PBKDF2_ITERATIONS_MAX => {
                Err(format!("it demands more than {} iterations", limits::PBKDF2_ITERATIONS_MAX))
            }
            Self::Sha512Pbkdf2 { .. } | Self::Sha512 => Ok(()),
        }
    }
}

impl PasswordHash {
    /// Hashes a new password; `random` fills the salt.
    ///
    /// # Errors
    /// The scheme demands too much ([`Scheme::check`]).
    pub fn create(
        scheme: Scheme,
        password: &[u8],
        random: &dyn Fn(&mut [u8]),
        workspace: &mut Workspace,
    ) -> Result<Self, String> {
        scheme.check()?;
        let mut salt = vec![0; SALT_SIZE].into_boxed_slice();
        random(&mut salt);
        let mut hash = vec![0; HASH_SIZE].into_boxed_slice();
        derive(scheme, &salt, password, &mut hash, workspace)?;
        Ok(Self { scheme, salt, hash })
    }

    /// Reads what stands behind the user name and the colon.
    ///
    /// # Errors
    /// What is wrong with it, without any of it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix('$').ok_or("it is a password, not a hash")?;
        let mut parts = rest.split('$');
        let mut next = || parts.next().ok_or("it ends too early");
        let scheme = match next()? {
            "6" => Scheme::Sha512,
            "7" => Scheme::Sha512Pbkdf2 {
                iterations: next()?.parse().map_err(|_| "its number of iterations is not a number above zero")?,
            },
            "argon2id" => {
                if next()? != "v=19" {
                    return Err("its version of argon2 is not v=19".into());
                }
                parse_argon2_numbers(next()?).ok_or("its numbers are not m=...,t=...,p=...")?
            }
            _ => return Err("its scheme is none of $6$, $7$ and $argon2id$".into()),
        };
        let salt =
            decode(next()?, 1..=limits::PASSWORD_SALT_SIZE_MAX).ok_or("its salt is not base64 of 1 to 64 bytes")?;
        let hash_sizes = match scheme {
            Scheme::Argon2id { .. } => HASH_SIZE_MIN..=limits::PASSWORD_HASH_SIZE_MAX,
            Scheme::Sha512Pbkdf2 { .. } | Scheme::Sha512 => HASH_SIZE..=HASH_SIZE,
        };
        let hash = decode(next()?, hash_sizes).ok_or("its hash is not base64 of the right length")?;
        if parts.next().is_some() {
            return Err("something follows the hash".into());
        }
        scheme.check()?;
        if matches!(scheme, Scheme::Argon2id { .. }) && salt.len() < argon2::MIN_SALT_LEN {
            return Err("its salt is too short for argon2".into());
        }
        Ok(Self { scheme, salt, hash })
    }

    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Whether it is this password's hash. The comparison takes the same time wherever they differ.
    pub fn verify(&self, password: &[u8], workspace: &mut Workspace) -> bool {
        let mut hash = [0; limits::PASSWORD_HASH_SIZE_MAX];
        let Some(hash) = hash.get_mut(..self.hash.len()) else { return false };
        derive(self.scheme, &self.salt, password, hash, workspace).is_ok()
            && constant_time::verify_slices_are_equal(hash, &self.hash).is_ok()
    }

    /// The salt, for telling one entry from another.
    pub(super) fn salt_and_hash(&self) -> (&[u8], &[u8]) {
        (&self.salt, &self.hash)
    }
}

/// As it stands in a file.
impl fmt::Display for PasswordHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scheme {
            Scheme::Sha512 => write!(out, "$6${}${}", PADDED.encode(&self.salt), PADDED.encode(&self.hash)),
            Scheme::Sha512Pbkdf2 { iterations } => {
                write!(out, "$7${iterations}${}${}", PADDED.encode(&self.salt), PADDED.encode(&self.hash))
            }
            Scheme::Argon2id { memory_kib, passes, lanes } => {
                write!(out, "$argon2id$v=19$m={memory_kib},t={passes},p={lanes}$")?;
                write!(out, "{}${}", UNPADDED.encode(&self.salt), UNPADDED.encode(&self.hash))
            }
        }
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("PasswordHash").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

fn derive(
    scheme: Scheme,
    salt: &[u8],
    password: &[u8],
    out: &mut [u8],
    workspace: &mut Workspace,
) -> Result<(), String> {
    match scheme {
        Scheme::Argon2id { memory_kib, passes, lanes } => {
            let params = Params::new(memory_kib, passes, lanes, Some(out.len())).map_err(|error| error.to_string())?;
            if workspace.blocks.len() < params.block_count() {
                workspace.blocks.resize(params.block_count(), Block::default());
            }
            let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
            argon2
                .hash_password_into_with_memory(password, salt, out, &mut workspace.blocks)
                .map_err(|error| error.to_string())?;
        }
        Scheme::Sha512Pbkdf2 { iterations } => {
            pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, iterations, salt, password, out);
        }
        Scheme::Sha512 => {
            let mut context = digest::Context::new(&digest::SHA512);
            context.update(password);
            context.update(salt);
            let digest = context.finish();
            if out.len() != digest.as_ref().len() {
                return Err("SHA-512 has 64 bytes".into());
            }
            out.copy_from_slice(digest.as_ref());
        }
    }
    Ok(())
}

/// `m=47104,t=1,p=1`.
fn parse_argon2_numbers(text: &str) -> Option<Scheme> {
    let mut parts = text.split(',');
    let mut next = |name: &str| parts.next()?.strip_prefix(name)?.parse().ok();
    let (memory_kib, passes, lanes) = (next("m=")?, next("t=")?, next("p=")?);
    parts.next().is_none().then_some(Scheme::Argon2id { memory_kib, passes, lanes })
}

fn decode(text: &str, sizes: std::ops::RangeInclusive<usize>) -> Option<Box<[u8]>> {
    let bytes = BASE64.decode(text).ok()?;
    sizes.contains(&bytes.len()).then(|| bytes.into_boxed_slice())
}
