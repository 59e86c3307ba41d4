//! A publisher with a persistent session: it keeps what is not acknowledged and sends it again, as section 4.4 wants it.

use std::time::{Duration, Instant};

use crate::client::{Client, News, World};
use crate::record::{Message, MessageId, Who};
use crate::wire::{self, Publish, Received, Version};

pub struct Publisher {
    pub client: Client,
    index: usize,
    /// Messages without the end of their exchange, at most.
    window: usize,
    /// Mean time between two messages; zero is as fast as acknowledgements come.
    pause_us: u64,
    outlets: Vec<Outlet>,
    in_flight: Vec<Flight>,
    /// Exchanges that are over.
    completed: usize,
    last_packet_id: u16,
    next_at: Instant,
}

/// A topic that this publisher publishes to.
struct Outlet {
    topic: String,
    /// One of these each time.
    qos: &'static [u8],
    kind: Kind,
    /// Bytes of each payload; `None` is some of each size.
    size: Option<usize>,
    next_number: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Live,
    Retained,
    /// Retained, and now and then removed.
    Removed,
}

struct Flight {
    packet_id: u16,
    message: MessageId,
    /// PUBREC has come, PUBREL was sent.
    is_released: bool,
}

/// Topics that everybody publishes to.
pub const COMMON_TOPICS: usize = 4;

/// Quota exceeded: the server does not take the message.
const QUOTA_EXCEEDED: u8 = 0x97;
/// Who was refused does not try again at once.
const REFUSED_WAIT: Duration = Duration::from_millis(20);
/// Packet Identifier not found: an answer to a PUBREL whose exchange the server knows to be over.
const PACKET_ID_NOT_FOUND: u8 = 0x92;

impl Publisher {
    pub fn new(index: usize, world: &mut World) -> Self {
        let random = &mut world.random;
        let version = *random.pick(&[Version::V3_1_1, Version::V5_0]);
        let outlet = |topic, qos, kind| Outlet { topic, qos, kind, size: None, next_number: 0 };
        let one_qos: &[u8] = random.pick::<&[u8]>(&[&[1], &[2]]);
        let mut outlets = vec![
            outlet(format!("own/{index}/0"), &[1, 2], Kind::Live),
            outlet(format!("own/{index}/1"), &[2], Kind::Live),
            outlet(format!("r/kept/{index}"), one_qos, Kind::Retained),
            outlet(format!("r/gone/{index}"), one_qos, Kind::Removed),
        ];
        for common in 0..COMMON_TOPICS {
            outlets.push(outlet(format!("common/{common}"), &[1, 2], Kind::Live));
        }
        let (window, pause_us) = (random.between(1, 20) as usize, *random.pick(&[0, 500, 2_000, 5_000]));
        Self::with(index, version, window, pause_us, outlets)
    }

    /// Sends as quickly as it may, always to one topic and the same size.
    pub fn filling(index: usize, version: Version, topic: &str, size: usize) -> Self {
        let outlet = Outlet { topic: topic.into(), qos: &[1, 2], kind: Kind::Live, size: Some(size), next_number: 0 };
        Self::with(index, version, 20, 0, vec![outlet])
    }

    fn with(index: usize, version: Version, window: usize, pause_us: u64, outlets: Vec<Outlet>) -> Self {
        Self {
            client: Client::new(Who::Publisher(index), version, None),
            index,
            window,
            pause_us,
            outlets,
            in_flight: Vec::new(),
            completed: 0,
            last_packet_id: 0,
            next_at: Instant::now(),
        }
    }

    /// Messages whose exchange is not over.
    pub fn outstanding(&self) -> usize {
        self.in_flight.len()
    }

    pub fn completed(&self) -> usize {
        self.completed
    }

    /// The message whose exchange has been open longest.
    pub fn oldest(&self) -> Option<MessageId> {
        self.in_flight.first().map(|flight| flight.message)
    }

    /// Topics whose retained message this publisher alone decides.
    pub fn retained_topics(&self) -> impl Iterator<Item = &str> {
        self.outlets.iter().filter(|outlet| outlet.kind != Kind::Live).map(|outlet| outlet.topic.as_str())
    }

    /// Reads what has come, and publishes if it is time to; `may_publish` is off when enough was sent.
    pub fn turn(&mut self, world: &mut World, may_publish: bool) {
        for news in self.client.turn(world, usize::MAX) {
            match news {
                News::Opened { session_present, .. } => self.resume(session_present, world),
                News::Packet(packet) => self.take(packet, world),
            }
        }
        while may_publish
            && self.client.is_open()
            && !self.client.is_blocked()
            && self.in_flight.len() < self.window
            && Instant::now() >= self.next_at
        {
            self.wait(Duration::from_micros(world.random.between(0, 2 * self.pause_us)));
            self.publish(world);
        }
    }

    /// Sends again what the server may not have: PUBLISH with DUP, PUBREL.
    fn resume(&mut self, session_present: bool, world: &mut World) {
        if !session_present {
            // Without the session the exchanges are over, however they ended.
            self.in_flight.clear();
        }
        for index in 0..self.in_flight.len() {
            let Flight { packet_id, message, is_released } = self.in_flight[index];
            if is_released {
                self.release(packet_id, message, world);
            } else {
                world.record.messages[message].is_resent = true;
                self.send(packet_id, message, true, world);
            }
        }
    }

    fn publish(&mut self, world: &mut World) {
        let outlet = world.random.below(self.outlets.len());
        let outlet = &mut self.outlets[outlet];
        let size = outlet.size.unwrap_or_else(|| match world.random.below(100) {
            0 => 30_000,
            1..=5 => 5_000,
            _ => world.random.between(20, 400) as usize,
        });
        let is_removal = outlet.kind == Kind::Removed && world.random.chance(40);
        let id = world.record.messages.len();
        world.record.messages.push(Message {
            publisher: self.index,
            topic: outlet.topic.clone(),
            number: outlet.next_number,
            qos: *world.random.pick(outlet.qos),
            retain: outlet.kind != Kind::Live,
            size: if is_removal { 0 } else { size },
            first_sent: 0,
            is_resent: false,
            acknowledged: None,
            is_refused: false,
        });
        outlet.next_number += 1;
        let packet_id = self.free_packet_id();
        world.record.messages[id].first_sent = self.send(packet_id, id, false, world);
        self.in_flight.push(Flight { packet_id, message: id, is_released: false });
    }

    fn send(&mut self, packet_id: u16, id: MessageId, dup: bool, world: &mut World) -> usize {
        let Message { topic, qos, retain, .. } = &world.record.messages[id];
        let packet = Publish {
            dup,
            qos: *qos,
            retain: *retain,
            topic: topic.clone(),
            packet_id,
            properties: Vec::new(),
            payload: world.record.payload(id),
        };
        self.client.send(&wire::publish(self.client.version, &packet));
        let what = if dup { "sends PUBLISH again, packet identifier" } else { "sends PUBLISH, packet identifier" };
        world.record.note(self.client.who(), what, packet_id, Some(id))
    }

    fn release(&mut self, packet_id: u16, message: MessageId, world: &mut World) {
        self.client.send(&wire::ack(0x62, packet_id));
        world.record.note(self.client.who(), "sends PUBREL, packet identifier", packet_id, Some(message));
    }

    fn take(&mut self, packet: Received, world: &mut World) {
        let who = self.client.who();
        let (expected_qos, packet_id, code) = match packet {
            Received::PubAck { packet_id, code } => (1, packet_id, code),
            Received::PubRec { packet_id, code } | Received::PubComp { packet_id, code } => (2, packet_id, code),
            other => return world.record.fault("protocol", None, format!("{who:?} got {other:?}")),
        };
        let place = self.in_flight.iter().position(|flight| {
            flight.packet_id == packet_id
                && world.record.messages[flight.message].qos == expected_qos
                && flight.is_released == matches!(packet, Received::PubComp { .. })
        });
        let Some(place) = place else {
            return world.record.fault("protocol", None, format!("{who:?} got {packet:?}, which nothing waited for"));
        };
        let id = self.in_flight[place].message;
        let what = match packet {
            Received::PubAck { .. } => "gets PUBACK with",
            Received::PubRec { .. } => "gets PUBREC with",
            _ => "gets PUBCOMP with",
        };
        let tick = world.record.note(who, what, code, Some(id));
        match packet {
            Received::PubComp { .. } => {
                if code != 0 && code != PACKET_ID_NOT_FOUND {
                    world.record.fault("protocol", Some(id), format!("{who:?} got {packet:?} for message {id}"));
                }
                self.over(place);
            }
            _ if code >= 0x80 => {
                if code != QUOTA_EXCEEDED {
                    world.record.fault("protocol", Some(id), format!("{who:?} got {packet:?} for message {id}"));
                }
                world.record.messages[id].is_refused = true;
                self.over(place);
                self.wait(REFUSED_WAIT);
            }
            Received::PubRec { .. } => {
                world.record.messages[id].acknowledged.get_or_insert(tick);
                self.in_flight[place].is_released = true;
                self.release(packet_id, id, world);
            }
            _ => {
                world.record.messages[id].acknowledged = Some(tick);
                self.over(place);
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        self.next_at = Instant::now() + time;
    }

    fn over(&mut self, place: usize) {
        self.in_flight.remove(place);
        self.completed += 1;
    }

    fn free_packet_id(&mut self) -> u16 {
        loop {
            self.last_packet_id = self.last_packet_id % u16::MAX + 1;
            if !self.in_flight.iter().any(|flight| flight.packet_id == self.last_packet_id) {
                return self.last_packet_id;
            }
        }
    }
}
