//! Connections and the loops that drive them: epoll, non-blocking sockets, many connections on one thread.
//!
//! A [`link`] is one connection. Its [`transport`] may have layers between the socket and MQTT.
//!
//! A run has two parts. [`dial`] with a [`fleet`] opens every connection and makes its subscriptions; that is timed but is not the
//! measured load. Then each [`worker`] thread owns the connections of some groups and moves messages until the end.

pub mod dial;
pub mod fleet;
pub mod link;
pub mod plan;
pub mod poller;
pub mod publisher;
pub mod requests;
mod source;
mod stamps;
pub mod stream;
pub mod transport;
pub mod worker;
