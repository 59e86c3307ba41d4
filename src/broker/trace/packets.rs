//! All packets of a client, in both directions: as they come out of what was received, and as they go into what is sent.

use super::masking::mask_secrets;
use super::{Direction, TracedPacket};
use crate::broker::{ConnectionId, Shard};
use crate::codec::frame::{self, Frame};
use crate::codec::{Connect, Version};
use crate::connection::Output;
use crate::limits::TRACED_PACKET_SIZE_MAX;

impl Shard {
    /// A CONNECT has come while somebody watches: it may be of a client that is watched.
    #[cold]
    pub(in crate::broker) fn trace_connect(&mut self, id: ConnectionId, packet: &Connect<'_>, frame: Frame<'_>) {
        self.end_abandoned_traces();
        let is_watched = self
            .tracing
            .as_ref()
            .is_some_and(|tracing| tracing.tracers.iter().any(|tracer| tracer.watches_client(packet.client_id)));
        if is_watched {
            self.watch(id, packet.client_id);
            self.trace_frame(id, packet.version, frame);
        }
    }

    /// A packet of a connection that is traced has come.
    #[cold]
    pub(in crate::broker) fn trace_frame(&mut self, id: ConnectionId, version: Version, frame: Frame<'_>) {
        let size = frame.packet_size();
        // Secrets are looked for in the whole packet.
        let is_large = size > TRACED_PACKET_SIZE_MAX && is_publish(frame.first_byte);
        let body = if is_large { frame.body.get(..TRACED_PACKET_SIZE_MAX).unwrap_or_default() } else { frame.body };
        let mut bytes = Vec::with_capacity(body.len() + 5);
        bytes.push(frame.first_byte);
        let mut length = frame.body.len();
        while length >= 0x80 {
            bytes.push(length as u8 | 0x80);
            length >>= 7;
        }
        bytes.push(length as u8);
        bytes.extend_from_slice(body);
        self.trace_packet(id, version, Direction::In, bytes, size);
    }

    /// What a connection that is traced is sent: whole packets, whose fixed headers lie in one piece each.
    #[cold]
    pub(in crate::broker) fn trace_output(&mut self, id: ConnectionId, version: Version, output: &Output) {
        let (mut bytes, mut size, mut missing, mut room) = (Vec::new(), 0, 0, 0);
        for mut slice in output.slices() {
            while !slice.is_empty() {
                if missing == 0 {
                    let Ok(Some(header)) = frame::header(slice, u32::MAX) else { return };
                    size = header.packet_size;
                    missing = size;
                    room = if is_publish(header.first_byte) { TRACED_PACKET_SIZE_MAX } else { size };
                }
                let (taken, rest) = slice.split_at(missing.min(slice.len()));
                bytes.extend_from_slice(taken.get(..taken.len().min(room)).unwrap_or_default());
                room = room.saturating_sub(taken.len());
                missing -= taken.len();
                slice = rest;
                if missing == 0 {
                    self.trace_packet(id, version, Direction::Out, std::mem::take(&mut bytes), size);
                }
            }
        }
    }

    fn trace_packet(
        &mut self,
        id: ConnectionId,
        version: Version,
        direction: Direction,
        mut bytes: Vec<u8>,
        size: usize,
    ) {
        self.end_abandoned_traces();
        mask_secrets(&mut bytes, version);
        bytes.truncate(TRACED_PACKET_SIZE_MAX);
        let at_ns = self.traced_at_ns();
        let address = self.traced_address(Some(id));
        let Some(tracing) = &mut self.tracing else { return };
        let Some(client_id) = tracing.client_id(id).map(Box::from) else { return };
        let packet = TracedPacket {
            at_ns,
            direction,
            client_id,
            connection: Some(id),
            address,
            version,
            bytes,
            size,
            fate: None,
            is_made: false,
        };
        let client_id = packet.client_id.clone();
        tracing.keep(packet, |tracer| tracer.watches_client(&client_id));
    }
}

fn is_publish(first_byte: u8) -> bool {
    first_byte >> 4 == 3
}
