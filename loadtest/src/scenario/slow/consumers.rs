//! Subscribers that read slowly, or not at all, until they may catch up at the end.

use crate::engine::link::Link;
use crate::engine::plan::Message;
use crate::faults::Faults;
use crate::ledger::{Arrival, Ledger};
use crate::message;
use crate::mqtt::scan::{Packet, Publish, scan};
use crate::mqtt::{Version, encode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// What they all listen to and how.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'a> {
    pub version: Version,
    pub topic: &'a str,
    pub message: Message,
    pub run: u32,
    /// Bytes per second of each; zero reads nothing.
    pub bytes_per_second: f64,
    /// Catching up has ended when nothing came for so long.
    pub patience: Duration,
}

/// What one of them got.
#[derive(Debug)]
pub struct Consumer {
    link: Link,
    ledger: Ledger,
    /// Bytes it may read now.
    budget: f64,
    pub received: u64,
    /// Why the connection ended, if it did.
    pub ended: Option<String>,
    pub faults: Faults,
}

/// How often budgets grow.
const TICK: Duration = Duration::from_millis(10);

impl Consumer {
    pub fn new(link: Link) -> Self {
        Self { link, ledger: Ledger::default(), budget: 0.0, received: 0, ended: None, faults: Faults::default() }
    }

    /// How many of the messages sent have not come.
    pub fn missing(&self, sent: u64) -> u64 {
        self.ledger.lost(sent)
    }
}

impl Reading<'_> {
    /// Reads at the given pace until told to catch up, then all there is. Returns how much had come before that.
    pub fn run(&self, consumers: &mut [Consumer], catch_up: &AtomicBool) -> u64 {
        let mut input = Vec::new();
        let mut last = Instant::now();
        while !catch_up.load(Ordering::Relaxed) {
            thread::sleep(TICK);
            let seconds = last.elapsed().as_secs_f64();
            last = Instant::now();
            for consumer in consumers.iter_mut() {
                consumer.budget += seconds * self.bytes_per_second;
                self.read(consumer, &mut input);
            }
        }
        let received_slowly = consumers.iter().map(|consumer| consumer.received).sum();
        let mut last_arrival = Instant::now();
        while last_arrival.elapsed() < self.patience && consumers.iter().any(|consumer| consumer.ended.is_none()) {
            let mut came = false;
            for consumer in consumers.iter_mut() {
                consumer.budget = f64::MAX;
                came |= self.read(consumer, &mut input);
            }
            if came {
                last_arrival = Instant::now();
            } else {
                thread::sleep(TICK);
            }
        }
        received_slowly
    }

    /// Reads once within the budget, and tells whether something came.
    fn read(&self, consumer: &mut Consumer, input: &mut Vec<u8>) -> bool {
        if consumer.ended.is_some() || consumer.budget < 1.0 {
            return false;
        }
        match self.read_once(consumer, input) {
            Ok(came) => came,
            Err(error) => {
                consumer.ended = Some(format!("{error:#}"));
                false
            }
        }
    }

    fn read_once(&self, consumer: &mut Consumer, input: &mut Vec<u8>) -> anyhow::Result<bool> {
        if consumer.link.is_blocked() {
            consumer.link.flush()?;
        }
        let limit = consumer.budget as usize;
        let Some(filled) = consumer.link.receive_at_most(input, limit)? else { return Ok(false) };
        let (mut consumed, mut output) = (0, Vec::new());
        consumer.budget -= filled as f64;
        while let Some((packet, length)) = scan(self.version, &input[consumed..filled])? {
            consumed += length;
            match packet {
                Packet::Publish(publish) => {
                    match publish.qos {
                        1 => encode::pub_ack(&mut output, publish.packet_id),
                        2 => encode::pub_rec(&mut output, publish.packet_id),
                        _ => {}
                    }
                    self.judge(consumer, &publish);
                }
                Packet::PubRel { packet_id } => encode::pub_comp(&mut output, packet_id),
                // A broker may part from a client that does not keep up, and may say so.
                Packet::Disconnect { reason } => anyhow::bail!("DISCONNECT with {reason:#04x}"),
                _ => consumer.faults.protocol += 1,
            }
        }
        // What was kept of the last packet counts when it is read, not again with the rest.
        consumer.budget += (filled - consumed) as f64;
        consumer.link.keep(&input[consumed..filled]);
        consumer.link.send(&output)?;
        Ok(true)
    }

    fn judge(&self, consumer: &mut Consumer, publish: &Publish<'_>) {
        let Some(header) = message::read(publish.payload, self.run) else {
            consumer.faults.corrupted += 1;
            return;
        };
        let is_right = publish.topic == self.topic.as_bytes()
            && publish.qos == self.message.qos
            && publish.payload.len() == self.message.payload_bytes
            && !publish.retain;
        if !is_right {
            consumer.faults.misdelivered += 1;
            return;
        }
        match consumer.ledger.arrive(header.sequence) {
            Arrival::InOrder | Arrival::AfterGap { .. } => consumer.received += 1,
            Arrival::Late => {
                consumer.received += 1;
                consumer.faults.reordered += 1;
            }
            Arrival::Duplicate => consumer.faults.duplicated += 1,
        }
    }
}
