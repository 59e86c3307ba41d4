//! A message on its way to one session: sent now, held behind retained messages, queued, or dropped under a name.

use std::rc::Rc;

use super::batch::Progress;
use super::publication::{Form, NotWritten, Publication, write_publish};
use super::settings::QueuePolicy;
use super::{CloseReason, ConnectionId, DropReason, Shard};
use crate::codec::encode::{self, AckKind};
use crate::codec::{Qos, ReasonCode, SubscriptionOptions};
use crate::connection::{Connection, Output};
use crate::limits::OUTPUT_HIGH_WATER;
use crate::routing::SessionKey;
use crate::session::{Awaits, Content, Delivery, GroupName};

/// Packet type 3 (section 3.3.1).
const PUBLISH_FIRST_BYTE: u8 = 0x30;

/// How one session gets a publication.
#[derive(Clone, Copy)]
pub(super) struct Terms<'a> {
    pub qos: Qos,
    pub retain: bool,
    pub subscription_ids: &'a [u32],
    pub group: Option<&'a Rc<GroupName>>,
    /// Others get the same publication: encode it once.
    pub several: bool,
}

impl Shard {
    /// Delivers what a subscription matched.
    pub(super) fn deliver(
        &mut self,
        key: SessionKey,
        publication: &Publication<'_>,
        options: SubscriptionOptions,
        subscription_ids: &[u32],
        several: bool,
    ) {
        if options.no_local && publication.publisher == Some(key) {
            return;
        }
        let terms = Terms {
            qos: publication.qos.min(options.qos),
            retain: publication.retain && options.retain_as_published,
            subscription_ids,
            group: None,
            several,
        };
        let Some(session) = self.sessions.get(key.0) else { return };
        if session.replays.is_some() && self.must_wait_for_retained(key, publication.topic) {
            self.hold_behind_retained(key, publication, terms);
        } else {
            self.send_or_queue(key, publication, terms);
        }
    }

    /// Sends now if nothing that must come first is waiting, and the client takes what it is sent; queues otherwise.
    pub(super) fn send_or_queue(&mut self, key: SessionKey, publication: &Publication<'_>, terms: Terms<'_>) {
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        if !session.may_receive(publication.topic) {
            return self.count_unreadable();
        }
        let Some(id) = session.connection else {
            if terms.qos == Qos::AtMostOnce && !self.settings.queue_qos0 {
                return self.count_drop(Some(key), DropReason::ReceiverAway);
            }
            return self.enqueue(key, delivery(publication, terms));
        };
        let Some(connection) = self.connections.get_mut(id.slot) else { return };
        let window = connection.send_window;
        let is_clear = connection.unsent() < OUTPUT_HIGH_WATER
            && match (&session.flow, terms.qos) {
                (None, _) => true,
                (Some(flow), Qos::AtMostOnce) => !flow.queue.has_qos0(),
                (Some(flow), _) => !flow.has_acknowledged() && flow.in_flight.has_room(window),
            };
        if !is_clear {
            return self.enqueue(key, delivery(publication, terms));
        }
        let packet_id = match terms.qos {
            Qos::AtMostOnce => 0,
            _ => {
                let delivery = delivery(publication, terms);
                self.held_bytes += delivery.message.hold();
                match self.put_in_flight(key, delivery) {
                    Some(packet_id) => packet_id,
                    None => return,
                }
            }
        };
        let form = Form {
            qos: terms.qos,
            retain: terms.retain,
            dup: false,
            packet_id,
            subscription_ids: terms.subscription_ids,
        };
        self.write_form(key, id, publication, form, terms.several);
    }

    /// Writes a PUBLISH; if it cannot be written, its slot in the window is settled and the drop counted.
    fn write_form(
        &mut self,
        key: SessionKey,
        id: ConnectionId,
        publication: &Publication<'_>,
        form: Form<'_>,
        several: bool,
    ) {
        let Some(connection) = self.connections.get_mut(id.slot) else { return };
        if connection.output.buffer().capacity() == 0 {
            connection.output = Output::with_buffer(self.buffers.take());
        }
        let before = connection.output.len();
        let templates = several.then_some(&mut self.templates);
        let written = write_publish(connection, templates, publication, form, self.now);
        let size = connection.output.len() - before;
        self.held_bytes += size;
        match written {
            Ok(()) => {
                self.counters.packets_sent.count(PUBLISH_FIRST_BYTE, size);
                self.counters.publishes_sent.count(form.qos, publication.payload);
                if form.packet_id != 0 && !form.dup {
                    self.followed.written(key, form.packet_id);
                }
                if !connection.ready && !connection.sending {
                    connection.ready = true;
                    self.ready.push_back(id);
                }
            }
            Err(why) => {
                self.settle(key, form.packet_id);
                let reason = match why {
                    NotWritten::Expired => DropReason::Expired,
                    NotWritten::TooLarge => DropReason::TooLargeForReceiver,
                };
                self.count_drop(Some(key), reason);
            }
        }
    }

    /// Ends a slot of the in-flight window and gives its bytes back to the budget.
    pub(super) fn settle(&mut self, key: SessionKey, packet_id: u16) {
        let flow = self.sessions.get_mut(key.0).and_then(|session| session.flow.as_mut());
        if let Some(content) = flow.and_then(|flow| flow.in_flight.settle(packet_id)) {
            self.counters.in_flight -= 1;
            self.held_bytes -= content.delivery().map_or(0, |delivery| delivery.message.release());
            self.forget_entry(key, content.entry());
        }
    }

    /// Adds a message, that is held already, to the window. `None` if it is not to be sent now: it waits there until it is durable, or
    /// behind others that do.
    #[inline]
    fn put_in_flight(&mut self, key: SessionKey, delivery: Delivery) -> Option<u16> {
        let session = self.sessions.get_mut(key.0)?;
        if session.store_id != 0 {
            return self.put_kept_in_flight(key, delivery);
        }
        let awaits = awaits(delivery.qos);
        self.counters.in_flight += 1;
        session.flow_mut().in_flight.push(delivery, awaits)
    }

    #[cold]
    fn put_kept_in_flight(&mut self, key: SessionKey, mut delivery: Delivery) -> Option<u16> {
        let sequence = self.sessions.get_mut(key.0)?.flow_mut().in_flight.next_sequence();
        let gate = self.keep_entry(key, &mut delivery, Progress::InFlight { sequence });
        let awaits = awaits(delivery.qos);
        let is_open = self.durability.is_open(gate);
        let in_flight = &mut self.sessions.get_mut(key.0)?.flow_mut().in_flight;
        self.counters.in_flight += 1;
        if is_open {
            return in_flight.push(delivery, awaits);
        }
        in_flight.push_gated(delivery, awaits, gate);
        self.pump_when(gate, key);
        None
    }

    /// Puts a message at the end of the session's queue, within the bounds of the client and of the shard.
    pub(super) fn enqueue(&mut self, key: SessionKey, mut delivery: Delivery) {
        let size = delivery.message.size();
        let spills = self.must_spill(key, &delivery);
        if !spills && self.held_bytes + size > self.settings.shard_bytes_max {
            return self.count_drop(Some(key), DropReason::ShardFull);
        }
        while !self.queue_has_room(key, size) {
            let Some(session) = self.sessions.get_mut(key.0) else { return };
            match self.settings.queue_policy {
                QueuePolicy::DropOldest => {
                    let Some(oldest) = session.flow_mut().queue.pop() else {
                        return self.count_drop(Some(key), DropReason::QueueFullNewest);
                    };
                    self.counters.leave_queue(oldest.message.size());
                    self.held_bytes -= oldest.message.release();
                    self.forget_entry(key, oldest.entry);
                    self.count_drop(Some(key), DropReason::QueueFullOldest);
                }
                QueuePolicy::DropNewest => return self.count_drop(Some(key), DropReason::QueueFullNewest),
                QueuePolicy::Disconnect => {
                    self.overflowed.extend(session.connection);
                    return self.count_drop(Some(key), DropReason::QueueFullNewest);
                }
            }
        }
        if spills {
            return self.spill(key, delivery);
        }
        self.keep_entry(key, &mut delivery, Progress::Queued);
        let Some(session) = self.sessions.get_mut(key.0) else { return };
        self.counters.enter_queue(size);
        self.held_bytes += delivery.message.hold();
        session.flow_mut().queue.push(delivery);
    }

    fn queue_has_room(&self, key: SessionKey, size: usize) -> bool {
        let Some(flow) = self.session(key).and_then(|session| session.flow.as_ref()) else {
            return size <= self.settings.queued_bytes_max && self.settings.queued_messages_max > 0;
        };
        flow.waiting() < self.settings.queued_messages_max
            && flow.waiting_bytes() + size <= self.settings.queued_bytes_max
    }

    /// Closes the connections whose queues have passed their bound, where the configuration says so.
    pub(super) fn close_overflowed(&mut self) {
        while let Some(id) = self.overflowed.pop() {
            let client_id = self.client_id_of(id);
            self.count_bound(&client_id, "limits.queued_messages_max");
            self.close(
                id,
                CloseReason::ByServer(ReasonCode::QuotaExceeded),
                Some("too many messages wait for the client"),
            );
        }
    }

    /// Sends what a session has waiting, as far as its client takes it: first what a lost connection left unacknowledged,
    /// then the queue, then further retained messages.
    #[inline]
    pub(super) fn pump(&mut self, key: SessionKey) {
        let Some(session) = self.sessions.get(key.0) else { return };
        // Mostly there is nothing: this is asked after each acknowledgement and each output.
        let is_idle = session.replays.is_none() && session.flow.as_ref().is_none_or(|flow| !flow.has_unsent());
        if !is_idle {
            self.pump_waiting(key);
        }
    }

    fn pump_waiting(&mut self, key: SessionKey) {
        while let Some((id, next)) = self.next_to_send(key) {
            match next {
                Next::PubRel(packet_id) => {
                    self.write(id, |_, out| encode::ack_success(out, AckKind::PubRel, packet_id));
                }
                // The client may have a QoS 2 message that was sent: its packet identifier must not become another's.
                Next::Unsent(packet_id, delivery, again)
                    if (!again || delivery.qos < Qos::ExactlyOnce) && !self.may_still_receive(key, &delivery) =>
                {
                    self.settle(key, packet_id);
                    self.count_unreadable();
                }
                Next::Unsent(packet_id, delivery, again) => self.send_delivery(key, id, &delivery, packet_id, again),
                Next::Queued(delivery) if !self.may_still_receive(key, &delivery) => {
                    self.held_bytes -= delivery.message.release();
                    self.forget_entry(key, delivery.entry);
                    self.count_unreadable();
                }
                Next::Queued(delivery) => {
                    let packet_id = match delivery.qos {
                        Qos::AtMostOnce => {
                            self.held_bytes -= delivery.message.release();
                            Some(0)
                        }
                        // It stays held: by the window now, no longer by the queue.
                        _ => self.put_in_flight(key, delivery.clone()),
                    };
                    if let Some(packet_id) = packet_id {
                        self.send_delivery(key, id, &delivery, packet_id, false);
                    }
                }
            }
        }
        let Some(session) = self.session(key) else { return };
        let has_replays = session.replays.is_some();
        if session.flow.as_ref().is_some_and(|flow| flow.spilled.messages > 0) {
            self.request_spilled(key);
        }
        if has_replays {
            self.advance_replay(key);
        }
    }

    fn may_still_receive(&self, key: SessionKey, delivery: &Delivery) -> bool {
        self.session(key).is_none_or(|session| session.may_still_receive(delivery.message.topic()))
    }

    fn send_delivery(&mut self, key: SessionKey, id: ConnectionId, delivery: &Delivery, packet_id: u16, dup: bool) {
        let publication = Publication::from_message(&delivery.message);
        let form = Form {
            qos: delivery.qos,
            retain: delivery.retain,
            dup,
            packet_id,
            subscription_ids: &delivery.subscription_ids,
        };
        self.write_form(key, id, &publication, form, false);
    }

    /// Takes out what the session's client is to be sent next; `None` when it has no room or there is nothing.
    fn next_to_send(&mut self, key: SessionKey) -> Option<(ConnectionId, Next)> {
        let session = self.sessions.get_mut(key.0)?;
        let id = session.connection?;
        let connection = self.connections.get(id.slot)?;
        let flow = session.flow.as_mut()?;
        if !takes_more(connection) {
            return None;
        }
        let durability = &self.durability;
        let unsent = flow.in_flight.next_unsent(connection.send_window, |gate| durability.is_open(gate));
        if let Some(unsent) = unsent {
            let next = match &unsent.slot.content {
                Content::Delivery(delivery) => Next::Unsent(unsent.packet_id, delivery.clone(), unsent.again),
                Content::Received(_) => Next::PubRel(unsent.packet_id),
            };
            return Some((id, next));
        }
        let front = flow.queue.front()?;
        if front.qos > Qos::AtMostOnce && !flow.in_flight.has_room(connection.send_window) {
            return None;
        }
        let delivery = flow.queue.pop()?;
        self.counters.leave_queue(delivery.message.size());
        Some((id, Next::Queued(delivery)))
    }

    /// The session has a connection, and what it was sent so far has been taken.
    pub(super) fn has_room(&self, key: SessionKey) -> bool {
        let Some(session) = self.session(key) else { return false };
        let is_clear = session.flow.as_ref().is_none_or(|flow| flow.waiting() == 0);
        let connection = session.connection.and_then(|id| self.connection(id));
        is_clear && connection.is_some_and(takes_more)
    }
}

enum Next {
    /// The second half of a QoS 2 flow.
    PubRel(u16),
    /// A message of the window, and whether an earlier connection left it unacknowledged.
    Unsent(u16, Delivery, bool),
    Queued(Delivery),
}

fn takes_more(connection: &Connection) -> bool {
    connection.unsent() < OUTPUT_HIGH_WATER
}

fn awaits(qos: Qos) -> Awaits {
    match qos {
        Qos::AtMostOnce => Awaits::Nothing,
        Qos::AtLeastOnce => Awaits::PubAck,
        Qos::ExactlyOnce => Awaits::PubRec,
    }
}

pub(super) fn delivery(publication: &Publication<'_>, terms: Terms<'_>) -> Delivery {
    Delivery {
        message: publication.message().clone(),
        qos: terms.qos,
        retain: terms.retain,
        subscription_ids: terms.subscription_ids.into(),
        group: terms.group.cloned(),
        entry: 0,
    }
}
