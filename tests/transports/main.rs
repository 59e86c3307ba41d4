//! A whole server with each of its transports: real sockets on loopback, certificates made when the test runs.

#[path = "../tls/authority.rs"]
mod authority;
#[path = "../runtime/client.rs"]
mod client;
mod log;
mod random;
mod rig;
mod stream;
mod websocket;

mod client_certificates;
mod cuts;
mod endings;
mod limits;
mod logins;
mod proxied;
mod reload;
mod traffic;
