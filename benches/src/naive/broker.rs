//! A broker of hash maps and lists for clients of 3.1.1 that do nothing wrong: no sessions that outlive a connection,
//! no bounds, no retained messages.

use std::collections::{BTreeMap, HashSet};

use ringmq::routing::SessionKey;

use super::codec::{self, Packet};
use super::matcher::SplitScan;
use crate::clients;

#[derive(Default)]
pub struct Broker {
    clients: Vec<Client>,
    subscriptions: SplitScan,
    receivers: Vec<SessionKey>,
}

#[derive(Default)]
struct Client {
    output: Vec<Vec<u8>>,
    qos: BTreeMap<String, u8>,
    /// What it was sent and has not acknowledged.
    in_flight: BTreeMap<u16, Vec<u8>>,
    /// QoS 2 publishes that it has not released.
    unreleased: HashSet<u16>,
    next_packet_id: u16,
}

impl clients::Broker for Broker {
    fn open(&mut self) -> u32 {
        self.clients.push(Client::default());
        self.clients.len() as u32 - 1
    }

    fn receive(&mut self, connection: u32, mut bytes: &[u8]) {
        while let Some((packet, size)) = codec::decode(bytes, false) {
            bytes = &bytes[size..];
            self.handle(connection, packet);
        }
        assert!(bytes.is_empty(), "a packet that is not known here");
    }

    fn transmit(&mut self, mut each: impl FnMut(u32, &[u8])) {
        for (number, client) in (0..).zip(&mut self.clients) {
            if !client.output.is_empty() {
                each(number, &client.output.concat());
                client.output.clear();
            }
        }
    }
}

impl Broker {
    fn handle(&mut self, from: u32, packet: Packet) {
        let client = &mut self.clients[from as usize];
        match packet {
            Packet::Connect { .. } => client.output.push(codec::packet(0x20, &[0, 0])),
            Packet::Subscribe { packet_id, filters } => {
                let mut body = packet_id.to_be_bytes().to_vec();
                for (filter, qos) in filters {
                    body.push(qos);
                    self.subscriptions.insert(&filter, SessionKey(from));
                    client.qos.insert(filter, qos);
                }
                client.output.push(codec::packet(0x90, &body));
            }
            Packet::Publish { qos, topic, packet_id, payload, .. } => {
                let is_new = qos < 2 || client.unreleased.insert(packet_id);
                match qos {
                    0 => {}
                    1 => client.output.push(codec::ack(4, packet_id)),
                    _ => client.output.push(codec::ack(5, packet_id)),
                }
                if is_new {
                    self.publish(qos, &topic, &payload);
                }
            }
            Packet::Ack { packet_type: 5, packet_id } => client.output.push(codec::ack(6, packet_id)),
            Packet::Ack { packet_type: 6, packet_id } => {
                client.unreleased.remove(&packet_id);
                client.output.push(codec::ack(7, packet_id));
            }
            Packet::Ack { packet_id, .. } => {
                client.in_flight.remove(&packet_id).expect("it was sent");
            }
        }
    }

    fn publish(&mut self, qos: u8, topic: &str, payload: &[u8]) {
        self.subscriptions.matches(topic, &mut self.receivers);
        for session in &self.receivers {
            let client = &mut self.clients[session.0 as usize];
            let qos = qos.min(client.qos.values().copied().max().unwrap_or(0));
            if qos > 0 {
                client.next_packet_id = client.next_packet_id.checked_add(1).unwrap_or(1);
            }
            let packet = codec::publish(false, qos, topic, client.next_packet_id, &[], payload);
            if qos > 0 {
                client.in_flight.insert(client.next_packet_id, packet.clone());
            }
            client.output.push(packet);
        }
    }
}
