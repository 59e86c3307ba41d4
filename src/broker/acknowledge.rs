//! The client's half of the QoS 1 and 2 flows (sections 4.3.2 and 4.3.3), in both directions.

use super::batch::{Progress, StoreOp};
use super::{ConnectionId, DropReason, Gate, Shard};
use crate::codec::encode::AckKind;
use crate::codec::{Ack, ReasonCode};
use crate::routing::SessionKey;
use crate::session::{Awaits, Content, Slot};

impl Shard {
    /// PUBACK (section 3.4): the message is the client's now. One that answers nothing is ignored: after a resumption a
    /// client may acknowledge what it got over its last connection.
    pub(super) fn handle_puback(&mut self, _id: ConnectionId, key: SessionKey, ack: &Ack<'_>) {
        if !self.awaits(key, ack.packet_id, Awaits::PubAck) {
            return;
        }
        self.followed.acknowledged(key, ack.packet_id);
        self.settle(key, ack.packet_id);
        if ack.reason.is_error() {
            self.count_drop(Some(key), DropReason::RefusedByReceiver);
        }
        self.pump(key);
    }

    /// PUBREC (section 3.5): the message is the client's, and need not be sent again; an error ends the flow.
    pub(super) fn handle_pubrec(&mut self, id: ConnectionId, key: SessionKey, ack: &Ack<'_>) {
        let slot = self.slot_mut(key, ack.packet_id);
        match slot.map(|slot| slot.awaits) {
            Some(Awaits::PubRec) if ack.reason.is_error() => {
                self.followed.forget(key);
                self.settle(key, ack.packet_id);
                self.count_drop(Some(key), DropReason::RefusedByReceiver);
                self.pump(key);
            }
            Some(Awaits::PubRec) => {
                let gate = self.note_received(key, ack.packet_id);
                self.acknowledge_when(gate, id, AckKind::PubRel, ack.packet_id, ReasonCode::Success);
            }
            // A repetition.
            Some(Awaits::PubComp) if !ack.reason.is_error() => {
                self.acknowledge_in_turn(id, AckKind::PubRel, ack.packet_id);
            }
            _ if ack.reason.is_error() => {}
            _ => self.acknowledge(id, AckKind::PubRel, ack.packet_id, ReasonCode::PacketIdentifierNotFound, None),
        }
    }

    /// The client has a message and waits for PUBREL. If that were sent and forgotten in a crash, the message would be sent
    /// again to a client that takes it for another one; so it waits for the gate.
    fn note_received(&mut self, key: SessionKey, packet_id: u16) -> Gate {
        let flow = self.session_mut(key).and_then(|session| session.flow.as_mut());
        let Some(in_flight) = flow.map(|flow| &mut flow.in_flight) else { return Gate::OPEN };
        let sequence = in_flight.sequence_of(packet_id).unwrap_or_default();
        let Some(slot) = in_flight.get_mut(packet_id) else { return Gate::OPEN };
        slot.awaits = Awaits::PubComp;
        let received = Content::Received(slot.content.entry());
        let Content::Delivery(mut delivery) = std::mem::replace(&mut slot.content, received) else { return Gate::OPEN };
        self.held_bytes -= delivery.message.release();
        if delivery.entry == 0 {
            return Gate::OPEN;
        }
        let gate = self.keep_entry(key, &mut delivery, Progress::Received { sequence });
        if let Some(flow) = self.session_mut(key).and_then(|session| session.flow.as_mut()) {
            flow.in_flight.set_gate(packet_id, gate);
        }
        gate
    }

    /// PUBREL (section 3.6): the client will not send this message again.
    pub(super) fn handle_pubrel(&mut self, id: ConnectionId, key: SessionKey, ack: &Ack<'_>) {
        let unreleased =
            self.session_mut(key).and_then(|session| session.flow.as_mut()).map(|flow| &mut flow.unreleased);
        let position = unreleased.as_ref().and_then(|list| list.iter().position(|it| it.packet_id == ack.packet_id));
        let (Some(list), Some(position)) = (unreleased, position) else {
            let reason = ReasonCode::PacketIdentifierNotFound;
            return self.acknowledge_when(Gate::OPEN, id, AckKind::PubComp, ack.packet_id, reason);
        };
        let released = list.swap_remove(position);
        let mut gate = Gate::OPEN;
        if released.kept {
            // If the release were forgotten in a crash after PUBCOMP, the client's next message of this identifier would be
            // taken for a repetition.
            let session = self.store_id(key);
            self.keep(StoreOp::Released { session, packet_id: ack.packet_id });
            gate = self.gate();
        }
        self.acknowledge_when(gate, id, AckKind::PubComp, ack.packet_id, ReasonCode::Success);
    }

    /// PUBCOMP (section 3.7): the packet identifier is free again.
    pub(super) fn handle_pubcomp(&mut self, _id: ConnectionId, key: SessionKey, ack: &Ack<'_>) {
        if self.awaits(key, ack.packet_id, Awaits::PubComp) {
            self.followed.acknowledged(key, ack.packet_id);
            self.settle(key, ack.packet_id);
            self.pump(key);
        }
    }

    fn slot_mut(&mut self, key: SessionKey, packet_id: u16) -> Option<&mut Slot> {
        self.session_mut(key)?.flow.as_mut()?.in_flight.get_mut(packet_id)
    }

    fn awaits(&mut self, key: SessionKey, packet_id: u16, awaits: Awaits) -> bool {
        self.slot_mut(key, packet_id).is_some_and(|slot| slot.awaits == awaits)
    }
}
