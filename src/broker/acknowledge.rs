//! The client's half of the QoS 1 and 2 flows (sections 4.3.2 and 4.3.3), in both directions.

use super::{ConnectionId, DropReason, Shard};
use crate::codec::encode::AckKind;
use crate::codec::{Ack, ReasonCode};
use crate::routing::SessionKey;
use crate::session::{Awaits, Slot};

impl Shard {
    /// PUBACK (section 3.4): the message is the client's now. One that answers nothing is ignored: after a resumption a
    /// client may acknowledge what it got over its last connection.
    pub(super) fn handle_puback(&mut self, _id: ConnectionId, key: SessionKey, ack: &Ack<'_>) {
        if !self.awaits(key, ack.packet_id, Awaits::PubAck) {
            return;
        }
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
                self.settle(key, ack.packet_id);
                self.count_drop(Some(key), DropReason::RefusedByReceiver);
                self.pump(key);
            }
            Some(Awaits::PubRec) => {
                let delivery = self.slot_mut(key, ack.packet_id).and_then(|slot| {
                    slot.awaits = Awaits::PubComp;
                    slot.delivery.take()
                });
                if let Some(delivery) = delivery {
                    self.held_bytes -= delivery.message.release();
                }
                self.acknowledge(id, AckKind::PubRel, ack.packet_id, ReasonCode::Success, None);
            }
            // A repetition.
            Some(Awaits::PubComp) if !ack.reason.is_error() => {
                self.acknowledge(id, AckKind::PubRel, ack.packet_id, ReasonCode::Success, None);
            }
            _ if ack.reason.is_error() => {}
            _ => self.acknowledge(id, AckKind::PubRel, ack.packet_id, ReasonCode::PacketIdentifierNotFound, None),
        }
    }

    /// PUBREL (section 3.6): the client will not send this message again.
    pub(super) fn handle_pubrel(&mut self, id: ConnectionId, key: SessionKey, ack: &Ack<'_>) {
        let unreleased =
            self.session_mut(key).and_then(|session| session.flow.as_mut()).map(|flow| &mut flow.unreleased);
        let position = unreleased.as_ref().and_then(|list| list.iter().position(|id| *id == ack.packet_id));
        let reason = match (unreleased, position) {
            (Some(list), Some(position)) => {
                list.swap_remove(position);
                ReasonCode::Success
            }
            _ => ReasonCode::PacketIdentifierNotFound,
        };
        self.acknowledge(id, AckKind::PubComp, ack.packet_id, reason, None);
    }

    /// PUBCOMP (section 3.7): the packet identifier is free again.
    pub(super) fn handle_pubcomp(&mut self, _id: ConnectionId, key: SessionKey, ack: &Ack<'_>) {
        if self.awaits(key, ack.packet_id, Awaits::PubComp) {
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
