//! Connections that do nothing: what they cost the broker in memory, and in CPU when they only keep themselves alive.
//!
//! The connections are held by [`worker`] processes, because the limit of open files is one process's. The process that
//! was started holds none: it tells the [`workers`] when the next phase begins and reads the broker's counters between
//! the phases, so that these are the same for one worker and for fifty.

mod ping;
mod report;
mod sweep;
mod worker;
mod workers;

use crate::cli::IdleArgs;
use crate::faults::Faults;
use crate::measure::cpu::CpuSample;
use crate::measure::kernel::KernelMemory;
use crate::measure::memory::Memory;
use crate::report::KernelReport;
use crate::run::prepare;
use crate::watch::BrokerBefore;
use report::{Broker, Exchanges, IdleReport, MemoryPoint};
use std::thread;
use std::time::{Duration, Instant};
use worker::Request;
use workers::Workers;

/// Opens the connections, measures, and tells whether all of them stayed and got what was theirs. In a worker process,
/// holds its share of them.
pub fn run(args: &IdleArgs) -> anyhow::Result<bool> {
    match args.worker {
        Some(index) => worker::run(args, index).map(|()| true),
        None => conduct(args),
    }
}

fn conduct(args: &IdleArgs) -> anyhow::Result<bool> {
    prepare(&args.target)?;
    let pid = args.target.broker_pid;
    let sample = || pid.map(CpuSample::take).transpose();
    let (before, cpu_before) = (pid.map(BrokerBefore::take).transpose()?, sample()?);
    let started = Instant::now();
    let mut workers = Workers::start(args.processes.min(args.connections))?;
    let memory_series = connect(&mut workers, args, started)?;
    let connect_seconds = started.elapsed().as_secs_f64();
    let cpu_connected = sample()?;
    let settle = Duration::from_secs_f64(args.settle);
    thread::sleep(settle);
    let idle_from = sample()?;
    thread::sleep(settle);
    let idle_until = sample()?;
    let memory = pid.map(Memory::take).transpose()?;
    let kernel_after = pid.map(KernelMemory::take).transpose()?;
    let kernel = before.as_ref().zip(kernel_after).map(|(before, after)| KernelReport { before: before.kernel, after });
    let idle_cores =
        idle_from.zip(idle_until).map(|(from, until)| until.since(&from).running_ns as f64 / settle.as_nanos() as f64);
    let broker =
        before.zip(memory).zip(cpu_before.zip(cpu_connected)).map(|((before, now), (cpu_from, cpu_until))| Broker {
            bytes_per_connection: (now.rss_bytes as f64 - before.memory.rss_bytes as f64) / args.connections as f64,
            rss_bytes_before: before.memory.rss_bytes,
            rss_bytes: now.rss_bytes,
            rss_bytes_after: 0,
            pss_bytes_before: before.memory.pss_bytes,
            pss_bytes: now.pss_bytes,
            cpu_us_per_connect: cpu_until.since(&cpu_from).running_ns as f64 / 1e3 / args.connections as f64,
            idle_cores: idle_cores.unwrap_or(0.0),
        });
    let mut report = IdleReport::new(args, connect_seconds, broker, kernel, memory_series);
    let mut phase = |request| exchange(&mut workers, request, pid, idle_cores);
    let wanted = [(args.pings.is_some(), Request::Pings), (args.ping_once, Request::PingOnce)];
    for (_, request) in wanted.into_iter().filter(|(wanted, _)| *wanted) {
        let (exchanges, faults, first_fault) = phase(request)?;
        report.pings = Some(exchanges);
        report.note(&faults, first_fault);
    }
    if args.deliver {
        let (exchanges, faults, first_fault) = phase(Request::Deliver)?;
        report.deliveries = Some(exchanges);
        report.note(&faults, first_fault);
    }
    if let Some((pid, broker)) = pid.zip(report.broker.as_mut()) {
        broker.rss_bytes_after = Memory::take(pid)?.rss_bytes;
    }
    let (ended, first_fault) = workers.finish()?;
    report.note(&ended, first_fault);
    report.print();
    crate::report::write_files(&args.target, &report)?;
    Ok(!report.failed)
}

/// Waits until all connections are open, and reads the broker's memory now and then.
fn connect(workers: &mut Workers, args: &IdleArgs, started: Instant) -> anyhow::Result<Vec<MemoryPoint>> {
    let every = args.memory_every.unwrap_or(args.connections.div_ceil(10));
    let mut series: Vec<MemoryPoint> = Vec::new();
    while let Some(connections) = workers.next_connected()? {
        if let Some(pid) = args.target.broker_pid
            && connections >= series.last().map_or(0, |point| point.connections) + every
        {
            let Memory { rss_bytes, pss_bytes, .. } = Memory::take(pid)?;
            series.push(MemoryPoint { connections, rss_bytes, pss_bytes, seconds: started.elapsed().as_secs_f64() });
        }
    }
    Ok(series)
}

/// One phase in which each connection gets something, with what it cost the broker; of pings at a fixed rate, beyond idling.
fn exchange(
    workers: &mut Workers,
    request: Request,
    pid: Option<u32>,
    idle_cores: Option<f64>,
) -> anyhow::Result<(Exchanges, Faults, Option<String>)> {
    let sample = || pid.map(CpuSample::take).transpose();
    let from = sample()?;
    let started = Instant::now();
    let tally = workers.ask(request)?;
    let elapsed = started.elapsed();
    let until = sample()?;
    let count = tally.sent.max(1) as f64;
    // At a fixed rate the broker idles in between; as fast as it answers, it hardly does.
    let idle_cores = idle_cores.filter(|_| request == Request::Pings).unwrap_or(0.0);
    let cpu_us = from.zip(until).map(|(from, until)| {
        let idle_ns = idle_cores * elapsed.as_nanos() as f64;
        (until.since(&from).running_ns as f64 - idle_ns) / 1e3 / count
    });
    let exchanges = Exchanges {
        sent: tally.sent,
        answered: tally.answered,
        seconds: tally.seconds,
        per_second: tally.sent as f64 / tally.seconds,
        cpu_us_per_ping: cpu_us.filter(|_| request != Request::Deliver),
        cpu_us_per_message: cpu_us.filter(|_| request == Request::Deliver),
        generator_cpu_us: tally.cpu_ns as f64 / 1e3 / count,
    };
    Ok((exchanges, tally.faults, tally.first_fault))
}
