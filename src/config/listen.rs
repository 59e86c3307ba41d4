//! Where to listen, written as a URL.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::value::Problem;
use crate::net::tls::TlsConfig;
use crate::net::websocket::WebSocketConfig;
use crate::runtime::{ListenAddress, ListenerConfig, UnixAddress};

/// The registered port of MQTT (section 4.2 of MQTT 5.0).
pub(super) const PORT: u16 = 1883;
/// The registered port of MQTT over TLS.
pub(super) const PORT_TLS: u16 = 8883;

/// Bytes of a unix socket's path: `sun_path` without the NUL at its end (unix(7)).
const UNIX_PATH_MAX: usize = 107;

/// What is around MQTT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    Tcp,
    Tls,
    WebSocket,
    SecureWebSocket,
    Unix,
}

/// An address, and what is spoken there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    pub scheme: Scheme,
    pub address: ListenAddress,
}

/// `SCHEME://ADDRESS[:PORT]` or `unix:///PATH`. The scheme is tcp where it is left out, and mqtt and mqtts are other names of tcp
/// and tls.
pub fn parse_url(text: &str) -> Result<Endpoint, Problem> {
    let (name, rest) = text.split_once("://").unwrap_or(match text.strip_prefix("unix:") {
        Some(path) => ("unix", path),
        None => ("tcp", text),
    });
    let scheme = match name {
        "tcp" | "mqtt" => Scheme::Tcp,
        "tls" | "mqtts" => Scheme::Tls,
        "ws" => Scheme::WebSocket,
        "wss" => Scheme::SecureWebSocket,
        "unix" => return parse_unix(rest),
        _ => {
            let remedy = "write one of tcp://, tls://, ws://, wss:// and unix://";
            return Err(Problem::new(format!("{name}:// is no transport"), remedy));
        }
    };
    let address = ListenAddress::Tcp(parse_address(text, scheme, rest)?);
    Ok(Endpoint { scheme, address })
}

fn parse_unix(path: &str) -> Result<Endpoint, Problem> {
    let remedy = "write an absolute path of at most 107 bytes, such as \"unix:///run/ringmq/mqtt.sock\"";
    if !path.starts_with('/') || path.ends_with('/') || path.len() > UNIX_PATH_MAX || path.contains('\0') {
        return Err(Problem::new(format!("{path:?} cannot be the path of a socket"), remedy));
    }
    let address = UnixAddress { path: path.into(), mode: None, owner: None, group: None };
    Ok(Endpoint { scheme: Scheme::Unix, address: ListenAddress::Unix(address) })
}

fn parse_address(text: &str, scheme: Scheme, address: &str) -> Result<SocketAddr, Problem> {
    let name = scheme.name();
    let port = scheme.port().unwrap_or(8080);
    let remedy = || {
        format!(
            "write {name}://ADDRESS:PORT, such as \"{name}://127.0.0.1:{port}\", \"{name}://0.0.0.0:{port}\" or \"{name}://[::]:{port}\""
        )
    };
    let address = address.trim_end_matches('/');
    if let Ok(address) = address.parse::<SocketAddr>() {
        return Ok(address);
    }
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Ok(address) = bare.unwrap_or(address).parse::<IpAddr>() {
        let port = scheme.port().ok_or_else(|| Problem::new(format!("\"{text}\" has no port"), remedy()))?;
        return Ok(SocketAddr::new(address, port));
    }
    match address.rsplit_once(':') {
        Some(("", port)) | Some(("*", port)) if port.parse::<u16>().is_ok() => {
            let all = Ipv6Addr::UNSPECIFIED;
            Err(Problem::new(
                format!("\"{text}\" has no address"),
                format!("for all addresses write \"{name}://0.0.0.0:{port}\" and \"{name}://[{all}]:{port}\""),
            ))
        }
        Some((host, _)) if !host.contains([':', ']']) && host.parse::<IpAddr>().is_err() => {
            Err(Problem::new(format!("\"{host}\" is not an IP address"), remedy()))
        }
        _ => Err(Problem::new(format!("\"{text}\" is no address"), remedy())),
    }
}

impl Scheme {
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Tls => "tls",
            Self::WebSocket => "ws",
            Self::SecureWebSocket => "wss",
            Self::Unix => "unix",
        }
    }

    pub fn has_tls(self) -> bool {
        matches!(self, Self::Tls | Self::SecureWebSocket)
    }

    pub fn has_websocket(self) -> bool {
        matches!(self, Self::WebSocket | Self::SecureWebSocket)
    }

    /// The port where none is written. MQTT over WebSocket has none of its own.
    fn port(self) -> Option<u16> {
        match self {
            Self::Tcp => Some(PORT),
            Self::Tls => Some(PORT_TLS),
            Self::WebSocket | Self::SecureWebSocket | Self::Unix => None,
        }
    }
}

impl Endpoint {
    /// Of a listener.
    pub fn of(listener: &ListenerConfig) -> Self {
        let scheme = match (&listener.address, &listener.websocket, &listener.tls) {
            (ListenAddress::Unix(_), ..) => Scheme::Unix,
            (_, Some(_), Some(_)) => Scheme::SecureWebSocket,
            (_, Some(_), None) => Scheme::WebSocket,
            (_, None, Some(_)) => Scheme::Tls,
            (_, None, None) => Scheme::Tcp,
        };
        let address = match &listener.address {
            ListenAddress::Unix(unix) => {
                ListenAddress::Unix(UnixAddress { path: unix.path.clone(), mode: None, owner: None, group: None })
            }
            tcp => tcp.clone(),
        };
        Self { scheme, address }
    }

    /// A listener that is nothing more yet; [`ListenerSettings`](super::listener::ListenerSettings) makes it whole.
    pub fn to_listener(&self) -> ListenerConfig {
        let tls = self.scheme.has_tls().then(|| TlsConfig { certificates: Vec::new(), ..TlsConfig::new("", "") });
        let websocket = self.scheme.has_websocket().then(WebSocketConfig::default);
        ListenerConfig { tls, websocket, ..ListenerConfig::new(self.address.clone()) }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}://{}", self.scheme.name(), self.address)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_urls_with_defaults() {
        let parse = |text: &str| parse_url(text).map(|endpoint| endpoint.to_string());
        assert_eq!(parse("tcp://127.0.0.1:1884").as_deref(), Ok("tcp://127.0.0.1:1884"));
        assert_eq!(parse("mqtt://127.0.0.1").as_deref(), Ok("tcp://127.0.0.1:1883"));
        assert_eq!(parse("0.0.0.0:0").as_deref(), Ok("tcp://0.0.0.0:0"));
        assert_eq!(parse("tcp://[::1]").as_deref(), Ok("tcp://[::1]:1883"));
        assert_eq!(parse("tls://[::]:1").as_deref(), Ok("tls://[::]:1"));
        assert_eq!(parse("mqtts://10.0.0.1/").as_deref(), Ok("tls://10.0.0.1:8883"));
        assert_eq!(parse("wss://0.0.0.0:8084/").as_deref(), Ok("wss://0.0.0.0:8084"));
        assert_eq!(parse("unix:///run/ringmq.sock").as_deref(), Ok("unix:///run/ringmq.sock"));
        assert_eq!(parse("unix:/run/ringmq.sock").as_deref(), Ok("unix:///run/ringmq.sock"));
    }

    #[test]
    fn a_listener_has_the_endpoint_that_it_came_from() {
        for text in ["tcp://1.2.3.4:1", "tls://1.2.3.4:2", "ws://[::1]:3", "wss://1.2.3.4:4", "unix:///run/x"] {
            let endpoint = parse_url(text).expect(text);
            assert_eq!(Endpoint::of(&endpoint.to_listener()), endpoint);
        }
    }

    #[test]
    fn what_cannot_be_is_refused_with_a_remedy() {
        for text in ["", "tcp://localhost:1883", "tcp://*:1883", ":1883", "1.2.3.4:70000", "1883"] {
            let problem = parse_url(text).expect_err(text);
            assert!(problem.remedy.contains("tcp://"), "{text}: {problem:?}");
        }
        let remedy = |text: &str| parse_url(text).expect_err(text).remedy;
        assert!(remedy("http://1.2.3.4:8883").starts_with("write one of tcp://, tls://"));
        assert!(remedy("ws://127.0.0.1").starts_with("write ws://ADDRESS:PORT, such as \"ws://127.0.0.1:8080\""));
        for text in ["unix://ringmq.sock", "unix:", "unix:///run/", &format!("unix:///{}", "x".repeat(107))] {
            assert!(remedy(text).starts_with("write an absolute path"), "{text}");
        }
    }
}
