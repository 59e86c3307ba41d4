//! SCRAM-SHA-256 (RFC 5802, RFC 7677) as a method of enhanced authentication (MQTT 5.0, section 4.12): the client proves that it
//! knows the password, the server that it knows the user, and neither sends it.
//!
//! ```text
//! CONNECT   client-first   n,,n=user,r=C
//! AUTH      server-first   r=CS,s=salt,i=iterations
//! AUTH      client-final   c=biws,r=CS,p=proof
//! CONNACK   server-final   v=signature
//! ```
//!
//! It costs a shard a few microseconds, because the work of hashing is the client's.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use aws_lc_rs::constant_time;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::scram_file::{Credentials, Digest, ITERATIONS, SALT_SIZE, ScramFile, keyed, sha256};
use super::{AccessConfig, AuthorityError, Random, Sources, Warning};
use crate::access::{AuthenticationExchange, AuthenticationMethod, AuthenticationStep, ListenerId};
use crate::codec::ReasonCode;
use crate::limits;

/// Bytes of randomness in the server's part of the nonce.
const NONCE_SIZE: usize = 18;

/// The credentials of all listeners, shared by the shards: each takes those of a listener once at the begin of an exchange.
#[derive(Clone)]
pub struct Scram {
    files: Files,
    /// What salts of unknown users come from; it stays the same, as the salts of known users do.
    fake_key: Digest,
    random: Random,
}

/// By listener.
type Files = Arc<RwLock<Vec<Option<Arc<ScramFile>>>>>;

/// The method at one listener.
struct AtListener {
    scram: Scram,
    listener: ListenerId,
}

/// One client's exchange.
struct Exchange {
    file: Arc<ScramFile>,
    fake_key: Digest,
    random: Random,
    /// The user name in the CONNECT.
    given_user: Option<Box<str>>,
    state: State,
}

enum State {
    First,
    Final(Box<Challenge>),
    /// Whatever comes now is wrong.
    Over,
}

/// What the client has to answer to.
struct Challenge {
    user: Box<str>,
    /// `None` for a user that nobody knows; then the proof is wrong whatever it is.
    credentials: Option<Credentials>,
    gs2_header: Box<str>,
    nonce: String,
    /// client-first-message-bare, and server-first-message with a comma on both sides.
    messages: String,
}

impl Scram {
    /// Reads the credentials of the listeners, which are in the order of their [`ListenerId`]s.
    ///
    /// # Errors
    /// A file is not usable, or belongs to a listener beyond [`limits::SCRAM_LISTENERS_MAX`].
    pub fn load(listeners: &[AccessConfig], sources: &Sources) -> Result<(Self, Vec<Warning>), AuthorityError> {
        let mut fake_key = [0; 32];
        (sources.random)(&mut fake_key);
        let scram = Self { files: Files::default(), fake_key, random: sources.random.clone() };
        let warnings = scram.reload(listeners)?;
        Ok((scram, warnings))
    }

    /// Reads the files anew, for exchanges that begin from now on.
    ///
    /// # Errors
    /// As [`load`](Self::load); then everything stays as it was.
    pub fn reload(&self, listeners: &[AccessConfig]) -> Result<Vec<Warning>, AuthorityError> {
        let mut warnings = Vec::new();
        let files = read(listeners, &mut warnings)?;
        *self.files.write().unwrap_or_else(PoisonError::into_inner) = files;
        Ok(warnings)
    }

    /// One shard's methods: one for each listener that there may ever be, so that a reload can add some.
    pub fn methods(&self) -> Vec<Box<dyn AuthenticationMethod>> {
        let method = |number| AtListener { scram: self.clone(), listener: ListenerId(number) };
        (0..limits::SCRAM_LISTENERS_MAX).map(|number| Box::new(method(number)) as _).collect()
    }

    fn file(&self, listener: ListenerId) -> Option<Arc<ScramFile>> {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        files.get(usize::from(listener.0))?.clone()
    }
}

impl fmt::Debug for Scram {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Scram")
    }
}

impl AuthenticationMethod for AtListener {
    fn name(&self) -> &str {
        "SCRAM-SHA-256"
    }

    fn serves(&self, listener: ListenerId) -> bool {
        listener == self.listener && self.scram.file(listener).is_some()
    }

    fn begin(&self, _client_id: &str, user_name: Option<&str>) -> Box<dyn AuthenticationExchange> {
        Box::new(Exchange {
            // A reload may have taken the file away just now; then nobody is known.
            file: self.scram.file(self.listener).unwrap_or_default(),
            fake_key: self.scram.fake_key,
            random: self.scram.random.clone(),
            given_user: user_name.filter(|name| !name.is_empty()).map(Into::into),
            state: State::First,
        })
    }
}

impl AuthenticationExchange for Exchange {
    fn step(&mut self, data: Option<&[u8]>) -> AuthenticationStep {
        let message = data.filter(|data| data.len() <= limits::SCRAM_MESSAGE_SIZE_MAX);
        let Some(message) = message.and_then(|data| str::from_utf8(data).ok()) else {
            self.state = State::Over;
            return refused();
        };
        match std::mem::replace(&mut self.state, State::Over) {
            State::First => match self.challenge(message) {
                Some((challenge, answer)) => {
                    self.state = State::Final(Box::new(challenge));
                    AuthenticationStep::Continue(answer.into_bytes())
                }
                None => refused(),
            },
            State::Final(challenge) => match challenge.verify(message) {
                Some(signature) => {
                    let data = Some(signature.into_bytes());
                    AuthenticationStep::Success { user_name: Some(challenge.user), data }
                }
                None => refused(),
            },
            State::Over => refused(),
        }
    }
}

impl Exchange {
    /// Reads client-first and writes server-first.
    fn challenge(&self, message: &str) -> Option<(Challenge, String)> {
        let first = ClientFirst::parse(message)?;
        // Two names would be two opinions of who this is.
        if self.given_user.as_deref().is_some_and(|given| given != first.user) {
            return None;
        }
        let known = self.file.get(&first.user);
        // A salt that depends on the name alone: asking twice does not tell whether there is such a user.
        let fake = keyed(&self.fake_key, &[first.user.as_bytes()]);
        let fake_salt = fake.get(..SALT_SIZE).unwrap_or_default();
        let (salt, iterations) = known.map_or((fake_salt, ITERATIONS), |known| (&known.salt[..], known.iterations));
        let mut random = [0; NONCE_SIZE];
        (self.random)(&mut random);
        let nonce = format!("{}{}", first.nonce, STANDARD.encode(random));
        let answer = format!("r={nonce},s={},i={iterations}", STANDARD.encode(salt));
        let messages = format!("{},{answer},", first.bare);
        let gs2_header = first.gs2_header.into();
        let challenge = Challenge { credentials: known.cloned(), user: first.user.into(), gs2_header, nonce, messages };
        Some((challenge, answer))
    }
}

impl Challenge {
    /// Reads client-final and writes server-final, if the proof is right.
    fn verify(&self, message: &str) -> Option<String> {
        let (without_proof, proof) = message.rsplit_once(",p=")?;
        let mut attributes = without_proof.split(',');
        let binding = STANDARD.decode(attributes.next()?.strip_prefix("c=")?).ok()?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        // Extensions may follow, but none that must be understood (RFC 5802, section 5.1).
        if binding != self.gs2_header.as_bytes() || nonce != self.nonce || attributes.any(|part| part.starts_with("m="))
        {
            return None;
        }
        let proof = Digest::try_from(STANDARD.decode(proof).ok()?).ok()?;
        let (stored_key, server_key) =
            self.credentials.as_ref().map_or(([0; 32], [0; 32]), |known| (known.stored_key, known.server_key));
        let messages = [self.messages.as_bytes(), without_proof.as_bytes()];
        let mut client_key = keyed(&stored_key, &messages);
        for (byte, proved) in client_key.iter_mut().zip(proof) {
            *byte ^= proved;
        }
        constant_time::verify_slices_are_equal(&sha256(&client_key), &stored_key).ok()?;
        self.credentials.as_ref()?;
        Some(format!("v={}", STANDARD.encode(keyed(&server_key, &messages))))
    }
}

/// `n,,n=user,r=nonce`.
struct ClientFirst<'a> {
    gs2_header: &'a str,
    bare: &'a str,
    user: String,
    nonce: &'a str,
}

impl<'a> ClientFirst<'a> {
    fn parse(message: &'a str) -> Option<Self> {
        let mut parts = message.splitn(3, ',');
        let (flag, authorized, bare) = (parts.next()?, parts.next()?, parts.next()?);
        // `p=` asks for a binding to a channel that the core does not see, and the server offers none with its method's name.
        if !matches!(flag, "n" | "y") {
            return None;
        }
        let gs2_header = message.get(..message.len() - bare.len())?;
        let mut attributes = bare.split(',');
        // `m=` in the first place is an extension that must be understood.
        let user = unescape(attributes.next()?.strip_prefix("n=")?)?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        // Whoever logs in acts for itself.
        let acts_for = authorized.strip_prefix("a=").map(unescape);
        let is_itself = authorized.is_empty() || acts_for.flatten().is_some_and(|name| name == user);
        let is_nonce = !nonce.is_empty() && nonce.bytes().all(|byte| byte.is_ascii_graphic());
        let is_name = !user.is_empty() && !user.chars().any(char::is_control);
        (is_itself && is_nonce && is_name).then_some(Self { gs2_header, bare, user, nonce })
    }
}

/// `=2C` is a comma, `=3D` an equals sign, and no other equals sign may be there.
fn unescape(name: &str) -> Option<String> {
    let mut parts = name.split('=');
    let mut text = parts.next()?.to_owned();
    for part in parts {
        let (sign, rest) = match (part.strip_prefix("2C"), part.strip_prefix("3D")) {
            (Some(rest), _) => (',', rest),
            (None, Some(rest)) => ('=', rest),
            (None, None) => return None,
        };
        text.push(sign);
        text.push_str(rest);
    }
    Some(text)
}

fn read(
    listeners: &[AccessConfig],
    warnings: &mut Vec<Warning>,
) -> Result<Vec<Option<Arc<ScramFile>>>, AuthorityError> {
    let mut known: HashMap<&PathBuf, Arc<ScramFile>> = HashMap::new();
    let mut files = Vec::new();
    for (number, config) in listeners.iter().enumerate() {
        let Some(path) = &config.scram_file else {
            files.push(None);
            continue;
        };
        if number >= usize::from(limits::SCRAM_LISTENERS_MAX) {
            let problem = format!("there are more than {} listeners before this one's", limits::SCRAM_LISTENERS_MAX);
            return Err(AuthorityError::new(path.display(), problem, "move listeners with scram_file to the front"));
        }
        let file = match known.get(path) {
            Some(file) => file.clone(),
            None => Arc::new(ScramFile::read(path, warnings)?),
        };
        known.insert(path, file.clone());
        files.push(Some(file));
    }
    Ok(files)
}

/// The same for a user that is not known, a wrong proof, and a message that is none.
fn refused() -> AuthenticationStep {
    AuthenticationStep::Failure(ReasonCode::NotAuthorized)
}
