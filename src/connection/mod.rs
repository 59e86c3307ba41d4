//! What dies with the network connection: handshake, keep-alive, topic aliases, flow control, output.
#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

pub mod output;

pub use output::Output;
