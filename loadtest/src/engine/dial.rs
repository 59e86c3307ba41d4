//! Opens connections: TCP, CONNECT, CONNACK, and a SUBSCRIBE with its SUBACK for those that have a filter.

use super::link::Link;
use super::poller::{Poller, Readiness};
use crate::mqtt::scan::{Packet, scan};
use crate::mqtt::{Version, encode};
use anyhow::{Context, bail, ensure};
use socket2::{Domain, Protocol, Socket, Type};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
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
    /// Loopback addresses 127.0.0.1 and following to connect from, in turn; a pair of addresses has only some 28,000
    /// ports. Not used when the broker is not on loopback.
    pub source_addresses: u32,
    /// No connection made progress for so long: give up.
    pub patience: Duration,
}

/// Opens all connections and returns them in the order of `clients`. Any refusal is an error: a measurement with fewer
/// connections than asked for would be another one.
pub fn dial(clients: &[Client], options: &DialOptions) -> anyhow::Result<Vec<Link>> {
    let mut dialer = Dialer {
        options,
        clients,
        poller: Poller::new()?,
        links: Vec::with_capacity(clients.len()),
        states: Vec::with_capacity(clients.len()),
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
    ready: usize,
    input: Vec<u8>,
}

/// The only packet identifier used in this phase.
const SUBSCRIBE_PACKET_ID: u16 = 1;

impl Dialer<'_> {
    fn open(&mut self) -> anyhow::Result<()> {
        let key = self.links.len();
        let socket = open_socket(self.options, key).with_context(|| format!("connection {key}"))?;
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

fn open_socket(options: &DialOptions, key: usize) -> anyhow::Result<std::net::TcpStream> {
    let socket = Socket::new(Domain::for_address(options.address), Type::STREAM, Some(Protocol::TCP))
        .context("cannot make a socket (see ulimit -n)")?;
    socket.set_nonblocking(true)?;
    socket.set_tcp_nodelay(true)?;
    if options.source_addresses > 1 && matches!(options.address.ip(), IpAddr::V4(ip) if ip.is_loopback()) {
        let host = key as u32 % options.source_addresses;
        let source = Ipv4Addr::from_bits(Ipv4Addr::LOCALHOST.to_bits() + host);
        socket.bind(&SocketAddr::from((source, 0)).into()).with_context(|| format!("cannot bind to {source}"))?;
    }
    match socket.connect(&options.address.into()) {
        Ok(()) => {}
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INPROGRESS.raw_os_error()) => {}
        Err(error) => return Err(error).context("cannot connect"),
    }
    Ok(socket.into())
}
