//! One client: sends bytes, reads packets, asserts what comes.

use ringmq::broker::Transport;

use super::reply::{Ack, Auth, ConnAck, Disconnect, Packet, Properties, Publish, SubAck, scan};
use super::request::{Connect, PublishRequest, ack, frame, publish, subscribe, unsubscribe};
use super::shards::Rig;

/// The client's end of one connection. Every packet it sends is processed before the call returns.
pub struct Client {
    rig: Rig,
    transport: Transport,
    /// Protocol level: 3, 4 or 5.
    pub level: u8,
    pub connack: ConnAck,
    last_packet_id: u16,
}

impl Client {
    pub(super) fn new(rig: Rig, transport: Transport, level: u8) -> Self {
        let connack = ConnAck { session_present: false, reason: 0xFF, properties: Properties::default() };
        // High identifiers, so that those of the client and of the server are not equal by chance.
        Self { rig, transport, level, connack, last_packet_id: 20_000 }
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.rig.world.borrow_mut().send(self.transport, bytes);
    }

    /// Bytes that were on their way when the server stopped reading.
    pub fn push_past_pause(&mut self, bytes: &[u8]) {
        self.rig.world.borrow_mut().push(self.transport, bytes);
    }

    /// The server does not read what this client sends.
    pub fn is_paused(&self) -> bool {
        self.rig.world.borrow_mut().far_end(self.transport).paused
    }

    pub fn connect(&mut self, connect: &Connect) {
        self.level = connect.level;
        self.send(&connect.bytes());
    }

    /// An identifier that this client has not used before.
    pub fn fresh_packet_id(&mut self) -> u16 {
        self.last_packet_id += 1;
        self.last_packet_id
    }

    /// Sends a PUBLISH and reads nothing.
    pub fn send_publish(&mut self, request: &PublishRequest) {
        self.send(&request.bytes(self.level));
    }

    /// Publishes with QoS 0.
    pub fn publish(&mut self, topic: &str, payload: &str) {
        self.send_publish(&publish(topic, payload));
    }

    /// Publishes with QoS 1 and returns the reason code of the PUBACK.
    pub fn publish_qos1(&mut self, topic: &str, payload: &str) -> u8 {
        let packet_id = self.fresh_packet_id();
        self.send_publish(&publish(topic, payload).qos1(packet_id));
        let puback = self.next_puback();
        assert_eq!(puback.packet_id, packet_id);
        puback.reason
    }

    /// Publishes with QoS 2, all four packets, and returns the reason code of the PUBREC.
    pub fn publish_qos2(&mut self, topic: &str, payload: &str) -> u8 {
        let packet_id = self.fresh_packet_id();
        self.send_publish(&publish(topic, payload).qos2(packet_id));
        let pubrec = self.next_pubrec();
        assert_eq!(pubrec.packet_id, packet_id);
        if pubrec.reason < 0x80 {
            self.pubrel(packet_id);
            assert_eq!(self.next_pubcomp().packet_id, packet_id);
        }
        pubrec.reason
    }

    /// Publishes a retained message with QoS 1.
    pub fn retain(&mut self, topic: &str, payload: &str) {
        let packet_id = self.fresh_packet_id();
        self.send_publish(&publish(topic, payload).qos1(packet_id).retain());
        assert!(self.next_puback().reason < 0x80);
    }

    /// Subscribes and insists on the QoS asked for. Retained messages are left to be read.
    pub fn subscribe(&mut self, filters: &[(&str, u8)]) {
        let granted = self.subscribe_codes(&[], filters);
        let wanted: Vec<u8> = filters.iter().map(|(_, options)| options & 3).collect();
        assert_eq!(granted, wanted);
    }

    /// Subscribes with encoded properties and raw options; the codes of the SUBACK, which must come before any PUBLISH.
    pub fn subscribe_codes(&mut self, properties: &[u8], filters: &[(&str, u8)]) -> Vec<u8> {
        let packet_id = self.fresh_packet_id();
        self.send(&subscribe(self.level, packet_id, properties, filters));
        let suback = self.next_suback();
        assert_eq!(suback.packet_id, packet_id);
        suback.reasons
    }

    /// Unsubscribes; the codes of the UNSUBACK, none before 5.0.
    pub fn unsubscribe(&mut self, filters: &[&str]) -> Vec<u8> {
        let packet_id = self.fresh_packet_id();
        self.send(&unsubscribe(self.level, packet_id, filters));
        match self.next() {
            Packet::UnsubAck(unsuback) => {
                assert_eq!(unsuback.packet_id, packet_id);
                unsuback.reasons
            }
            other => panic!("expected UNSUBACK, got {other:?}"),
        }
    }

    pub fn puback(&mut self, packet_id: u16) {
        self.send(&ack(0x40, packet_id, 0));
    }

    pub fn pubrec(&mut self, packet_id: u16) {
        self.send(&ack(0x50, packet_id, 0));
    }

    pub fn pubrel(&mut self, packet_id: u16) {
        self.send(&ack(0x62, packet_id, 0));
    }

    pub fn pubcomp(&mut self, packet_id: u16) {
        self.send(&ack(0x70, packet_id, 0));
    }

    /// PINGREQ, and nothing but PINGRESP comes back: the connection lives and was quiet.
    pub fn ping(&mut self) {
        self.send(&frame(0xC0, &[]));
        assert_eq!(self.next(), Packet::PingResp);
    }

    /// A DISCONNECT with reason 0, after which the server closes.
    pub fn disconnect(&mut self) {
        self.send(&frame(0xE0, &[]));
        self.expect_closed();
    }

    /// The network fails.
    pub fn break_off(&mut self) {
        self.rig.world.borrow_mut().break_off(self.transport);
    }

    /// The client stops reading from its socket.
    pub fn stop_reading(&mut self) {
        self.rig.world.borrow_mut().stall(self.transport);
    }

    pub fn read_again(&mut self) {
        self.rig.world.borrow_mut().read_again(self.transport);
    }

    /// All bytes that came, as they came, for answers whose form depends on what the server takes the client for.
    pub fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.rig.world.borrow_mut().far_end(self.transport).received)
    }

    /// Bytes that have come and were not read.
    pub fn unread(&self) -> usize {
        self.rig.world.borrow_mut().far_end(self.transport).received.len()
    }

    pub fn try_next(&mut self) -> Option<Packet> {
        let mut world = self.rig.world.borrow_mut();
        let received = &mut world.far_end(self.transport).received;
        let (packet, size) = scan(received, self.level)?;
        received.drain(..size);
        Some(packet)
    }

    pub fn next(&mut self) -> Packet {
        let closed = self.is_closed();
        self.try_next().unwrap_or_else(|| panic!("nothing came (connection closed: {closed})"))
    }

    pub fn next_connack(&mut self) -> ConnAck {
        match self.next() {
            Packet::ConnAck(connack) => connack,
            other => panic!("expected CONNACK, got {other:?}"),
        }
    }

    pub fn next_publish(&mut self) -> Publish {
        match self.next() {
            Packet::Publish(publish) => publish,
            other => panic!("expected PUBLISH, got {other:?}"),
        }
    }

    /// The next packet is a PUBLISH with this payload; it is acknowledged to the end if it has QoS 1 or 2.
    pub fn take(&mut self, payload: &str) -> Publish {
        let publish = self.next_publish();
        assert_eq!(String::from_utf8_lossy(&publish.payload), payload, "{publish:?}");
        self.acknowledge(&publish);
        publish
    }

    fn acknowledge(&mut self, publish: &Publish) {
        match publish.qos {
            0 => {}
            1 => self.puback(publish.packet_id),
            _ => {
                self.pubrec(publish.packet_id);
                assert_eq!(self.next_pubrel().packet_id, publish.packet_id);
                self.pubcomp(publish.packet_id);
            }
        }
    }

    /// All PUBLISH packets that have come, none acknowledged; anything else fails.
    pub fn drain(&mut self) -> Vec<Publish> {
        let mut found = Vec::new();
        while let Some(packet) = self.try_next() {
            match packet {
                Packet::Publish(publish) => found.push(publish),
                other => panic!("expected PUBLISH, got {other:?}"),
            }
        }
        found
    }

    /// Payloads of all that comes, acknowledged one by one.
    pub fn take_all(&mut self) -> Vec<String> {
        let mut found = Vec::new();
        while let Some(packet) = self.try_next() {
            let Packet::Publish(publish) = packet else { panic!("expected PUBLISH, got {packet:?}") };
            found.push(String::from_utf8_lossy(&publish.payload).into_owned());
            self.acknowledge(&publish);
        }
        found
    }

    pub fn next_puback(&mut self) -> Ack {
        match self.next() {
            Packet::PubAck(ack) => ack,
            other => panic!("expected PUBACK, got {other:?}"),
        }
    }

    pub fn next_pubrec(&mut self) -> Ack {
        match self.next() {
            Packet::PubRec(ack) => ack,
            other => panic!("expected PUBREC, got {other:?}"),
        }
    }

    pub fn next_pubrel(&mut self) -> Ack {
        match self.next() {
            Packet::PubRel(ack) => ack,
            other => panic!("expected PUBREL, got {other:?}"),
        }
    }

    pub fn next_pubcomp(&mut self) -> Ack {
        match self.next() {
            Packet::PubComp(ack) => ack,
            other => panic!("expected PUBCOMP, got {other:?}"),
        }
    }

    pub fn next_suback(&mut self) -> SubAck {
        match self.next() {
            Packet::SubAck(suback) => suback,
            other => panic!("expected SUBACK, got {other:?}"),
        }
    }

    pub fn next_disconnect(&mut self) -> Disconnect {
        match self.next() {
            Packet::Disconnect(disconnect) => disconnect,
            other => panic!("expected DISCONNECT, got {other:?}"),
        }
    }

    pub fn next_auth(&mut self) -> Auth {
        match self.next() {
            Packet::Auth(auth) => auth,
            other => panic!("expected AUTH, got {other:?}"),
        }
    }

    pub fn expect_nothing(&mut self) {
        assert_eq!(self.try_next(), None);
        let mut world = self.rig.world.borrow_mut();
        assert!(world.far_end(self.transport).received.is_empty(), "part of a packet");
    }

    pub fn is_closed(&self) -> bool {
        self.rig.world.borrow_mut().far_end(self.transport).closed
    }

    /// The server has closed, and sent nothing before that has not been read.
    pub fn expect_closed(&mut self) {
        self.expect_nothing();
        assert!(self.is_closed(), "the connection is open");
    }

    /// The connection ended for an error: in 5.0 with a DISCONNECT of this reason, before 5.0 with nothing.
    pub fn expect_closed_with(&mut self, reason: u8) {
        if self.level == 5 {
            let disconnect = self.next_disconnect();
            assert_eq!(disconnect.reason, reason, "DISCONNECT {:#x}, expected {reason:#x}", disconnect.reason);
        }
        self.expect_closed();
    }
}
