//! A whole site from a file: sensors, dashboards, consumers that share, commands, idle clients and those that come and go,
//! all at once.

mod cleaning;
mod config;
mod plan;
mod report;
mod values;

use super::{churn, steady};
use crate::cli::{SiteArgs, TargetArgs};
use crate::engine::dial::{Client, dial};
use crate::engine::fleet::{Fleet, FleetReport};
use crate::engine::link::Link;
use crate::engine::worker::{Progress, Timeline};
use crate::measure::hdr_log::HdrFile;
use crate::measure::latency::Latencies;
use crate::report::{progress_line, write_files};
use crate::run::{dial_options, prepare, topic_prefix};
use crate::watch::{BrokerBefore, Watch};
use config::Site;
use plan::SitePlan;
use report::{Others, Part, SiteReport};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

/// Runs the site, and tells whether everything arrived where it should.
pub fn run(args: &SiteArgs) -> anyhow::Result<bool> {
    let site = Site::read(&args.file)?;
    prepare(&args.target)?;
    let (prefix, title) = (topic_prefix(), args.file.display().to_string());
    let plan = SitePlan::new(&site, &prefix)?;
    let mut hdr_file = args.hdr.as_deref().map(HdrFile::create).transpose()?;
    let broker = args.target.broker_pid.map(BrokerBefore::take).transpose()?;
    let links = connect(&plan.connections, &args.target)?;
    let options = dial_options(&args.target, plan.others.len(), 0, 0)?;
    let mut fleet = Fleet::new(&plan.others, &options)?.with_retries();
    fleet.enqueue_all(None);
    fleet.run_until_in(|_| progress_line::say("connecting"))?;
    fleet.report.latencies = Latencies::new();
    let seconds = args.seconds.unwrap_or(site.seconds.0);
    let (progress, stop) = ([Progress::with_slices()], AtomicBool::new(false));
    let timeline = Timeline::begin(site.warmup.0, seconds, args.target.patience);
    let groups = std::slice::from_ref(&plan.group);
    let rate = plan.group.rates.iter().map(|(_, rate)| rate).sum();
    let worker = steady::worker(groups, links, &args.target, rate, plan.parts.len(), timeline, &progress[0])?;
    let mut watch = Watch::new(&timeline, broker, &progress, hdr_file.as_mut().map(|file| (file, title.as_str())))?;
    let (outcome, reconnects) = thread::scope(|scope| -> anyhow::Result<_> {
        let traffic = scope.spawn(|| worker.run());
        let (fleet, stop_ref, plan) = (&mut fleet, &stop, &plan);
        let churn = scope.spawn(move || churn::run(fleet, plan.churners, plan.reconnects_per_second, stop_ref));
        let watched = watch.run();
        stop.store(true, Ordering::Relaxed);
        let outcome = steady::join(traffic);
        let reconnects = churn.join().expect("churning does not panic");
        watched?;
        Ok((outcome?, reconnects?))
    })?;
    let measured = watch.finish(&outcome)?;
    cleaning::run(&plan.retained, &args.target, &prefix)?;
    progress_line::clear();
    let FleetReport { failures, ended, ref mut first_failure, .. } = fleet.report;
    let first_failure = first_failure.take();
    let others = Others { clients: plan.others.len(), reconnects, failures, ended, first_failure };
    let parts = plan.parts.iter().zip(&outcome.parts).map(|(name, part)| Part {
        name: name.clone(),
        latency: part.latencies.summary(),
        send_delay: part.send_delays.summary(),
    });
    let report = SiteReport {
        scenario: "site",
        title,
        mqtt: args.target.mqtt,
        publishers: plan.group.publishers.len(),
        subscribers: plan.group.subscribers.len(),
        rate,
        seconds: measured.seconds,
        delivered: measured.delivered,
        delivered_per_second: measured.delivered as f64 / measured.seconds,
        latency: measured.latencies.summary(),
        send_delay: outcome.send_delays.summary(),
        parts: parts.collect(),
        broker: measured.broker,
        kernel: measured.kernel,
        generator: measured.generator,
        failed: outcome.faults.any() || others.failures + others.ended > 0 || measured.delivered == 0,
        others,
        faults: outcome.faults,
        first_fault: outcome.first_fault,
        time_series: measured.time_series,
        distribution: measured.latencies.distribution(),
    };
    report.print();
    write_files(&args.target, &report)?;
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
