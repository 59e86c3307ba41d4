//! Once over all connections: a ping or a message for each, as fast as the answers come.

use super::worker::Tally;
use crate::cli::IdleArgs;
use crate::engine::link::Link;
use crate::engine::poller::Poller;
use crate::message::{self, Header, PayloadWriter};
use crate::mqtt::Version;
use crate::mqtt::encode::{self, PublishTemplate};
use crate::mqtt::scan::{Packet, Publish, scan};
use std::time::{Duration, Instant};

/// Pings or messages on their way at a time: enough to keep the broker busy, and below the 1,024 of its Receive Maximum.
const WINDOW: u64 = 256;

/// Bytes of a message's payload.
const PAYLOAD_BYTES: usize = 64;

/// The topic of a connection, by its number in this process.
pub fn topic(prefix: &str, index: usize) -> String {
    format!("{prefix}/device/{index}/command")
}

/// What all sweeps of a process have in common.
#[derive(Debug)]
pub struct Sweep<'a> {
    version: Version,
    qos: u8,
    patience: Duration,
    prefix: &'a str,
    /// Number of the run in the payloads.
    run: u32,
    input: Vec<u8>,
    output: Vec<u8>,
}

/// What is known in one sweep.
#[derive(Debug)]
struct Progress {
    tally: Tally,
    /// Which connections have had their ping answered or their message.
    has_arrived: Vec<bool>,
    acknowledged: u64,
    /// Messages of QoS 2 that have arrived and whose PUBREL has not.
    unreleased: u64,
    last_arrival: Instant,
}

impl<'a> Sweep<'a> {
    pub fn new(args: &IdleArgs, prefix: &'a str) -> Self {
        Self {
            version: args.target.mqtt,
            qos: args.qos,
            patience: Duration::from_secs_f64(args.target.patience),
            prefix,
            // The conducting process's, so that what goes astray to another worker is known as ours.
            run: std::os::unix::process::parent_id(),
            input: Vec::new(),
            output: Vec::new(),
        }
    }

    /// A PINGREQ on each connection.
    pub fn ping(&mut self, links: &mut [Link]) -> anyhow::Result<Tally> {
        let mut request = Vec::new();
        encode::ping_request(&mut request);
        let send = |links: &mut [Link], index: usize| links[index].send(&request);
        self.run(links, links.len(), false, send)
    }

    /// A message to the topic of each connection, published by the last one, which has no topic.
    pub fn deliver(&mut self, links: &mut [Link]) -> anyhow::Result<Tally> {
        let count = links.len() - 1;
        let (version, qos, prefix, run) = (self.version, self.qos, self.prefix, self.run);
        let payloads = PayloadWriter::new(PAYLOAD_BYTES);
        let mut packet = Vec::new();
        self.run(links, count, qos > 0, |links, index| {
            packet.clear();
            // Identifiers that are in use are at most a window apart.
            let packet_id = (index % usize::from(u16::MAX)) as u16 + 1;
            PublishTemplate::new(version, &topic(prefix, index), qos, false, PAYLOAD_BYTES)
                .append(&mut packet, packet_id);
            payloads.append(&mut packet, &Header { run, stream: index as u32, sequence: 0, sent_ns: 0 }, PAYLOAD_BYTES);
            links[count].send(&packet)
        })
    }

    /// Sends for each of the first `count` links, and waits for what comes to it and, if the sender is acknowledged, for
    /// that too.
    fn run(
        &mut self,
        links: &mut [Link],
        count: usize,
        is_acknowledged: bool,
        mut send: impl FnMut(&mut [Link], usize) -> std::io::Result<()>,
    ) -> anyhow::Result<Tally> {
        let mut poller = Poller::new()?;
        for (key, link) in links.iter().enumerate() {
            poller.add(link.socket(), key, false)?;
        }
        let started = Instant::now();
        let mut progress = Progress {
            tally: Tally::default(),
            has_arrived: vec![false; count],
            acknowledged: 0,
            unreleased: 0,
            last_arrival: started,
        };
        loop {
            let settled = progress.tally.answered + progress.tally.faults.disconnected;
            let behind = if is_acknowledged { settled.min(progress.acknowledged) } else { settled };
            let is_impatient = progress.last_arrival.elapsed() > self.patience;
            if is_impatient || (behind >= count as u64 && progress.unreleased == 0) {
                break;
            }
            while progress.tally.sent < (behind + WINDOW).min(count as u64) {
                let index = progress.tally.sent as usize;
                progress.tally.sent += 1;
                if let Err(error) = send(links, index) {
                    progress.ended(&error.to_string());
                }
            }
            let ready = poller.wait(Duration::from_millis(100))?;
            for readiness in &ready {
                let link = &mut links[readiness.key];
                if let Err(error) = self.receive(link, readiness.key, &mut progress) {
                    poller.remove(link.socket())?;
                    progress.ended(&format!("{error:#}"));
                }
            }
            poller.recycle(ready);
        }
        let seconds = progress.last_arrival.duration_since(started).as_secs_f64();
        let Progress { mut tally, acknowledged, has_arrived, .. } = progress;
        tally.seconds = seconds;
        tally.faults.lost += has_arrived.iter().filter(|arrived| !**arrived).count() as u64;
        tally.faults.unacknowledged += if is_acknowledged { count as u64 - acknowledged } else { 0 };
        Ok(tally)
    }

    /// Reads a connection once, judges what has come, and answers it.
    fn receive(&mut self, link: &mut Link, key: usize, progress: &mut Progress) -> anyhow::Result<()> {
        let Some(filled) = link.receive(&mut self.input)? else { return Ok(()) };
        progress.last_arrival = Instant::now();
        let mut consumed = 0;
        self.output.clear();
        while let Some((packet, length)) = scan(self.version, &self.input[consumed..filled])? {
            consumed += length;
            match packet {
                Packet::PingResp => progress.arrived(key),
                Packet::Publish(publish) => {
                    match publish.qos {
                        1 => encode::pub_ack(&mut self.output, publish.packet_id),
                        2 => {
                            encode::pub_rec(&mut self.output, publish.packet_id);
                            progress.unreleased += 1;
                        }
                        _ => {}
                    }
                    self.judge(key, &publish, progress);
                }
                Packet::PubRel { packet_id } => {
                    encode::pub_comp(&mut self.output, packet_id);
                    progress.unreleased = progress.unreleased.saturating_sub(1);
                }
                Packet::PubRec { packet_id, reason: 0..0x80 } => encode::pub_rel(&mut self.output, packet_id),
                Packet::PubAck { reason: 0..0x80, .. } | Packet::PubComp { reason: 0..0x80, .. } => {
                    progress.acknowledged += 1;
                }
                other => {
                    progress.tally.faults.protocol += 1;
                    progress
                        .tally
                        .first_fault
                        .get_or_insert_with(|| format!("the broker sent an unexpected {other:?}"));
                }
            }
        }
        link.keep(&self.input[consumed..filled]);
        if !self.output.is_empty() {
            link.send(&self.output)?;
        }
        Ok(())
    }

    /// Whether a message is the one that this connection was to get.
    fn judge(&self, key: usize, publish: &Publish<'_>, progress: &mut Progress) {
        match message::read(publish.payload, self.run).filter(|_| publish.payload.len() == PAYLOAD_BYTES) {
            None => progress.tally.faults.corrupted += 1,
            Some(header)
                if header.stream as usize != key
                    || publish.topic != topic(self.prefix, key).as_bytes()
                    || publish.qos != self.qos
                    || publish.retain =>
            {
                progress.tally.faults.misdelivered += 1;
            }
            Some(_) => progress.arrived(key),
        }
    }
}

impl Progress {
    fn arrived(&mut self, key: usize) {
        match self.has_arrived.get_mut(key) {
            Some(arrived) if !*arrived => {
                *arrived = true;
                self.tally.answered += 1;
            }
            _ => self.tally.faults.duplicated += 1,
        }
    }

    fn ended(&mut self, reason: &str) {
        self.tally.faults.disconnected += 1;
        self.tally.first_fault.get_or_insert_with(|| format!("a connection ended: {reason}"));
    }
}
