//! Clients that come and go: TCP, CONNECT, CONNACK, a SUBSCRIBE with its SUBACK for those that have filters, and all of it
//! again. What they are there for begins afterwards, or is just this.

use super::dial::{Client, DialOptions, Dialer};
use super::link::Link;
use super::poller::{Poller, Readiness};
use super::transport::Handshake;
use crate::measure::Clock;
use crate::measure::latency::Latencies;
use crate::mqtt::scan::{Packet, scan};
use crate::mqtt::{Session, encode};
use anyhow::{Context, bail, ensure};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

/// Clients by index, each connected or not.
pub struct Fleet<'a> {
    options: DialOptions,
    clients: &'a [Client],
    members: Vec<Member>,
    poller: Poller,
    dialer: Dialer,
    clock: Clock,
    /// Those to be connected, by time, nanoseconds of the clock.
    pending: BinaryHeap<Reverse<(u64, usize)>>,
    opening: usize,
    ready: usize,
    retries: bool,
    /// Connects were due at fixed times.
    has_rate: bool,
    input: Vec<u8>,
    pub report: FleetReport,
}

/// What became of the connections.
#[derive(Debug)]
pub struct FleetReport {
    /// From the start of the TCP connect, or from when it should have been at a fixed rate, to CONNACK.
    pub latencies: Latencies,
    /// Attempts that failed and were repeated.
    pub failures: u64,
    pub first_failure: Option<String>,
    /// Established connections that the broker ended, or sent something to that nobody asked for.
    pub ended: u64,
}

#[derive(Debug)]
struct Member {
    link: Option<Link>,
    state: State,
    /// When the connection was begun or should have been.
    since_ns: u64,
    /// Failures since it was last in.
    failures: u32,
    /// Whether the broker should still have its session.
    has_session: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Closed,
    /// Until the socket is writable.
    Connecting,
    AwaitingConnAck,
    AwaitingSubAck,
    Ready,
}

/// The only packet identifier used in this phase.
const SUBSCRIBE_PACKET_ID: u16 = 1;

/// A client that failed waits so long, then twice as long each time, up to the longest.
const BACKOFF_MIN_NS: u64 = 100_000_000;
const BACKOFF_MAX_NS: u64 = 3_200_000_000;

impl<'a> Fleet<'a> {
    pub fn new(clients: &'a [Client], options: &DialOptions) -> anyhow::Result<Self> {
        let member = || Member { link: None, state: State::Closed, since_ns: 0, failures: 0, has_session: false };
        Ok(Self {
            options: options.clone(),
            clients,
            members: clients.iter().map(|_| member()).collect(),
            poller: Poller::new()?,
            dialer: Dialer::new(options, clients.len())?,
            clock: Clock::start(),
            pending: BinaryHeap::new(),
            opening: 0,
            ready: 0,
            retries: false,
            has_rate: false,
            input: Vec::new(),
            report: FleetReport { latencies: Latencies::new(), failures: 0, first_failure: None, ended: 0 },
        })
    }

    /// Makes a failed attempt count and be repeated after a while; otherwise it is an error.
    pub fn with_retries(self) -> Self {
        Self { retries: true, ..self }
    }

    /// Connects with this session from now on.
    pub fn set_session(&mut self, session: Session) {
        self.options.session = session;
    }

    /// Opens so many at a time from now on.
    pub fn set_concurrency(&mut self, concurrency: usize) {
        self.options.concurrency = concurrency;
    }

    /// Lets all clients connect, as fast as they can or at a rate per second.
    pub fn enqueue_all(&mut self, rate: Option<f64>) {
        let now_ns = self.clock.now_ns();
        self.has_rate = rate.is_some();
        let interval_ns = rate.map_or(0.0, |rate| 1e9 / rate);
        let due_ns = |index| now_ns + (index as f64 * interval_ns) as u64;
        self.pending.extend((0..self.clients.len()).map(|index| Reverse((due_ns(index), index))));
    }

    pub fn enqueue(&mut self, index: usize) {
        self.pending.push(Reverse((self.clock.now_ns(), index)));
    }

    /// How many are connected, and subscribed if they have filters.
    pub fn ready(&self) -> usize {
        self.ready
    }

    /// How many clients it has.
    pub fn len(&self) -> usize {
        self.clients.len()
    }

    pub fn is_ready(&self, index: usize) -> bool {
        self.members[index].state == State::Ready
    }

    /// What the TLS handshake of a connection came to.
    pub fn handshake(&self, index: usize) -> Option<Handshake> {
        self.members[index].link.as_ref()?.handshake()
    }

    /// Works until all clients have been in; an error if none made progress for the time of patience.
    pub fn run_until_in(&mut self, mut progress: impl FnMut(&Self)) -> anyhow::Result<()> {
        let mut last_progress = (self.ready, Instant::now());
        while self.ready < self.clients.len() {
            self.turn(Duration::from_millis(100))?;
            progress(self);
            // At a rate there are pauses in which nothing is due.
            let is_pausing = self.opening == 0 && self.report.failures == 0;
            if last_progress.0 != self.ready || is_pausing {
                last_progress = (self.ready, Instant::now());
            }
            let (ready, count) = (self.ready, self.clients.len());
            let is_stuck = last_progress.1.elapsed() > self.options.patience;
            if is_stuck {
                let why = self.report.first_failure.as_deref().unwrap_or("the broker does not answer");
                bail!("{ready} of {count} connections are open and no more come: {why}");
            }
            if self.opening == 0 && self.pending.is_empty() && ready < count {
                ensure!(self.retries, "{} connections ended while others were opened", count - ready);
                // The report has them, and they will not come back by themselves.
                return Ok(());
            }
        }
        Ok(())
    }

    /// Opens what is due and handles what has come, waiting at most `timeout` for it.
    pub fn turn(&mut self, timeout: Duration) -> anyhow::Result<()> {
        let mut timeout = timeout;
        while self.opening < self.options.concurrency {
            let Some(&Reverse((due_ns, index))) = self.pending.peek() else { break };
            let now_ns = self.clock.now_ns();
            if due_ns > now_ns {
                timeout = timeout.min(Duration::from_nanos(due_ns - now_ns));
                break;
            }
            self.pending.pop();
            self.open(index, due_ns)?;
        }
        let ready = self.poller.wait(timeout)?;
        for &readiness in &ready {
            if let Err(error) = self.handle(readiness) {
                self.failed(readiness.key, error)?;
            }
        }
        self.poller.recycle(ready);
        Ok(())
    }

    /// Ends a connection without a word: the broker gets a reset (SO_LINGER of zero, socket(7)).
    pub fn reset(&mut self, index: usize) -> anyhow::Result<()> {
        if let Some(link) = &self.members[index].link {
            socket2::SockRef::from(link.socket()).set_linger(Some(Duration::ZERO))?;
        }
        self.close(index);
        Ok(())
    }

    /// Ends a connection as the protocol wants it.
    pub fn disconnect(&mut self, index: usize) {
        let mut packet = Vec::new();
        encode::disconnect(&mut packet);
        if let Some(link) = &mut self.members[index].link {
            // A broker that has gone needs no goodbye.
            let _ = link.finish(&packet);
        }
        self.close(index);
    }

    /// The connections in the order of the clients.
    ///
    /// # Panics
    /// If not all are in.
    pub fn into_links(self) -> Vec<Link> {
        self.members.into_iter().map(|member| member.link.expect("all clients are in")).collect()
    }

    fn open(&mut self, index: usize, due_ns: u64) -> anyhow::Result<()> {
        let member = &mut self.members[index];
        if member.failures == 0 {
            member.since_ns = if self.has_rate { due_ns } else { self.clock.now_ns() };
        }
        self.opening += 1;
        member.state = State::Connecting;
        match self.dialer.open() {
            Ok(link) => {
                self.poller.add(link.socket(), index, true)?;
                member.link = Some(link);
                Ok(())
            }
            Err(error) => self.failed(index, error.context("cannot open a connection")),
        }
    }

    fn handle(&mut self, readiness: Readiness) -> anyhow::Result<()> {
        let key = readiness.key;
        let member = &mut self.members[key];
        let Some(link) = &mut member.link else { return Ok(()) };
        if member.state == State::Connecting {
            if let Some(error) = link.socket().take_error()? {
                return Err(error).context("cannot connect");
            }
            if !readiness.writable {
                return Ok(());
            }
            let mut packet = Vec::new();
            let DialOptions { version, session, keep_alive_seconds, .. } = self.options;
            encode::connect(&mut packet, version, &self.clients[key].client_id, keep_alive_seconds, session);
            link.send(&packet)?;
            member.state = State::AwaitingConnAck;
            return Ok(self.poller.modify(link.socket(), key, link.is_blocked())?);
        }
        if readiness.writable {
            link.flush()?;
        }
        if readiness.readable {
            self.receive(key)?;
        }
        self.watch_room(key, readiness.writable)
    }

    /// Asks for room to write while there is something to write, which is hardly ever so; `waited` tells whether it was asked for.
    fn watch_room(&self, key: usize, waited: bool) -> anyhow::Result<()> {
        match &self.members[key].link {
            Some(link) if link.is_blocked() || waited => {
                Ok(self.poller.modify(link.socket(), key, link.is_blocked())?)
            }
            _ => Ok(()),
        }
    }

    fn receive(&mut self, key: usize) -> anyhow::Result<()> {
        let mut input = std::mem::take(&mut self.input);
        let link = self.members[key].link.as_mut().expect("it was found ready");
        let received = link.receive(&mut input);
        let handled = match received {
            Ok(Some(filled)) => self.handle_input(key, &input[..filled]),
            Ok(None) => Ok(()),
            Err(error) => Err(error.into()),
        };
        self.input = input;
        handled
    }

    fn handle_input(&mut self, key: usize, input: &[u8]) -> anyhow::Result<()> {
        let mut consumed = 0;
        while let Some((packet, length)) = scan(self.options.version, &input[consumed..])? {
            consumed += length;
            self.handle_packet(key, packet)?;
        }
        let link = self.members[key].link.as_mut().expect("it was read from");
        link.keep(&input[consumed..]);
        Ok(())
    }

    fn handle_packet(&mut self, key: usize, packet: Packet<'_>) -> anyhow::Result<()> {
        let member = &mut self.members[key];
        match (member.state, packet) {
            (State::AwaitingConnAck, Packet::ConnAck { session_present, reason: 0, receive_maximum }) => {
                let expects_session = member.has_session && self.options.session == Session::Persistent;
                ensure!(session_present == expects_session, "CONNACK says Session Present {session_present}");
                self.report.latencies.record(self.clock.now_ns().saturating_sub(member.since_ns));
                let link = member.link.as_mut().expect("it was read from");
                link.receive_maximum = receive_maximum;
                let filters = &self.clients[key].filters;
                // A session that is still there has its subscriptions.
                if filters.is_empty() || session_present {
                    self.enter(key);
                    return Ok(());
                }
                let mut packet = Vec::new();
                encode::subscribe(&mut packet, self.options.version, SUBSCRIBE_PACKET_ID, filters, self.options.qos);
                link.send(&packet)?;
                member.state = State::AwaitingSubAck;
            }
            (State::AwaitingConnAck, Packet::ConnAck { reason, .. }) => bail!("CONNACK refuses with {reason:#04x}"),
            (State::AwaitingSubAck, Packet::SubAck { packet_id: SUBSCRIBE_PACKET_ID, reasons }) => {
                let (qos, count) = (self.options.qos, self.clients[key].filters.len());
                let is_granted = reasons.len() == count && reasons.iter().all(|&reason| reason == qos);
                ensure!(is_granted, "SUBACK answers {reasons:02x?} to {count} filters at QoS {qos}");
                self.enter(key);
            }
            (state, packet) => bail!("{packet:?} came in state {state:?}"),
        }
        Ok(())
    }

    fn enter(&mut self, index: usize) {
        let member = &mut self.members[index];
        member.state = State::Ready;
        member.failures = 0;
        member.has_session = self.options.session == Session::Persistent;
        self.opening -= 1;
        self.ready += 1;
    }

    /// Ends a failed attempt; without retries, that is an error.
    fn failed(&mut self, index: usize, error: anyhow::Error) -> anyhow::Result<()> {
        let was_ready = self.is_ready(index);
        self.close(index);
        if was_ready {
            self.report.ended += 1;
        } else if self.retries {
            self.report.failures += 1;
            let member = &mut self.members[index];
            // Spread by index, so that those who failed together do not come back together.
            let backoff_ns = (BACKOFF_MIN_NS << member.failures.min(5)).min(BACKOFF_MAX_NS);
            let spread_ns = backoff_ns * (index as u64 % 16) / 16;
            member.failures += 1;
            self.pending.push(Reverse((self.clock.now_ns() + backoff_ns + spread_ns, index)));
        } else {
            return Err(error.context(format!("client {}", self.clients[index].client_id)));
        }
        self.report.first_failure.get_or_insert_with(|| format!("{error:#}"));
        Ok(())
    }

    fn close(&mut self, index: usize) {
        let member = &mut self.members[index];
        match member.state {
            State::Closed => return,
            State::Ready => self.ready -= 1,
            State::Connecting | State::AwaitingConnAck | State::AwaitingSubAck => self.opening -= 1,
        }
        member.state = State::Closed;
        member.link = None;
    }
}
