//! Who may do what. Decisions are values; the exchange of an enhanced authentication (section 4.12) is the one
//! thing that a program which embeds the broker brings with it.

pub mod acl;
mod acl_file;
mod ban;
pub mod login;
mod permissions;
pub mod policy;
mod recent;
mod rule_tree;
mod template;

use crate::codec::ReasonCode;

pub use acl_file::{AclError, parse_acl_file};
pub use ban::{BanSubject, UserConnections};
pub use login::{Address, Denial, Grant, ListenerId, Login, Password, Verdict};
pub use permissions::{CompiledRules, Permissions, Readable};
pub use policy::{AccessRules, ListenerPolicy, OverQuota, Quotas, Rate};

/// A method of enhanced authentication, known by the name that a client gives in Authentication Method.
pub trait AuthenticationMethod {
    /// The name, compared byte for byte.
    fn name(&self) -> &str;

    /// A new exchange, for one client that connects or re-authenticates.
    fn begin(&self, client_id: &str, user_name: Option<&str>) -> Box<dyn AuthenticationExchange>;

    /// Clients of this listener may use it.
    fn serves(&self, _listener: ListenerId) -> bool {
        true
    }
}

/// One exchange under way; it dies with the connection.
pub trait AuthenticationExchange {
    /// The client's next Authentication Data, the first from its CONNECT or from the AUTH that asks for re-authentication.
    fn step(&mut self, data: Option<&[u8]>) -> AuthenticationStep;
}

/// What the server says next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthenticationStep {
    /// AUTH with 0x18 (Continue authentication) and this data.
    Continue(Vec<u8>),
    /// The client is who it says.
    Success {
        /// The name that the exchange has proved, `%u` of the access rules; a client without one is anonymous to them. A
        /// re-authentication must prove the same.
        user_name: Option<Box<str>>,
        /// Goes into the CONNACK or the final AUTH.
        data: Option<Vec<u8>>,
    },
    /// Refused: CONNACK or DISCONNECT with this code.
    Failure(ReasonCode),
}
