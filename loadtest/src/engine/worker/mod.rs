//! One thread's loop: it keeps its publishers' windows full, or sends at a fixed rate, and judges what arrives.
//!
//! What costs, in this order, are system calls, then copies, then everything else. So a socket is read once for each
//! time it is ready, whatever was freed by what arrived is sent at once with one write for each publisher, and the clock
//! is read once for each read and each write, not for each message.

mod build;
mod receive;
mod send;
mod subscriber;

use super::link::Link;
use super::plan::Group;
use super::poller::{Poller, Readiness};
use super::publisher::Publisher;
use super::stream::Stream;
use crate::faults::Faults;
use crate::measure::Clock;
use crate::measure::intervals::{Cutter, Grid, Slice};
use crate::measure::latency::Latencies;
use crate::message::PayloadWriter;
use crate::mqtt::Version;
use crate::mqtt::encode;
use std::io;
use std::num::NonZeroU64;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use subscriber::{Expected, Subscriber};

/// What the messages of a run have in common.
#[derive(Clone, Copy, Debug)]
pub struct Traffic {
    pub version: Version,
    pub pace: Pace,
    /// Number of the run, in every message.
    pub run: u32,
    pub counts: Counts,
    /// How many latencies to tell apart beside the total, by part of the traffic and phase of the run; zero for none.
    pub parts: usize,
}

/// What the rate and the latencies of a run are of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Counts {
    /// Copies that arrive at their receivers.
    #[default]
    Arrivals,
    /// Messages whose acknowledgement, PUBACK or PUBREC, comes back to their publishers. These also wait for it before they send
    /// more than their window.
    Acknowledgements,
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
    /// Length of the intervals of the time series, if it was chosen.
    pub interval_ns: Option<u64>,
}

impl Timeline {
    /// A run that begins now, with its warm-up, the measured time and the patience in seconds. The measured time may be
    /// infinite: then it ends when the worker is told to stop.
    pub fn begin(warmup: f64, seconds: f64, patience: f64) -> Self {
        // The conversion saturates, and no clock reaches the end of what it saturates at.
        let ns = |seconds: f64| (seconds * 1e9) as u64;
        let clock = Clock::start();
        let start_ns = clock.now_ns();
        let measure_from_ns = start_ns + ns(warmup);
        let measure_until_ns = measure_from_ns.saturating_add(ns(seconds));
        Self { clock, start_ns, measure_from_ns, measure_until_ns, patience_ns: ns(patience), interval_ns: None }
    }

    /// With intervals of about so many seconds in its time series.
    pub fn with_intervals(self, seconds: Option<f64>) -> Self {
        Self { interval_ns: seconds.map(|seconds| (seconds * 1e9) as u64), ..self }
    }

    /// How long it is until a time of the run's clock.
    pub fn rest(&self, until_ns: u64) -> Duration {
        Duration::from_nanos(until_ns.saturating_sub(self.clock.now_ns()))
    }

    /// The intervals of the run's time series.
    pub fn grid(&self) -> Grid {
        match self.interval_ns {
            Some(interval_ns) => Grid::with_length(self.measure_from_ns, self.measure_until_ns, interval_ns),
            None => Grid::new(self.measure_from_ns, self.measure_until_ns),
        }
    }
}

/// What a worker reports while it runs, and what it is told.
#[derive(Debug, Default)]
pub struct Progress {
    /// Copies of messages that arrived, or messages acknowledged: what the run counts.
    pub delivered: AtomicU64,
    /// Messages sent.
    pub published: AtomicU64,
    /// What happened in each interval that is over, where somebody wants to know.
    pub slices: Option<Mutex<Vec<Slice>>>,
    /// Faults so far; copies passed over count as lost until they come late.
    pub faults: AtomicU64,
    /// Tells the worker to stop sending before its time.
    pub stop: AtomicBool,
    /// When the second and the third phase of the run began, in nanoseconds of its clock; zero until then. Latencies are
    /// told apart by the phase in which a message was sent.
    pub phases: [AtomicU64; 2],
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
    /// From sending, or from when it should have been sent, to the arrival of each copy, or to the acknowledgement: those
    /// that are in no slice.
    pub latencies: Latencies,
    /// At a fixed rate: from when a message should have been sent to when it was. This is the generator's own delay, or
    /// the broker's flow control.
    pub send_delays: Latencies,
    /// The same once more, by part and phase.
    pub parts: Vec<Part>,
    /// Messages sent on each topic, in the order of the groups and their publishers.
    pub sent: Vec<u64>,
    pub faults: Faults,
    /// The first fault that has a story, such as why a connection ended.
    pub first_fault: Option<String>,
}

/// Latencies and send delays of one part of the traffic, or of one phase.
#[derive(Debug)]
pub struct Part {
    pub latencies: Latencies,
    pub send_delays: Latencies,
    /// From when a message was written to its publisher's socket to when it had arrived at its receiver's, as the kernel says: what
    /// the generator waits for a CPU is not in it. Empty unless [`Worker::look_between_sockets`] was asked for.
    pub between_sockets: Latencies,
}

impl Part {
    fn new() -> Self {
        Self { latencies: Latencies::new(), send_delays: Latencies::new(), between_sockets: Latencies::new() }
    }
}

/// One thread's connections and what they do.
pub struct Worker<'a> {
    traffic: Traffic,
    timeline: Timeline,
    progress: &'a Progress,
    looks_between_sockets: bool,
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
    /// When sending ends.
    until_ns: u64,
    /// Which publishers send when, at fixed rates.
    schedules: Vec<Schedule>,
    /// When the later phases began; `u64::MAX` until then.
    phases: [u64; 2],
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
            looks_between_sockets: false,
            poller: Poller::new()?,
            connections: Vec::with_capacity(links.len()),
            publishers: Vec::new(),
            subscribers: Vec::new(),
            streams: Vec::new(),
            payloads: PayloadWriter::new(build::longest_payload(groups)),
            freed: Vec::new(),
            in_flight: 0,
            delivered: 0,
            published: 0,
            last_arrival_ns: 0,
            cutter: progress.slices.is_some().then(|| Cutter::new(timeline.grid(), timeline.start_ns)),
            until_ns: timeline.measure_until_ns,
            schedules: Vec::new(),
            phases: [u64::MAX; 2],
            overtaken: 0,
            input: Vec::new(),
            output: Vec::new(),
            outcome: Outcome {
                latencies: Latencies::new(),
                send_delays: Latencies::new(),
                parts: (0..traffic.parts).map(|_| Part::new()).collect(),
                sent: Vec::new(),
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

    /// Has the parts also tell what of their latencies lies between the sockets. Each stream must have one receiver.
    pub fn look_between_sockets(&mut self) -> io::Result<()> {
        self.looks_between_sockets = true;
        let receivers = self.connections.iter_mut().filter(|connection| matches!(connection.role, Role::Subscriber(_)));
        receivers.map(|connection| &mut connection.link).try_for_each(Link::stamp_arrivals)
    }

    /// Runs until everything was sent and has arrived, or nothing arrives any more, and says goodbye.
    pub fn run(self) -> io::Result<Outcome> {
        let (outcome, mut links) = self.run_and_keep()?;
        let mut goodbye = Vec::new();
        encode::disconnect(&mut goodbye);
        for link in &mut links {
            // The run is over: a broker that is gone by now has done its part.
            let _ = link.finish(&goodbye);
        }
        Ok(outcome)
    }

    /// Runs as [`Worker::run`] does, and returns the connections in their order.
    pub fn run_and_keep(mut self) -> io::Result<(Outcome, Vec<Link>)> {
        self.drive()?;
        self.count_missing();
        self.outcome.sent = self.streams.iter().map(Stream::sent).collect();
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
            self.leave_slices(now_ns);
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
                // What a share group has lost is judged over all its members.
                if let Some(Expected { ledger, share: None }) = subscriber.expected.get(index as usize) {
                    faults.lost += ledger.lost(sent);
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
