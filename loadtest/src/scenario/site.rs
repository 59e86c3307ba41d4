//! A whole site from a file: sensors, dashboards, consumers that share, commands, idle clients and those that come and go,
//! all at once.

mod cleaning;
mod config;
mod plan;
mod report;
mod values;

use super::meter::{Cost, Meter};
use super::{churn, steady};
use crate::cli::{SiteArgs, TargetArgs};
use crate::engine::dial::{Client, dial};
use crate::engine::fleet::{Fleet, FleetReport};
use crate::engine::link::Link;
use crate::engine::worker::{Progress, Timeline};
use crate::measure::latency::Latencies;
use crate::report::{progress_line, write_json};
use crate::run::{dial_options, prepare, topic_prefix};
use config::Site;
use plan::SitePlan;
use report::{Broker, Others, Part, SiteReport};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// Runs the site, and tells whether everything arrived where it should.
pub fn run(args: &SiteArgs) -> anyhow::Result<bool> {
    let site = Site::read(&args.file)?;
    prepare(&args.target)?;
    let (prefix, meter) = (topic_prefix(), Meter::new(args.target.broker_pid));
    let plan = SitePlan::new(&site, &prefix)?;
    let memory_before = meter.memory()?;
    let links = connect(&plan.connections, &args.target)?;
    let options = dial_options(&args.target, plan.others.len(), 0, 0)?;
    let mut fleet = Fleet::new(&plan.others, options)?.with_retries();
    fleet.enqueue_all(None);
    fleet.run_until_in(|_| progress_line::say("connecting"))?;
    fleet.report.latencies = Latencies::new();
    let seconds = args.seconds.unwrap_or(site.seconds.0);
    let (progress, stop) = (Progress::default(), AtomicBool::new(false));
    let timeline = steady::timeline(site.warmup.0, &args.target);
    let groups = std::slice::from_ref(&plan.group);
    let rate = plan.group.rates.iter().map(|(_, rate)| rate).sum();
    let worker = steady::worker(groups, links, &args.target, rate, plan.parts.len(), timeline, &progress)?;
    let (outcome, reconnects, measured) = thread::scope(|scope| -> anyhow::Result<_> {
        let traffic = scope.spawn(|| worker.run());
        let (fleet, stop_ref, plan) = (&mut fleet, &stop, &plan);
        let churn = scope.spawn(move || churn::run(fleet, plan.churners, plan.reconnects_per_second, stop_ref));
        let measured = watch(site.warmup.0, seconds, &meter, &progress, &timeline);
        progress.stop.store(true, Ordering::Relaxed);
        stop.store(true, Ordering::Relaxed);
        let outcome = steady::join(traffic);
        let reconnects = churn.join().expect("churning does not panic");
        Ok((outcome?, reconnects?, measured?))
    })?;
    let memory = meter.memory()?;
    cleaning::run(&plan.retained, &args.target, &prefix)?;
    progress_line::clear();
    let FleetReport { failures, ended, ref mut first_failure, .. } = fleet.report;
    let first_failure = first_failure.take();
    let others = Others { clients: plan.others.len(), reconnects, failures, ended, first_failure };
    let (cost, delivered) = measured;
    let parts = plan.parts.iter().zip(&outcome.parts).map(|(name, part)| Part {
        name: name.clone(),
        latency: part.latencies.summary(),
        send_delay: part.send_delays.summary(),
    });
    let report = SiteReport {
        scenario: "site",
        title: args.file.display().to_string(),
        mqtt: args.target.mqtt,
        publishers: plan.group.publishers.len(),
        subscribers: plan.group.subscribers.len(),
        rate,
        seconds: cost.seconds,
        delivered,
        delivered_per_second: cost.per_second(delivered),
        latency: outcome.latencies.summary(),
        send_delay: outcome.send_delays.summary(),
        parts: parts.collect(),
        broker: Broker::new(&cost, delivered, memory_before, memory),
        generator_cpu_us_per_message: cost.own_us_per(delivered),
        failed: outcome.faults.any() || others.failures + others.ended > 0 || delivered == 0,
        others,
        faults: outcome.faults,
        first_fault: outcome.first_fault,
    };
    report.print();
    if let Some(path) = &args.target.json {
        write_json(path, &report)?;
    }
    Ok(!report.failed)
}

/// Opens the connections in their order; neighbours with the same QoS together.
fn connect(connections: &[(Client, u8)], target: &TargetArgs) -> anyhow::Result<Vec<Link>> {
    let mut links = Vec::with_capacity(connections.len());
    for same in connections.chunk_by(|left, right| left.1 == right.1) {
        progress_line::say("connecting");
        let clients: Vec<Client> = same.iter().map(|(client, _)| client.clone()).collect();
        links.extend(dial(&clients, &dial_options(target, clients.len(), same[0].1, 0)?)?);
    }
    Ok(links)
}

/// Lets the time pass, and returns what the measured part of it cost and delivered.
fn watch(
    warmup: f64,
    seconds: f64,
    meter: &Meter,
    progress: &Progress,
    timeline: &Timeline,
) -> anyhow::Result<(Cost, u64)> {
    let delivered = || progress.delivered.load(Ordering::Relaxed);
    let show = |phase: &str| {
        let elapsed = timeline.clock.now_ns() as f64 / 1e9;
        progress_line::show(elapsed as u64, delivered() as f64 / elapsed.max(1e-9), phase);
    };
    let sleep = |seconds: f64, phase: &str| {
        let until = Instant::now() + Duration::from_secs_f64(seconds);
        while let Some(rest) = until.checked_duration_since(Instant::now()) {
            thread::sleep(rest.min(Duration::from_secs(1)));
            show(phase);
        }
    };
    sleep(warmup, "warm-up");
    let (phase, before) = (meter.begin()?, delivered());
    sleep(seconds, "");
    Ok((meter.end(&phase)?, delivered() - before))
}
