//! Opens connections: what is asked for, and the sockets.

use super::fleet::Fleet;
use super::link::Link;
use super::source::Sources;
use super::transport::Transport;
use crate::mqtt::{Session, Version};
use anyhow::{bail, ensure};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// One connection to open.
#[derive(Clone, Debug)]
pub struct Client {
    pub client_id: String,
    /// Subscribed to after CONNACK, in one SUBSCRIBE.
    pub filters: Vec<String>,
}

/// What is common to all connections.
#[derive(Clone, Debug)]
pub struct DialOptions {
    pub address: SocketAddr,
    /// What lies between the socket and MQTT.
    pub transport: Arc<Transport>,
    pub version: Version,
    pub session: Session,
    /// Asked for in SUBSCRIBE.
    pub qos: u8,
    /// Zero switches it off.
    pub keep_alive_seconds: u16,
    /// Connections being opened at a time.
    pub concurrency: usize,
    /// Loopback addresses 127.0.0.1 and following to connect from, in turn. With none, or when the broker is not
    /// on loopback, the kernel chooses.
    pub source_addresses: u32,
    /// Addresses before the first of them that others use.
    pub source_addresses_skipped: u32,
    /// No connection made progress for so long: give up.
    pub patience: Duration,
}

/// Opens all connections and returns them in the order of `clients`. Any refusal is an error: a measurement with fewer
/// connections than asked for would be another one.
pub fn dial(clients: &[Client], options: &DialOptions) -> anyhow::Result<Vec<Link>> {
    dial_with(clients, options, |_| Ok(()))
}

/// As [`dial`], and tells again and again how many connections are open.
pub fn dial_with(
    clients: &[Client],
    options: &DialOptions,
    mut progress: impl FnMut(usize) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<Link>> {
    let mut fleet = Fleet::new(clients, options)?;
    fleet.enqueue_all(None);
    let mut told = Ok(());
    fleet.run_until_in(|fleet| {
        if told.is_ok() {
            told = progress(fleet.ready());
        }
    })?;
    told?;
    Ok(fleet.into_links())
}

/// Connections, one after the other, that are being opened.
pub struct Dialer {
    address: SocketAddr,
    transport: Arc<Transport>,
    sources: Option<Sources>,
}

impl Dialer {
    /// For so many connections.
    pub fn new(options: &DialOptions, connections: usize) -> anyhow::Result<Self> {
        let (address, transport) = (options.address, Arc::clone(&options.transport));
        Ok(Self { address, transport, sources: sources(options, connections)? })
    }

    /// A connection whose socket becomes writable when it is connected, or has failed.
    pub fn open(&mut self) -> anyhow::Result<Link> {
        let socket = open_socket(self.address, self.sources.as_mut())?;
        Ok(Link::new(socket, self.transport.layers()?))
    }
}

/// Sources for so many connections, unless the kernel shall choose, or the broker is on another machine.
fn sources(options: &DialOptions, connections: usize) -> anyhow::Result<Option<Sources>> {
    if options.source_addresses == 0 || !matches!(options.address.ip(), IpAddr::V4(ip) if ip.is_loopback()) {
        return Ok(None);
    }
    let sources = Sources::new(options.source_addresses_skipped, options.source_addresses)?;
    let count = sources.count();
    ensure!(
        connections <= count as usize,
        "{connections} connections need more than {count} ports: more source addresses"
    );
    Ok(Some(sources))
}

/// A socket that is connecting, from the first of the sources that is not taken.
fn open_socket(address: SocketAddr, sources: Option<&mut Sources>) -> anyhow::Result<TcpStream> {
    let Some(sources) = sources else { return Ok(connect(address, None)?) };
    for _ in 0..sources.count() {
        match connect(address, Some(sources.take())) {
            Err(error) if matches!(error.kind(), ErrorKind::AddrInUse | ErrorKind::AddrNotAvailable) => {}
            result => return Ok(result?),
        }
    }
    bail!("all ports of all source addresses are taken")
}

fn connect(address: SocketAddr, source: Option<SocketAddr>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(source) = source {
        socket.set_reuse_address(true)?;
        socket.bind(&source.into())?;
    }
    match socket.connect(&address.into()) {
        Err(error) if error.raw_os_error() != Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => Err(error),
        _ => Ok(socket.into()),
    }
}
