//! Looks at the broker, at this program and at the workers' progress while a run goes on: at both ends of each interval of
//! the time series, and so at both ends of the whole measured time.

use crate::engine::worker::{Outcome, Progress, Timeline};
use crate::measure::cpu::CpuSample;
use crate::measure::disk::written_bytes;
use crate::measure::family::Family;
use crate::measure::hdr_log::{HdrFile, HdrLog};
use crate::measure::intervals::{Collector, Interval};
use crate::measure::kernel::KernelMemory;
use crate::measure::latency::Latencies;
use crate::measure::memory::{self, Memory};
use crate::measure::switches::SwitchesSample;
use crate::report::time_series::{Load, TimePoint};
use crate::report::{BrokerReport, GeneratorReport, KernelReport, duration, grouped, progress_line};
use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// The broker before the first connection.
#[derive(Debug)]
pub struct BrokerBefore {
    pid: u32,
    pub memory: Memory,
    pub kernel: KernelMemory,
}

impl BrokerBefore {
    pub fn take(pid: u32) -> anyhow::Result<Self> {
        Ok(Self { pid, memory: Memory::take(pid)?, kernel: KernelMemory::take(pid)? })
    }
}

/// All that was seen of a run.
pub struct Watch<'a> {
    timeline: &'a Timeline,
    broker: Option<BrokerBefore>,
    progress: &'a [Progress],
    hdr_log: Option<HdrLog<'a>>,
    /// This program's processes and the broker's, looked up once.
    own: Family,
    family: Option<Family>,
    collector: Collector,
    first: Option<Reading>,
    last: Option<Reading>,
    switches: Vec<SwitchesSample>,
    after: Option<(Memory, KernelMemory)>,
    /// What the processes did in each interval; the workers' slices of it come a little later.
    loads: Vec<Load>,
    /// Intervals that the workers have left: the last one until what arrives after it has been added, others only where
    /// the workers were ahead of this thread.
    pending: VecDeque<(u64, Interval)>,
    latencies: Latencies,
    time_series: Vec<TimePoint>,
}

/// What came of the measured time.
#[derive(Debug)]
pub struct Measured {
    pub seconds: f64,
    pub published: u64,
    pub delivered: u64,
    pub latencies: Latencies,
    pub time_series: Vec<TimePoint>,
    pub broker: Option<BrokerReport>,
    pub kernel: Option<KernelReport>,
    pub generator: GeneratorReport,
}

/// One reading of all counters.
#[derive(Clone, Debug)]
struct Reading {
    at: Instant,
    delivered: u64,
    published: u64,
    own: CpuSample,
    broker: Option<CpuSample>,
    /// Bytes that the broker had written to disk.
    written_bytes: Option<u64>,
}

/// How long after an interval its slices are looked for: a worker sleeps up to 20 ms.
pub const SLICES_AFTER: Duration = Duration::from_millis(25);

/// The part of the time in which a thread has work, from which on it limits the rate.
const BUSY: f64 = 0.95;

impl<'a> Watch<'a> {
    /// `hdr` is the file for the latencies, if one is wanted, and what to call them in it.
    pub fn new(
        timeline: &'a Timeline,
        broker: Option<BrokerBefore>,
        progress: &'a [Progress],
        hdr: Option<(&'a mut HdrFile, &str)>,
    ) -> anyhow::Result<Self> {
        let measured_from = SystemTime::now() + timeline.rest(timeline.measure_from_ns);
        let hdr_log = hdr.map(|(file, title)| file.begin(title, measured_from)).transpose()?;
        Ok(Self {
            own: Family::of(std::process::id())?,
            family: broker.as_ref().map(|broker| Family::of(broker.pid)).transpose()?,
            timeline,
            broker,
            progress,
            hdr_log,
            collector: Collector::new(progress.len()),
            first: None,
            last: None,
            switches: Vec::new(),
            after: None,
            loads: Vec::new(),
            pending: VecDeque::new(),
            latencies: Latencies::new(),
            time_series: Vec::new(),
        })
    }

    /// Watches until the end of the measured time. If that fails, the workers are told to stop: nobody will want to know.
    pub fn run(&mut self) -> anyhow::Result<()> {
        let watched = self.watch();
        if watched.is_err() {
            self.progress.iter().for_each(|progress| progress.stop.store(true, Ordering::Relaxed));
        }
        watched
    }

    fn watch(&mut self) -> anyhow::Result<()> {
        let grid = self.timeline.grid();
        self.warm_up();
        self.switches.extend(self.family.as_ref().map(SwitchesSample::take));
        let first = self.read()?;
        let mut before = first.clone();
        self.first = Some(first);
        for index in 1..=grid.count {
            thread::sleep(self.timeline.rest(grid.end_ns(index)));
            let now = self.read()?;
            if index == grid.count {
                self.switches.extend(self.family.as_ref().map(SwitchesSample::take));
            }
            let rss_bytes = self.family.as_ref().map(memory::resident_bytes).transpose()?;
            self.loads.push(now.load_since(&before, rss_bytes));
            let per_second = (now.delivered - before.delivered) as f64 / (now.at - before.at).as_secs_f64();
            before = now;
            thread::sleep(SLICES_AFTER.min(Duration::from_nanos(grid.length_ns / 2)));
            self.collect()?;
            self.show_progress(per_second);
        }
        self.last = Some(before);
        let pid = self.broker.as_ref().map(|broker| broker.pid);
        self.after = pid.map(|pid| anyhow::Ok((Memory::take(pid)?, KernelMemory::take(pid)?))).transpose()?;
        progress_line::clear();
        Ok(())
    }

    /// Adds what the workers found after the measured time, once they have ended.
    pub fn finish(mut self, outcome: &Outcome) -> anyhow::Result<Measured> {
        self.collect()?;
        if let Some((index, mut interval)) = self.pending.pop_front() {
            interval.latencies.add(&outcome.latencies);
            let seen: u64 = self.time_series.iter().map(|point| point.faults).sum();
            interval.faults = outcome.faults.total().saturating_sub(seen);
            self.close(index, &interval)?;
        }
        let (first, last) = self.first.take().zip(self.last.take()).expect("the run was watched to its end");
        Ok(Measured {
            seconds: (last.at - first.at).as_secs_f64(),
            published: last.published - first.published,
            delivered: last.delivered - first.delivered,
            broker: self.broker_report(&first, &last),
            kernel: self
                .broker
                .as_ref()
                .zip(self.after)
                .map(|(before, (_, after))| KernelReport { before: before.kernel, after }),
            generator: generator_report(&first, &last, self.progress.len()),
            latencies: self.latencies,
            time_series: self.time_series,
        })
    }

    fn read(&self) -> anyhow::Result<Reading> {
        let sum = |count: fn(&Progress) -> u64| self.progress.iter().map(count).sum();
        Ok(Reading {
            delivered: sum(|progress| progress.delivered.load(Ordering::Relaxed)),
            published: sum(|progress| progress.published.load(Ordering::Relaxed)),
            own: CpuSample::of(&self.own)?,
            broker: self.family.as_ref().map(CpuSample::of).transpose()?,
            written_bytes: self.family.as_ref().and_then(written_bytes),
            at: Instant::now(),
        })
    }

    fn warm_up(&self) {
        while !self.timeline.rest(self.timeline.measure_from_ns).is_zero() {
            progress_line::say("warm-up");
            thread::sleep(self.timeline.rest(self.timeline.measure_from_ns).min(Duration::from_secs(1)));
        }
    }

    /// Takes in what the workers have left.
    fn collect(&mut self) -> anyhow::Result<()> {
        let slices = self.progress.iter().flat_map(Progress::take_slices);
        self.pending.extend(self.collector.add(slices).into_iter().filter(|(index, _)| *index > 0));
        let (last, watched) = (self.timeline.grid().count, self.loads.len() as u64);
        while let Some((index, interval)) = self.pending.pop_front_if(|(index, _)| *index < last && *index <= watched) {
            self.close(index, &interval)?;
        }
        Ok(())
    }

    fn close(&mut self, index: u64, interval: &Interval) -> anyhow::Result<()> {
        let grid = self.timeline.grid();
        let length = Duration::from_nanos(grid.length_ns);
        if let Some(log) = &mut self.hdr_log {
            log.write(&interval.latencies, Duration::from_nanos((index - 1) * grid.length_ns), length)?;
        }
        self.latencies.add(&interval.latencies);
        let seconds = Duration::from_nanos(index * grid.length_ns).as_secs_f64();
        let load = self.loads[index as usize - 1];
        self.time_series.push(TimePoint::new(seconds, interval, load));
        Ok(())
    }

    fn show_progress(&self, per_second: f64) {
        let Some(point) = self.time_series.last() else { return };
        let latency = point.p50_us.zip(point.p99_us).zip(point.max_us).map_or(String::new(), |((p50, p99), max)| {
            format!("  p50 {}  p99 {}  max {}", duration(p50), duration(p99), duration(max))
        });
        let faults: u64 = self.time_series.iter().map(|point| point.faults).sum();
        let faults = if faults > 0 { format!("  {} FAULTS", grouped(faults as f64)) } else { String::new() };
        let (seconds, rate) =
            (self.loads.len() as u64 * self.timeline.grid().length_ns / 1_000_000_000, grouped(per_second));
        progress_line::say(&format!("{seconds:>4} s  {rate:>12} messages/s{latency}{faults}"));
    }

    fn broker_report(&self, first: &Reading, last: &Reading) -> Option<BrokerReport> {
        let (before, (memory, _)) = self.broker.as_ref().zip(self.after)?;
        let load = last.load_since(first, None);
        let [from, until] = [&first.broker, &last.broker].map(Option::as_ref);
        let cpu = until?.since(from?);
        let switches = match &self.switches[..] {
            [from, until] => until.since(from),
            _ => return None,
        };
        let delivered = last.delivered - first.delivered;
        let per_message = |count: u64| (delivered > 0).then(|| count as f64 / delivered as f64);
        let written = last.written_bytes.zip(first.written_bytes).map(|(now, before)| now.saturating_sub(before));
        Some(BrokerReport {
            written_bytes_per_message: written.and_then(per_message),
            cpu_us_per_message: per_message(cpu.running_ns)? / 1_000.0,
            cpu_cores: load.broker_cpu_cores?,
            waiting_cores: cores(cpu.waiting_ns, first, last),
            busiest_thread: cores(until?.busiest_since(from?), first, last),
            voluntary_switches_per_message: per_message(switches.voluntary)?,
            involuntary_switches_per_message: per_message(switches.involuntary)?,
            rss_bytes: memory.rss_bytes,
            pss_bytes: memory.pss_bytes,
            rss_bytes_before: before.memory.rss_bytes,
            pss_bytes_before: before.memory.pss_bytes,
        })
    }
}

impl Reading {
    fn load_since(&self, earlier: &Self, broker_rss_bytes: Option<u64>) -> Load {
        let broker = self.broker.as_ref().zip(earlier.broker.as_ref());
        Load {
            broker_cpu_cores: broker.map(|(now, before)| cores(now.since(before).running_ns, earlier, self)),
            broker_rss_bytes,
            generator_cpu_cores: Some(cores(self.own.since(&earlier.own).running_ns, earlier, self)),
        }
    }
}

/// CPU time between two readings as seconds per second.
fn cores(nanoseconds: u64, from: &Reading, until: &Reading) -> f64 {
    nanoseconds as f64 / (until.at - from.at).as_nanos() as f64
}

fn generator_report(first: &Reading, last: &Reading, threads: usize) -> GeneratorReport {
    let cpu = last.own.since(&first.own);
    let delivered = (last.delivered - first.delivered).max(1);
    let busiest_thread = cores(last.own.busiest_since(&first.own), first, last);
    let broker = first.broker.as_ref().zip(last.broker.as_ref());
    let broker_busiest_thread = broker.map(|(from, until)| cores(until.busiest_since(from), first, last));
    GeneratorReport {
        threads,
        cpu_us_per_message: cpu.running_ns as f64 / 1_000.0 / delivered as f64,
        cpu_cores: cores(cpu.running_ns, first, last),
        waiting_cores: cores(cpu.waiting_ns, first, last),
        busiest_thread,
        was_bottleneck: was_bottleneck(busiest_thread, broker_busiest_thread),
    }
}

/// A thread that always has work limits the rate, unless a thread of the broker has as much: then both are at their limit.
pub fn was_bottleneck(busiest_thread: f64, broker_busiest_thread: Option<f64>) -> bool {
    busiest_thread > BUSY && broker_busiest_thread.is_none_or(|broker| broker < BUSY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_generator_was_the_bottleneck_if_it_was_busy_and_the_broker_was_not() {
        for (generator, broker, expected) in [
            (0.99, Some(0.5), true),
            (0.99, None, true),
            (0.99, Some(0.98), false),
            (0.80, Some(0.5), false),
            (0.80, None, false),
        ] {
            assert_eq!(was_bottleneck(generator, broker), expected, "{generator} {broker:?}");
        }
    }
}
