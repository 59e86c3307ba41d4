//! From an accepted socket to a connection at its home: PROXY protocol, TLS and WebSocket handshakes, the first packet.
//!
//! Until then bytes are read with a system call, because a receive that is once begun in the ring cannot move to another ring. A step
//! of a TLS handshake takes a shard up to a millisecond, so one turn makes at most one: those who are connected come first.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::admission::Verdict;
use super::doorway::is_final;
use super::links::{Arrival, Handshake, Link};
use super::listening::Listening;
use super::mailbox::{Handover, Mail};
use super::shard::ShardDriver;
use super::wrapped::Wrapped;
use crate::access::Address;
use crate::broker::{ConnectionId, Home, Incoming, home_of};
use crate::limits::FIRST_WORDS;
use crate::net::SocketId;
use crate::net::layers::{LayerFailure, Layers};
use crate::net::{proxy, websocket};

/// Bytes of a connection without a home that are read at a time: a usual CONNECT and what comes with it.
const HANDSHAKE_READ_SIZE: usize = 4_096;

impl ShardDriver {
    pub(super) fn handle_accepted(&mut self, number: usize, socket: OwnedFd) {
        let Some(listening) = self.accepting(number).filter(|_| self.stopping.is_none()) else { return };
        let address = peer_address(&socket);
        let is_known = address.is_some_and(|address| is_final(&listening, address, false));
        let guest = address.filter(|_| is_known).map(|address| self.common.guard.enter(address, self.now)).transpose();
        self.counters().accepts.add(1);
        // Without an address the peer is gone already.
        let Some(address) = address else { return };
        let guest = match guest {
            Ok(guest) => guest,
            Err(refusal) => return self.turn_away(&socket, address, refusal),
        };
        let verdict = self.common.admission.admit();
        let has_room = listening.enter();
        let is_over_limit = verdict != Verdict::Admitted || !has_room;
        self.counters().over_limit.add(u64::from(is_over_limit));
        let begins_wrapped = listening.is_wrapped() || listening.config.proxy_protocol.is_some();
        // There is no descriptor to answer with, or the answer would cost a handshake first.
        let is_hopeless = verdict == Verdict::Hopeless || (is_over_limit && begins_wrapped);
        if is_hopeless {
            if verdict != Verdict::Hopeless {
                self.common.admission.leave();
            }
            return listening.leave();
        }
        let arrival = Arrival { address, listener: listening.id, certificate: None, over_limit: is_over_limit, guest };
        let socket = self.ring.attach(socket);
        if self.shards == 1 && !begins_wrapped {
            self.connect(socket, arrival, None);
            return self.watch(socket);
        }
        let proxy_header = listening.config.proxy_protocol.is_some().then(Vec::new);
        let handshake = Handshake { arrival, proxy_header, wrapped: None, bytes: Vec::new(), ready: false };
        self.links.set(socket.slot, Link::Handshake(Box::new(handshake)));
        self.handshakes.push_back((self.now + self.settings.handshake_time_max_ms, socket));
        if !is_believed(&listening, address) {
            return self.fail_layer(socket, &LayerFailure::ProxyNotTrusted);
        }
        self.watch(socket);
    }

    /// Waits until there is something to read.
    fn watch(&mut self, socket: SocketId) {
        if self.ring.watch(socket).is_err() {
            self.fail_layer(socket, &LayerFailure::NoRoomToWait);
        }
    }

    /// Receives from a connection that is at home. Who comes with a crowd is read from in the anteroom for its first words, or until it
    /// speaks at a quieter time: in the ring what the crowd says next would stand before what those say who have stayed.
    fn settle(&mut self, socket: SocketId) {
        let is_new = self.ring.times_told(socket).is_none_or(|told| told < FIRST_WORDS);
        if is_new && self.crowd.is_large() && matches!(self.links.get(socket.slot), Link::Plain(..)) {
            self.watch(socket);
        } else {
            self.ring.receive(socket);
        }
    }

    /// There are the first bytes of a connection, or more of one that has no home yet, or the end.
    pub(super) fn handle_readable(&mut self, socket: SocketId) {
        if self.ring.current(socket.slot) != Some(socket) {
            return;
        }
        let listener = self.links.get(socket.slot).listener();
        if listener.and_then(|id| self.listening(id)).is_some_and(|listening| listening.tls.is_some()) {
            self.ring.pause(socket);
            self.tls_handshakes.push_back(socket);
        } else {
            self.read_handshake(socket);
        }
    }

    /// Makes a step of one TLS handshake; whether there was any to make.
    pub(super) fn advance_tls_handshakes(&mut self) -> bool {
        while let Some(socket) = self.tls_handshakes.pop_front() {
            if self.ring.current(socket.slot) == Some(socket) {
                self.read_handshake(socket);
                return true;
            }
        }
        false
    }

    fn read_handshake(&mut self, socket: SocketId) {
        let mut bytes = [0; HANDSHAKE_READ_SIZE];
        match self.ring.read(socket, &mut bytes) {
            Ok(0) => self.handle_ended(socket),
            Ok(size) => self.handle_handshake_bytes(socket, &mut bytes[..size]),
            Err(error)
                if error.kind() == std::io::ErrorKind::WouldBlock
                    || error.kind() == std::io::ErrorKind::Interrupted =>
            {
                self.watch(socket);
            }
            Err(_) => self.handle_ended(socket),
        }
    }

    fn handle_handshake_bytes(&mut self, socket: SocketId, bytes: &mut [u8]) {
        let handshake = match self.links.get_mut(socket.slot) {
            Some(Link::Handshake(handshake)) => handshake,
            Some(Link::Plain(connection, _)) => {
                self.shard.handle_received(*connection, bytes, self.now);
                return self.settle(socket);
            }
            _ => return,
        };
        let Some(mut header) = handshake.proxy_header.take() else {
            return self.handle_layered_bytes(socket, bytes);
        };
        header.extend_from_slice(bytes);
        match proxy::parse(&header) {
            Ok(None) => {
                handshake.proxy_header = Some(header);
                self.watch(socket);
            }
            Ok(Some((parsed, size))) => {
                if let Some(source) = parsed.source {
                    handshake.arrival.address = Address::Ip(source);
                    if !self.enter_after_proxy_header(socket) {
                        return;
                    }
                }
                match header.get_mut(size..) {
                    Some(rest) if !rest.is_empty() => self.handle_layered_bytes(socket, rest),
                    _ => self.watch(socket),
                }
            }
            Err(failure) => self.fail_layer(socket, &LayerFailure::Proxy(failure)),
        }
    }

    fn handle_layered_bytes(&mut self, socket: SocketId, bytes: &mut [u8]) {
        let Link::Handshake(handshake) = self.links.get(socket.slot) else { return };
        let listening = self.listening(handshake.arrival.listener);
        let Some(Link::Handshake(handshake)) = self.links.get_mut(socket.slot) else { return };
        let Handshake { arrival, wrapped, bytes: plain, .. } = &mut **handshake;
        if let Some(listening) = listening.filter(|listening| wrapped.is_none() && listening.is_wrapped()) {
            let tls = listening.tls.as_ref().map(|tls| tls.accept()).transpose();
            match tls {
                Ok(tls) => {
                    let layers = Layers::new(tls, listening.websocket.clone());
                    *wrapped = Some(Box::new(Wrapped::new(layers, arrival.listener)));
                }
                Err(failure) => return self.fail_layer(socket, &LayerFailure::Tls(failure)),
            }
        }
        let received = match wrapped {
            Some(wrapped) => wrapped.receive(bytes, &mut |chunk| plain.extend_from_slice(chunk)),
            None => {
                plain.extend_from_slice(bytes);
                Ok(true)
            }
        };
        match received {
            Ok(true) => {
                self.send_wrapped(socket);
                self.find_home(socket);
            }
            Ok(false) => self.handle_ended(socket),
            Err(failure) => self.fail_layer(socket, &failure),
        }
    }

    /// Finds out whose the connection is, and gives it there.
    pub(super) fn find_home(&mut self, socket: SocketId) {
        let Some(Link::Handshake(handshake)) = self.links.get_mut(socket.slot) else { return };
        let home = match home_of(&handshake.bytes, &self.settings, self.shards) {
            Home::NeedMore if handshake.bytes.len() <= self.settings.connect_size_max as usize => {
                return self.watch(socket);
            }
            // Too large for a CONNECT: the core refuses it as it refuses other malformed ones.
            Home::NeedMore | Home::Here => self.index,
            Home::Shard(home) => home,
        };
        if handshake.wrapped.as_ref().is_some_and(|wrapped| wrapped.is_sending()) {
            // A socket with a send on its way cannot move.
            handshake.ready = true;
            return self.ring.pause(socket);
        }
        self.believe_forwarded_for(socket);
        if !self.enter_at_last(socket) {
            return;
        }
        let Link::Handshake(handshake) = self.links.set(socket.slot, Link::Free) else { return };
        let Handshake { mut arrival, wrapped, bytes, .. } = *handshake;
        if let Some(wrapped) = &wrapped {
            arrival.certificate = wrapped.layers.certificate_name().map(Into::into);
        }
        if home == self.index {
            let connection = self.connect(socket, arrival, wrapped);
            self.shard.handle_received(connection, &bytes, self.now);
            self.settle(socket);
        } else if let Some(socket) = self.ring.detach(socket) {
            self.counters().handovers.add(1);
            let mail = Mail::Handover(Box::new(Handover { socket, bytes, arrival, wrapped }));
            self.outbox.hand_over(home, mail, &self.common.mailboxes);
        }
    }

    fn believe_forwarded_for(&mut self, socket: SocketId) {
        let Link::Handshake(handshake) = self.links.get(socket.slot) else { return };
        let listening = self.listening(handshake.arrival.listener);
        let Some(Link::Handshake(handshake)) = self.links.get_mut(socket.slot) else { return };
        let Handshake { arrival, wrapped: Some(wrapped), .. } = &mut **handshake else { return };
        let config = listening.as_ref().and_then(|listening| listening.config.websocket.as_ref());
        if let (Some(config), Some(forwarded), Address::Ip(peer)) =
            (config, wrapped.layers.forwarded_for(), arrival.address)
        {
            let client = websocket::client_address(forwarded, &config.trusted_proxies, peer.ip());
            if client != peer.ip() {
                // Nobody tells the client's port.
                arrival.address = Address::Ip((client, 0).into());
            }
        }
    }

    pub(super) fn handle_handover(&mut self, handover: Handover) {
        let Handover { socket, bytes, arrival, wrapped } = handover;
        // A ban may have come while the connection was on its way.
        if self.stopping.is_some() || self.common.guard.is_banned(arrival.address, self.now) {
            self.common.admission.leave();
            if let Some(listening) = self.listening(arrival.listener) {
                listening.leave();
            }
            return;
        }
        let socket = self.ring.attach(socket);
        let connection = self.connect(socket, arrival, wrapped);
        self.shard.handle_received(connection, &bytes, self.now);
        self.settle(socket);
    }

    fn connect(&mut self, socket: SocketId, arrival: Arrival, wrapped: Option<Box<Wrapped>>) -> ConnectionId {
        let Arrival { address, listener, certificate, over_limit, guest } = arrival;
        if let Some(listening) = self.listening(listener) {
            self.counters().arrivals.add(listening.config.scheme());
        }
        let incoming = Incoming { transport: socket.slot, address, listener, certificate, over_limit };
        let connection = self.shard.handle_connected(incoming, self.now);
        let link = match wrapped {
            Some(mut wrapped) => {
                wrapped.connection = Some(connection);
                Link::Wrapped(wrapped)
            }
            None => Link::Plain(connection, listener),
        };
        self.links.set(socket.slot, link);
        self.guests.set(socket.slot, guest.unwrap_or_default());
        connection
    }
}

fn peer_address(socket: &OwnedFd) -> Option<Address> {
    match socket2::SockRef::from(socket).peer_addr().ok()? {
        address if address.is_unix() => Some(Address::Local),
        address => address.as_socket().map(Address::Ip),
    }
}

/// Where a PROXY protocol header is due, only who is configured may say for whom it connects.
fn is_believed(listening: &Arc<Listening>, address: Address) -> bool {
    match (&listening.config.proxy_protocol, address) {
        (Some(networks), Address::Ip(address)) => {
            let ip = address.ip().to_canonical();
            networks.iter().any(|network| network.contains(&ip))
        }
        _ => true,
    }
}
