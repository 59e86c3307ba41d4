//! Bytes between a socket and the core: as they are, or through TLS and WebSocket.

use super::links::Link;
use super::shard::ShardDriver;
use super::wrapped::Wrapped;
use crate::connection::Output;
use crate::limits;
use crate::net::layers::LayerFailure;
use crate::net::{ReceiveBuffer, SendParts, SocketId};

impl ShardDriver {
    #[inline]
    pub(super) fn handle_received(&mut self, socket: SocketId, buffer: ReceiveBuffer) {
        if self.ring.current(socket.slot) != Some(socket) {
            self.ring.recycle(buffer);
            return;
        }
        match self.links.get_mut(socket.slot) {
            Some(Link::Plain(connection, _)) => {
                self.shard.handle_received(*connection, self.ring.received(&buffer), self.now);
                self.ring.recycle(buffer);
            }
            Some(Link::Wrapped(_)) => self.handle_received_wrapped(socket, buffer),
            Some(Link::Handshake(_) | Link::Free) | None => self.ring.recycle(buffer),
        }
    }

    fn handle_received_wrapped(&mut self, socket: SocketId, mut buffer: ReceiveBuffer) {
        let Some(Link::Wrapped(wrapped)) = self.links.get_mut(socket.slot) else { return };
        let Some(connection) = wrapped.connection else { return };
        let (shard, now) = (&mut self.shard, self.now);
        let bytes = self.ring.received_mut(&mut buffer);
        let received = wrapped.receive(bytes, &mut |plain| shard.handle_received(connection, plain, now));
        self.ring.recycle(buffer);
        match received {
            Ok(true) => self.send_wrapped(socket),
            Ok(false) => self.handle_ended(socket),
            Err(failure) => self.fail_layer(socket, &failure),
        }
    }

    /// The core has something to send.
    pub(super) fn send(&mut self, socket: SocketId, output: Output) {
        self.sampling.sending(socket);
        if let Some(Link::Wrapped(wrapped)) = self.links.get_mut(socket.slot) {
            wrapped.push(output);
            return self.send_wrapped(socket);
        }
        let (bytes, shared) = output.into_parts();
        self.ring.send(socket, SendParts { bytes, shared });
    }

    /// Sends what waits at a wrapped connection, if nothing is on its way.
    pub(super) fn send_wrapped(&mut self, socket: SocketId) {
        let Some(wrapped) = wrapped_mut(self.links.get_mut(socket.slot)) else { return };
        let spare = &mut self.spare_buffers;
        match wrapped.next_send(|| spare.pop().unwrap_or_default()) {
            Ok(Some(parts)) => self.ring.send(socket, parts),
            Ok(None) => {}
            Err(failure) => self.fail_layer(socket, &failure),
        }
    }

    pub(super) fn handle_sent(&mut self, socket: SocketId, parts: SendParts) {
        self.sampling.sent(socket);
        if let Link::Plain(connection, _) = *self.links.get(socket.slot) {
            let output = Output::from_parts(parts.bytes, parts.shared);
            return self.shard.handle_sent(connection, output, self.now);
        }
        let link = self.links.get_mut(socket.slot);
        let is_ready = matches!(&link, Some(Link::Handshake(handshake)) if handshake.ready);
        let Some(wrapped) = wrapped_mut(link) else { return };
        let sent = wrapped.sent(parts);
        let connection = wrapped.connection;
        if let Some(mut buffer) = sent.spare
            && self.spare_buffers.len() < limits::SPARE_SEALED_MAX
            && buffer.capacity() <= limits::SPARE_SEALED_SIZE_MAX
        {
            buffer.clear();
            self.spare_buffers.push(buffer);
        }
        if let (Some(output), Some(connection)) = (sent.output, connection) {
            self.shard.handle_sent(connection, output, self.now);
        }
        self.send_wrapped(socket);
        if is_ready {
            self.find_home(socket);
        }
    }

    /// The peer has ended, or the transport has failed.
    pub(super) fn handle_ended(&mut self, socket: SocketId) {
        if self.ring.current(socket.slot) != Some(socket) {
            return;
        }
        if let Some(connection) = self.links.get(socket.slot).connection() {
            self.shard.handle_closed(connection, self.now);
        }
        self.close(socket);
    }

    /// What is below MQTT cannot go on. The peer was told why, if it can be.
    pub(super) fn fail_layer(&mut self, socket: SocketId, failure: &LayerFailure) {
        let link = self.links.get(socket.slot);
        let address = match link {
            Link::Handshake(handshake) => Some(handshake.arrival.address),
            _ => link.connection().and_then(|connection| self.shard.address_of(connection)),
        };
        let counters = &self.common.counters[usize::from(self.index.0)];
        counters.layer_failures.add(failure.name());
        self.log.write_layer_failure(address, failure, self.now, &counters.log_lines_suppressed);
        self.handle_ended(socket);
    }

    /// Closes the socket and frees its link. The core knows already, or never knew it.
    pub(super) fn close(&mut self, socket: SocketId) {
        let listener = self.links.get(socket.slot).listener();
        self.guests.release(socket.slot);
        let mut link = self.links.set(socket.slot, Link::Free);
        self.sampling.closed(socket);
        if let Some(wrapped) = wrapped_mut(Some(&mut link)) {
            let farewell = wrapped.farewell();
            if !farewell.is_empty() {
                self.ring.send_now(socket, &farewell);
            }
        }
        if let Some(listener) = listener {
            self.common.admission.leave();
            if let Some(listening) = self.listening(listener) {
                listening.leave();
            }
        }
        self.ring.close(socket);
    }
}

fn wrapped_mut(link: Option<&mut Link>) -> Option<&mut Wrapped> {
    match link? {
        Link::Handshake(handshake) => handshake.wrapped.as_deref_mut(),
        Link::Wrapped(wrapped) => Some(wrapped),
        Link::Free | Link::Plain(..) => None,
    }
}
