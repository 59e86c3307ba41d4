//! One thread's loop: it keeps its publishers' windows full, or sends at a fixed rate, and judges what arrives.
//!
//! What costs, in this order, are system calls, then copies, then everything else. So a socket is read once for each
//! time it is ready, whatever was freed by what arrived is sent at once with one write for each publisher, and the clock
//! is read once for each read and each write, not for each message.

mod receive;
mod send;

use super::link::Link;
use super::plan::{Group, Topic};
use super::poller::{Poller, Readiness};
use super::publisher::Publisher;
use super::stream::Stream;
use crate::faults::Faults;
use crate::ledger::Ledger;
use crate::measure::Clock;
use crate::measure::latency::Latencies;
use crate::message::PayloadWriter;
use crate::mqtt::Version;
use crate::mqtt::encode::{self, PublishTemplate};
use std::io;
use std::num::NonZeroU64;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What the messages of a run have in common.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    pub version: Version,
    pub pace: Pace,
    /// Number of the run, in every message.
    pub run: u32,
    /// How many latencies to tell apart beside the total, by part of the traffic and phase of the run; zero for none.
    pub parts: usize,
}

/// When the next message is sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// As soon as fewer than so many of the publisher's messages are on their way.
    Window(usize),
    /// At fixed times, whether or not earlier ones have arrived: messages per second of this worker, unless its groups
    /// have rates of their own.
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

/// What a worker reports while it runs, and what it is told.
#[derive(Debug, Default)]
pub struct Progress {
    /// Copies of messages that arrived.
    pub delivered: AtomicU64,
    /// Messages sent.
    pub published: AtomicU64,
    /// Faults so far; copies passed over count as lost until they come late.
    pub faults: AtomicU64,
    /// Tells the worker to stop sending before its time.
    pub stop: AtomicBool,
    /// When the second and the third phase of the run began, in nanoseconds of its clock; zero until then. Latencies are
    /// told apart by the phase in which a message was sent.
    pub phases: [AtomicU64; 2],
    /// Asks the worker to leave the latencies since the last time in `interval`.
    pub wants_interval: AtomicBool,
    pub interval: Mutex<Option<Latencies>>,
}

/// What a worker found.
#[derive(Debug)]
pub struct Outcome {
    /// From sending, or from when it should have been sent, to the arrival of each copy.
    pub latencies: Latencies,
    /// At a fixed rate: from when a message should have been sent to when it was. This is the generator's own delay, or
    /// the broker's flow control.
    pub send_delays: Latencies,
    /// The same once more, by part and phase.
    pub parts: Vec<Part>,
    pub faults: Faults,
    /// The first fault that has a story, such as why a connection ended.
    pub first_fault: Option<String>,
}

/// Latencies and send delays of one part of the traffic, or of one phase.
#[derive(Debug)]
pub struct Part {
    pub latencies: Latencies,
    pub send_delays: Latencies,
}

impl Part {
    fn new() -> Self {
        Self { latencies: Latencies::new(), send_delays: Latencies::new() }
    }
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
    /// When sending ends.
    until_ns: u64,
    /// Which publishers send when, at fixed rates.
    schedules: Vec<Schedule>,
    /// When the later phases began; `u64::MAX` until then.
    phases: [u64; 2],
    /// Latencies since they were last asked for.
    interval: Latencies,
    /// Copies that later ones have overtaken and that have not come yet.
    overtaken: u64,
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
    qos: u8,
    /// The first stream it receives.
    first_stream: usize,
    /// For each stream from the first it receives to the last, the index in `expected`, or `NOT_EXPECTED`.
    expected_of_stream: Vec<u32>,
    expected: Vec<Expected>,
}

/// One stream at one subscriber.
#[derive(Debug, Default)]
struct Expected {
    ledger: Ledger,
    /// The share group the subscriber gets it in; otherwise it gets all of it.
    share: Option<usize>,
}

const NOT_EXPECTED: u32 = u32::MAX;

impl Subscriber {
    fn expect(&mut self, stream: usize, share: Option<usize>) {
        if self.expected.is_empty() {
            self.first_stream = stream;
        }
        self.expected_of_stream.resize(stream - self.first_stream, NOT_EXPECTED);
        self.expected_of_stream.push(self.expected.len() as u32);
        self.expected.push(Expected { ledger: Ledger::default(), share });
    }

    fn expected(&mut self, stream: usize) -> Option<&mut Expected> {
        let index = *self.expected_of_stream.get(stream.checked_sub(self.first_stream)?)?;
        self.expected.get_mut(index as usize)
    }
}

/// Publishers that take turns at a fixed rate.
#[derive(Debug)]
struct Schedule {
    publishers: std::ops::Range<usize>,
    interval_ns: f64,
    /// Messages scheduled so far.
    scheduled: u64,
}

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
            payloads: PayloadWriter::new(longest_payload(groups)),
            freed: Vec::new(),
            in_flight: 0,
            delivered: 0,
            published: 0,
            last_arrival_ns: 0,
            until_ns: timeline.measure_until_ns,
            schedules: Vec::new(),
            phases: [u64::MAX; 2],
            interval: Latencies::new(),
            overtaken: 0,
            input: Vec::new(),
            output: Vec::new(),
            outcome: Outcome {
                latencies: Latencies::new(),
                send_delays: Latencies::new(),
                parts: (0..traffic.parts).map(|_| Part::new()).collect(),
                faults: Faults::default(),
                first_fault: None,
            },
        };
        let mut links = links.into_iter();
        for group in groups {
            worker.add_group(group, &mut links)?;
        }
        if let (Pace::Rate(rate), true) = (traffic.pace, worker.schedules.is_empty()) {
            worker.add_schedule(0..worker.publishers.len(), rate);
        }
        Ok(worker)
    }

    /// Runs until everything was sent and has arrived, or nothing arrives any more, and says goodbye.
    pub fn run(self) -> io::Result<Outcome> {
        let (outcome, mut links) = self.run_and_keep()?;
        let mut goodbye = Vec::new();
        encode::disconnect(&mut goodbye);
        for link in &mut links {
            // The run is over: a broker that is gone by now has done its part.
            let _ = link.send(&goodbye);
        }
        Ok(outcome)
    }

    /// Runs as [`Worker::run`] does, and returns the connections in their order.
    pub fn run_and_keep(mut self) -> io::Result<(Outcome, Vec<Link>)> {
        self.drive()?;
        self.count_missing();
        Ok((self.outcome, self.connections.into_iter().map(|connection| connection.link).collect()))
    }

    fn drive(&mut self) -> io::Result<()> {
        match self.traffic.pace {
            Pace::Window(_) => (0..self.publishers.len()).for_each(|publisher| self.publish(publisher)),
            // The kernel adds up to 50 µs to a sleep to save wake-ups, unless asked not to.
            Pace::Rate(_) => rustix::thread::set_current_timer_slack(NonZeroU64::new(1))?,
        }
        loop {
            let now_ns = self.timeline.clock.now_ns();
            self.obey(now_ns);
            if now_ns >= self.until_ns && self.is_done(now_ns) {
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
            self.progress.faults.store(self.outcome.faults.total() + self.overtaken, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The place of a message among the parts.
    fn part(&self, stream: usize, sent_ns: u64) -> usize {
        let phase = self.phases.iter().filter(|&&start_ns| sent_ns > start_ns).count();
        self.streams[stream].message.part + phase
    }

    /// Does what the run was told meanwhile.
    fn obey(&mut self, now_ns: u64) {
        if self.progress.stop.load(Ordering::Relaxed) {
            self.until_ns = self.until_ns.min(now_ns);
        }
        for (phase, start) in self.phases.iter_mut().zip(&self.progress.phases) {
            *phase = start.load(Ordering::Relaxed).wrapping_sub(1);
        }
        if self.progress.wants_interval.swap(false, Ordering::Relaxed) {
            let latencies = std::mem::replace(&mut self.interval, Latencies::new());
            *self.progress.interval.lock().expect("nobody panics with it") = Some(latencies);
        }
    }

    fn add_group(&mut self, group: &Group, links: &mut impl Iterator<Item = Link>) -> io::Result<()> {
        let (first_subscriber, mut first_publisher) = (self.subscribers.len(), self.publishers.len());
        for subscriber in &group.subscribers {
            let role = Role::Subscriber(self.subscribers.len());
            self.add_connection(links.next().expect("a link for each subscriber"), role)?;
            self.subscribers.push(Subscriber {
                qos: subscriber.qos,
                first_stream: 0,
                expected_of_stream: Vec::new(),
                expected: Vec::new(),
            });
        }
        for topics in &group.publishers {
            let link = links.next().expect("a link for each publisher");
            let (receive_maximum, publisher) = (link.receive_maximum, self.publishers.len());
            let streams = self.streams.len()..self.streams.len() + topics.len();
            self.publishers.push(Publisher::new(self.connections.len(), streams, receive_maximum));
            self.add_connection(link, Role::Publisher(publisher))?;
            topics.iter().for_each(|topic| self.add_stream(topic, publisher, first_subscriber));
        }
        for &(publishers, rate) in &group.rates {
            self.add_schedule(first_publisher..first_publisher + publishers, rate);
            first_publisher += publishers;
        }
        Ok(())
    }

    fn add_stream(&mut self, topic: &Topic, publisher: usize, first_subscriber: usize) {
        let stream = self.streams.len();
        for &receiver in &topic.receivers {
            self.subscribers[first_subscriber + receiver].expect(stream, None);
        }
        for (share, members) in topic.shares.iter().enumerate() {
            for &member in members {
                self.subscribers[first_subscriber + member].expect(stream, Some(share));
            }
        }
        let message = topic.message;
        let template =
            PublishTemplate::new(self.traffic.version, &topic.name, message.qos, message.retain, message.payload_bytes);
        let (receivers, shares) = (topic.receivers.len(), topic.shares.len());
        let is_bounded = receivers + shares > 0 || matches!(self.traffic.pace, Pace::Rate(_));
        assert!(is_bounded, "nobody would receive {}, so nothing would bound its sending", topic.name);
        self.streams.push(Stream::new(topic.name.clone(), message, template, publisher, receivers, shares));
    }

    fn add_schedule(&mut self, publishers: std::ops::Range<usize>, rate: f64) {
        self.schedules.push(Schedule { publishers, interval_ns: 1e9 / rate, scheduled: 0 });
    }

    fn add_connection(&mut self, link: Link, role: Role) -> io::Result<()> {
        self.poller.add(link.socket(), self.connections.len(), false)?;
        self.connections.push(Connection { link, role, awaits_room: false, closed: false });
        Ok(())
    }

    /// After the end of sending: whether all has arrived, and no surplus copy came for a while, or patience is over.
    fn is_done(&self, now_ns: u64) -> bool {
        let last_ns = self.last_arrival_ns.max(self.until_ns);
        let waits_to_send = self.publishers.iter().any(|publisher| !publisher.due_ns.is_empty());
        let quiet_ns = if self.in_flight > 0 || waits_to_send { self.timeline.patience_ns } else { LINGER_NS };
        now_ns >= last_ns + quiet_ns
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

    /// Counts what never came.
    fn count_missing(&mut self) {
        let faults = &mut self.outcome.faults;
        for subscriber in &self.subscribers {
            for (offset, &index) in subscriber.expected_of_stream.iter().enumerate() {
                let sent = self.streams[subscriber.first_stream + offset].sent();
                match subscriber.expected.get(index as usize) {
                    Some(Expected { ledger, share: None }) => faults.lost += ledger.lost(sent),
                    // What a share group has lost is judged over all its members.
                    Some(Expected { share: Some(_), .. }) | None => {}
                }
            }
        }
        for stream in &self.streams {
            faults.lost += stream.shares.iter().map(|ledger| ledger.lost(stream.sent())).sum::<u64>();
        }
        faults.unacknowledged +=
            self.publishers.iter().map(|publisher| u64::from(publisher.unacknowledged())).sum::<u64>();
    }
}

fn longest_payload(groups: &[Group]) -> usize {
    let topics = groups.iter().flat_map(|group| group.publishers.iter().flatten());
    topics.map(|topic| topic.message.payload_bytes).max().unwrap_or(0)
}
