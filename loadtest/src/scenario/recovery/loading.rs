//! Publishing to sessions whose clients are away: a topic for each, and each topic by one connection.

use crate::engine::plan::Message;
use crate::engine::requests::{Expects, Requests};
use crate::message::{Header, PayloadWriter};
use crate::mqtt::Version;
use crate::mqtt::encode::PublishTemplate;
use crate::mqtt::scan::Packet;
use crate::scenario::durable::Lanes;
use anyhow::{bail, ensure};

/// So many messages, evenly over all topics.
pub struct Queueing {
    templates: Vec<PublishTemplate>,
    payloads: PayloadWriter,
    message: Message,
    run: u32,
    total: usize,
    /// Messages sent by each connection.
    sent: Vec<usize>,
}

/// How many of `total` messages go to one of so many topics.
pub fn count_of(topic: usize, total: usize, topics: usize) -> u64 {
    ((total + topics - 1 - topic) / topics) as u64
}

impl Queueing {
    pub fn new(lanes: &Lanes, message: Message, total: usize, run: u32, connections: usize, version: Version) -> Self {
        let template = |topic| {
            PublishTemplate::new(version, &lanes.topic(topic), message.qos, message.retain, message.payload_bytes)
        };
        Self {
            templates: (0..lanes.publishers).map(template).collect(),
            payloads: PayloadWriter::new(message.payload_bytes),
            message,
            run,
            total,
            sent: vec![0; connections],
        }
    }
}

impl Requests for Queueing {
    fn encode(&mut self, connection: usize, packet_id: u16, out: &mut Vec<u8>) -> Option<Expects> {
        let (topics, connections) = (self.templates.len(), self.sent.len());
        let own_topics = count_of(connection, topics, connections) as usize;
        let (mut round, mut place) = (0, 0);
        if own_topics > 0 {
            (round, place) = (self.sent[connection] / own_topics, self.sent[connection] % own_topics);
        }
        let topic = place * connections + connection;
        // The first topics have one message more than the last ones, so the end comes somewhere in the last round.
        if own_topics == 0 || round as u64 >= count_of(topic, self.total, topics) {
            return None;
        }
        self.sent[connection] += 1;
        self.templates[topic].append(out, packet_id);
        let header = Header { run: self.run, stream: topic as u32, sequence: round as u64, sent_ns: 0 };
        self.payloads.append(out, &header, self.message.payload_bytes);
        Some(Expects::PacketId)
    }

    fn judge(&mut self, _: usize, packet: &Packet<'_>) -> anyhow::Result<()> {
        match packet {
            Packet::PubAck { reason, .. } => ensure!(*reason < 0x80, "PUBACK answers {reason:#04x} to a message"),
            _ => bail!("{packet:?} came to a publisher"),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_topic_gets_its_part_in_order_and_all_together_get_the_total() {
        for (topics, total, connections) in [(10, 95, 3), (7, 3, 2), (2, 10, 4), (1, 1, 1)] {
            let message = Message { qos: 1, payload_bytes: 32, retain: false, part: 0 };
            let lanes = Lanes::new(topics, topics, "p".into());
            let mut queueing = Queueing::new(&lanes, message, total, 7, connections, Version::V311);
            let mut seen = vec![0; topics];
            for connection in 0..connections {
                let mut packet = Vec::new();
                while queueing.encode(connection, 1, &mut packet).is_some() {
                    let header = crate::message::read(&packet[packet.len() - 32..], 7).unwrap();
                    assert_eq!(header.sequence, seen[header.stream as usize]);
                    assert_eq!(header.stream as usize % connections, connection);
                    seen[header.stream as usize] += 1;
                    packet.clear();
                }
            }
            assert_eq!(seen.iter().sum::<u64>(), total as u64);
            for (topic, count) in seen.into_iter().enumerate() {
                assert_eq!(count, count_of(topic, total, topics));
            }
        }
    }
}
