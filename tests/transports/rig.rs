//! A server with a listener for each transport, and clients for them.

use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ringmq::net::tls::TlsConfig;
use ringmq::net::websocket::WebSocketConfig;
use ringmq::runtime::{ListenAddress, ListenerConfig, RuntimeConfig, Server, ShardCount, UnixAddress};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::authority::{Authority, Pair};
use crate::client::Client;
use crate::stream::{Stream, Tls, Wire};
use crate::websocket::{REQUEST, WebSocket};

/// No answer takes longer, unless it is lost.
pub const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Tls,
    WebSocket,
    SecureWebSocket,
    Unix,
}

/// What a client says of itself before all else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proxy {
    No,
    V1,
    V2,
}

/// A way to connect.
pub type Way = (Transport, Proxy);

pub const TRANSPORTS: [Transport; 5] =
    [Transport::Tcp, Transport::Tls, Transport::WebSocket, Transport::SecureWebSocket, Transport::Unix];

/// The address that a PROXY header names.
pub const PROXIED: &str = "192.0.2.7:12345";

/// All ways; a listener with the PROXY protocol takes both of its versions.
pub fn ways() -> impl Iterator<Item = Way> + Clone {
    TRANSPORTS.into_iter().flat_map(|transport| [Proxy::No, Proxy::V1, Proxy::V2].map(|proxy| (transport, proxy)))
}

pub struct Rig {
    pub server: Server,
    pub authority: Authority,
    /// What the clients' TLS trusts and shows.
    pub tls: Arc<ClientConfig>,
    /// As they were configured, with ports that are left to the kernel.
    pub configs: Vec<ListenerConfig>,
    /// Where the unix sockets are.
    _directory: tempfile::TempDir,
}

impl Rig {
    pub fn new(shards: usize) -> Self {
        Self::with(shards, |_| ())
    }

    /// A server with a listener for each transport without and with the PROXY protocol; `change` may change what it is
    /// configured with.
    pub fn with(shards: usize, change: impl FnOnce(&mut RuntimeConfig)) -> Self {
        let authority = Authority::new("authority");
        let directory = tempfile::tempdir().unwrap();
        let pair = authority.server(&["localhost"]);
        let mut listeners = Vec::new();
        for with_proxy in [false, true] {
            for transport in TRANSPORTS {
                let path = directory.path().join(format!("{with_proxy}.sock"));
                listeners.push(listener(transport, with_proxy, &pair, path));
            }
        }
        let mut config = config(listeners, shards);
        change(&mut config);
        let configs = config.listeners.clone();
        let server = Server::start(config).unwrap();
        let tls = Arc::new(client_tls(&authority, None));
        Self { server, authority, tls, configs, _directory: directory }
    }

    pub fn address(&self, (transport, proxy): Way) -> ListenAddress {
        let found = self.server.listeners().find(|listener| {
            listener.proxy_protocol.is_some() == (proxy != Proxy::No) && transport_of(listener) == transport
        });
        found.unwrap().address.clone()
    }

    /// A connection without a byte on it.
    pub fn wire(&self, way: Way) -> Wire {
        connect_to(&self.address(way))
    }

    /// A connection whose handshakes are over, and no CONNECT is sent.
    pub fn open(&self, way: Way) -> Client<Stream> {
        let mut wire = self.wire(way);
        std::io::Write::write_all(&mut wire, &proxy_header(way.1)).unwrap();
        wrap(wire, way.0, &self.tls)
    }

    pub fn connect(&self, way: Way, client_id: &str) -> Client<Stream> {
        let mut client = self.open(way);
        assert_eq!(client.introduce(client_id), 0, "{way:?}");
        client
    }

    /// Waits until every connection is gone and counted as gone.
    #[track_caller]
    pub fn wait_until_empty(&self) {
        wait_until("connections are counted that are gone", || {
            self.server.connections() == 0 && self.server.connections_by_listener().iter().all(|&open| open == 0)
        });
    }

    pub fn failures(&self, name: &str) -> u64 {
        self.server.counters().layer_failures.get(name).copied().unwrap_or(0)
    }

    #[track_caller]
    pub fn wait_for_failures(&self, name: &str, count: u64) {
        wait_until(name, || self.failures(name) >= count);
        assert_eq!(self.failures(name), count, "{:?}", self.server.counters().layer_failures);
    }
}

#[track_caller]
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

pub fn config(listeners: Vec<ListenerConfig>, shards: usize) -> RuntimeConfig {
    RuntimeConfig { listeners, shards: ShardCount::Exactly(shards), receive_buffers: 64, ..RuntimeConfig::default() }
}

pub fn loopback() -> ListenAddress {
    ListenAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))
}

pub fn listener(transport: Transport, with_proxy: bool, pair: &Pair, path: PathBuf) -> ListenerConfig {
    let address = match transport {
        Transport::Unix => ListenAddress::Unix(UnixAddress { path, mode: None, owner: None, group: None }),
        _ => loopback(),
    };
    let mut listener = ListenerConfig::new(address);
    if matches!(transport, Transport::Tls | Transport::SecureWebSocket) {
        let mut tls = TlsConfig::new(&pair.chain_file, &pair.key_file);
        if transport == Transport::SecureWebSocket {
            tls.application_protocols = vec!["http/1.1".into()];
        }
        listener.tls = Some(tls);
    }
    if matches!(transport, Transport::WebSocket | Transport::SecureWebSocket) {
        listener.websocket = Some(WebSocketConfig::default());
    }
    listener.proxy_protocol = with_proxy.then(|| vec!["127.0.0.0/8".parse().unwrap()]);
    // Behind a proxy there are others than this machine.
    listener.access.allow_anonymous = Some(true);
    listener
}

fn transport_of(listener: &ListenerConfig) -> Transport {
    match listener.scheme() {
        "tcp" => Transport::Tcp,
        "tls" => Transport::Tls,
        "ws" => Transport::WebSocket,
        "wss" => Transport::SecureWebSocket,
        _ => Transport::Unix,
    }
}

pub fn connect_to(address: &ListenAddress) -> Wire {
    let wire = match address {
        ListenAddress::Tcp(address) => {
            let stream = TcpStream::connect(address).unwrap();
            stream.set_nodelay(true).unwrap();
            Wire::Tcp(stream)
        }
        ListenAddress::Unix(address) => Wire::Unix(UnixStream::connect(&address.path).unwrap()),
    };
    wire.set_read_timeout(PATIENCE);
    wire
}

pub fn wrap(wire: Wire, transport: Transport, tls: &Arc<ClientConfig>) -> Client<Stream> {
    let stream = match transport {
        Transport::Tcp | Transport::Unix => Stream::Plain(wire),
        Transport::Tls => Stream::Tls(Box::new(shake_hands(wire, tls))),
        Transport::WebSocket => Stream::WebSocket(WebSocket::open(wire, REQUEST, &[]).unwrap()),
        Transport::SecureWebSocket => {
            let tls = Box::new(shake_hands(wire, tls));
            Stream::SecureWebSocket(WebSocket::open(tls, REQUEST, &[]).unwrap())
        }
    };
    Client { stream }
}

fn shake_hands(wire: Wire, config: &Arc<ClientConfig>) -> Tls {
    StreamOwned::new(client_connection(config), wire)
}

pub fn client_connection(config: &Arc<ClientConfig>) -> ClientConnection {
    ClientConnection::new(config.clone(), ServerName::try_from("localhost").unwrap()).unwrap()
}

/// Trusts `authority`, shows `pair`.
pub fn client_tls(authority: &Authority, pair: Option<&Pair>) -> ClientConfig {
    client_tls_of(authority, pair, rustls::DEFAULT_VERSIONS)
}

pub fn client_tls_of(
    authority: &Authority,
    pair: Option<&Pair>,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate.clone()).unwrap();
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    match pair {
        Some(pair) => builder.with_client_auth_cert(pair.chain.clone(), pair.key.clone_key()).unwrap(),
        None => builder.with_no_client_auth(),
    }
}

pub fn proxy_header(proxy: Proxy) -> Vec<u8> {
    match proxy {
        Proxy::No => Vec::new(),
        Proxy::V1 => b"PROXY TCP4 192.0.2.7 198.51.100.1 12345 1883\r\n".to_vec(),
        Proxy::V2 => {
            let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0C".to_vec();
            header.extend_from_slice(&[192, 0, 2, 7, 198, 51, 100, 1, 0x30, 0x39, 0x07, 0x5B]);
            header
        }
    }
}
