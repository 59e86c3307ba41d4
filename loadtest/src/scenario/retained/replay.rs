//! Subscribers who get what is retained: each message once, the newest, with RETAIN set [MQTT-3.3.1-8].

use crate::cli::RetainedArgs;
use crate::engine::link::Link;
use crate::engine::poller::Poller;
use crate::faults::Faults;
use crate::measure::latency::Latencies;
use crate::message;
use crate::mqtt::filter::matches;
use crate::mqtt::scan::{Packet, Publish, scan};
use crate::mqtt::{Version, encode};
use crate::report::{grouped, progress_line};
use std::time::{Duration, Instant};

/// All subscribers and what they got.
pub struct Replay<'a> {
    args: &'a RetainedArgs,
    topics: &'a [String],
    filters: &'a [String],
    run: u32,
    subscribers: Vec<Subscriber>,
    poller: Poller,
    started: Instant,
    last_arrival: Instant,
    input: Vec<u8>,
    outcome: Outcome,
}

/// What the replay found.
pub struct Outcome {
    pub received: u64,
    /// From SUBSCRIBE to the last message of each subscriber.
    pub latencies: Latencies,
    pub faults: Faults,
    pub first_fault: Option<String>,
}

struct Subscriber {
    link: Link,
    /// For each topic what is known of its message.
    messages: Vec<Message>,
    missing: usize,
    closed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Message {
    NotExpected,
    Missing,
    Received,
}

const PACKET_ID: u16 = 1;

/// How long to listen for surplus messages after the last one that was expected.
const LINGER: Duration = Duration::from_millis(200);

impl<'a> Replay<'a> {
    /// One subscriber for each filter, which has not been sent yet.
    pub fn new(
        args: &'a RetainedArgs,
        topics: &'a [String],
        filters: &'a [String],
        run: u32,
        links: Vec<Link>,
    ) -> anyhow::Result<Self> {
        let poller = Poller::new()?;
        let started = Instant::now();
        let mut subscribers = Vec::with_capacity(links.len());
        let expected = |filter: &str| -> Vec<Message> {
            let message = |topic: &String| if matches(filter, topic) { Message::Missing } else { Message::NotExpected };
            topics.iter().map(message).collect()
        };
        for (index, link) in links.into_iter().enumerate() {
            // The filters repeat: only the first of each needs matching.
            let same = filters[..index].iter().position(|filter| *filter == filters[index]);
            let messages = match same {
                Some(same) => subscribers.get(same).map(|same: &Subscriber| same.messages.clone()).unwrap_or_default(),
                None => expected(&filters[index]),
            };
            let missing = messages.iter().filter(|&&message| message == Message::Missing).count();
            subscribers.push(Subscriber { link, messages, missing, closed: false });
        }
        let outcome =
            Outcome { received: 0, latencies: Latencies::new(), faults: Faults::default(), first_fault: None };
        let last_arrival = Instant::now();
        Ok(Self { args, topics, filters, run, subscribers, poller, started, last_arrival, input: Vec::new(), outcome })
    }

    /// Subscribes, and receives until nothing is missing, or nothing comes any more.
    pub fn run(&mut self) -> anyhow::Result<()> {
        self.started = Instant::now();
        self.last_arrival = self.started;
        for (key, subscriber) in self.subscribers.iter_mut().enumerate() {
            self.poller.add(subscriber.link.socket(), key, false)?;
            let mut packet = Vec::new();
            let (version, qos) = (self.args.target.mqtt, self.args.qos);
            encode::subscribe(&mut packet, version, PACKET_ID, [&self.filters[key]], qos);
            subscriber.link.send(&packet)?;
        }
        let patience = Duration::from_secs_f64(self.args.target.patience);
        while self.subscribers.iter().any(|subscriber| subscriber.missing > 0 && !subscriber.closed)
            && self.last_arrival.elapsed() < patience
        {
            self.turn(Duration::from_millis(50))?;
            progress_line::say(&format!("replayed {}", grouped(self.outcome.received as f64)));
        }
        Ok(())
    }

    /// Waits for surplus messages and counts what never came.
    pub fn finish(mut self) -> anyhow::Result<Outcome> {
        let until = Instant::now() + LINGER;
        while Instant::now() < until {
            self.turn(until - Instant::now())?;
        }
        self.outcome.faults.lost += self.subscribers.iter().map(|subscriber| subscriber.missing as u64).sum::<u64>();
        Ok(self.outcome)
    }

    fn turn(&mut self, timeout: Duration) -> anyhow::Result<()> {
        let ready = self.poller.wait(timeout)?;
        let mut input = std::mem::take(&mut self.input);
        for readiness in &ready {
            let key = readiness.key;
            if self.subscribers[key].closed {
                continue;
            }
            if let Err(error) = self.receive(key, &mut input) {
                self.outcome.faults.disconnected += 1;
                self.outcome.first_fault.get_or_insert_with(|| format!("a subscriber's connection ended: {error:#}"));
                self.poller.remove(self.subscribers[key].link.socket())?;
                self.subscribers[key].closed = true;
            }
        }
        self.input = input;
        self.poller.recycle(ready);
        Ok(())
    }

    fn receive(&mut self, key: usize, input: &mut Vec<u8>) -> anyhow::Result<()> {
        let version: Version = self.args.target.mqtt;
        let Some(filled) = self.subscribers[key].link.receive(input)? else { return Ok(()) };
        self.last_arrival = Instant::now();
        let (mut consumed, mut output) = (0, Vec::new());
        while let Some((packet, length)) = scan(version, &input[consumed..filled])? {
            consumed += length;
            match packet {
                Packet::Publish(publish) => {
                    if publish.qos == 1 {
                        encode::pub_ack(&mut output, publish.packet_id);
                    }
                    self.arrived(key, &publish);
                }
                Packet::SubAck { packet_id: PACKET_ID, reasons } if reasons == [self.args.qos] => {}
                other => {
                    self.outcome.faults.protocol += 1;
                    self.outcome.first_fault.get_or_insert_with(|| format!("the broker sent {other:?}"));
                }
            }
        }
        let link = &mut self.subscribers[key].link;
        link.keep(&input[consumed..filled]);
        if link.is_blocked() {
            link.flush()?;
        }
        Ok(link.send(&output)?)
    }

    fn arrived(&mut self, key: usize, publish: &Publish<'_>) {
        let faults = &mut self.outcome.faults;
        let Some(header) = message::read(publish.payload, self.run) else {
            faults.corrupted += 1;
            return;
        };
        let topic = header.stream as usize;
        let is_newest = header.sequence + 1 == self.args.updates as u64;
        let is_right = self.topics.get(topic).is_some_and(|name| name.as_bytes() == publish.topic)
            && publish.retain
            && publish.qos == self.args.qos
            && publish.payload.len() == self.args.payload;
        let subscriber = &mut self.subscribers[key];
        if !is_right || !is_newest {
            faults.misdelivered += 1;
            self.outcome.first_fault.get_or_insert_with(|| {
                let name = String::from_utf8_lossy(publish.topic);
                let what = if is_newest { "a wrong topic, QoS, RETAIN or size" } else { "an old value" };
                format!("{what} came on {name}")
            });
            return;
        }
        match subscriber.messages[topic] {
            Message::NotExpected => faults.misdelivered += 1,
            Message::Received => faults.duplicated += 1,
            Message::Missing => {
                subscriber.messages[topic] = Message::Received;
                subscriber.missing -= 1;
                self.outcome.received += 1;
                if subscriber.missing == 0 {
                    self.outcome.latencies.record(self.started.elapsed().as_nanos() as u64);
                }
            }
        }
    }
}
