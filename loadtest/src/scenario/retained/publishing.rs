//! Filling the broker with retained messages, and emptying it again.

use crate::cli::RetainedArgs;
use crate::engine::requests::{Expects, Requests};
use crate::message::{Header, PayloadWriter};
use crate::mqtt::encode::{self, PublishTemplate};
use crate::mqtt::scan::Packet;
use anyhow::{bail, ensure};

/// Each connection publishes to topics of its own, so that the newest message of a topic is the one sent last.
pub struct Publishing<'a> {
    args: &'a RetainedArgs,
    topics: &'a [String],
    run: u32,
    payloads: PayloadWriter,
    /// How often each topic is published to; removing takes one empty message.
    rounds: usize,
    is_removing: bool,
    /// Messages sent by each connection.
    sent: Vec<usize>,
}

/// At QoS 0 nothing is acknowledged, so a PINGREQ behind so many messages tells that they were handled.
const BATCH: usize = 50;

impl<'a> Publishing<'a> {
    pub fn new(args: &'a RetainedArgs, topics: &'a [String], run: u32) -> Self {
        let payloads = PayloadWriter::new(args.payload);
        let sent = vec![0; args.publishers];
        Self { args, topics, run, payloads, rounds: args.updates, is_removing: false, sent }
    }

    /// Empty payloads, which remove what is retained [MQTT-3.3.1-6].
    pub fn removing(args: &'a RetainedArgs, topics: &'a [String], run: u32) -> Self {
        Self { rounds: 1, is_removing: true, ..Self::new(args, topics, run) }
    }

    fn append(&mut self, connection: usize, packet_id: u16, out: &mut Vec<u8>) -> Option<()> {
        let publishers = self.sent.len();
        let own_topics = (self.topics.len() + publishers - 1 - connection) / publishers;
        let sent = self.sent[connection];
        if sent >= own_topics * self.rounds {
            return None;
        }
        self.sent[connection] += 1;
        let topic = sent % own_topics * publishers + connection;
        let payload_bytes = if self.is_removing { 0 } else { self.args.payload };
        let RetainedArgs { qos, target, .. } = self.args;
        PublishTemplate::new(target.mqtt, &self.topics[topic], *qos, true, payload_bytes).append(out, packet_id);
        if !self.is_removing {
            let sequence = (sent / own_topics) as u64;
            let header = Header { run: self.run, stream: topic as u32, sequence, sent_ns: 0 };
            self.payloads.append(out, &header, payload_bytes);
        }
        Some(())
    }
}

impl Requests for Publishing<'_> {
    fn encode(&mut self, connection: usize, packet_id: u16, out: &mut Vec<u8>) -> Option<Expects> {
        if self.args.qos > 0 {
            return self.append(connection, packet_id, out).map(|()| Expects::PacketId);
        }
        let appended = (0..BATCH).map_while(|_| self.append(connection, packet_id, out)).count();
        if appended == 0 {
            return None;
        }
        encode::ping_request(out);
        Some(Expects::PingResp)
    }

    fn judge(&mut self, _: usize, packet: &Packet<'_>) -> anyhow::Result<()> {
        match packet {
            Packet::PubAck { reason, .. } => {
                ensure!(*reason < 0x80, "PUBACK answers {reason:#04x} to a retained message")
            }
            Packet::PingResp => {}
            _ => bail!("{packet:?} came to a publisher"),
        }
        Ok(())
    }
}
