//! RingMQ, an MQTT broker: thread per core, io_uring.
//!
//! The map of the house, in the order a packet travels: [`net`] receives bytes from its ring; [`runtime`] drives one shard and passes them
//! to [`broker`], which finds packets with [`codec`], keeps what dies with a connection in [`connection`] and what outlives it in
//! [`session`], and asks [`routing`] who gets a message; what goes out goes the same way back.
//!
//! What must outlive the process goes to [`store`], which [`storage`] writes to its files.
//!
//! [`Broker`] is all of it as a value, for programs that bring their own broker along.

pub mod access;
pub mod admin;
pub mod authority;
pub mod broker;
pub mod capacity;
pub mod cli;
pub mod codec;
pub mod config;
pub mod connection;
pub mod doctor;
mod embedded;
pub mod latency;
pub mod limits;
pub mod net;
pub mod routing;
pub mod runtime;
pub mod session;
pub mod storage;
pub mod store;

pub use config::Config;
pub use embedded::{Broker, BrokerBuilder};
pub use runtime::StartError;
