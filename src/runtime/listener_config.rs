//! What a configuration says of one listener.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use ipnet::IpNet;

use crate::access::Quotas;
use crate::authority::AccessConfig;
use crate::net::tls::TlsConfig;
use crate::net::websocket::WebSocketConfig;

/// One listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerConfig {
    pub address: ListenAddress,
    /// MQTT inside of WebSocket.
    pub websocket: Option<WebSocketConfig>,
    pub tls: Option<TlsConfig>,
    /// Networks of the proxies that begin each connection with a PROXY protocol header. From there it is required, from
    /// elsewhere no connection is taken.
    pub proxy_protocol: Option<Vec<IpNet>>,
    pub access: AccessConfig,
    /// Of one client.
    pub quotas: Quotas,
    /// Connections of this listener at a time.
    pub connections_max: Option<usize>,
}

/// Where a listener listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// Port 0 takes a free one.
    Tcp(SocketAddr),
    Unix(UnixAddress),
}

/// A unix socket (unix(7)) and who may connect to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnixAddress {
    pub path: PathBuf,
    /// Permissions; `None` leaves them to the umask.
    pub mode: Option<u32>,
    /// Names or numbers.
    pub owner: Option<String>,
    pub group: Option<String>,
}

impl ListenerConfig {
    /// MQTT without anything around it.
    pub fn new(address: ListenAddress) -> Self {
        Self {
            address,
            websocket: None,
            tls: None,
            proxy_protocol: None,
            access: AccessConfig::default(),
            quotas: Quotas::default(),
            connections_max: None,
        }
    }

    /// What is spoken there, as the scheme of a URL.
    pub fn scheme(&self) -> &'static str {
        match (&self.address, &self.websocket, &self.tls) {
            (ListenAddress::Unix(_), ..) => "unix",
            (_, Some(_), Some(_)) => "wss",
            (_, Some(_), None) => "ws",
            (_, None, Some(_)) => "tls",
            (_, None, None) => "tcp",
        }
    }

    /// Whether nothing but this machine can connect. Behind a proxy are clients of other machines.
    pub fn is_local(&self) -> bool {
        let is_proxied = self.websocket.as_ref().is_some_and(|websocket| !websocket.trusted_proxies.is_empty());
        let is_local = match &self.address {
            ListenAddress::Tcp(address) => address.ip().is_loopback(),
            ListenAddress::Unix(_) => true,
        };
        is_local && !is_proxied && self.proxy_protocol.is_none()
    }

    /// Whether something tells who a client is: a password, a token, a certificate, another program.
    pub fn authenticates(&self) -> bool {
        let asks_for_certificates = self.tls.as_ref().is_some_and(|tls| tls.client_certificates.files().is_some());
        self.access.is_asked()
            || self.access.scram_file.is_some()
            || (self.access.certificate_is_user && asks_for_certificates)
    }

    /// Whether clients without a user name are let in.
    pub fn allows_anonymous(&self) -> bool {
        self.access.allow_anonymous.unwrap_or(self.is_local() && !self.authenticates())
    }
}

impl From<SocketAddr> for ListenerConfig {
    fn from(address: SocketAddr) -> Self {
        Self::new(ListenAddress::Tcp(address))
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(out),
            Self::Unix(address) => address.path.display().fmt(out),
        }
    }
}

impl fmt::Display for ListenerConfig {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://{}", self.scheme(), self.address)
    }
}
