//! Connections that do nothing: what they cost the broker in memory, and in CPU when they only keep themselves alive.

use crate::cli::IdleArgs;
use crate::engine::dial::{Client, dial};
use crate::engine::link::Link;
use crate::engine::poller::Poller;
use crate::measure::cpu::CpuSample;
use crate::measure::memory::Memory;
use crate::mqtt::scan::{Packet, scan};
use crate::mqtt::{Version, encode};
use crate::report::{grouped, mebibytes, write_json};
use crate::run::{dial_options, prepare, topic_prefix};
use anyhow::Context;
use std::thread;
use std::time::{Duration, Instant};

/// The result of the idle scenario.
#[derive(Debug, serde::Serialize)]
struct IdleReport {
    scenario: &'static str,
    mqtt: Version,
    connections: usize,
    subscribed: bool,
    connect_seconds: f64,
    connects_per_second: f64,
    broker: Option<IdleBroker>,
    pings: Option<PingReport>,
    failed: bool,
}

#[derive(Debug, serde::Serialize)]
struct IdleBroker {
    /// Growth of the resident set; memory of the kernel, such as socket buffers, is not in it.
    bytes_per_connection: f64,
    rss_bytes_before: u64,
    rss_bytes: u64,
    cpu_us_per_connect: f64,
    /// CPU seconds per second while nothing is sent.
    idle_cores: f64,
}

#[derive(Debug, serde::Serialize)]
struct PingReport {
    sent: u64,
    answered: u64,
    per_second: f64,
    /// What the broker used beyond idling.
    cpu_us_per_ping: Option<f64>,
    generator_cpu_us_per_ping: f64,
}

/// No broker needs so little for a connection.
const KEPT_BYTES: f64 = 32.0;

/// Opens the connections, measures, and tells whether all of them stayed.
pub fn run(args: &IdleArgs) -> anyhow::Result<bool> {
    prepare(&args.target)?;
    let pid = args.target.broker_pid;
    let sample = || pid.map(CpuSample::take).transpose();
    let (memory_before, cpu_before) = (pid.map(Memory::take).transpose()?, sample()?);
    let prefix = topic_prefix();
    let clients: Vec<Client> = (0..args.connections)
        .map(|index| Client {
            client_id: format!("{}-{index}", prefix.replace('/', "-")),
            filters: args.subscribe.then(|| format!("{prefix}/device/{index}/command")).into_iter().collect(),
        })
        .collect();
    let options = dial_options(&args.target, clients.len(), args.qos, args.keep_alive)?;
    let started = Instant::now();
    let mut links = dial(&clients, &options)?;
    let connect_seconds = started.elapsed().as_secs_f64();
    let cpu_connected = sample()?;
    let settle = Duration::from_secs_f64(args.settle);
    thread::sleep(settle);
    let idle_from = sample()?;
    thread::sleep(settle);
    let idle_until = sample()?;
    let memory = pid.map(Memory::take).transpose()?;
    let idle_cores =
        idle_from.zip(idle_until).map(|(from, until)| until.since(&from).running_ns as f64 / settle.as_nanos() as f64);
    let broker =
        memory_before.zip(memory).zip(cpu_before.zip(cpu_connected)).map(|((before, now), (cpu_from, cpu_until))| {
            IdleBroker {
                bytes_per_connection: (now.rss_bytes as f64 - before.rss_bytes as f64) / args.connections as f64,
                rss_bytes_before: before.rss_bytes,
                rss_bytes: now.rss_bytes,
                cpu_us_per_connect: cpu_until.since(&cpu_from).running_ns as f64 / 1e3 / args.connections as f64,
                idle_cores: idle_cores.unwrap_or(0.0),
            }
        });
    let pings = args.pings.map(|interval| ping(&mut links, args, interval, idle_cores)).transpose()?;
    let lost = links.iter().filter(|link| !is_open(link)).count();
    let unanswered = pings.as_ref().map_or(0, |pings| pings.sent - pings.answered);
    let report = IdleReport {
        scenario: "idle",
        mqtt: args.target.mqtt,
        connections: args.connections,
        subscribed: args.subscribe,
        connect_seconds,
        connects_per_second: args.connections as f64 / connect_seconds,
        broker,
        pings,
        failed: lost > 0 || unanswered > 0,
    };
    report.print();
    if report.failed {
        println!("FAILED: {lost} connections ended, {unanswered} pings were not answered");
    }
    if let Some(path) = &args.target.json {
        write_json(path, &report)?;
    }
    Ok(!report.failed)
}

/// Whether a connection, on which nothing is on its way, is still there.
fn is_open(link: &Link) -> bool {
    matches!(link.socket().peek(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

/// Lets each connection send PINGREQ once in `interval` seconds, evenly spread.
fn ping(links: &mut [Link], args: &IdleArgs, interval: f64, idle_cores: Option<f64>) -> anyhow::Result<PingReport> {
    let mut poller = Poller::new()?;
    for (key, link) in links.iter().enumerate() {
        poller.add(link.socket(), key, false)?;
    }
    let mut request = Vec::new();
    encode::ping_request(&mut request);
    let per_second = links.len() as f64 / interval;
    let (mut sent, mut answered, mut next) = (0_u64, 0_u64, 0);
    let mut input = Vec::new();
    let cpu = |pid: Option<u32>| pid.map(CpuSample::take).transpose();
    let (broker_from, own_from) = (cpu(args.target.broker_pid)?, CpuSample::take(std::process::id())?);
    let started = Instant::now();
    loop {
        let elapsed = started.elapsed().as_secs_f64();
        let over = elapsed >= args.seconds;
        if over && (sent == answered || elapsed >= args.seconds + args.target.patience) {
            break;
        }
        while !over && (sent as f64) < elapsed * per_second {
            links[next].send(&request).context("cannot send a ping")?;
            next = (next + 1) % links.len();
            sent += 1;
        }
        let ready = poller.wait(Duration::from_millis(1))?;
        for readiness in &ready {
            let link = &mut links[readiness.key];
            let Some(filled) = link.receive(&mut input)? else { continue };
            let mut consumed = 0;
            while let Some((packet, length)) = scan(args.target.mqtt, &input[consumed..filled])? {
                answered += u64::from(packet == Packet::PingResp);
                consumed += length;
            }
            link.keep(&input[consumed..filled]);
        }
        poller.recycle(ready);
    }
    let elapsed_ns = started.elapsed().as_nanos() as f64;
    let broker_until = cpu(args.target.broker_pid)?;
    let own_ns = CpuSample::take(std::process::id())?.since(&own_from).running_ns;
    let cpu_us_per_ping = broker_from.zip(broker_until).map(|(from, until)| {
        let idle_ns = idle_cores.unwrap_or(0.0) * elapsed_ns;
        (until.since(&from).running_ns as f64 - idle_ns) / 1e3 / sent.max(1) as f64
    });
    Ok(PingReport {
        sent,
        answered,
        per_second: sent as f64 / args.seconds,
        cpu_us_per_ping,
        generator_cpu_us_per_ping: own_ns as f64 / 1e3 / sent.max(1) as f64,
    })
}

impl IdleReport {
    fn print(&self) {
        let subscribed = if self.subscribed { " with one subscription each" } else { "" };
        println!("{} idle connections{subscribed}", grouped(self.connections as f64));
        println!("  connected   in {:.2} s, {} per second", self.connect_seconds, grouped(self.connects_per_second));
        if let Some(broker) = &self.broker {
            println!(
                "  broker      {} bytes per connection, RSS {:.1} MiB ({:.1} before)",
                grouped(broker.bytes_per_connection),
                mebibytes(broker.rss_bytes),
                mebibytes(broker.rss_bytes_before)
            );
            if broker.bytes_per_connection < KEPT_BYTES {
                println!("              (it had kept that memory from before: start it anew to measure bytes)");
            }
            println!(
                "              {:.1} µs CPU per connect, {:.4} cores when idle",
                broker.cpu_us_per_connect, broker.idle_cores
            );
        }
        if let Some(pings) = &self.pings {
            let broker = pings.cpu_us_per_ping.map_or(String::new(), |cpu| format!(", {cpu:.2} µs broker CPU each"));
            let rate = grouped(pings.per_second);
            println!(
                "  pings       {rate} per second{broker}, {:.2} µs generator CPU",
                pings.generator_cpu_us_per_ping
            );
        }
    }
}
