//! The socket ring over loopback, the wake protocol between shards, and a whole server.

mod authentication;
mod client;
mod crowd;
mod mailbox;
mod pause;
mod ring;
mod server;
mod storage;
