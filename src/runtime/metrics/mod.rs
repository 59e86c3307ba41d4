//! What the server has measured, for whoever asks: `/metrics`, `$SYS`, the administration.
//!
//! A shard counts in plain numbers. A question collects them in one of its turns, and whoever asks puts them together.

mod figures;
mod reading;

pub use figures::{
    Authentication, ByName, Connections, Figures, Handshakes, Latencies, Mailbox, Messages, PacketFigures, Publishes,
    Sessions, Snapshot, StoreFigures, Subscriptions, Turns,
};
