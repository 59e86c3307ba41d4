//! The absent clients come back and fetch what waited for them: each message once, intact, and in its publisher's order.

use super::Lanes;
use super::report::Drained;
use crate::engine::dial::{Client, DialOptions, Dialer};
use crate::engine::link::Link;
use crate::engine::plan::Message;
use crate::engine::poller::Poller;
use crate::faults::Faults;
use crate::ledger::{Arrival, Ledger};
use crate::message;
use crate::mqtt::encode;
use crate::mqtt::scan::{Packet, Publish, scan};
use crate::report::{grouped, progress_line};
use anyhow::{bail, ensure};
use std::time::{Duration, Instant};

/// All clients and what they got.
pub struct Drain<'a> {
    message: Message,
    lanes: &'a Lanes,
    run: u32,
    sessions: Vec<Session>,
    clients: Vec<Client>,
    options: DialOptions,
    poller: Poller,
    began: Instant,
    last_arrival: Instant,
    input: Vec<u8>,
    received: u64,
    faults: Faults,
    first_fault: Option<String>,
}

struct Session {
    link: Link,
    has_sent_connect: bool,
    /// One for each publisher of its lane.
    arrivals: Vec<Ledger>,
    missing: u64,
    is_closed: bool,
}

/// How long to listen for surplus messages after the last one that was expected.
const LINGER: Duration = Duration::from_millis(200);

impl<'a> Drain<'a> {
    /// `sent` has the number of messages of each publisher, lane by lane.
    pub fn new(
        message: Message,
        lanes: &'a Lanes,
        run: u32,
        sent: &[u64],
        options: &DialOptions,
    ) -> anyhow::Result<Self> {
        let (poller, began, clients) = (Poller::new()?, Instant::now(), lanes.sessions());
        let mut dialer = Dialer::new(options, clients.len())?;
        let (mut sent, mut sessions) = (sent.iter(), Vec::with_capacity(clients.len()));
        for lane in 0..lanes.count() {
            let publishers = lanes.publishers_of(lane).count();
            let missing: u64 = sent.by_ref().take(publishers).sum();
            for _ in 0..lanes.sessions_of(lane) {
                let link = dialer.open()?;
                poller.add(link.socket(), sessions.len(), true)?;
                let arrivals = (0..publishers).map(|_| Ledger::default()).collect();
                sessions.push(Session { link, has_sent_connect: false, arrivals, missing, is_closed: false });
            }
        }
        Ok(Self {
            message,
            lanes,
            run,
            sessions,
            clients,
            options: options.clone(),
            poller,
            began,
            last_arrival: began,
            input: Vec::new(),
            received: 0,
            faults: Faults::default(),
            first_fault: None,
        })
    }

    /// Connects, and receives until nothing is missing, or nothing comes any more.
    pub fn run(&mut self) -> anyhow::Result<()> {
        while self.sessions.iter().any(|session| session.missing > 0 && !session.is_closed)
            && self.last_arrival.elapsed() < self.options.patience
        {
            self.turn(Duration::from_millis(50))?;
            progress_line::say(&format!("drained {}", grouped(self.received as f64)));
        }
        Ok(())
    }

    /// Waits for surplus messages, and counts what never came.
    pub fn finish(mut self, faults: &mut Faults) -> anyhow::Result<Drained> {
        let seconds = (self.last_arrival - self.began).as_secs_f64();
        let until = Instant::now() + LINGER;
        while Instant::now() < until {
            self.turn(until - Instant::now())?;
        }
        self.faults.lost += self.sessions.iter().map(|session| session.missing).sum::<u64>();
        faults.add(&self.faults);
        let mut goodbye = Vec::new();
        encode::disconnect(&mut goodbye);
        for session in &mut self.sessions {
            // The messages are here: a broker that is gone by now has done its part.
            let _ = session.link.finish(&goodbye);
        }
        Ok(Drained {
            messages: self.received,
            seconds,
            messages_per_second: self.received as f64 / seconds,
            first_fault: self.first_fault,
        })
    }

    fn turn(&mut self, timeout: Duration) -> anyhow::Result<()> {
        let ready = self.poller.wait(timeout)?;
        let mut input = std::mem::take(&mut self.input);
        for readiness in ready.iter().filter(|readiness| readiness.readable || readiness.writable) {
            let key = readiness.key;
            if self.sessions[key].is_closed {
                continue;
            }
            if let Err(error) = self.work(key, readiness.readable, &mut input) {
                self.faults.disconnected += 1;
                self.first_fault.get_or_insert_with(|| format!("a client that came back: {error:#}"));
                self.poller.remove(self.sessions[key].link.socket())?;
                self.sessions[key].is_closed = true;
            }
        }
        self.input = input;
        self.poller.recycle(ready);
        Ok(())
    }

    fn work(&mut self, key: usize, is_readable: bool, input: &mut Vec<u8>) -> anyhow::Result<()> {
        let session = &mut self.sessions[key];
        if let Some(error) = session.link.socket().take_error()? {
            return Err(error.into());
        }
        let mut output = Vec::new();
        if !session.has_sent_connect {
            let DialOptions { version, session: kind, keep_alive_seconds, .. } = self.options;
            encode::connect(&mut output, version, &self.clients[key].client_id, keep_alive_seconds, kind);
            session.has_sent_connect = true;
        } else if is_readable && let Some(filled) = session.link.receive(input)? {
            self.last_arrival = Instant::now();
            let mut consumed = 0;
            while let Some((packet, length)) = scan(self.options.version, &input[consumed..filled])? {
                consumed += length;
                self.take(key, &packet, &mut output)?;
            }
            self.sessions[key].link.keep(&input[consumed..filled]);
        }
        let link = &mut self.sessions[key].link;
        if link.is_blocked() {
            link.flush()?;
        }
        link.send(&output)?;
        Ok(self.poller.modify(link.socket(), key, link.is_blocked())?)
    }

    fn take(&mut self, key: usize, packet: &Packet<'_>, output: &mut Vec<u8>) -> anyhow::Result<()> {
        match packet {
            Packet::ConnAck { session_present, reason: 0, .. } => {
                ensure!(session_present, "the broker has no session any more");
            }
            Packet::Publish(publish) => {
                match publish.qos {
                    1 => encode::pub_ack(output, publish.packet_id),
                    2 => encode::pub_rec(output, publish.packet_id),
                    _ => {}
                }
                self.arrived(key, publish);
            }
            Packet::PubRel { packet_id } => encode::pub_comp(output, *packet_id),
            other => bail!("the broker sent an unexpected {other:?}"),
        }
        Ok(())
    }

    fn arrived(&mut self, key: usize, publish: &Publish<'_>) {
        let Some(header) = message::read(publish.payload, self.run) else {
            self.faults.corrupted += 1;
            return;
        };
        let session = &mut self.sessions[key];
        let place = self.lanes.publisher_of(publish.topic).map(|publisher| publisher / self.lanes.count());
        let is_right = publish.qos == self.message.qos
            && !publish.retain
            && publish.payload.len() == self.message.payload_bytes
            && self.clients[key].filters.iter().all(|filter| {
                let lane = filter.trim_end_matches('+').as_bytes();
                publish.topic.starts_with(lane)
            });
        let Some(arrivals) = place.filter(|_| is_right).and_then(|place| session.arrivals.get_mut(place)) else {
            self.faults.misdelivered += 1;
            return;
        };
        match arrivals.arrive(header.sequence) {
            Arrival::Duplicate => {
                self.faults.duplicated += 1;
                return;
            }
            Arrival::Late => self.faults.reordered += 1,
            Arrival::InOrder | Arrival::AfterGap { .. } => {}
        }
        self.received += 1;
        session.missing = session.missing.saturating_sub(1);
    }
}
