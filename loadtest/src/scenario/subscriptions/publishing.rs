//! Publishing beside many subscriptions: to topics that none of them matches, then to topics that one matches.

use super::filters::Filters;
use super::report::Published;
use crate::cli::SubscriptionsArgs;
use crate::engine::link::Link;
use crate::engine::plan::{Group, Message, Subscriber, Topic};
use crate::engine::requests::{Drive, Expects, Requests};
use crate::engine::worker::{Counts, Outcome, Pace, Progress, Timeline, Traffic, Worker};
use crate::message::{Header, PayloadWriter};
use crate::mqtt::encode::{self, PublishTemplate};
use crate::mqtt::scan::Packet;
use crate::report::progress_line;
use crate::scenario::meter::Meter;
use crate::scenario::steady::run_number;
use anyhow::{bail, ensure};
use std::time::{Duration, Instant};

/// Topics published to, evenly spread over all that exist.
const TOPICS: usize = 1_000;

/// Runs both phases, and returns what the second found about its messages.
pub fn run(
    args: &SubscriptionsArgs,
    seconds: f64,
    filters: &Filters,
    links: &mut Vec<Link>,
    publisher: Link,
    meter: &Meter,
) -> anyhow::Result<(Published, Published, Outcome)> {
    let spread = |index: usize| index * filters.total() / TOPICS.min(filters.total());
    let numbers: Vec<usize> = (0..TOPICS.min(filters.total())).map(spread).collect();
    let mut publisher = [publisher];
    let not_matching = not_matching(args, seconds, filters, &numbers, &mut publisher, meter)?;
    let [publisher] = publisher;
    let (matching, outcome) = matching(args, seconds, filters, &numbers, links, publisher, meter)?;
    Ok((not_matching, matching, outcome))
}

/// Publishes that the broker acknowledges and has nothing else to do with.
struct NotMatching {
    templates: Vec<PublishTemplate>,
    next: usize,
    payloads: PayloadWriter,
    payload_bytes: usize,
    qos: u8,
    until: Instant,
    published: u64,
}

/// At QoS 0 nothing is acknowledged, so a PINGREQ behind so many messages tells that they were handled.
const BATCH: usize = 50;

impl Requests for NotMatching {
    fn encode(&mut self, _: usize, packet_id: u16, out: &mut Vec<u8>) -> Option<Expects> {
        if Instant::now() >= self.until {
            return None;
        }
        for _ in 0..if self.qos == 0 { BATCH } else { 1 } {
            self.templates[self.next].append(out, packet_id);
            self.next = (self.next + 1) % self.templates.len();
            let header = Header { run: 0, stream: 0, sequence: self.published, sent_ns: 0 };
            self.payloads.append(out, &header, self.payload_bytes);
            self.published += 1;
        }
        if self.qos == 0 {
            encode::ping_request(out);
            return Some(Expects::PingResp);
        }
        Some(Expects::PacketId)
    }

    fn judge(&mut self, _: usize, packet: &Packet<'_>) -> anyhow::Result<()> {
        match packet {
            Packet::PubAck { reason, .. } => ensure!(*reason < 0x80, "PUBACK answers {reason:#04x}"),
            Packet::PingResp => {}
            _ => bail!("{packet:?} came to a publisher"),
        }
        Ok(())
    }
}

fn not_matching(
    args: &SubscriptionsArgs,
    seconds: f64,
    filters: &Filters,
    numbers: &[usize],
    publisher: &mut [Link],
    meter: &Meter,
) -> anyhow::Result<Published> {
    let template = |&number: &usize| {
        PublishTemplate::new(args.target.mqtt, &filters.unmatched_topic(number), args.qos, false, args.payload)
    };
    let mut requests = NotMatching {
        templates: numbers.iter().map(template).collect(),
        next: 0,
        payloads: PayloadWriter::new(args.payload),
        payload_bytes: args.payload,
        qos: args.qos,
        until: Instant::now() + Duration::from_secs_f64(seconds),
        published: 0,
    };
    let window = if args.qos == 0 { args.window.div_ceil(BATCH) } else { args.window };
    let patience = args.target.answer_patience();
    let drive = Drive { version: args.target.mqtt, window, patience };
    let phase = meter.begin()?;
    let latencies = drive.run(publisher, &mut requests, |_| progress_line::say("publishing to topics none matches"))?;
    let cost = meter.end(&phase)?;
    // A batch's latency is no message's latency.
    let latency = if args.qos == 0 { None } else { latencies.summary() };
    Ok(Published::new(&cost, requests.published, latency))
}

fn matching(
    args: &SubscriptionsArgs,
    seconds: f64,
    filters: &Filters,
    numbers: &[usize],
    links: &mut Vec<Link>,
    publisher: Link,
    meter: &Meter,
) -> anyhow::Result<(Published, Outcome)> {
    let message = Message { qos: args.qos, payload_bytes: args.payload, retain: false, part: 0 };
    let topic = |&number: &usize| Topic::to_each(filters.topic(number), vec![filters.connection_of(number)], message);
    // They have subscribed already.
    let subscriber = Subscriber { filters: Vec::new(), qos: args.qos };
    let group = Group {
        publishers: vec![numbers.iter().map(topic).collect()],
        subscribers: vec![subscriber; links.len()],
        ..Group::default()
    };
    links.push(publisher);
    progress_line::say("publishing to topics that one matches");
    let timeline = Timeline::begin(0.0, seconds, args.target.patience);
    let traffic = Traffic {
        version: args.target.mqtt,
        pace: Pace::Window(args.window),
        run: run_number(),
        counts: Counts::Arrivals,
        parts: 0,
    };
    let progress = Progress::default();
    let worker = Worker::new(traffic, timeline, &progress, &[group], std::mem::take(links))?;
    let phase = meter.begin()?;
    let (outcome, kept) = worker.run_and_keep()?;
    let cost = meter.end(&phase)?;
    *links = kept;
    links.pop();
    let published = progress.published.into_inner();
    let latency = outcome.latencies.summary();
    Ok((Published::new(&cost, published, latency), outcome))
}
