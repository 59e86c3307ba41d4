//! Hours of steady traffic beside clients that come and go: does the broker lose anything, and does its memory grow?

mod report;

use super::meter::Meter;
use super::{churn, steady};
use crate::cli::SoakArgs;
use crate::engine::dial::Client;
use crate::engine::fleet::{Fleet, FleetReport};
use crate::engine::plan::Message;
use crate::engine::worker::{Progress, Timeline};
use crate::measure::hdr_log::{HdrFile, HdrLog};
use crate::measure::intervals::Collector;
use crate::measure::latency::Latencies;
use crate::report::{progress_line, write_files};
use crate::run::{dial_options, prepare, topic_prefix};
use crate::watch::SLICES_AFTER;
use anyhow::ensure;
use report::{Churn, Sample, SoakReport, slope_per_hour};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// Runs until the time is over, or the first fault if that is asked for, and tells whether there was none.
pub fn run(args: &SoakArgs) -> anyhow::Result<bool> {
    let seconds = args.hours * 3_600.0 + args.minutes * 60.0;
    ensure!(seconds > 0.0, "how long? Give --hours or --minutes");
    prepare(&args.target)?;
    let (prefix, meter) = (topic_prefix(), Meter::new(args.target.broker_pid));
    let mut hdr_file = args.hdr.as_deref().map(HdrFile::create).transpose()?;
    let message = Message { qos: args.qos, payload_bytes: args.payload, retain: false, part: 0 };
    let groups = steady::pairs(args.pairs, &prefix, message);
    let clients: Vec<Client> = (0..args.churners)
        .map(|index| Client {
            client_id: format!("{}-churn-{index}", prefix.replace('/', "-")),
            filters: vec![format!("{prefix}/churn/{index}")],
        })
        .collect();
    let links = steady::connect(&groups, &args.target, args.qos)?;
    let mut fleet = Fleet::new(&clients, &dial_options(&args.target, clients.len(), args.qos, 0)?)?.with_retries();
    fleet.enqueue_all(None);
    fleet.run_until_in(|_| progress_line::say("connecting"))?;
    fleet.report.latencies = Latencies::new();
    let (progress, stop) = (Progress::with_slices(), AtomicBool::new(false));
    let mut hdr_log = hdr_file.as_mut().map(|file| file.begin("soak", SystemTime::now())).transpose()?;
    let timeline = Timeline::begin(0.0, seconds, args.target.patience);
    let worker = steady::worker(&groups, links, &args.target, args.rate, 0, timeline, &progress)?;
    let per_second = args.churners as f64 * args.churn / 60.0;
    let (outcome, reconnects, seen) = thread::scope(|scope| -> anyhow::Result<_> {
        let steady = scope.spawn(|| worker.run());
        let (fleet, stop_ref) = (&mut fleet, &stop);
        let churn = scope.spawn(move || churn::run(fleet, args.churners, per_second, stop_ref));
        let seen = watch(args, seconds, &meter, &progress, hdr_log.as_mut());
        stop.store(true, Ordering::Relaxed);
        progress.stop.store(true, Ordering::Relaxed);
        let outcome = steady::join(steady);
        let reconnects = churn.join().expect("churning does not panic");
        Ok((outcome?, reconnects?, seen?))
    })?;
    progress_line::clear();
    let Seen { samples, mut latencies } = seen;
    let watched = samples.last().map_or(0.0, |sample| sample.seconds);
    // What came after the last line has an interval of its own, as long as is waited for it.
    if let Some(log) = &mut hdr_log {
        log.write(&outcome.latencies, Duration::from_secs_f64(watched), Duration::from_secs_f64(args.target.patience))?;
    }
    latencies.add(&outcome.latencies);
    let FleetReport { failures, ended, ref mut first_failure, .. } = fleet.report;
    let churn = Churn { clients: args.churners, reconnects, failures, ended, first_failure: first_failure.take() };
    let report = SoakReport {
        scenario: "soak",
        mqtt: args.target.mqtt,
        qos: args.qos,
        payload_bytes: args.payload,
        pairs: args.pairs,
        rate: args.rate,
        seconds: watched,
        published: progress.published.load(Ordering::Relaxed),
        delivered: progress.delivered.load(Ordering::Relaxed),
        latency: latencies.summary(),
        rss_bytes_per_hour: slope_per_hour(&samples),
        samples,
        faults: outcome.faults,
        first_fault: outcome.first_fault,
        failed: outcome.faults.any() || churn.ended + churn.failures > 0 || latencies.summary().is_none(),
        churn,
        distribution: latencies.distribution(),
    };
    report.print();
    write_files(&args.target, &report)?;
    Ok(!report.failed)
}

/// What was seen until the end.
struct Seen {
    samples: Vec<Sample>,
    /// Of the intervals that were over.
    latencies: Latencies,
}

/// Prints a line now and then until the time is over or a fault ends it.
fn watch(
    args: &SoakArgs,
    seconds: f64,
    meter: &Meter,
    progress: &Progress,
    mut hdr_log: Option<&mut HdrLog<'_>>,
) -> anyhow::Result<Seen> {
    let started = Instant::now();
    let mut seen = Seen { samples: Vec::new(), latencies: Latencies::new() };
    let (mut collector, mut delivered_before, mut from) = (Collector::new(1), 0, 0.0);
    println!("{}", Sample::HEADING);
    for line in 1.. {
        let until = (f64::from(line) * args.every).min(seconds);
        while started.elapsed().as_secs_f64() < until && !is_over(args, progress) {
            let rest = (until - started.elapsed().as_secs_f64()).clamp(0.0, 0.1);
            thread::sleep(Duration::from_secs_f64(rest));
        }
        let delivered = progress.delivered.load(Ordering::Relaxed);
        let now = started.elapsed().as_secs_f64();
        thread::sleep(SLICES_AFTER);
        let mut latencies = Latencies::new();
        for (_, interval) in collector.add(progress.take_slices()) {
            latencies.add(&interval.latencies);
        }
        if let Some(log) = &mut hdr_log {
            log.write(&latencies, Duration::from_secs_f64(from), Duration::from_secs_f64(now - from))?;
        }
        seen.samples.push(Sample {
            seconds: now,
            delivered_per_second: (delivered - delivered_before) as f64 / (now - from),
            p99_us: latencies.summary().map(|summary| summary.p99_us),
            faults: progress.faults.load(Ordering::Relaxed),
            rss_bytes: meter.memory()?.map(|memory| memory.rss_bytes),
        });
        seen.latencies.add(&latencies);
        progress_line::clear();
        Sample::print_last(&seen.samples);
        if until >= seconds || is_over(args, progress) || (args.stop_on_fault && delivered == delivered_before) {
            break;
        }
        (delivered_before, from) = (delivered, now);
    }
    Ok(seen)
}

fn is_over(args: &SoakArgs, progress: &Progress) -> bool {
    args.stop_on_fault && progress.faults.load(Ordering::Relaxed) > 0
}
