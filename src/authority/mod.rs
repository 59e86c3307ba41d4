//! Who a client is: decided off the shards, because a password's hash takes 80 ms and another program's answer longer.
//!
//! A login walks along its listener's [chain] of methods; the first that decides wins. One thread takes all logins and decides what it
//! can at once: what has been [kept], tokens ([jwt]), users whom nobody knows. What takes long waits in [lines] for the
//! threads that hash ([password_hash]) and for those that ask over HTTP ([http]).
//!
//! Nothing here reads a clock or the system's entropy: [`Sources`] brings them.

mod acl_file;
mod chain;
mod config;
mod error;
mod grant_json;
pub mod http;
pub mod jwt;
mod kept;
mod lines;
pub mod password_file;
pub mod password_hash;
pub mod scram;
pub mod scram_file;
pub mod secret_file;
mod threads;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::access::{Denial, Login, Verdict};
use crate::limits;

pub use acl_file::read_acl_file;
pub use config::{AccessConfig, HttpConfig, JwtConfig, Method};
pub use error::{AuthorityError, Warning, WrongLine};

use chain::Chains;
use threads::Threads;

/// Whose login it is, in words of who asks: it comes back with the verdict and is not looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ticket {
    pub shard: usize,
    pub connection: u64,
}

/// Fills with bytes that nobody can guess.
pub type Random = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

/// What the authority takes from the world.
#[derive(Clone)]
pub struct Sources {
    /// The time of day, for the expiry of tokens.
    pub wall: Arc<dyn Fn() -> SystemTime + Send + Sync>,
    /// Time since any moment; it never goes back.
    pub elapsed: Arc<dyn Fn() -> Duration + Send + Sync>,
    pub random: Random,
}

/// Decides on logins, on threads of its own; they end when the last clone is dropped.
#[derive(Clone)]
pub struct Authority {
    threads: Arc<Threads>,
}

impl Authority {
    /// Reads all files and starts the threads. `listeners` are in the order of their [`ListenerId`](crate::access::ListenerId)s.
    ///
    /// `answer` is called once for each login, from a thread of the authority, or from within [`ask`](Self::ask); it must not
    /// wait.
    ///
    /// # Errors
    /// A file or a key of the configuration is not usable, or a thread could not be started.
    pub fn start(
        listeners: &[AccessConfig],
        sources: Sources,
        answer: impl Fn(Ticket, Verdict) + Send + Sync + 'static,
    ) -> Result<(Self, Vec<Warning>), AuthorityError> {
        let mut warnings = Vec::new();
        let chains = Chains::load(listeners, &sources, &mut warnings)?;
        let threads = Threads::start(chains, sources, Arc::new(answer))?;
        Ok((Self { threads: Arc::new(threads) }, warnings))
    }

    /// Asks who this is. It never waits: when too many logins wait, the answer is [`Denial::Busy`] at once.
    pub fn ask(&self, ticket: Ticket, login: Login) {
        if let Err(ticket) = self.threads.put(ticket, login) {
            self.threads.answer(ticket, Verdict::Denied(Denial::Busy));
        }
    }

    /// Reads all files anew. Logins that wait are decided by the new ones, and none that was kept counts any more.
    ///
    /// # Errors
    /// As [`start`](Self::start); then everything stays as it was.
    pub fn reload(&self, listeners: &[AccessConfig]) -> Result<Vec<Warning>, AuthorityError> {
        let mut warnings = Vec::new();
        let chains = Chains::load(listeners, self.threads.sources(), &mut warnings)?;
        self.threads.replace(chains);
        Ok(warnings)
    }

    /// Reads all files and says what is wrong with them, without starting anything.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn check(listeners: &[AccessConfig], sources: &Sources) -> Result<Vec<Warning>, AuthorityError> {
        let mut warnings = Vec::new();
        Chains::load(listeners, sources, &mut warnings)?;
        Ok(warnings)
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Authority")
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Sources")
    }
}

/// What a login holds of the memory, in bytes.
fn weight(login: &Login) -> usize {
    let text = |text: &Option<Box<str>>| text.as_ref().map_or(0, |text| text.len());
    let password = login.password.as_ref().map_or(0, |password| password.0.len());
    limits::LOGIN_WEIGHT + login.client_id.len() + text(&login.user_name) + password + text(&login.certificate)
}
