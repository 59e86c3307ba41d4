//! The socket ring over loopback, and the wake protocol between shards.

mod mailbox;
mod ring;
