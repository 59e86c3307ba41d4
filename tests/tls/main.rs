//! TLS of the server's side, as a filter of bytes: clients of rustls' buffered API in memory, certificates made at run time.

mod authority;
mod client_certificates;
mod files;
mod forged;
mod garbage;
mod handshake;
mod records;
mod resumption;
mod rig;
mod traffic;
