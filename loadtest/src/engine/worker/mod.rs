//! One thread's loop: it keeps its publishers' windows full, or sends at a fixed rate, and judges what arrives.
//!
//! What costs, in this order, are system calls, then copies, then everything else. So a socket is read once for each
//! time it is ready, whatever was freed by what arrived is sent at once with one write for each publisher, and the clock
//! is read once for each read and each write, not for each message.

mod receive;
mod send;

use super::link::Link;
use super::plan::{Delivery, Group};
use super::poller::{Poller, Readiness};
use super::publisher::Publisher;
use super::stream::Stream;
use crate::faults::Faults;
use crate::ledger::Ledger;
use crate::measure::Clock;
use crate::measure::intervals::{Cutter, Grid, Slice};
use crate::measure::latency::Latencies;
use crate::message::PayloadWriter;
use crate::mqtt::Version;
use crate::mqtt::encode::{self, PublishTemplate};
use std::io;
use std::num::NonZeroU64;
use std::sync::Mutex;
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

impl Timeline {
    /// How long it is until a time of the run's clock.
    pub fn rest(&self, until_ns: u64) -> Duration {
        Duration::from_nanos(until_ns.saturating_sub(self.clock.now_ns()))
    }

    /// The intervals of the run's time series.
    pub fn grid(&self) -> Grid {
        Grid::new(self.measure_from_ns, self.measure_until_ns)
    }
}

/// What a worker reports while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    /// Copies of messages that arrived.
    pub delivered: AtomicU64,
    /// Messages sent.
    pub published: AtomicU64,
    /// What happened in each interval that is over, where somebody wants to know.
    pub slices: Option<Mutex<Vec<Slice>>>,
}

impl Progress {
    /// A report that has the course of the run.
    pub fn with_slices() -> Self {
        Self { slices: Some(Mutex::default()), ..Self::default() }
    }

    /// Takes what the worker has left since the last time.
    pub fn take_slices(&self) -> Vec<Slice> {
        let lock = |slices: &Mutex<Vec<Slice>>| std::mem::take(&mut *slices.lock().expect(UNPOISONED));
        self.slices.as_ref().map(lock).unwrap_or_default()
    }
}

const UNPOISONED: &str = "nobody panics while holding it";

/// What a worker found.
#[derive(Debug)]
pub struct Outcome {
    /// From sending, or from when it should have been sent, to the arrival of each copy: those that are in no slice.
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
    /// Only where slices are wanted.
    cutter: Option<Cutter>,
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
            cutter: progress.slices.is_some().then(|| Cutter::new(timeline.grid(), timeline.start_ns)),
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
            self.leave_slices(now_ns);
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

    /// Ends the intervals of the time series whose time is over.
    fn leave_slices(&mut self, now_ns: u64) {
        let Some(cutter) = &mut self.cutter else { return };
        while cutter.is_due(now_ns) {
            let Outcome { latencies, faults, .. } = &mut self.outcome;
            let slice = cutter.cut(now_ns, self.delivered, faults, latencies);
            let slices = self.progress.slices.as_ref().expect("the cutter is there because they are");
            slices.lock().expect(UNPOISONED).push(slice);
        }
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
