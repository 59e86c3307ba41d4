//! Requests that the broker answers one by one, over many connections at once: what each connection asks next is the
//! caller's, that it never waits for more answers than its window allows is done here.

use super::link::Link;
use super::poller::Poller;
use crate::measure::Clock;
use crate::measure::latency::Latencies;
use crate::mqtt::Version;
use crate::mqtt::scan::{Packet, scan};
use anyhow::{Context, bail};
use std::collections::VecDeque;
use std::time::Duration;

/// What the connections ask.
pub trait Requests {
    /// Appends the next request of a connection, or tells that there is none.
    fn encode(&mut self, connection: usize, packet_id: u16, out: &mut Vec<u8>) -> Option<Expects>;

    /// Judges an answer; an error ends everything.
    fn judge(&mut self, connection: usize, packet: &Packet<'_>) -> anyhow::Result<()>;
}

/// What will answer a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expects {
    /// A packet with the request's identifier.
    PacketId,
    /// PINGRESP: the request ends with PINGREQ, which a broker answers after what came before it.
    PingResp,
}

/// How requests are driven.
#[derive(Clone, Copy, Debug)]
pub struct Drive {
    pub version: Version,
    /// Requests of each connection without an answer.
    pub window: usize,
    /// Nothing was answered for so long: give up.
    pub patience: Duration,
}

struct Waiting {
    /// Zero for PINGRESP.
    packet_id: u16,
    sent_ns: u64,
}

#[derive(Default)]
struct Connection {
    waiting: VecDeque<Waiting>,
    last_packet_id: u16,
    is_finished: bool,
    awaits_room: bool,
}

impl Drive {
    /// Sends all requests and returns how long each waited for its answer. `progress` is told now and then how many
    /// were answered.
    pub fn run(
        &self,
        links: &mut [Link],
        requests: &mut impl Requests,
        mut progress: impl FnMut(u64),
    ) -> anyhow::Result<Latencies> {
        let mut run = Run {
            drive: self,
            links,
            connections: Vec::new(),
            poller: Poller::new()?,
            clock: Clock::start(),
            latencies: Latencies::new(),
            answered: 0,
            waiting: 0,
        };
        run.begin(requests)?;
        let mut input = Vec::new();
        let mut last = (0, run.clock.now_ns());
        while run.waiting > 0 {
            let ready = run.poller.wait(Duration::from_millis(100))?;
            for readiness in &ready {
                if readiness.writable {
                    run.links[readiness.key].flush()?;
                    run.fill(readiness.key, requests)?;
                }
                if readiness.readable {
                    run.receive(readiness.key, requests, &mut input)
                        .with_context(|| format!("connection {}", readiness.key))?;
                }
            }
            run.poller.recycle(ready);
            let now_ns = run.clock.now_ns();
            if last.0 != run.answered {
                last = (run.answered, now_ns);
                progress(run.answered);
            } else if now_ns - last.1 > self.patience.as_nanos() as u64 {
                bail!("{} requests are not answered, {} were", run.waiting, run.answered);
            }
        }
        Ok(run.latencies)
    }
}

struct Run<'a> {
    drive: &'a Drive,
    links: &'a mut [Link],
    connections: Vec<Connection>,
    poller: Poller,
    clock: Clock,
    latencies: Latencies,
    answered: u64,
    waiting: usize,
}

impl Run<'_> {
    fn begin(&mut self, requests: &mut impl Requests) -> anyhow::Result<()> {
        for key in 0..self.links.len() {
            self.connections.push(Connection::default());
            self.poller.add(self.links[key].socket(), key, false)?;
            self.fill(key, requests)?;
        }
        Ok(())
    }

    fn receive(&mut self, key: usize, requests: &mut impl Requests, input: &mut Vec<u8>) -> anyhow::Result<()> {
        let Some(filled) = self.links[key].receive(input)? else { return self.fill(key, requests) };
        let mut consumed = 0;
        while let Some((packet, length)) = scan(self.drive.version, &input[consumed..filled])? {
            consumed += length;
            requests.judge(key, &packet)?;
            self.answered(key, &packet)?;
        }
        self.links[key].keep(&input[consumed..filled]);
        self.fill(key, requests)
    }

    fn answered(&mut self, key: usize, packet: &Packet<'_>) -> anyhow::Result<()> {
        let answered_id = match *packet {
            Packet::SubAck { packet_id, .. } | Packet::UnsubAck { packet_id, .. } => packet_id,
            Packet::PubAck { packet_id, .. } => packet_id,
            Packet::PingResp => 0,
            _ => bail!("the broker sent an unexpected {packet:?}"),
        };
        let waiting = &mut self.connections[key].waiting;
        let place = waiting.iter().position(|waiting| waiting.packet_id == answered_id);
        let Waiting { sent_ns, .. } = place
            .and_then(|place| waiting.remove(place))
            .with_context(|| format!("the broker sent {packet:?}, which nothing waited for"))?;
        self.latencies.record(self.clock.now_ns() - sent_ns);
        self.waiting -= 1;
        self.answered += 1;
        Ok(())
    }

    /// Sends as many requests as the window allows, in one write.
    fn fill(&mut self, key: usize, requests: &mut impl Requests) -> anyhow::Result<()> {
        let (connection, link) = (&mut self.connections[key], &mut self.links[key]);
        let window = self.drive.window.min(link.receive_maximum as usize);
        let mut output = Vec::new();
        while !connection.is_finished && connection.waiting.len() < window && !link.is_blocked() {
            let packet_id = connection.last_packet_id % u16::MAX + 1;
            match requests.encode(key, packet_id, &mut output) {
                Some(expects) => {
                    connection.last_packet_id = packet_id;
                    let packet_id = if expects == Expects::PingResp { 0 } else { packet_id };
                    connection.waiting.push_back(Waiting { packet_id, sent_ns: self.clock.now_ns() });
                    self.waiting += 1;
                }
                None => connection.is_finished = true,
            }
        }
        if !output.is_empty() {
            link.send(&output)?;
        }
        if connection.awaits_room != link.is_blocked() {
            connection.awaits_room = link.is_blocked();
            self.poller.modify(link.socket(), key, connection.awaits_room)?;
        }
        Ok(())
    }
}
