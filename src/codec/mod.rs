//! Bytes to packets and back, for MQTT 3.1, 3.1.1 and 5.0.
//!
//! [`frame`] finds where a packet ends and knows nothing of what is in it; [`decode`] turns one frame into a
//! [`Packet`] that borrows from it; [`encode`] appends packets to a byte vector. A packet of an older version is a
//! packet of 5.0 without properties: past this module almost nothing asks for the version.
//! Nothing here keeps state, and no input can make it panic.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

pub mod decode;
pub mod encode;
pub mod frame;
pub mod packet;
pub mod properties;
mod property;
pub mod reason;
pub mod topic;
pub mod violation;

pub use packet::*;
pub use properties::*;
pub use reason::ReasonCode;
pub use violation::Violation;
