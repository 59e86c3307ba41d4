//! Subscriptions by the million: what one costs the broker in memory and CPU, and what they do to publishing.

mod filters;
mod publishing;
mod report;

use super::meter::{Cost, Meter};
use crate::cli::SubscriptionsArgs;
use crate::engine::dial::{Client, dial};
use crate::engine::link::Link;
use crate::engine::requests::Drive;
use crate::measure::memory::Memory;
use crate::report::{grouped, progress_line, write_json};
use crate::run::{dial_options, prepare, topic_prefix};
use filters::{Filters, Subscribing, Unsubscribing};
use report::{Broker, SubscriptionsReport, Unsubscribed};
use std::thread;
use std::time::Duration;

/// Subscribes, publishes and unsubscribes, and tells whether all messages arrived.
pub fn run(args: &SubscriptionsArgs) -> anyhow::Result<bool> {
    prepare(&args.target)?;
    let prefix = topic_prefix();
    let filters = Filters::new(&prefix, args);
    let client =
        |name: String| Client { client_id: format!("{}-{name}", prefix.replace('/', "-")), filters: Vec::new() };
    let mut clients: Vec<Client> = (0..args.connections).map(|index| client(format!("sub-{index}"))).collect();
    clients.push(client("pub".into()));
    let mut links = dial(&clients, &dial_options(&args.target, clients.len(), args.qos, 0)?)?;
    let publisher = links.pop().expect("it was dialed");
    let meter = Meter::new(args.target.broker_pid);
    let drive = Drive {
        version: args.target.mqtt,
        window: PACKETS_IN_FLIGHT,
        patience: Duration::from_secs_f64(args.target.patience.max(1.0)),
    };
    let memory_connected = settled_memory(&meter)?;
    let (subscribing, latency) = {
        let phase = meter.begin()?;
        let mut requests = Subscribing::new(&filters, args);
        let latency = drive.run(&mut links, &mut requests, |packets| show("subscribed", args, packets))?;
        (meter.end(&phase)?, latency.summary())
    };
    let memory_subscribed = settled_memory(&meter)?;
    let total = filters.total() as u64;
    let published = match args.then_publish {
        Some(seconds) => Some(publishing::run(args, seconds, &filters, &mut links, publisher, &meter)?),
        None => None,
    };
    let unsubscribed = if args.unsubscribe {
        Some(unsubscribe(args, &filters, &mut links, &drive, &meter, memory_connected)?)
    } else {
        None
    };
    progress_line::clear();
    let (not_matching, matching, outcome) = match published {
        Some((not_matching, matching, outcome)) => (Some(not_matching), Some(matching), Some(outcome)),
        None => (None, None, None),
    };
    let faults = outcome.as_ref().map(|outcome| outcome.faults).unwrap_or_default();
    let report = SubscriptionsReport {
        scenario: "subscriptions",
        mqtt: args.target.mqtt,
        connections: args.connections,
        subscriptions: filters.total(),
        kind: args.kind,
        per_packet: args.per_packet,
        qos: args.qos,
        payload_bytes: args.payload,
        subscribe_seconds: subscribing.seconds,
        subscribes_per_second: subscribing.per_second(total),
        packet_latency: latency,
        generator_cpu_us_per_subscribe: subscribing.own_us_per(total),
        broker: broker(&subscribing, total, memory_connected, memory_subscribed),
        not_matching,
        matching,
        unsubscribed,
        faults,
        first_fault: outcome.and_then(|outcome| outcome.first_fault),
        failed: faults.any(),
    };
    report.print();
    if let Some(path) = &args.target.json {
        write_json(path, &report)?;
    }
    Ok(!report.failed)
}

/// SUBSCRIBE and UNSUBSCRIBE packets of one connection without an answer: one is worked on, one is on its way.
const PACKETS_IN_FLIGHT: usize = 2;

/// Memory once the broker has done what it does a little later.
fn settled_memory(meter: &Meter) -> anyhow::Result<Option<Memory>> {
    thread::sleep(Duration::from_secs(1));
    meter.memory()
}

fn broker(cost: &Cost, total: u64, connected: Option<Memory>, subscribed: Option<Memory>) -> Option<Broker> {
    let ((connected, subscribed), cpu) = connected.zip(subscribed).zip(cost.broker_us_per(total))?;
    Some(Broker {
        cpu_us_per_subscribe: cpu,
        bytes_per_subscription: (subscribed.rss_bytes as f64 - connected.rss_bytes as f64) / total as f64,
        rss_bytes_connected: connected.rss_bytes,
        rss_bytes: subscribed.rss_bytes,
    })
}

fn unsubscribe(
    args: &SubscriptionsArgs,
    filters: &Filters,
    links: &mut [Link],
    drive: &Drive,
    meter: &Meter,
    connected: Option<Memory>,
) -> anyhow::Result<Unsubscribed> {
    let phase = meter.begin()?;
    let mut requests = Unsubscribing::new(filters, args);
    drive.run(links, &mut requests, |packets| show("unsubscribed", args, packets))?;
    let cost = meter.end(&phase)?;
    let memory = settled_memory(meter)?;
    let total = filters.total() as u64;
    Ok(Unsubscribed {
        seconds: cost.seconds,
        per_second: cost.per_second(total),
        cpu_us_per_unsubscribe: cost.broker_us_per(total),
        rss_bytes: memory.map(|memory| memory.rss_bytes),
        kept_bytes_per_subscription: memory
            .zip(connected)
            .map(|(now, connected)| (now.rss_bytes as f64 - connected.rss_bytes as f64) / total as f64),
    })
}

fn show(what: &str, args: &SubscriptionsArgs, packets: u64) {
    progress_line::say(&format!("{what} {}", grouped((packets * args.per_packet as u64) as f64)));
}
