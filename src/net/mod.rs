//! The socket ring, its buffers, the listeners, and the protocols below MQTT: the PROXY protocol and WebSocket; knows no MQTT.
//!
//! One [`SocketRing`] belongs to one thread. It accepts, receives and sends for all sockets of a shard with no task, no
//! timer and no buffer per idle socket; what happened comes out of [`SocketRing::next_completion`] as a value.
//!
//! `unsafe` is only in the files named `ring*`, each use with its argument beside it.

mod chunked;
mod inherited;
pub mod layers;
mod listener;
pub mod proxy;
mod ring;
mod ring_accept;
mod ring_alarm;
mod ring_anteroom;
mod ring_buffers;
mod ring_completions;
mod ring_drain;
mod ring_in_flight;
mod ring_notice;
mod ring_pause;
mod ring_shortage;
mod ring_wake;
mod send_parts;
mod sockets;
mod support;
pub mod tls;
mod unix_listener;
pub mod websocket;

pub use chunked::Chunked;
pub use inherited::{InheritedAddress, InheritedError, InheritedSocket};
pub use listener::{Listener, bind_shared};
pub use ring::{Completion, RingCounters, SocketRing};
pub use ring_buffers::{BufferRingConfig, ReceiveBuffer};
pub use ring_notice::QuietNotice;
pub use ring_wake::WakeHandle;
pub use send_parts::SendParts;
pub use sockets::SocketId;
pub use support::{Unsupported, check_support};
pub use unix_listener::{SocketFile, SocketPermissions, UnixListener, bind_unix, numeric_id};
