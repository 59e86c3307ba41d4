//! What comes in: packets are acknowledged, and messages judged.

use super::{Connection, Counts, Role, Worker};
use crate::ledger::Arrival;
use crate::message;
use crate::mqtt::encode;
use crate::mqtt::scan::{Packet, Publish, scan};

/// When bytes were read, on the run's clock, and how long they had waited for that in the socket, if the kernel says so.
#[derive(Clone, Copy)]
struct Arrived {
    now_ns: u64,
    waited_ns: Option<u64>,
}

impl Worker<'_> {
    /// Reads a connection once and handles each complete packet.
    pub(super) fn receive(&mut self, key: usize) {
        let mut input = std::mem::take(&mut self.input);
        self.output.clear();
        match self.connections[key].link.receive(&mut input) {
            Ok(Some(filled)) => self.handle_input(key, &input[..filled]),
            Ok(None) => self.watch_room(key),
            Err(error) => self.close(key, error.to_string()),
        }
        self.input = input;
    }

    fn handle_input(&mut self, key: usize, input: &[u8]) {
        let now_ns = self.timeline.clock.now_ns();
        self.last_arrival_ns = now_ns;
        let Connection { ref link, role, .. } = self.connections[key];
        let waited_ns = link.waited().map(|waited| waited.as_nanos() as u64);
        let arrival = Arrived { now_ns, waited_ns };
        let mut consumed = 0;
        loop {
            match scan(self.traffic.version, &input[consumed..]) {
                Ok(Some((packet, length))) => {
                    consumed += length;
                    match role {
                        Role::Subscriber(subscriber) => self.handle_at_subscriber(subscriber, packet, arrival),
                        Role::Publisher(publisher) => self.handle_at_publisher(publisher, packet, now_ns),
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    self.outcome.faults.protocol += 1;
                    return self.close(key, format!("the broker sent {error}"));
                }
            }
        }
        let connection = &mut self.connections[key];
        connection.link.keep(&input[consumed..]);
        if !self.output.is_empty() {
            let sent = connection.link.send(&self.output);
            self.sent(key, sent);
        } else {
            self.watch_room(key);
        }
    }

    fn handle_at_subscriber(&mut self, subscriber: usize, packet: Packet<'_>, arrival: Arrived) {
        match packet {
            Packet::Publish(publish) => {
                match publish.qos {
                    1 => encode::pub_ack(&mut self.output, publish.packet_id),
                    2 => encode::pub_rec(&mut self.output, publish.packet_id),
                    _ => {}
                }
                self.arrived(subscriber, &publish, arrival);
            }
            Packet::PubRel { packet_id } => encode::pub_comp(&mut self.output, packet_id),
            other => self.unexpected(&other),
        }
    }

    fn handle_at_publisher(&mut self, publisher_index: usize, packet: Packet<'_>, now_ns: u64) {
        if self.traffic.counts == Counts::Acknowledgements {
            self.count_acknowledgement(publisher_index, &packet, now_ns);
        }
        let publisher = &mut self.publishers[publisher_index];
        let had_quota = publisher.has_quota();
        // Reason codes below 0x80 are successes, "no matching subscribers" (0x10) among them (section 2.4).
        let expected = match packet {
            Packet::PubAck { packet_id, reason: 0..0x80 } => publisher.acknowledged(packet_id),
            Packet::PubComp { packet_id, reason: 0..0x80 } => publisher.completed(packet_id),
            Packet::PubRec { packet_id, reason: 0..0x80 } => {
                encode::pub_rel(&mut self.output, packet_id);
                if publisher.received(packet_id) {
                    return;
                }
                false
            }
            _ => false,
        };
        if expected {
            self.in_flight -= 1;
            if !had_quota || self.traffic.counts == Counts::Acknowledgements {
                self.free(publisher_index);
            }
        } else {
            self.unexpected(&packet);
        }
    }

    /// The broker has taken a message over.
    fn count_acknowledgement(&mut self, publisher: usize, packet: &Packet<'_>, now_ns: u64) {
        let (Packet::PubAck { packet_id, reason: 0..0x80 } | Packet::PubRec { packet_id, reason: 0..0x80 }) = *packet
        else {
            return;
        };
        let Some(sent_ns) = self.publishers[publisher].sent_ns(packet_id) else { return };
        self.delivered += 1;
        if sent_ns >= self.timeline.measure_from_ns {
            self.outcome.latencies.record(now_ns.saturating_sub(sent_ns));
        }
    }

    /// Judges a message that came to a subscriber.
    fn arrived(&mut self, subscriber: usize, publish: &Publish<'_>, arrived: Arrived) {
        let Some(header) = message::read(publish.payload, self.traffic.run) else {
            self.outcome.faults.corrupted += 1;
            return;
        };
        let index = header.stream as usize;
        let subscriber = &mut self.subscribers[subscriber];
        let subscribed_qos = subscriber.qos;
        let Some(expected) = subscriber.expected(index) else {
            self.outcome.faults.misdelivered += 1;
            return;
        };
        let stream = &mut self.streams[index];
        if header.sequence >= stream.sent()
            || publish.topic != stream.topic.as_bytes()
            || publish.payload.len() != stream.message.payload_bytes
            || publish.qos != stream.message.qos.min(subscribed_qos)
            || publish.retain
        {
            self.outcome.faults.misdelivered += 1;
            return;
        }
        let faults = &mut self.outcome.faults;
        let arrival = match expected.share {
            None => expected.ledger.arrive(header.sequence),
            Some(share) => match stream.shares[share].arrive(header.sequence) {
                Arrival::Duplicate => Arrival::Duplicate,
                // Between members there is no order: early and late ones are as good as those in order.
                _ => {
                    faults.reordered += u64::from(!expected.ledger.arrive_ascending(header.sequence));
                    Arrival::InOrder
                }
            },
        };
        let settled = match arrival {
            Arrival::InOrder => u64::from(stream.settle(header.sequence)),
            // What was passed over will not hold up the publisher: it is lost, or late, which is a fault as well.
            Arrival::AfterGap { missed } => {
                self.overtaken += missed;
                (header.sequence - missed..=header.sequence).map(|sequence| u64::from(stream.settle(sequence))).sum()
            }
            Arrival::Late => {
                faults.reordered += 1;
                self.overtaken -= 1;
                0
            }
            Arrival::Duplicate => {
                faults.duplicated += 1;
                return;
            }
        };
        let publisher = stream.publisher;
        let written_ns = stream.take_written_ns(header.sequence);
        let is_counted = self.traffic.counts == Counts::Arrivals;
        self.delivered += u64::from(is_counted);
        if is_counted && header.sent_ns >= self.timeline.measure_from_ns {
            let latency_ns = arrived.now_ns.saturating_sub(header.sent_ns);
            self.outcome.latencies.record(latency_ns);
            if !self.outcome.parts.is_empty() {
                let part = self.part(index, header.sent_ns);
                let part = &mut self.outcome.parts[part];
                part.latencies.record(latency_ns);
                if let (Some(waited_ns), Some(written_ns)) = (arrived.waited_ns, written_ns) {
                    part.between_sockets.record(arrived.now_ns.saturating_sub(waited_ns).saturating_sub(written_ns));
                }
            }
        }
        if settled > 0 {
            self.publishers[publisher].outstanding -= settled as usize;
            self.in_flight -= settled;
            self.free(publisher);
        }
    }

    fn unexpected(&mut self, packet: &Packet<'_>) {
        self.outcome.faults.protocol += 1;
        self.outcome.first_fault.get_or_insert_with(|| format!("the broker sent an unexpected {packet:?}"));
    }
}
