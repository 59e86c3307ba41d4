//! Slow consumers: some subscribers of a fan-out read slowly or not at all. What they miss is the broker's decision; that
//! the others miss nothing and wait for nobody is its duty, and what it keeps for the slow ones costs memory.

mod consumers;
mod report;

use super::meter::Meter;
use super::steady;
use crate::cli::SlowArgs;
use crate::engine::dial::{Client, dial};
use crate::engine::plan::{Group, Message, Subscriber, Topic};
use crate::engine::worker::{Pace, Progress, Traffic, Worker};
use crate::report::{grouped, progress_line, write_json};
use crate::run::{dial_options, prepare, topic_prefix};
use consumers::{Consumer, Reading};
use report::{Broker, RssSample, Slow, SlowReport};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Runs the fan-out, lets the slow ones catch up, and tells whether nobody got anything wrong.
pub fn run(args: &SlowArgs) -> anyhow::Result<bool> {
    prepare(&args.target)?;
    let (prefix, meter) = (topic_prefix(), Meter::new(args.target.broker_pid));
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
    let rss_bytes_before = meter.memory()?.map(|memory| memory.rss_bytes);
    let (progress, catch_up, run) = (Progress::default(), AtomicBool::new(false), steady::run_number());
    let traffic = Traffic { version: args.target.mqtt, pace: Pace::Rate(args.rate), run, parts: 0 };
    let timeline = steady::timeline(0.0, &args.target);
    let worker = Worker::new(traffic, timeline, &progress, &groups, links)?;
    let reading = Reading {
        version: args.target.mqtt,
        topic: &name,
        message,
        run,
        bytes_per_second: args.slow_rate,
        patience: Duration::from_secs_f64(args.target.patience),
    };
    let (outcome, received_slowly, timeline) = thread::scope(|scope| -> anyhow::Result<_> {
        let steady = scope.spawn(|| worker.run());
        let slow = scope.spawn(|| reading.run(&mut consumers, &catch_up));
        let timeline = watch(args, &meter, &progress);
        progress.stop.store(true, Ordering::Relaxed);
        let outcome = steady::join(steady);
        catch_up.store(true, Ordering::Relaxed);
        progress_line::say("the slow ones catch up");
        let received_slowly = slow.join().expect("reading does not panic");
        Ok((outcome?, received_slowly, timeline?))
    })?;
    let rss_bytes_after = meter.memory()?.map(|memory| memory.rss_bytes);
    progress_line::clear();
    let sent = progress.published.load(Ordering::Relaxed);
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
        latency: outcome.latencies.summary(),
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
        broker: Broker::new(rss_bytes_before, rss_bytes_after, timeline, args.slow),
        faults,
        first_fault: outcome.first_fault,
        failed: faults.any() || sent == 0,
    };
    report.print();
    if let Some(path) = &args.target.json {
        write_json(path, &report)?;
    }
    Ok(!report.failed)
}

/// Lets the time pass and reads the broker's memory each second.
fn watch(args: &SlowArgs, meter: &Meter, progress: &Progress) -> anyhow::Result<Vec<RssSample>> {
    let started = Instant::now();
    let mut samples = Vec::new();
    loop {
        let rest = args.seconds - started.elapsed().as_secs_f64();
        if rest <= 0.0 {
            return Ok(samples);
        }
        thread::sleep(Duration::from_secs_f64(rest.min(1.0)));
        if let Some(memory) = meter.memory()? {
            samples.push(RssSample { seconds: started.elapsed().as_secs_f64(), rss_bytes: memory.rss_bytes });
        }
        let sent = progress.published.load(Ordering::Relaxed);
        progress_line::say(&format!("{:>4.0} s  {} sent", started.elapsed().as_secs_f64(), grouped(sent as f64)));
    }
}
