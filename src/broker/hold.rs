//! Bytes of a connection that are handled later: while somebody is asked who the client is, or while it has sent more than it
//! may. What the connection is sent, and its end, go on meanwhile.

use super::{CloseReason, ConnectionId, Shard, Transport};
use crate::codec::frame::Frame;
use crate::codec::{Connect, Packet, ReasonCode, Version, Violation, decode};
use crate::connection::Phase;
use crate::limits::RECEIVED_WHILE_PAUSED_MAX;

impl Shard {
    /// A connection that the driver must not read any more (`true`), or must read again. What it has received already it
    /// may still give to `handle_received`.
    pub fn poll_pause(&mut self) -> Option<(ConnectionId, Transport, bool)> {
        while let Some((id, is_paused)) = self.pauses.pop_front() {
            if let Some(connection) = self.connection(id) {
                return Some((id, connection.transport, is_paused));
            }
        }
        None
    }

    /// Keeps what a halted connection has received.
    pub(super) fn hold(&mut self, id: ConnectionId, bytes: &[u8]) {
        let unpaused_max = self.settings.connect_size_max as usize;
        let Some(connection) = self.connection_mut(id) else { return };
        if connection.phase == Phase::Closing {
            return;
        }
        let identity = connection.identity.get_or_insert_default();
        identity.kept.push(bytes);
        let (kept, is_paused) = (identity.kept.len(), identity.is_paused);
        self.held_bytes += bytes.len();
        let is_shard_full = self.held_bytes > self.settings.shard_bytes_max;
        if is_shard_full || kept > unpaused_max + RECEIVED_WHILE_PAUSED_MAX {
            let key = if is_shard_full { "limits.shard_bytes_max" } else { "limits.connect_size_max" };
            self.count_bound(&self.client_id_of(id), key);
            return self.close(id, CloseReason::ByServer(ReasonCode::ServerBusy), None);
        }
        if kept > unpaused_max && !is_paused {
            self.pause(id, true);
        }
    }

    /// Handles what was kept, and goes on with what arrives.
    pub(super) fn release(&mut self, id: ConnectionId) {
        let Some(connection) = self.connection_mut(id).filter(|connection| connection.phase != Phase::Closing) else {
            return;
        };
        connection.is_halted = false;
        let Some(mut kept) = connection.identity.as_mut().map(|identity| std::mem::take(&mut identity.kept)) else {
            return;
        };
        self.held_bytes -= kept.len();
        let left = self.handle_bytes(id, kept.as_slice(), false);
        let Some(connection) = self.connection_mut(id).filter(|connection| connection.phase != Phase::Closing) else {
            return;
        };
        let is_halted = connection.is_halted;
        let identity = connection.identity.get_or_insert_default();
        let is_paused = identity.is_paused;
        if left > 0 {
            kept.keep_last(left);
            identity.kept = kept;
            self.held_bytes += left;
        }
        if is_paused && !is_halted {
            self.pause(id, false);
        }
    }

    /// Tells the driver to read the connection no longer, or again.
    pub(super) fn pause(&mut self, id: ConnectionId, is_paused: bool) {
        let Some(connection) = self.connection_mut(id) else { return };
        let identity = connection.identity.get_or_insert_default();
        if identity.is_paused != is_paused {
            identity.is_paused = is_paused;
            self.pauses.push_back((id, is_paused));
        }
    }

    /// Keeps a CONNECT whole until the client is let in or not.
    pub(super) fn hold_connect(&mut self, id: ConnectionId, frame: Frame<'_>) {
        let Some(connection) = self.connection_mut(id) else { return };
        connection.identity.get_or_insert_default().connect = frame.body.to_vec();
        self.held_bytes += frame.body.len();
    }

    /// Goes on with a CONNECT that was kept.
    pub(super) fn resume_connect(&mut self, id: ConnectionId, go_on: impl FnOnce(&mut Self, &Connect<'_>)) {
        const CONNECT: u8 = 0x10;
        let Some(connection) = self.connection_mut(id) else { return };
        let Some(identity) = connection.identity.as_mut() else { return };
        let body = std::mem::take(&mut identity.connect);
        self.held_bytes -= body.len();
        // The version in the packet decides, not this one.
        match decode::decode(Frame { first_byte: CONNECT, body: &body }, Version::V5_0) {
            Ok(Packet::Connect(packet)) => go_on(self, &packet),
            Ok(_) => self.fail(id, Violation::FirstPacketNotConnect),
            Err(violation) => self.fail(id, violation),
        }
    }
}
