//! The WebSocket filter, as a driver uses it: handshakes, and frames beside a naive twin that has all bytes at once.

mod frames;
mod handshake;
mod naive;
mod random;
mod wire;
