//! A subscriber with a persistent session: what it asked for, what it got, and its side of each exchange.

mod judge;

use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};

use crate::client::{Client, News, World};
use crate::filter::{matches, split};
use crate::record::{Message, MessageId, Tick, Who};
use crate::wire::{self, Received, Version};

pub use judge::Reception;

pub struct Subscriber {
    pub client: Client,
    pub subscriptions: Vec<Subscription>,
    habits: Habits,
    last_packet_id: u16,
    /// QoS 2 messages that were taken and whose PUBREL has not come, by packet identifier.
    unreleased: HashMap<u16, MessageId>,
    /// Acknowledgements to send, and when.
    answers: VecDeque<(Instant, Answer)>,
    pub received: HashMap<MessageId, Reception>,
    /// Number of the last message that came for the first time, by publisher, topic and QoS of publishing.
    last_numbers: HashMap<(usize, String, u8), u32>,
    /// Counts the connections.
    connection: u32,
    /// When the session before this one had ended.
    renewed: Tick,
    pub qos_1_repeats: u64,
    toggle_at: Instant,
    read_at: Instant,
}

/// What it asks for, and when.
pub struct Subscription {
    /// `$share/name/` included.
    pub filter: String,
    pub qos: u8,
    /// Phases in which it is asked for, and given up.
    pub begins: usize,
    pub ends: Option<usize>,
    /// SUBACK has come.
    pub since: Option<Tick>,
    /// UNSUBACK has come.
    pub until: Option<Tick>,
    /// Packet identifier of the SUBSCRIBE or UNSUBSCRIBE on its way.
    pending: Option<u16>,
}

/// When it is there, and how quickly it works.
pub struct Habits {
    pub presence: Presence,
    /// In this phase it ends its session and begins another one.
    pub renewal: Option<usize>,
    /// Bytes that it reads each time, and how often.
    pub read: Option<(usize, Duration)>,
    /// Longest time until a packet is answered.
    pub answer_us_max: u64,
}

pub enum Presence {
    Always,
    /// Comes and goes, at intervals up to this one.
    Flapping(Duration),
    /// Away once it has subscribed, until that phase.
    AwayUntil(usize),
}

struct Answer {
    bytes: Vec<u8>,
    what: &'static str,
    packet_id: u16,
    message: Option<MessageId>,
}

impl Subscription {
    pub fn new(filter: impl Into<String>, qos: u8) -> Self {
        Self { filter: filter.into(), qos, begins: 0, ends: None, since: None, until: None, pending: None }
    }

    /// The name of the share group, and the filter itself.
    pub fn share(&self) -> (Option<&str>, &str) {
        split(&self.filter)
    }

    pub fn matches(&self, message: &Message) -> bool {
        matches(self.share().1, &message.topic)
    }

    /// Whether a message that it matches must come to its session, or to its group.
    pub fn is_promised(&self, message: &Message) -> bool {
        self.since.is_some_and(|since| since <= message.first_sent) && self.ends.is_none()
    }

    fn is_due(&self, world: &World) -> bool {
        let phase = if world.is_draining { usize::MAX } else { world.phase };
        self.pending.is_none() && self.since.is_none() && self.begins <= phase
    }

    fn is_over(&self, world: &World) -> bool {
        let is_time = self.ends.is_some_and(|phase| phase <= world.phase || world.is_draining);
        self.pending.is_none() && self.since.is_some() && self.until.is_none() && is_time
    }
}

impl Subscriber {
    pub fn new(index: usize, subscriptions: Vec<Subscription>, habits: Habits, world: &mut World) -> Self {
        let version = *world.random.pick(&[Version::V3_1_1, Version::V5_0]);
        let receive_maximum = world.random.chance(40).then(|| world.random.between(1, 30) as u16);
        Self {
            client: Client::new(Who::Subscriber(index), version, receive_maximum),
            subscriptions,
            habits,
            last_packet_id: 0,
            unreleased: HashMap::new(),
            answers: VecDeque::new(),
            received: HashMap::new(),
            last_numbers: HashMap::new(),
            connection: 0,
            renewed: 0,
            qos_1_repeats: 0,
            toggle_at: Instant::now() + Duration::from_millis(50),
            read_at: Instant::now(),
        }
    }

    /// Nothing is on its way from this side, and no exchange is open.
    pub fn is_settled(&self) -> bool {
        let is_subscribed = |subscription: &Subscription| {
            subscription.since.is_some() && subscription.ends.is_some() == subscription.until.is_some()
        };
        self.client.is_open()
            && self.unreleased.is_empty()
            && self.answers.is_empty()
            && self.subscriptions.iter().all(is_subscribed)
    }

    /// Who it is, with what it has asked for.
    pub fn introduce(&self) -> String {
        let subscription = |one: &Subscription| {
            let has = [("", true), (", later", one.begins > 0), (", then not", one.ends.is_some())];
            let has: String = has.iter().filter(|(_, is_so)| *is_so).map(|(what, _)| *what).collect();
            format!("{} QoS {}{has}", one.filter, one.qos)
        };
        let asked: Vec<String> = self.subscriptions.iter().map(subscription).collect();
        format!("{:?} ({:?}): {}", self.client.who(), self.client.version, asked.join("; "))
    }

    /// What it waits for.
    pub fn state(&self) -> String {
        let connected = if self.client.is_open() { "connected" } else { "not connected" };
        format!("{connected}, {} QoS 2 messages await PUBREL", self.unreleased.len())
    }

    /// A QoS 2 message whose PUBREL has not come.
    pub fn unreleased(&self) -> Option<MessageId> {
        self.unreleased.values().min().copied()
    }

    pub fn turn(&mut self, world: &mut World) {
        self.come_and_go(world);
        let bytes_max = self.bytes_now(world);
        for news in self.client.turn(world, bytes_max) {
            match news {
                News::Opened { is_renewed, .. } => {
                    self.connection += 1;
                    if is_renewed {
                        self.begin_anew(self.client.connected);
                    }
                    if is_renewed && !self.client.version.is_5() {
                        self.client.disconnect(world);
                    }
                }
                News::Packet(packet) => self.take(packet, world),
            }
        }
        if !self.client.is_open() {
            // What was not sent is not sent any more: the server will ask again.
            self.answers.clear();
            self.subscriptions.iter_mut().for_each(|subscription| subscription.pending = None);
            return;
        }
        self.ask(world);
        while self.answers.front().is_some_and(|(due, _)| *due <= Instant::now() || world.is_draining) {
            let Some((_, answer)) = self.answers.pop_front() else { break };
            self.client.send(&answer.bytes);
            world.record.note(self.client.who(), answer.what, answer.packet_id, answer.message);
        }
    }

    /// Nothing of the session before counts any more.
    fn begin_anew(&mut self, now: Tick) {
        self.renewed = now;
        self.unreleased.clear();
        self.answers.clear();
        self.received.clear();
        self.last_numbers.clear();
        for subscription in &mut self.subscriptions {
            (subscription.since, subscription.until, subscription.pending) = (None, None, None);
        }
    }

    fn come_and_go(&mut self, world: &mut World) {
        if self.client.is_open() && self.habits.renewal.take_if(|phase| *phase <= world.phase).is_some() {
            self.client.renew(world);
        }
        let has_subscribed = self.subscriptions.iter().all(|one| one.begins > 0 || one.since.is_some());
        let wanted = match self.habits.presence {
            _ if world.is_draining || !has_subscribed => true,
            Presence::Always => true,
            Presence::AwayUntil(phase) => world.phase >= phase,
            Presence::Flapping(interval) if Instant::now() >= self.toggle_at => {
                self.toggle_at = Instant::now() + interval.mul_f64(world.random.below(100) as f64 / 100.0);
                !self.client.is_wanted
            }
            Presence::Flapping(_) => self.client.is_wanted,
        };
        self.client.is_wanted = wanted;
        // A CONNECT that nobody waits for any more could be handled late, and take over the connection after it.
        if !wanted && self.client.is_open() {
            if world.random.chance(50) { self.client.disconnect(world) } else { self.client.close(world) }
        }
    }

    fn bytes_now(&mut self, world: &World) -> usize {
        match self.habits.read {
            Some((bytes, interval)) if !world.is_draining => {
                if Instant::now() < self.read_at {
                    return 0;
                }
                self.read_at = Instant::now() + interval;
                bytes
            }
            _ => usize::MAX,
        }
    }

    /// Sends the SUBSCRIBE and UNSUBSCRIBE packets whose time has come, again on each connection until they are answered.
    fn ask(&mut self, world: &mut World) {
        for index in 0..self.subscriptions.len() {
            let (is_due, is_over) = (self.subscriptions[index].is_due(world), self.subscriptions[index].is_over(world));
            if !is_due && !is_over {
                continue;
            }
            self.last_packet_id = self.last_packet_id % u16::MAX + 1;
            let packet_id = self.last_packet_id;
            let (version, subscription) = (self.client.version, &mut self.subscriptions[index]);
            subscription.pending = Some(packet_id);
            let filter = subscription.filter.clone();
            let (bytes, what) = if is_due {
                (wire::subscribe(version, packet_id, None, &[(filter, subscription.qos)]), "sends SUBSCRIBE")
            } else {
                (wire::unsubscribe(version, packet_id, &[filter]), "sends UNSUBSCRIBE")
            };
            self.client.send(&bytes);
            world.record.note_change(self.client.who(), what, packet_id);
        }
    }

    fn take(&mut self, packet: Received, world: &mut World) {
        match packet {
            Received::Publish(publish) => self.take_publish(&publish, world),
            Received::PubRel { packet_id, .. } => {
                let message = self.unreleased.remove(&packet_id);
                world.record.note(self.client.who(), "gets PUBREL, packet identifier", packet_id, message);
                self.answer(0x70, packet_id, message, world);
            }
            Received::SubAck { packet_id, codes } => {
                let tick = world.record.note_change(self.client.who(), "gets SUBACK", packet_id);
                let asked = self.subscriptions.iter_mut().find(|one| one.pending == Some(packet_id));
                match asked.filter(|one| codes == [one.qos]) {
                    Some(subscription) => (subscription.since, subscription.pending) = (Some(tick), None),
                    None => self.surprise(&format!("SUBACK {packet_id} with {codes:02x?}"), world),
                }
            }
            Received::UnsubAck { packet_id, codes } => {
                let tick = world.record.note_change(self.client.who(), "gets UNSUBACK", packet_id);
                let asked = self.subscriptions.iter_mut().find(|one| one.pending == Some(packet_id));
                // 0x11, No subscription existed: the answer to the first UNSUBSCRIBE was lost.
                match asked.filter(|_| matches!(codes[..], [] | [0] | [0x11])) {
                    Some(subscription) => (subscription.until, subscription.pending) = (Some(tick), None),
                    None => self.surprise(&format!("UNSUBACK {packet_id} with {codes:02x?}"), world),
                }
            }
            other => self.surprise(&format!("{other:?}"), world),
        }
    }

    fn surprise(&self, what: &str, world: &mut World) {
        world.record.fault("protocol", None, format!("{:?} got an unexpected {what}", self.client.who()));
    }

    fn answer(&mut self, first_byte: u8, packet_id: u16, message: Option<MessageId>, world: &mut World) {
        let what = match first_byte {
            0x40 => "sends PUBACK, packet identifier",
            0x50 => "sends PUBREC, packet identifier",
            _ => "sends PUBCOMP, packet identifier",
        };
        let due = Instant::now() + Duration::from_micros(world.random.between(0, self.habits.answer_us_max));
        // Acknowledgements keep the order of what they answer.
        let due = self.answers.back().map_or(due, |(before, _)| due.max(*before));
        let bytes = wire::ack(first_byte, packet_id);
        self.answers.push_back((due, Answer { bytes, what, packet_id, message }));
    }
}
