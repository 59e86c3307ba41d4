//! Hours of steady traffic beside clients that come and go: does the broker lose anything, and does its memory grow?

mod report;

use super::meter::Meter;
use super::{churn, steady};
use crate::cli::SoakArgs;
use crate::engine::dial::Client;
use crate::engine::fleet::{Fleet, FleetReport};
use crate::engine::plan::Message;
use crate::engine::worker::Progress;
use crate::measure::latency::Latencies;
use crate::report::{progress_line, write_json};
use crate::run::{dial_options, prepare, topic_prefix};
use anyhow::ensure;
use report::{Churn, Sample, SoakReport, slope_per_hour};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Runs until the time is over, or the first fault if that is asked for, and tells whether there was none.
pub fn run(args: &SoakArgs) -> anyhow::Result<bool> {
    let seconds = args.hours * 3_600.0 + args.minutes * 60.0;
    ensure!(seconds > 0.0, "how long? Give --hours or --minutes");
    prepare(&args.target)?;
    let (prefix, meter) = (topic_prefix(), Meter::new(args.target.broker_pid));
    let message = Message { qos: args.qos, payload_bytes: args.payload, retain: false, part: 0 };
    let groups = steady::pairs(args.pairs, &prefix, message);
    let clients: Vec<Client> = (0..args.churners)
        .map(|index| Client {
            client_id: format!("{}-churn-{index}", prefix.replace('/', "-")),
            filters: vec![format!("{prefix}/churn/{index}")],
        })
        .collect();
    let links = steady::connect(&groups, &args.target, args.qos)?;
    let mut fleet = Fleet::new(&clients, dial_options(&args.target, clients.len(), args.qos, 0)?)?.with_retries();
    fleet.enqueue_all(None);
    fleet.run_until_in(|_| progress_line::say("connecting"))?;
    fleet.report.latencies = Latencies::new();
    let (progress, stop) = (Progress::default(), AtomicBool::new(false));
    let timeline = steady::timeline(0.0, &args.target);
    let worker = steady::worker(&groups, links, &args.target, args.rate, 1, timeline, &progress)?;
    let per_second = args.churners as f64 * args.churn / 60.0;
    let (outcome, reconnects, samples) = thread::scope(|scope| -> anyhow::Result<_> {
        let steady = scope.spawn(|| worker.run());
        let (fleet, stop_ref) = (&mut fleet, &stop);
        let churn = scope.spawn(move || churn::run(fleet, args.churners, per_second, stop_ref));
        let samples = watch(args, seconds, &meter, &progress);
        stop.store(true, Ordering::Relaxed);
        progress.stop.store(true, Ordering::Relaxed);
        let outcome = steady::join(steady);
        let reconnects = churn.join().expect("churning does not panic");
        Ok((outcome?, reconnects?, samples?))
    })?;
    progress_line::clear();
    let FleetReport { failures, ended, ref mut first_failure, .. } = fleet.report;
    let churn = Churn { clients: args.churners, reconnects, failures, ended, first_failure: first_failure.take() };
    let report = SoakReport {
        scenario: "soak",
        mqtt: args.target.mqtt,
        qos: args.qos,
        payload_bytes: args.payload,
        pairs: args.pairs,
        rate: args.rate,
        seconds: samples.last().map_or(0.0, |sample| sample.seconds),
        published: progress.published.load(Ordering::Relaxed),
        delivered: progress.delivered.load(Ordering::Relaxed),
        latency: outcome.latencies.summary(),
        rss_bytes_per_hour: slope_per_hour(&samples),
        samples,
        faults: outcome.faults,
        first_fault: outcome.first_fault,
        failed: outcome.faults.any() || churn.ended + churn.failures > 0 || outcome.latencies.summary().is_none(),
        churn,
    };
    report.print();
    if let Some(path) = &args.target.json {
        write_json(path, &report)?;
    }
    Ok(!report.failed)
}

/// Prints a line now and then until the time is over or a fault ends it.
fn watch(args: &SoakArgs, seconds: f64, meter: &Meter, progress: &Progress) -> anyhow::Result<Vec<Sample>> {
    let started = Instant::now();
    let (mut samples, mut before): (Vec<Sample>, u64) = (Vec::new(), 0);
    println!("{}", Sample::HEADING);
    loop {
        let elapsed = started.elapsed().as_secs_f64();
        let until = (elapsed + args.every).min(seconds);
        if until <= elapsed {
            return Ok(samples);
        }
        while started.elapsed().as_secs_f64() < until && !is_over(args, progress) {
            let rest = (until - started.elapsed().as_secs_f64()).clamp(0.0, 0.1);
            thread::sleep(Duration::from_secs_f64(rest));
        }
        let latencies = take_interval(progress);
        let delivered = progress.delivered.load(Ordering::Relaxed);
        let now = started.elapsed().as_secs_f64();
        samples.push(Sample {
            seconds: now,
            delivered_per_second: (delivered - before) as f64 / (now - elapsed),
            p99_us: latencies.and_then(|latencies| latencies.summary()).map(|summary| summary.p99_us),
            faults: progress.faults.load(Ordering::Relaxed),
            rss_bytes: meter.memory()?.map(|memory| memory.rss_bytes),
        });
        progress_line::clear();
        Sample::print_last(&samples);
        if is_over(args, progress) || (args.stop_on_fault && delivered == before) {
            return Ok(samples);
        }
        before = delivered;
    }
}

fn is_over(args: &SoakArgs, progress: &Progress) -> bool {
    args.stop_on_fault && progress.faults.load(Ordering::Relaxed) > 0
}

/// The latencies since the last time, once the worker has given them.
fn take_interval(progress: &Progress) -> Option<Latencies> {
    progress.wants_interval.store(true, Ordering::Relaxed);
    // A worker looks at this many times in a second; one that is gone never will.
    (0..100).find_map(|_| {
        thread::sleep(Duration::from_millis(5));
        progress.interval.lock().expect("nobody panics with it").take()
    })
}
