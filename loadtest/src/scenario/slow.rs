//! Slow consumers: some subscribers of a fan-out read slowly or not at all. What they miss is the broker's decision; that
//! the others miss nothing and wait for nobody is its duty, and what it keeps for the slow ones costs memory.

mod consumers;
mod report;

use super::meter::Meter;
use super::steady;
use crate::cli::SlowArgs;
use crate::engine::dial::{Client, dial};
use crate::engine::plan::{Group, Message, Subscriber, Topic};
use crate::engine::worker::{Counts, Pace, Progress, Timeline, Traffic, Worker};
use crate::measure::hdr_log::HdrFile;
use crate::report::{progress_line, write_files};
use crate::run::{dial_options, prepare, topic_prefix};
use crate::watch::{BrokerBefore, Watch};
use consumers::{Consumer, Reading};
use report::{Broker, Slow, SlowReport};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Runs the fan-out, lets the slow ones catch up, and tells whether nobody got anything wrong.
pub fn run(args: &SlowArgs) -> anyhow::Result<bool> {
    prepare(&args.target)?;
    let (prefix, meter) = (topic_prefix(), Meter::new(args.target.broker_pid));
    let mut hdr_file = args.hdr.as_deref().map(HdrFile::create).transpose()?;
    let name = format!("{prefix}/news");
    let message = Message { qos: args.qos, payload_bytes: args.payload, retain: false, part: 0 };
    let groups = [Group {
        publishers: vec![vec![Topic::to_each(name.clone(), (0..args.subscribers).collect(), message)]],
        subscribers: vec![Subscriber::to(name.clone(), args.qos); args.subscribers],
        ..Group::default()
    }];
    let slow: Vec<Client> = (0..args.slow)
        .map(|index| Client {
            client_id: format!("{}-slow-{index}", prefix.replace('/', "-")),
            filters: vec![name.clone()],
        })
        .collect();
    let slow = dial(&slow, &dial_options(&args.target, slow.len(), args.qos, 0)?)?;
    let mut consumers: Vec<Consumer> = slow.into_iter().map(Consumer::new).collect();
    let links = steady::connect(&groups, &args.target, args.qos)?;
    let broker = args.target.broker_pid.map(BrokerBefore::take).transpose()?;
    let rss_bytes_before = broker.as_ref().map(|broker| broker.memory.rss_bytes);
    let (progress, catch_up, run) = ([Progress::with_slices()], AtomicBool::new(false), steady::run_number());
    let traffic =
        Traffic { version: args.target.mqtt, pace: Pace::Rate(args.rate), run, counts: Counts::Arrivals, parts: 0 };
    let timeline = Timeline::begin(0.0, args.seconds, args.target.patience);
    let worker = Worker::new(traffic, timeline, &progress[0], &groups, links)?;
    let mut watch =
        Watch::new(&timeline, broker, &progress, hdr_file.as_mut().map(|file| (file, "subscribers that read")))?;
    let reading = Reading {
        version: args.target.mqtt,
        topic: &name,
        message,
        run,
        bytes_per_second: args.slow_rate,
        patience: Duration::from_secs_f64(args.target.patience),
    };
    let (outcome, received_slowly) = thread::scope(|scope| -> anyhow::Result<_> {
        let steady = scope.spawn(|| worker.run());
        let slow = scope.spawn(|| reading.run(&mut consumers, &catch_up));
        let watched = watch.run();
        let outcome = steady::join(steady);
        catch_up.store(true, Ordering::Relaxed);
        progress_line::say("the slow ones catch up");
        let received_slowly = slow.join().expect("reading does not panic");
        watched?;
        Ok((outcome?, received_slowly))
    })?;
    let rss_bytes_after = meter.memory()?.map(|memory| memory.rss_bytes);
    progress_line::clear();
    let measured = watch.finish(&outcome)?;
    let sent = progress[0].published.load(Ordering::Relaxed);
    let mut faults = outcome.faults;
    let mut dropped = 0;
    for consumer in &consumers {
        faults.add(&consumer.faults);
        let missing = consumer.missing(sent);
        // At QoS 1 and 2 a broker that keeps the connection has promised to deliver.
        match (args.qos, &consumer.ended) {
            (1.., None) => faults.lost += missing,
            _ => dropped += missing,
        }
    }
    let report = SlowReport {
        scenario: "slow",
        mqtt: args.target.mqtt,
        qos: args.qos,
        payload_bytes: args.payload,
        rate: args.rate,
        subscribers: args.subscribers,
        published: sent,
        latency: measured.latencies.summary(),
        send_delay: outcome.send_delays.summary(),
        slow: Slow {
            consumers: args.slow,
            bytes_per_second: args.slow_rate,
            received: consumers.iter().map(|consumer| consumer.received).sum(),
            received_slowly,
            dropped,
            disconnected: consumers.iter().filter(|consumer| consumer.ended.is_some()).count(),
            first_end: consumers.iter().find_map(|consumer| consumer.ended.clone()),
        },
        broker: Broker::new(rss_bytes_before, rss_bytes_after, &measured.time_series, args.slow),
        faults,
        first_fault: outcome.first_fault,
        failed: faults.any() || sent == 0,
        time_series: measured.time_series,
        distribution: measured.latencies.distribution(),
    };
    report.print();
    write_files(&args.target, &report)?;
    Ok(!report.failed)
}
