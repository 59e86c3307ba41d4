//! The server's side of WebSocket (RFC 6455) as a filter of bytes: what was received goes in, what is to be sent comes out.
//!
//! [`Handshake`] takes bytes until the request is decided. From then on [`WebSocket`] turns frames into the bytes that they
//! carry, and [`FrameHeader`] goes before the bytes that are sent. Where a frame ends means nothing to MQTT ([MQTT-6.0.0-2]): payloads are
//! streamed, and nothing is kept of a connection but the state of one frame.
//!
//! No extension is negotiated. Nothing here reads a socket or a clock, and no input can make it panic.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

mod connection;
mod control;
mod failure;
mod forwarded;
mod frames;
mod handshake;
mod header;
mod request;
mod response;

pub use connection::{End, Received, WebSocket};
pub use control::{close_code, close_frame, pong_frame};
pub use failure::WebSocketFailure;
pub use forwarded::client_address;
pub use frames::{ControlPayload, FrameDecoder, MessageKind, Piece};
pub use handshake::{Accepted, Handshake, Progress, Refused, WebSocketConfig};
pub use header::FrameHeader;
