//! WebSocket (RFC 6455), the server's side.

mod config;

pub use config::WebSocketConfig;
