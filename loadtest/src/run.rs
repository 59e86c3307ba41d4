//! A measured run of messages: connect, warm up, measure, drain, report.

use crate::cli::{LoadArgs, TargetArgs};
use crate::engine::dial::{Client, DialOptions, dial};
use crate::engine::link::Link;
use crate::engine::plan::Group;
use crate::engine::transport::Transport;
use crate::engine::worker::{Counts, Outcome, Pace, Progress, Timeline, Traffic, Worker};
use crate::faults::Faults;
use crate::measure::hdr_log::HdrFile;
use crate::measure::latency::Latencies;
use crate::mqtt::Session;
use crate::report::{Report, write_files};
use crate::watch::{BrokerBefore, Measured, Watch};
use anyhow::Context;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::Arc;
use std::thread;
use std::time::Instant;

/// A scenario, ready to run.
#[derive(Debug)]
pub struct Plan {
    pub scenario: &'static str,
    /// The scenario with its numbers, for people.
    pub title: String,
    pub groups: Vec<Group>,
}

/// Longer than any run. Not zero, which would switch it off: rumqttd refuses that.
pub const KEEP_ALIVE_SECONDS: u16 = 18_000;

/// Runs a plan, prints and writes the report, and tells whether it passed.
pub fn run(plan: Plan, load: &LoadArgs, target: &TargetArgs) -> anyhow::Result<bool> {
    prepare(target)?;
    let broker = target.broker_pid.map(BrokerBefore::take).transpose()?;
    let clients: Vec<Client> = plan.groups.iter().flat_map(clients_of).collect();
    let options = dial_options(target, clients.len(), load.qos, KEEP_ALIVE_SECONDS)?;
    let dialed = Instant::now();
    let links = dial(&clients, &options)?;
    let connect_seconds = dialed.elapsed().as_secs_f64();
    let Driven { measured, outcome, .. } = drive(&plan, links, Counts::Arrivals, None, load, target, broker)?;
    let report = Report {
        scenario: plan.scenario,
        title: plan.title,
        mqtt: target.mqtt,
        qos: load.qos,
        payload_bytes: load.payload,
        window: load.rate.is_none().then_some(load.window),
        rate: load.rate,
        publishers: plan.groups.iter().map(|group| group.publishers.len()).sum(),
        subscribers: plan.groups.iter().map(|group| group.subscribers.len()).sum(),
        connect_seconds,
        seconds: measured.seconds,
        published: measured.published,
        delivered: measured.delivered,
        delivered_per_second: measured.delivered as f64 / measured.seconds,
        latency: measured.latencies.summary(),
        send_delay: outcome.send_delays.summary(),
        broker: measured.broker,
        kernel: measured.kernel,
        generator: measured.generator,
        faults: outcome.faults,
        first_fault: outcome.first_fault,
        failed: outcome.faults.any() || measured.delivered == 0,
        time_series: measured.time_series,
        distribution: measured.latencies.distribution(),
    };
    report.print();
    write_files(target, &report)?;
    Ok(!report.failed)
}

/// What came of a plan.
pub struct Driven {
    /// Number of the run, in every message.
    pub run: u32,
    pub measured: Measured,
    pub outcome: Outcome,
}

/// Moves messages over connections that are open, in the order of the groups and of [`clients_of`], and watches.
pub fn drive(
    plan: &Plan,
    links: Vec<Link>,
    counts: Counts,
    interval_seconds: Option<f64>,
    load: &LoadArgs,
    target: &TargetArgs,
    broker: Option<BrokerBefore>,
) -> anyhow::Result<Driven> {
    let mut hdr_file = load.hdr.as_deref().map(HdrFile::create).transpose()?;
    let threads = load.threads.min(plan.groups.len());
    let shares = share_groups(&plan.groups, threads);
    let mut links = links.into_iter();
    let timeline = Timeline::begin(load.warmup, load.seconds, target.patience).with_intervals(interval_seconds);
    let progress: Vec<Progress> = shares.iter().map(|_| Progress::with_slices()).collect();
    let run = std::process::id() ^ (timeline.start_ns as u32) << 16;
    let mut workers = Vec::with_capacity(threads);
    for (groups, progress) in shares.iter().zip(&progress) {
        let share = groups.len() as f64 / plan.groups.len() as f64;
        let pace = load.rate.map_or(Pace::Window(load.window), |rate| Pace::Rate(rate * share));
        let traffic = Traffic { version: target.mqtt, pace, run, counts, parts: 0 };
        let links: Vec<Link> =
            links.by_ref().take(groups.iter().map(|group| clients_of(group).count()).sum()).collect();
        workers.push(Worker::new(traffic, timeline, progress, groups, links)?);
    }
    let hdr = hdr_file.as_mut().map(|file| (file, plan.title.as_str()));
    let mut watch = Watch::new(&timeline, broker, &progress, hdr)?;
    let outcomes = thread::scope(|scope| {
        let handles: Vec<_> = workers.into_iter().map(|worker| scope.spawn(|| worker.run())).collect();
        let watched = watch.run();
        let outcomes: Vec<_> = handles.into_iter().map(|handle| handle.join().expect("a worker panicked")).collect();
        watched.map(|()| outcomes)
    })?;
    let outcome = merge(outcomes)?;
    Ok(Driven { run, measured: watch.finish(&outcome)?, outcome })
}
/// The first level of all topics of this run. Runs that share a broker do not hear each other.
pub fn topic_prefix() -> String {
    format!("load/{}", std::process::id())
}

/// What comes before connecting: the CPUs to run on, and as many descriptors as the system allows.
pub fn prepare(target: &TargetArgs) -> anyhow::Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    if let Some(list) = &target.cpus {
        crate::cpus::pin(list)?;
    }
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")
}

pub fn dial_options(
    target: &TargetArgs,
    connections: usize,
    qos: u8,
    keep_alive_seconds: u16,
) -> anyhow::Result<DialOptions> {
    Ok(DialOptions {
        address: resolve(&target.host, target.port)?,
        transport: Arc::new(Transport::new(&target.transport, &target.host, target.port)?),
        version: target.mqtt,
        session: Session::Clean,
        qos,
        keep_alive_seconds,
        concurrency: target.dial_concurrency,
        source_addresses: target.source_addresses.unwrap_or(default_source_addresses(connections)),
        source_addresses_skipped: 0,
        patience: target.answer_patience(),
    })
}

/// Few connections are left to the kernel; beyond some thousands its search for free ports is slow.
pub fn default_source_addresses(connections: usize) -> u32 {
    if connections <= 1_000 { 0 } else { 1 + connections as u32 / 20_000 }
}

fn resolve(host: &str, port: u16) -> anyhow::Result<SocketAddr> {
    let mut addresses = (host, port).to_socket_addrs().with_context(|| format!("cannot resolve {host}"))?;
    addresses.next().with_context(|| format!("{host} has no address"))
}

/// The groups of each thread: as many for each, or one more.
fn share_groups(groups: &[Group], threads: usize) -> Vec<Vec<Group>> {
    let bound = |thread| groups.len() * thread / threads;
    (0..threads).map(|thread| groups[bound(thread)..bound(thread + 1)].to_vec()).collect()
}

/// The connections of a group in the order a worker takes them: subscribers, then publishers.
pub fn clients_of(group: &Group) -> impl Iterator<Item = Client> + '_ {
    let name = group.publishers[0][0].name.replace('/', "-");
    let subscribers = group.subscribers.iter().enumerate().map({
        let name = name.clone();
        move |(index, subscriber)| Client {
            client_id: format!("{name}-sub-{index}"),
            filters: subscriber.filters.clone(),
        }
    });
    let publishers = (0..group.publishers.len())
        .map(move |index| Client { client_id: format!("{name}-pub-{index}"), filters: Vec::new() });
    subscribers.chain(publishers)
}

fn merge(outcomes: Vec<std::io::Result<Outcome>>) -> anyhow::Result<Outcome> {
    let mut merged = Outcome {
        latencies: Latencies::new(),
        send_delays: Latencies::new(),
        parts: Vec::new(),
        sent: Vec::new(),
        faults: Faults::default(),
        first_fault: None,
    };
    for outcome in outcomes {
        let outcome = outcome?;
        merged.latencies.add(&outcome.latencies);
        merged.send_delays.add(&outcome.send_delays);
        merged.sent.extend(outcome.sent);
        merged.faults.add(&outcome.faults);
        merged.first_fault = merged.first_fault.or(outcome.first_fault);
    }
    Ok(merged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_share_the_groups_evenly() {
        for (groups, threads, expected) in [(5, 4, &[1, 1, 1, 2][..]), (4, 2, &[2, 2]), (3, 1, &[3])] {
            let shares: Vec<usize> =
                share_groups(&vec![Group::default(); groups], threads).iter().map(Vec::len).collect();
            assert_eq!(shares, expected);
        }
    }
}
