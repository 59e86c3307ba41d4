//! One thread's loop: it keeps its publishers' windows full, or sends at a fixed rate, and judges what arrives.
//!
//! What costs, in this order, are system calls, then copies, then everything else. So a socket is read once for each
//! time it is ready, whatever was freed by what arrived is sent at once with one write for each publisher, and the clock
//! is read once for each read and each write, not for each message.

use super::link::Link;
use super::plan::{Delivery, Group};
use super::poller::{Poller, Readiness};
use super::publisher::Publisher;
use super::stream::Stream;
use crate::faults::Faults;
use crate::ledger::{Arrival, Ledger};
use crate::measure::Clock;
use crate::measure::latency::Latencies;
use crate::message::{self, Header, PayloadWriter};
use crate::mqtt::Version;
use crate::mqtt::encode::{self, Acknowledgement, PublishTemplate};
use crate::mqtt::scan::{Packet, Publish, scan};
use std::io;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What the messages of a run have in common.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    pub version: Version,
    pub qos: u8,
    pub payload_bytes: usize,
    pub pace: Pace,
    /// Number of the run, in every message.
    pub run: u32,
}

/// When the next message is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As soon as fewer than so many of the publisher's messages are on their way.
    Window(usize),
    /// At fixed times, whether or not earlier ones have arrived: messages per second of this worker.
    Rate(f64),
}

/// The times of a run, nanoseconds of its clock.
#[derive(Clone, Copy, Debug)]
pub struct Timeline {
    pub clock: Clock,
    /// When sending starts.
    pub start_ns: u64,
    /// The end of the warm-up. Latencies count for messages sent from here on.
    pub measure_from_ns: u64,
    /// When sending ends; what is on its way then is still received.
    pub measure_until_ns: u64,
    /// How long nothing may arrive before what is missing counts as lost.
    pub patience_ns: u64,
}

/// What a worker reports while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    /// Copies of messages that arrived.
    pub delivered: AtomicU64,
    /// Messages sent.
    pub published: AtomicU64,
}

/// What a worker found.
#[derive(Debug)]
pub struct Outcome {
    /// From sending, or from when it should have been sent, to the arrival of each copy.
    pub latencies: Latencies,
    /// At a fixed rate: from when a message should have been sent to when it was. This is the generator's own delay, or
    /// the broker's flow control.
    pub send_delays: Latencies,
    pub faults: Faults,
    /// The first fault that has a story, such as why a connection ended.
    pub first_fault: Option<String>,
}

/// One thread's connections and what they do.
pub struct Worker<'a> {
    traffic: Traffic,
    timeline: Timeline,
    progress: &'a Progress,
    poller: Poller,
    connections: Vec<Connection>,
    publishers: Vec<Publisher>,
    subscribers: Vec<Subscriber>,
    streams: Vec<Stream>,
    payloads: PayloadWriter,
    /// Publishers that may be able to send since the last packet was handled.
    freed: Vec<usize>,
    /// Messages outstanding and publishes unacknowledged, over all publishers.
    in_flight: u64,
    delivered: u64,
    published: u64,
    last_arrival_ns: u64,
    /// Messages scheduled so far at a fixed rate.
    scheduled: u64,
    input: Vec<u8>,
    output: Vec<u8>,
    outcome: Outcome,
}

#[derive(Debug)]
struct Connection {
    link: Link,
    role: Role,
    /// Whether the poller was asked for room to write.
    awaits_room: bool,
    closed: bool,
}

#[derive(Clone, Copy, Debug)]
enum Role {
    Publisher(usize),
    Subscriber(usize),
}

/// The streams a subscriber receives.
#[derive(Debug)]
struct Subscriber {
    /// The first stream of its group.
    first_stream: usize,
    /// For each stream of its group the index of its ledger, or `NOT_EXPECTED`.
    ledger_of_stream: Vec<u32>,
    ledgers: Vec<Ledger>,
}

const NOT_EXPECTED: u32 = u32::MAX;

/// A publisher's messages encoded before they are written.
const OUTPUT_BYTES_MAX: usize = 256 * 1_024;

/// The longest sleep, so that the end of a run is not missed.
const SLEEP_MAX: Duration = Duration::from_millis(20);

/// How long to listen for surplus copies after the last message arrived.
const LINGER_NS: u64 = 100_000_000;

impl<'a> Worker<'a> {
    /// A worker for these groups. `links` are their connections: for each group its subscribers, then its publishers.
    pub fn new(
        traffic: Traffic,
        timeline: Timeline,
        progress: &'a Progress,
        groups: &[Group],
        links: Vec<Link>,
    ) -> io::Result<Self> {
        let mut worker = Self {
            traffic,
            timeline,
            progress,
            poller: Poller::new()?,
            connections: Vec::with_capacity(links.len()),
            publishers: Vec::new(),
            subscribers: Vec::new(),
            streams: Vec::new(),
            payloads: PayloadWriter::new(traffic.payload_bytes),
            freed: Vec::new(),
            in_flight: 0,
            delivered: 0,
            published: 0,
            last_arrival_ns: 0,
            scheduled: 0,
            input: Vec::new(),
            output: Vec::new(),
            outcome: Outcome {
                latencies: Latencies::new(),
                send_delays: Latencies::new(),
                faults: Faults::default(),
                first_fault: None,
            },
        };
        let mut links = links.into_iter();
        for group in groups {
            worker.add_group(group, &mut links)?;
        }
        Ok(worker)
    }

    /// Runs until everything was sent and has arrived, or nothing arrives any more.
    pub fn run(mut self) -> io::Result<Outcome> {
        match self.traffic.pace {
            Pace::Window(_) => (0..self.publishers.len()).for_each(|publisher| self.publish(publisher)),
            // The kernel adds up to 50 µs to a sleep to save wake-ups, unless asked not to.
            Pace::Rate(_) => rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?,
        }
        loop {
            let now_ns = self.timeline.clock.now_ns();
            if now_ns >= self.timeline.measure_until_ns && self.is_done(now_ns) {
                break;
            }
            let sleep = self.schedule(now_ns);
            let ready = self.poller.wait(sleep)?;
            for &readiness in &ready {
                self.handle(readiness);
            }
            self.poller.recycle(ready);
            self.progress.delivered.store(self.delivered, Ordering::Relaxed);
            self.progress.published.store(self.published, Ordering::Relaxed);
        }
        Ok(self.finish())
    }

    fn add_group(&mut self, group: &Group, links: &mut impl Iterator<Item = Link>) -> io::Result<()> {
        let first_stream = self.streams.len();
        let stream_count = group.publishers.iter().map(Vec::len).sum();
        let first_subscriber = self.subscribers.len();
        for _ in &group.subscribers {
            let role = Role::Subscriber(self.subscribers.len());
            self.add_connection(links.next().expect("a link for each subscriber"), role)?;
            let ledger_of_stream = vec![NOT_EXPECTED; stream_count];
            self.subscribers.push(Subscriber { first_stream, ledger_of_stream, ledgers: Vec::new() });
        }
        for topics in &group.publishers {
            let link = links.next().expect("a link for each publisher");
            let (receive_maximum, publisher) = (link.receive_maximum, self.publishers.len());
            let streams = self.streams.len()..self.streams.len() + topics.len();
            self.publishers.push(Publisher::new(self.connections.len(), streams, receive_maximum));
            self.add_connection(link, Role::Publisher(publisher))?;
            for topic in topics {
                assert!(!topic.receivers.is_empty(), "nobody would receive {}", topic.name);
                for &receiver in &topic.receivers {
                    let subscriber = &mut self.subscribers[first_subscriber + receiver];
                    subscriber.ledger_of_stream[self.streams.len() - first_stream] = subscriber.ledgers.len() as u32;
                    subscriber.ledgers.push(Ledger::default());
                }
                let Traffic { version, qos, payload_bytes, .. } = self.traffic;
                let template = PublishTemplate::new(version, &topic.name, qos, payload_bytes);
                let receivers = topic.receivers.len() as u32;
                self.streams.push(Stream::new(topic.name.clone(), template, publisher, group.delivery, receivers));
            }
        }
        Ok(())
    }

    fn add_connection(&mut self, link: Link, role: Role) -> io::Result<()> {
        self.poller.add(link.socket(), self.connections.len(), false)?;
        self.connections.push(Connection { link, role, awaits_room: false, closed: false });
        Ok(())
    }

    /// After the end of sending: whether all has arrived, and no surplus copy came for a while, or patience is over.
    fn is_done(&self, now_ns: u64) -> bool {
        let last_ns = self.last_arrival_ns.max(self.timeline.measure_until_ns);
        let waits_to_send = self.publishers.iter().any(|publisher| !publisher.due_ns.is_empty());
        let quiet_ns = if self.in_flight > 0 || waits_to_send { self.timeline.patience_ns } else { LINGER_NS };
        now_ns >= last_ns + quiet_ns
    }

    /// At a fixed rate, sends what is due. Returns how long to sleep at most.
    fn schedule(&mut self, now_ns: u64) -> Duration {
        let Pace::Rate(rate) = self.traffic.pace else { return SLEEP_MAX };
        let interval_ns = 1e9 / rate;
        loop {
            let due_ns = self.timeline.start_ns + (self.scheduled as f64 * interval_ns) as u64;
            if due_ns >= self.timeline.measure_until_ns {
                self.publish_freed();
                return SLEEP_MAX;
            }
            if due_ns > now_ns {
                self.publish_freed();
                let rest_ns = due_ns.saturating_sub(self.timeline.clock.now_ns());
                return Duration::from_nanos(rest_ns).min(SLEEP_MAX);
            }
            let publisher = (self.scheduled % self.publishers.len() as u64) as usize;
            self.scheduled += 1;
            self.publishers[publisher].due_ns.push_back(due_ns);
            self.freed.push(publisher);
        }
    }

    fn handle(&mut self, readiness: Readiness) {
        let Readiness { key, readable, writable } = readiness;
        if self.connections[key].closed {
            return;
        }
        if writable {
            match self.connections[key].link.flush() {
                Ok(()) => self.watch_room(key),
                Err(error) => self.close(key, error.to_string()),
            }
            if let Role::Publisher(publisher) = self.connections[key].role {
                self.publish(publisher);
            }
        }
        if readable {
            self.receive(key);
            self.publish_freed();
        }
    }

    /// Reads a connection once and handles each complete packet.
    fn receive(&mut self, key: usize) {
        let mut input = std::mem::take(&mut self.input);
        self.output.clear();
        match self.connections[key].link.receive(&mut input) {
            Ok(Some(filled)) => self.handle_input(key, &input[..filled]),
            Ok(None) => {}
            Err(error) => self.close(key, error.to_string()),
        }
        self.input = input;
    }

    fn handle_input(&mut self, key: usize, input: &[u8]) {
        let now_ns = self.timeline.clock.now_ns();
        self.last_arrival_ns = now_ns;
        let role = self.connections[key].role;
        let mut consumed = 0;
        loop {
            match scan(self.traffic.version, &input[consumed..]) {
                Ok(Some((packet, length))) => {
                    consumed += length;
                    match role {
                        Role::Subscriber(subscriber) => self.handle_at_subscriber(subscriber, packet, now_ns),
                        Role::Publisher(publisher) => self.handle_at_publisher(publisher, packet),
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
        }
    }

    fn handle_at_subscriber(&mut self, subscriber: usize, packet: Packet<'_>, now_ns: u64) {
        match packet {
            Packet::Publish(publish) => {
                match publish.qos {
                    1 => encode::acknowledgement(&mut self.output, Acknowledgement::PubAck, publish.packet_id),
                    2 => encode::acknowledgement(&mut self.output, Acknowledgement::PubRec, publish.packet_id),
                    _ => {}
                }
                self.arrived(subscriber, &publish, now_ns);
            }
            Packet::PubRel { packet_id } => {
                encode::acknowledgement(&mut self.output, Acknowledgement::PubComp, packet_id)
            }
            other => self.unexpected(&other),
        }
    }

    fn handle_at_publisher(&mut self, publisher_index: usize, packet: Packet<'_>) {
        let publisher = &mut self.publishers[publisher_index];
        // Reason codes below 0x80 are successes, "no matching subscribers" (0x10) among them (section 2.4).
        let expected = match packet {
            Packet::PubAck { packet_id, reason: 0..0x80 } => publisher.acknowledged(packet_id),
            Packet::PubComp { packet_id, reason: 0..0x80 } => publisher.completed(packet_id),
            Packet::PubRec { packet_id, reason: 0..0x80 } => {
                encode::acknowledgement(&mut self.output, Acknowledgement::PubRel, packet_id);
                if publisher.received(packet_id) {
                    return;
                }
                false
            }
            _ => false,
        };
        if expected {
            self.in_flight -= 1;
            self.freed.push(publisher_index);
        } else {
            self.unexpected(&packet);
        }
    }

    /// Judges a message that came to a subscriber.
    fn arrived(&mut self, subscriber: usize, publish: &Publish<'_>, now_ns: u64) {
        let Traffic { payload_bytes, run, qos, .. } = self.traffic;
        let Some(header) = message::read(publish.payload, payload_bytes, run) else {
            self.outcome.faults.corrupted += 1;
            return;
        };
        let index = header.stream as usize;
        let subscriber = &mut self.subscribers[subscriber];
        let ledger = index
            .checked_sub(subscriber.first_stream)
            .and_then(|offset| subscriber.ledger_of_stream.get(offset))
            .and_then(|&ledger| subscriber.ledgers.get_mut(ledger as usize));
        let Some(ledger) = ledger else {
            self.outcome.faults.misdelivered += 1;
            return;
        };
        let stream = &mut self.streams[index];
        if header.sequence >= stream.sent()
            || publish.topic != stream.topic.as_bytes()
            || publish.qos != qos
            || publish.retain
        {
            self.outcome.faults.misdelivered += 1;
            return;
        }
        let faults = &mut self.outcome.faults;
        let arrival = match stream.delivery {
            Delivery::Each => ledger.arrive(header.sequence),
            Delivery::One => match stream.members.arrive(header.sequence) {
                Arrival::Duplicate => Arrival::Duplicate,
                // Between members there is no order: early and late ones are as good as those in order.
                _ => {
                    faults.reordered += u64::from(!ledger.arrive_ascending(header.sequence));
                    Arrival::InOrder
                }
            },
        };
        let settled = match arrival {
            Arrival::InOrder => u64::from(stream.settle(header.sequence)),
            // What was passed over will not hold up the publisher: it is lost, or late, which is a fault as well.
            Arrival::AfterGap { missed } => {
                (header.sequence - missed..=header.sequence).map(|sequence| u64::from(stream.settle(sequence))).sum()
            }
            Arrival::Late => {
                faults.reordered += 1;
                0
            }
            Arrival::Duplicate => {
                faults.duplicated += 1;
                return;
            }
        };
        self.delivered += 1;
        if header.sent_ns >= self.timeline.measure_from_ns {
            self.outcome.latencies.record(now_ns.saturating_sub(header.sent_ns));
        }
        if settled > 0 {
            let publisher = stream.publisher;
            self.publishers[publisher].outstanding -= settled as usize;
            self.in_flight -= settled;
            if self.freed.last() != Some(&publisher) {
                self.freed.push(publisher);
            }
        }
    }

    fn publish_freed(&mut self) {
        while let Some(publisher) = self.freed.pop() {
            self.publish(publisher);
        }
    }

    /// Sends what a publisher may send now.
    fn publish(&mut self, publisher_index: usize) {
        let key = self.publishers[publisher_index].link;
        while !self.connections[key].closed && !self.connections[key].link.is_blocked() {
            self.output.clear();
            let now_ns = self.timeline.clock.now_ns();
            while self.output.len() < OUTPUT_BYTES_MAX {
                let Some(sent_ns) = self.take_send_time(publisher_index, now_ns) else { break };
                self.encode(publisher_index, sent_ns);
            }
            if self.output.is_empty() {
                return;
            }
            let sent = self.connections[key].link.send(&self.output);
            self.sent(key, sent);
        }
    }

    /// The time to write into the publisher's next message, or `None` if it must not send now.
    fn take_send_time(&mut self, publisher_index: usize, now_ns: u64) -> Option<u64> {
        let publisher = &mut self.publishers[publisher_index];
        if self.traffic.qos > 0 && !publisher.has_quota() {
            return None;
        }
        match self.traffic.pace {
            Pace::Window(window) => {
                (publisher.outstanding < window && now_ns < self.timeline.measure_until_ns).then_some(now_ns)
            }
            Pace::Rate(_) => {
                let due_ns = publisher.due_ns.pop_front()?;
                if due_ns >= self.timeline.measure_from_ns {
                    self.outcome.send_delays.record(now_ns.saturating_sub(due_ns));
                }
                Some(due_ns)
            }
        }
    }

    fn encode(&mut self, publisher_index: usize, sent_ns: u64) {
        let publisher = &mut self.publishers[publisher_index];
        let stream_index = publisher.take_stream();
        let stream = &mut self.streams[stream_index];
        let packet_id = publisher.take_packet_id(self.traffic.qos);
        publisher.outstanding += 1;
        self.in_flight += if self.traffic.qos > 0 { 2 } else { 1 };
        self.published += 1;
        let sequence = stream.send();
        stream.template.append(&mut self.output, packet_id);
        let header = Header { run: self.traffic.run, stream: stream_index as u32, sequence, sent_ns };
        self.payloads.append(&mut self.output, &header);
    }

    fn sent(&mut self, key: usize, result: io::Result<()>) {
        match result {
            Ok(()) => self.watch_room(key),
            Err(error) => self.close(key, error.to_string()),
        }
    }

    /// Asks the poller for room to write exactly while there is something to write.
    fn watch_room(&mut self, key: usize) {
        let connection = &mut self.connections[key];
        let blocked = connection.link.is_blocked();
        if connection.awaits_room != blocked {
            connection.awaits_room = blocked;
            if let Err(error) = self.poller.modify(connection.link.socket(), key, blocked) {
                self.close(key, error.to_string());
            }
        }
    }

    fn unexpected(&mut self, packet: &Packet<'_>) {
        self.outcome.faults.protocol += 1;
        self.outcome.first_fault.get_or_insert_with(|| format!("the broker sent an unexpected {packet:?}"));
    }

    fn close(&mut self, key: usize, reason: String) {
        let connection = &mut self.connections[key];
        if connection.closed {
            return;
        }
        connection.closed = true;
        // A socket that the poller cannot forget would be told ready again and is ignored then.
        let _ = self.poller.remove(connection.link.socket());
        self.outcome.faults.disconnected += 1;
        self.outcome.first_fault.get_or_insert_with(|| format!("a connection ended: {reason}"));
    }

    /// Says goodbye and counts what never came.
    fn finish(mut self) -> Outcome {
        self.output.clear();
        encode::disconnect(&mut self.output);
        for connection in self.connections.iter_mut().filter(|connection| !connection.closed) {
            // The run is over: a broker that is gone by now has done its part.
            let _ = connection.link.send(&self.output);
        }
        let faults = &mut self.outcome.faults;
        for subscriber in &self.subscribers {
            for (offset, &ledger) in subscriber.ledger_of_stream.iter().enumerate() {
                let stream = &self.streams[subscriber.first_stream + offset];
                if let (Delivery::Each, Some(ledger)) = (stream.delivery, subscriber.ledgers.get(ledger as usize)) {
                    faults.lost += ledger.lost(stream.sent());
                }
            }
        }
        let shared = self.streams.iter().filter(|stream| stream.delivery == Delivery::One);
        faults.lost += shared.map(|stream| stream.members.lost(stream.sent())).sum::<u64>();
        faults.unacknowledged +=
            self.publishers.iter().map(|publisher| u64::from(publisher.unacknowledged())).sum::<u64>();
        self.outcome
    }
}
