//! A measured run of messages: connect, warm up, measure, drain, report.

use crate::cli::{LoadArgs, TargetArgs};
use crate::engine::dial::{Client, DialOptions, dial};
use crate::engine::link::Link;
use crate::engine::plan::Group;
use crate::engine::worker::{Outcome, Pace, Progress, Timeline, Traffic, Worker};
use crate::faults::Faults;
use crate::measure::Clock;
use crate::measure::cpu::CpuSample;
use crate::measure::latency::Latencies;
use crate::measure::memory::Memory;
use crate::mqtt::Session;
use crate::report::{BrokerReport, GeneratorReport, Report, progress_line};
use anyhow::Context;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

/// A scenario, ready to run.
#[derive(Debug)]
pub struct Plan {
    pub scenario: &'static str,
    /// The scenario with its numbers, for people.
    pub title: String,
    pub groups: Vec<Group>,
}

/// Runs a plan, prints and writes the report, and tells whether it passed.
pub fn run(plan: Plan, load: &LoadArgs, target: &TargetArgs) -> anyhow::Result<bool> {
    prepare(target)?;
    let before = target.broker_pid.map(Memory::take).transpose()?;
    let threads = load.threads.min(plan.groups.len());
    let shares = share_groups(&plan.groups, threads);
    let clients: Vec<Client> = shares.iter().flatten().flat_map(clients_of).collect();
    let options = dial_options(target, clients.len(), load.qos, 0)?;
    let dialed = Instant::now();
    let mut links = dial(&clients, &options)?.into_iter();
    let connect_seconds = dialed.elapsed().as_secs_f64();
    let timeline = timeline(load, target);
    let progress: Vec<Progress> = shares.iter().map(|_| Progress::default()).collect();
    let run = std::process::id() ^ (timeline.start_ns as u32) << 16;
    let mut workers = Vec::with_capacity(threads);
    for (groups, progress) in shares.iter().zip(&progress) {
        let share = groups.len() as f64 / plan.groups.len() as f64;
        let pace = load.rate.map_or(Pace::Window(load.window), |rate| Pace::Rate(rate * share));
        let traffic = Traffic { version: target.mqtt, pace, run, parts: 0 };
        let links: Vec<Link> =
            links.by_ref().take(groups.iter().map(|group| clients_of(group).count()).sum()).collect();
        workers.push(Worker::new(traffic, timeline, progress, groups, links)?);
    }
    let (samples, outcomes) = thread::scope(|scope| {
        let handles: Vec<_> = workers.into_iter().map(|worker| scope.spawn(|| worker.run())).collect();
        let samples = watch(&timeline, target, &progress);
        let outcomes: Vec<_> = handles.into_iter().map(|handle| handle.join().expect("a worker panicked")).collect();
        (samples, outcomes)
    });
    let samples = samples?;
    let outcome = merge(outcomes)?;
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
        threads: shares.len(),
        connect_seconds,
        seconds: samples.elapsed.as_secs_f64(),
        published: samples.published,
        delivered: samples.delivered,
        delivered_per_second: samples.delivered as f64 / samples.elapsed.as_secs_f64(),
        latency: outcome.latencies.summary(),
        send_delay: outcome.send_delays.summary(),
        broker: samples.broker(before),
        generator: samples.generator(),
        faults: outcome.faults,
        first_fault: outcome.first_fault,
        failed: outcome.faults.any() || samples.delivered == 0,
    };
    report.print();
    if let Some(path) = &target.json {
        crate::report::write_json(path, &report)?;
    }
    Ok(!report.failed)
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
        version: target.mqtt,
        session: Session::Clean,
        qos,
        keep_alive_seconds,
        concurrency: target.dial_concurrency,
        source_addresses: target.source_addresses.unwrap_or(default_source_addresses(connections)),
        patience: Duration::from_secs_f64(target.patience.max(1.0)),
    })
}

/// Few connections are left to the kernel; beyond some thousands its search for free ports is slow.
fn default_source_addresses(connections: usize) -> u32 {
    if connections <= 1_000 { 0 } else { 1 + connections as u32 / 20_000 }
}

fn resolve(host: &str, port: u16) -> anyhow::Result<SocketAddr> {
    let mut addresses = (host, port).to_socket_addrs().with_context(|| format!("cannot resolve {host}"))?;
    addresses.next().with_context(|| format!("{host} has no address"))
}

/// The groups of each thread.
fn share_groups(groups: &[Group], threads: usize) -> Vec<Vec<Group>> {
    groups.chunks(groups.len().div_ceil(threads)).map(<[Group]>::to_vec).collect()
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

fn timeline(load: &LoadArgs, target: &TargetArgs) -> Timeline {
    let ns = |seconds: f64| (seconds * 1e9) as u64;
    let clock = Clock::start();
    let start_ns = clock.now_ns();
    let measure_from_ns = start_ns + ns(load.warmup);
    let measure_until_ns = measure_from_ns + ns(load.seconds);
    Timeline { clock, start_ns, measure_from_ns, measure_until_ns, patience_ns: ns(target.patience) }
}

/// What the measured interval cost.
struct Samples {
    elapsed: Duration,
    delivered: u64,
    published: u64,
    own: [CpuSample; 2],
    broker: Option<([CpuSample; 2], Memory)>,
}

/// One reading of all counters.
struct Reading {
    at: Instant,
    delivered: u64,
    published: u64,
    own: CpuSample,
    broker: Option<CpuSample>,
}

/// Reads the counters at both ends of the measured interval and shows progress in between.
fn watch(timeline: &Timeline, target: &TargetArgs, progress: &[Progress]) -> anyhow::Result<Samples> {
    let read = || -> anyhow::Result<Reading> {
        Ok(Reading {
            delivered: progress.iter().map(|progress| progress.delivered.load(Ordering::Relaxed)).sum(),
            published: progress.iter().map(|progress| progress.published.load(Ordering::Relaxed)).sum(),
            own: CpuSample::take(std::process::id())?,
            broker: target.broker_pid.map(CpuSample::take).transpose()?,
            at: Instant::now(),
        })
    };
    let start = read()?;
    show_until(timeline, timeline.measure_from_ns, progress, "warm-up");
    let from = if timeline.measure_from_ns > timeline.start_ns { read()? } else { start };
    show_until(timeline, timeline.measure_until_ns, progress, "");
    let until = read()?;
    progress_line::clear();
    let broker = match (target.broker_pid, from.broker, until.broker) {
        (Some(pid), Some(from), Some(until)) => Some(([from, until], Memory::take(pid)?)),
        _ => None,
    };
    Ok(Samples {
        elapsed: until.at - from.at,
        delivered: until.delivered - from.delivered,
        published: until.published - from.published,
        own: [from.own, until.own],
        broker,
    })
}

/// Sleeps until a time of the run's clock and shows the rate each second.
fn show_until(timeline: &Timeline, until_ns: u64, progress: &[Progress], phase: &str) {
    let delivered = || progress.iter().map(|progress| progress.delivered.load(Ordering::Relaxed)).sum::<u64>();
    let mut before = (timeline.clock.now_ns(), delivered());
    loop {
        let rest_ns = until_ns.saturating_sub(timeline.clock.now_ns());
        if rest_ns == 0 {
            return;
        }
        thread::sleep(Duration::from_nanos(rest_ns.min(1_000_000_000)));
        let now = (timeline.clock.now_ns(), delivered());
        let per_second = (now.1 - before.1) as f64 * 1e9 / (now.0 - before.0) as f64;
        progress_line::show((now.0 - timeline.start_ns) / 1_000_000_000, per_second, phase);
        before = now;
    }
}

impl Samples {
    fn broker(&self, before: Option<Memory>) -> Option<BrokerReport> {
        let ([from, until], memory) = self.broker.as_ref()?;
        let cpu = until.since(from);
        let elapsed_ns = self.elapsed.as_nanos() as f64;
        Some(BrokerReport {
            cpu_us_per_message: self.per_message_us(cpu.running_ns)?,
            cpu_cores: cpu.running_ns as f64 / elapsed_ns,
            waiting_cores: cpu.waiting_ns as f64 / elapsed_ns,
            busiest_thread: until.busiest_since(from) as f64 / elapsed_ns,
            rss_bytes: memory.rss_bytes,
            rss_bytes_before: before.map_or(0, |memory| memory.rss_bytes),
        })
    }

    fn generator(&self) -> GeneratorReport {
        let [from, until] = &self.own;
        let cpu = until.since(from);
        let elapsed_ns = self.elapsed.as_nanos() as f64;
        let busiest_thread = until.busiest_since(from) as f64 / elapsed_ns;
        let broker_busiest_thread =
            self.broker.as_ref().map_or(0.0, |([from, until], _)| until.busiest_since(from) as f64 / elapsed_ns);
        GeneratorReport {
            cpu_us_per_message: self.per_message_us(cpu.running_ns).unwrap_or(0.0),
            cpu_cores: cpu.running_ns as f64 / elapsed_ns,
            waiting_cores: cpu.waiting_ns as f64 / elapsed_ns,
            busiest_thread,
            was_bottleneck: busiest_thread > BUSY && busiest_thread > broker_busiest_thread,
        }
    }

    fn per_message_us(&self, nanoseconds: u64) -> Option<f64> {
        (self.delivered > 0).then(|| nanoseconds as f64 / 1_000.0 / self.delivered as f64)
    }
}

/// The part of the time in which a thread has work, from which on it limits the rate.
const BUSY: f64 = 0.95;

fn merge(outcomes: Vec<std::io::Result<Outcome>>) -> anyhow::Result<Outcome> {
    let mut merged = Outcome {
        latencies: Latencies::new(),
        send_delays: Latencies::new(),
        parts: Vec::new(),
        faults: Faults::default(),
        first_fault: None,
    };
    for outcome in outcomes {
        let outcome = outcome?;
        merged.latencies.add(&outcome.latencies);
        merged.send_delays.add(&outcome.send_delays);
        merged.faults.add(&outcome.faults);
        merged.first_fault = merged.first_fault.or(outcome.first_fault);
    }
    Ok(merged)
}
