//! Opens connections: TCP, CONNECT, CONNACK, and a SUBSCRIBE with its SUBACK for those that have a filter.

use super::link::Link;
use super::poller::{Poller, Readiness};
use super::source::Sources;
use crate::mqtt::scan::{Packet, scan};
use crate::mqtt::{Version, encode};
use anyhow::{Context, bail, ensure};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// One connection to open.
#[derive(Clone, Debug)]
pub struct Client {
    pub client_id: String,
    pub filter: Option<String>,
}

/// What is common to all connections.
#[derive(Clone, Copy, Debug)]
pub struct DialOptions {
    pub address: SocketAddr,
    pub version: Version,
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
    let mut dialer = Dialer {
        options,
        clients,
        poller: Poller::new()?,
        links: Vec::with_capacity(clients.len()),
        states: Vec::with_capacity(clients.len()),
        sources: sources(options, clients.len())?,
        ready: 0,
        input: Vec::new(),
    };
    let mut last_progress = (0, Instant::now());
    while dialer.ready < clients.len() {
        while dialer.links.len() < clients.len() && dialer.links.len() - dialer.ready < options.concurrency {
            dialer.open()?;
        }
        let ready = dialer.poller.wait(Duration::from_millis(100))?;
        for &readiness in &ready {
            dialer.handle(readiness).with_context(|| format!("client {}", clients[readiness.key].client_id))?;
        }
        dialer.poller.recycle(ready);
        if last_progress.0 != dialer.ready {
            last_progress = (dialer.ready, Instant::now());
            progress(dialer.ready)?;
        }
        let stuck = last_progress.1.elapsed() > options.patience;
        ensure!(!stuck, "{} of {} connections are open and no more come", dialer.ready, clients.len());
    }
    Ok(dialer.links)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Until the socket is writable.
    Connecting,
    AwaitingConnAck,
    AwaitingSubAck,
    Ready,
}

struct Dialer<'a> {
    options: &'a DialOptions,
    clients: &'a [Client],
    poller: Poller,
    links: Vec<Link>,
    states: Vec<State>,
    /// `None` leaves the choice to the kernel.
    sources: Option<Sources>,
    ready: usize,
    input: Vec<u8>,
}

/// The only packet identifier used in this phase.
const SUBSCRIBE_PACKET_ID: u16 = 1;

impl Dialer<'_> {
    fn open(&mut self) -> anyhow::Result<()> {
        let key = self.links.len();
        let socket = open_socket(self.options.address, self.sources.as_mut())
            .with_context(|| format!("cannot open connection {key}"))?;
        self.poller.add(&socket, key, true)?;
        self.links.push(Link::new(socket));
        self.states.push(State::Connecting);
        Ok(())
    }

    fn handle(&mut self, readiness: Readiness) -> anyhow::Result<()> {
        let key = readiness.key;
        let link = &mut self.links[key];
        if self.states[key] == State::Connecting {
            if let Some(error) = link.socket().take_error()? {
                return Err(error).context("cannot connect");
            }
            if !readiness.writable {
                return Ok(());
            }
            let mut packet = Vec::new();
            let client_id = &self.clients[key].client_id;
            encode::connect(&mut packet, self.options.version, client_id, self.options.keep_alive_seconds);
            link.send(&packet)?;
            self.states[key] = State::AwaitingConnAck;
            self.poller.modify(link.socket(), key, false)?;
            return Ok(());
        }
        if readiness.readable {
            self.receive(key)?;
        }
        Ok(())
    }

    fn receive(&mut self, key: usize) -> anyhow::Result<()> {
        let link = &mut self.links[key];
        let Some(filled) = link.receive(&mut self.input)? else { return Ok(()) };
        let mut consumed = 0;
        while let Some((packet, length)) = scan(self.options.version, &self.input[consumed..filled])? {
            consumed += length;
            match (self.states[key], packet) {
                (State::AwaitingConnAck, Packet::ConnAck { reason: 0, receive_maximum }) => {
                    link.receive_maximum = receive_maximum;
                    let Some(filter) = &self.clients[key].filter else {
                        self.states[key] = State::Ready;
                        continue;
                    };
                    let mut packet = Vec::new();
                    let version = self.options.version;
                    encode::subscribe(&mut packet, version, SUBSCRIBE_PACKET_ID, filter, self.options.qos);
                    link.send(&packet)?;
                    self.states[key] = State::AwaitingSubAck;
                }
                (State::AwaitingConnAck, Packet::ConnAck { reason, .. }) => bail!("CONNACK refuses with {reason:#04x}"),
                (State::AwaitingSubAck, Packet::SubAck { packet_id: SUBSCRIBE_PACKET_ID, reasons }) => {
                    ensure!(reasons == [self.options.qos], "SUBACK answers {reasons:02x?} to QoS {}", self.options.qos);
                    self.states[key] = State::Ready;
                }
                (state, packet) => bail!("{packet:?} came in state {state:?}"),
            }
        }
        link.keep(&self.input[consumed..filled]);
        if self.states[key] == State::Ready {
            self.poller.remove(link.socket())?;
            self.ready += 1;
        }
        Ok(())
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
