//! Drives one or several shards without sockets, threads or a clock: clients are byte queues, mailboxes are pumped by
//! hand, time is a number.
//!
//! The encoder ([`request`]) and the scanner ([`reply`]) are the rig's own: a codec shared with the server would hide
//! its faults. The scanner checks every packet that the server sends in any test against the format of MQTT
//! (flags, lengths, UTF-8, which properties and which reason codes the packet may carry), so that the clauses about
//! form are tested by the whole suite.

mod client;
mod hostile;
mod reply;
mod request;
mod shards;
mod wire;
mod world;

pub use client::Client;
pub use hostile::*;
pub use reply::*;
pub use request::*;
pub use shards::Rig;
pub use wire::*;

pub use ringmq::broker::{CloseReason, DropReason};
