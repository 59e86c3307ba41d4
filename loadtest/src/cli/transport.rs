//! What is below MQTT.

use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// TLS, WebSocket, both or none of them.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Transport")]
pub struct TransportArgs {
    /// Connect with TLS
    #[arg(long)]
    pub tls: bool,
    /// Trust what the certificates in this file have signed
    #[arg(long, value_name = "FILE", requires = "tls")]
    pub ca: Option<PathBuf>,
    /// Trust anyone, and check no signature: a handshake then costs this program less
    #[arg(long, requires = "tls", conflicts_with = "ca")]
    pub insecure: bool,
    /// Certificate chain of the clients
    #[arg(long, value_name = "FILE", requires_all = ["tls", "key"])]
    pub cert: Option<PathBuf>,
    /// Private key of the clients
    #[arg(long, value_name = "FILE", requires_all = ["tls", "cert"])]
    pub key: Option<PathBuf>,
    /// Name that is asked for, and that the broker's certificate must have [default: the host]
    #[arg(long, value_name = "NAME", requires = "tls")]
    pub sni: Option<String>,
    /// The only version offered [default: both]
    #[arg(long, value_enum, value_name = "VERSION", requires = "tls")]
    pub tls_version: Option<TlsVersion>,
    /// Never resume a session: each handshake is a full one
    #[arg(long, requires = "tls")]
    pub no_resumption: bool,
    /// Connect with WebSocket; with --tls inside of that (wss)
    #[arg(long)]
    pub ws: bool,
    /// Path in the request for a WebSocket
    #[arg(long, default_value = "/mqtt", requires = "ws")]
    pub path: String,
}

impl TransportArgs {
    /// As in URLs of brokers.
    pub fn name(&self) -> &'static str {
        match (self.tls, self.ws) {
            (false, false) => "tcp",
            (true, false) => "tls",
            (false, true) => "ws",
            (true, true) => "wss",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TlsVersion {
    #[value(name = "1.2")]
    V12,
    #[value(name = "1.3")]
    V13,
}
