//! Acknowledgements that wait until what they acknowledge is durable, and what happens when the store says that it is.
//!
//! Those of one shard leave in the order in which they were given: a client gets its PUBACKs in the order of its PUBLISHes
//! ([MQTT-4.6.0-2]), and one acknowledgement of a repeated QoS 2 publish never goes before the first.

use super::durability::Answer;
use super::report::Report;
use super::{ConnectionId, Gate, Millis, Shard};
use crate::codec::ReasonCode;
use crate::codec::encode::AckKind;
use crate::connection::Phase;
use crate::routing::SessionKey;

impl Shard {
    /// News from the store, in their order.
    pub fn handle_report(&mut self, report: Report, now: Millis) {
        self.now = now;
        self.durability.note_durable(report.durable, &report.tickets);
        if let Some(accepting) = report.accepting {
            self.durability.accepting = accepting;
            self.publish_store_notice();
        }
        self.uncork();
        self.send_answers();
        self.send_waiting_subacks();
        self.pump_gated();
        for loaded in report.loaded {
            self.handle_loaded(loaded);
        }
    }

    /// Acknowledges a packet of a QoS flow as soon as `gate` is open and all that was acknowledged to this client before is sent.
    pub(super) fn acknowledge_when(
        &mut self,
        gate: Gate,
        id: ConnectionId,
        kind: AckKind,
        packet_id: u16,
        reason: ReasonCode,
    ) {
        let is_open = self.durability.is_open(gate);
        let Some(connection) = self.connection_mut(id) else { return };
        if is_open && connection.answers == 0 {
            return self.acknowledge(id, kind, packet_id, reason, None);
        }
        connection.answers += 1;
        self.durability.answers.push_back(Answer { gate, connection: id, kind, packet_id, reason });
    }

    /// The same behind everything that this shard has still to acknowledge to anybody.
    pub(super) fn acknowledge_in_turn(&mut self, id: ConnectionId, kind: AckKind, packet_id: u16) {
        if self.durability.answers.is_empty() {
            return self.acknowledge(id, kind, packet_id, ReasonCode::Success, None);
        }
        let Some(connection) = self.connection_mut(id) else { return };
        connection.answers += 1;
        let answer = Answer { gate: Gate::OPEN, connection: id, kind, packet_id, reason: ReasonCode::Success };
        self.durability.answers.push_back(answer);
    }

    fn send_answers(&mut self) {
        while let Some(answer) = self.durability.answers.front()
            && self.durability.is_open(answer.gate)
        {
            let Some(Answer { connection: id, kind, packet_id, reason, .. }) = self.durability.answers.pop_front()
            else {
                return;
            };
            let Some(connection) = self.connection_mut(id) else { continue };
            connection.answers -= 1;
            self.acknowledge(id, kind, packet_id, reason, None);
        }
    }

    /// Nothing is sent to the connection until `gate` is open: what it is told first is that it has a session.
    pub(super) fn cork(&mut self, id: ConnectionId, gate: Gate) {
        if self.durability.is_open(gate) {
            return;
        }
        let Some(connection) = self.connection_mut(id) else { return };
        debug_assert!(!connection.sending, "nothing was sent before CONNACK");
        connection.sending = true;
        self.durability.corked.push_back((gate, id));
    }

    fn uncork(&mut self) {
        while let Some((gate, id)) = self.durability.corked.front().copied()
            && self.durability.is_open(gate)
        {
            self.durability.corked.pop_front();
            let Some(connection) = self.connection_mut(id) else { continue };
            connection.sending = false;
            let (is_closing, is_empty) = (connection.phase == Phase::Closing, connection.output.is_empty());
            if !is_empty {
                self.mark_ready(id);
            } else if is_closing {
                self.finish_close(id);
            }
        }
    }

    /// Messages of this session wait in its window for `gate`.
    pub(super) fn pump_when(&mut self, gate: Gate, key: SessionKey) {
        let Some(generation) = self.session(key).map(|session| session.generation) else { return };
        let waiting = (gate, key, generation);
        if self.durability.gated.back() != Some(&waiting) {
            self.durability.gated.push_back(waiting);
        }
    }

    fn pump_gated(&mut self) {
        // Nearly always they open in their order; one whose other shards are late lets those behind it pass.
        for _ in 0..self.durability.gated.len() {
            let Some((gate, key, generation)) = self.durability.gated.pop_front() else { return };
            if !self.durability.is_open(gate) {
                self.durability.gated.push_back((gate, key, generation));
            } else if self.session(key).is_some_and(|session| session.generation == generation) {
                self.pump(key);
            }
        }
    }
}
