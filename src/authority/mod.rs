//! Who a client is: decided off the shards, because a password's hash takes 80 ms and another program's answer longer.

mod config;

pub use config::{AccessConfig, HttpConfig, JwtConfig, Method};
