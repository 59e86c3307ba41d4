//! TLS of the server's side as a filter of bytes: no socket, no task, no clock of its own (RFC 8446, RFC 5246).
//!
//! One [`TlsServer`] belongs to a listener and is shared by all shards; [`TlsServer::accept`] makes the [`TlsSession`] of one
//! connection. What the peer sent goes into [`TlsSession::receive`], which yields the plaintext and what must be answered;
//! what the peer shall get goes through [`TlsSession::send`].
//!
//! The TLS library does the handshake, then its state is freed: an established session has the keys of both directions and makes records
//! itself. One that is idle holds no buffer.
//!
//! [`TlsServer::reload`] reads the files again: sessions that are established keep what they have, and clients can
//! resume what they had unless what is demanded of client certificates has changed.
//!
//! No bytes of a peer can make it panic.
#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic))]

mod certificates;
mod client_certificates;
mod config;
mod error;
mod failure;
mod files;
mod handshake;
mod identity;
mod outgoing;
mod partial;
mod records;
mod secrets;
mod server;
mod session;

pub use config::{
    CertificateFiles, CertificateIdentity, ClientCertificateFiles, ClientCertificates, SessionResumption, TlsConfig,
    TlsVersions,
};
pub use error::{TlsError, TlsWarning};
pub use failure::{TlsFailure, TlsFailureReason};
pub use server::TlsServer;
pub use session::{Received, TlsSession};
