//! The same work, done as it would be written in an afternoon: what RingMQ's own structures have to beat.

pub mod broker;
pub mod codec;
pub mod mailbox;
pub mod matcher;
pub mod timers;
pub mod websocket;
