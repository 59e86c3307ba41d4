//! What only some connections have: a name, a login under way, bytes that wait.

use std::rc::Rc;

use super::meter::Meter;
use crate::access::AuthenticationExchange;
use crate::access::acl::Rule;
use crate::broker::Millis;

/// Who the client is, and how far the server knows it.
#[derive(Default)]
pub struct Identity {
    /// The name in the client's certificate.
    pub certificate: Option<Box<str>>,
    /// The name under which the client was let in.
    pub user_name: Option<Rc<str>>,
    /// The connection is counted among those of this user.
    pub is_user_counted: bool,
    /// Access rules that came with the decision; they go instead of the listener's.
    pub rules: Option<Vec<Rule>>,
    /// When the client must leave.
    pub valid_until: Option<Millis>,
    /// The limit of connections was reached when this one was accepted.
    pub over_limit: bool,
    pub authentication: Option<Authentication>,
    /// The name that the enhanced authentication has proved.
    pub proved: Option<Box<str>>,
    /// The body of the CONNECT packet, kept whole until the client is let in or not.
    pub connect: Vec<u8>,
    /// Somebody was asked, and has not answered.
    pub is_asked: bool,
    pub kept: Kept,
    /// The driver was told not to read.
    pub is_paused: bool,
    /// Counts what the client sends, if that is bounded.
    pub meter: Option<Meter>,
}

/// The enhanced authentication of a connection (section 4.12).
pub struct Authentication {
    pub method: Box<str>,
    /// Present while an exchange is under way.
    pub exchange: Option<Box<dyn AuthenticationExchange>>,
}

/// Bytes that have arrived and are handled later.
#[derive(Debug, Default)]
pub struct Kept {
    bytes: Vec<u8>,
    /// Those before this position have been handled.
    start: usize,
}

impl Identity {
    /// Bytes from the client that are held.
    pub fn held_bytes(&self) -> usize {
        self.connect.len() + self.kept.len()
    }
}

impl Kept {
    pub fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// All but the last `left` bytes have been handled.
    pub fn keep_last(&mut self, left: usize) {
        self.start = self.bytes.len().saturating_sub(left);
    }
}
