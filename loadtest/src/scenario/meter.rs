//! What a phase of a scenario cost: time, the broker's CPU and our own.

use crate::measure::cpu::CpuSample;
use crate::measure::memory::Memory;
use crate::watch::was_bottleneck;
use std::time::Instant;

/// The broker's process, if it was named.
#[derive(Clone, Copy, Debug)]
pub struct Meter {
    broker_pid: Option<u32>,
}

/// A phase that has begun.
pub struct Phase {
    broker: Option<CpuSample>,
    own: CpuSample,
    started: Instant,
}

/// A phase that is over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    pub seconds: f64,
    /// `None` without the broker's process.
    pub broker_ns: Option<u64>,
    pub own_ns: u64,
    /// The time in which the thread with the most work had some, seconds per second: of the broker, and of our own.
    pub broker_busiest_thread: Option<f64>,
    pub own_busiest_thread: f64,
}

impl Meter {
    pub fn new(broker_pid: Option<u32>) -> Self {
        Self { broker_pid }
    }

    pub fn memory(&self) -> anyhow::Result<Option<Memory>> {
        self.broker_pid.map(Memory::take).transpose()
    }

    pub fn begin(&self) -> anyhow::Result<Phase> {
        let broker = self.broker_pid.map(CpuSample::take).transpose()?;
        Ok(Phase { broker, own: CpuSample::take(std::process::id())?, started: Instant::now() })
    }

    pub fn end(&self, phase: &Phase) -> anyhow::Result<Cost> {
        let seconds = phase.started.elapsed().as_secs_f64();
        let broker = self.broker_pid.map(CpuSample::take).transpose()?;
        let own = CpuSample::take(std::process::id())?;
        let both = broker.as_ref().zip(phase.broker.as_ref());
        let busiest = |now: &CpuSample, before| now.busiest_since(before) as f64 / 1e9 / seconds;
        Ok(Cost {
            seconds,
            broker_ns: both.map(|(now, before)| now.since(before).running_ns),
            own_ns: own.since(&phase.own).running_ns,
            broker_busiest_thread: both.map(|(now, before)| busiest(now, before)),
            own_busiest_thread: busiest(&own, &phase.own),
        })
    }
}

impl Cost {
    /// Microseconds of the broker's CPU for each of `count`.
    pub fn broker_us_per(&self, count: u64) -> Option<f64> {
        Some(self.broker_ns? as f64 / 1e3 / count.max(1) as f64)
    }

    /// Microseconds of our own CPU for each of `count`.
    pub fn own_us_per(&self, count: u64) -> f64 {
        self.own_ns as f64 / 1e3 / count.max(1) as f64
    }

    /// The broker's CPU, seconds per second.
    pub fn broker_cores(&self) -> Option<f64> {
        Some(self.broker_ns? as f64 / 1e9 / self.seconds)
    }

    /// Our own CPU, seconds per second.
    pub fn own_cores(&self) -> f64 {
        self.own_ns as f64 / 1e9 / self.seconds
    }

    /// Whether our own work limited the rate.
    pub fn was_bottleneck(&self) -> bool {
        was_bottleneck(self.own_busiest_thread, self.broker_busiest_thread)
    }

    pub fn per_second(&self, count: u64) -> f64 {
        count as f64 / self.seconds
    }

    pub fn add(&mut self, other: &Self) {
        self.seconds += other.seconds;
        self.own_ns += other.own_ns;
        self.broker_ns = self.broker_ns.or(Some(0)).zip(other.broker_ns).map(|(ours, theirs)| ours + theirs);
    }
}
